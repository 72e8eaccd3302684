"""Packed directories: what is written is what was encoded, and packing changes no loss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixwright_runtime.errors import RunError
from mixwright_runtime.training.encode import IGNORED, EncodingCounts, encode
from mixwright_runtime.training.packed import open_packed, read_manifest, write_packed

pytestmark = pytest.mark.train


def written(rows: list[dict[str, Any]], tokenizer: Any, place: Path, packing: Any = "best_fit") -> Any:
    counts = EncodingCounts()
    sequences = encode(rows, tokenizer, context=96, overlong="truncate", counts=counts)
    write_packed(sequences, place, context=96, packing=packing, seed=1, pad=0, source="test", counts=counts)
    return open_packed(place)


def test_every_example_is_in_the_arrays_once(
    rows: list[dict[str, Any]], tokenizer: Any, tmp_path: Path
) -> None:
    packed = written(rows, tokenizer, tmp_path / "p")
    ids = [json.loads(line)["ids"] for line in (tmp_path / "p" / "bins.jsonl").read_text().splitlines()]
    assert sorted(name for members in ids for name in members) == sorted(row["id"] for row in rows)
    by_id = {s.id: s for s in encode(rows, tokenizer, context=96, overlong="drop", counts=EncodingCounts())}
    for number, members in enumerate(ids):
        used = packed.used[number]
        expected = np.concatenate([by_id[name].tokens for name in members])
        assert packed.tokens[number, :used].tolist() == expected.tolist()
        starts = np.flatnonzero(packed.positions[number, :used] == 0)
        assert len(starts) == len(members)
        assert (packed.labels[number, starts] == IGNORED).all()
        assert (packed.labels[number, used:] == IGNORED).all()
    assert packed.manifest.trained_tokens == (packed.labels != IGNORED).sum()


def test_packing_changes_no_loss(
    rows: list[dict[str, Any]], tokenizer: Any, tmp_path: Path, random_model: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from mixwright_runtime.training.batches import batch_of

    model = AutoModelForCausalLM.from_pretrained(random_model)
    losses = []
    for packing in ("best_fit", "none"):
        packed = written(rows, tokenizer, tmp_path / packing, packing)
        batch = batch_of(packed, list(range(len(packed.used))))
        with torch.inference_mode():
            losses.append(float(model(**batch, use_cache=False).loss))
    assert losses[0] == pytest.approx(losses[1], abs=2e-6)


def test_the_same_rows_give_the_same_digest(
    rows: list[dict[str, Any]], tokenizer: Any, tmp_path: Path
) -> None:
    first = written(rows, tokenizer, tmp_path / "a").manifest.digest
    assert written(rows, tokenizer, tmp_path / "b").manifest.digest == first
    assert written(rows[:-1], tokenizer, tmp_path / "c").manifest.digest != first


def test_nothing_to_train_on_is_an_error_with_counts(tokenizer: Any, tmp_path: Path) -> None:
    row = {"id": "r", "component": "", "messages": [{"role": "user", "content": "only a question"}]}
    with pytest.raises(RunError, match="of 1 rows, 1 without an assistant token"):
        written([row], tokenizer, tmp_path / "p")
    assert read_manifest(tmp_path / "p") is None


def test_a_half_written_directory_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "tokens.npy").write_bytes(b"")
    with pytest.raises(RunError, match="no packed sequences"):
        open_packed(tmp_path)
