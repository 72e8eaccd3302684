"""Examples as token ids and labels on disk, so that the job needs neither rows nor chat template."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mixwright_runtime.training.encode import EncodingCounts, encode
from mixwright_runtime.training.tokens_told import tokens_in, tokens_told

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Examples:
    """Flat token ids and labels of some examples; `offsets` has one more entry than there are. `names` are row ids."""

    tokens: NDArray[np.int32]
    labels: NDArray[np.int32]
    offsets: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        part = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        return self.tokens[part], self.labels[part]


def examples_of(
    rows: Iterable[dict[str, Any]], tokenizer: PreTrainedTokenizerBase, context: int
) -> tuple[Examples, EncodingCounts]:
    """Examples of rows with `messages` and `id`, cut at `context`; rows that train nothing are left out and counted."""
    counts = EncodingCounts()
    sequences = list(encode(rows, tokenizer, context=context, overlong="truncate", counts=counts))
    empty = np.zeros(0, np.int32)
    return (
        Examples(
            np.concatenate([s.tokens for s in sequences]) if sequences else empty,
            np.concatenate([s.labels for s in sequences]) if sequences else empty,
            np.concatenate(([0], np.cumsum([len(s.tokens) for s in sequences]))).astype(np.int64),
            tuple(s.id for s in sequences),
        ),
        counts,
    )


def digest_of(examples: Examples) -> str:
    """Hex digest of the tokens and labels, in order."""
    hashed = blake2b(digest_size=12)
    for array in (examples.tokens, examples.labels, examples.offsets):
        hashed.update(array.tobytes())
    return hashed.hexdigest()


def examples_told(examples: Examples, rows: Sequence[int]) -> dict[str, Any]:
    """Some of them as they travel to a worker."""
    chosen = [examples[row] for row in rows]
    none = np.empty(0, np.int32)
    tokens = np.concatenate([none, *(tokens for tokens, _ in chosen)])
    labels = np.concatenate([none, *(labels for _, labels in chosen)])
    return {"sizes": [len(tokens) for tokens, _ in chosen], **tokens_told(tokens, labels)}


def examples_in(told: Mapping[str, Any]) -> Examples:
    """Those that were told, without their names."""
    tokens, labels = tokens_in(told)
    offsets = np.concatenate(([0], np.cumsum(told["sizes"]))).astype(np.int64)
    return Examples(tokens, labels, offsets, ())


def write_examples(examples: Examples, directory: Path) -> None:
    """Write them where `read_examples` finds them."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("tokens", "labels", "offsets"):
        np.save(directory / f"{name}.npy", getattr(examples, name))
    (directory / "names.json").write_text(json.dumps(examples.names) + "\n", encoding="utf-8")


def read_examples(directory: Path) -> Examples:
    """Examples of a directory, mapped."""
    tokens, labels, offsets = (
        np.load(directory / f"{name}.npy", mmap_mode="r") for name in ("tokens", "labels", "offsets")
    )
    names = json.loads((directory / "names.json").read_text(encoding="utf-8"))
    return Examples(tokens, labels, offsets, tuple(names))
