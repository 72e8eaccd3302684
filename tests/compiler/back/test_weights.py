"""What stands for a model's weights: always current, and cheap where they are large."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mixwright_compiler.plan import weights
from mixwright_compiler.plan.weights import Weights, weight_files, weights_identity, weights_of


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("[]")
    (tmp_path / "model-00001-of-00001.safetensors").write_bytes(b"weights")
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    (tmp_path / "report.json").write_text("{}")
    (tmp_path / "checkpoint-1").mkdir()
    return tmp_path


def test_the_files_that_decide_the_text(model: Path) -> None:
    assert [path.name for path in weight_files(model)] == [
        "config.json",
        "model-00001-of-00001.safetensors",
        "model.safetensors.index.json",
        "tokenizer.json",
    ]


def test_the_digest_is_that_of_names_and_contents(model: Path) -> None:
    before = weights_of(model)
    assert before is not None
    assert before.digest == "25235406706139ebf7e772de4ffec618f1c47550532a5e83a6bde7c26034950e"
    (model / "report.json").write_text("another")
    assert weights_of(model) == before
    (model / "tokenizer.json").write_text("[1]")
    after = weights_of(model)
    assert after is not None and after.digest != before.digest


def test_an_empty_folder_holds_no_model(tmp_path: Path) -> None:
    assert weights_of(tmp_path) is None
    assert weights_identity(tmp_path) == ""
    assert weights_identity(tmp_path / "missing") == ""


def test_large_weights_are_taken_from_the_lock_while_their_size_is_the_same(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "READ_AT_ONCE_BYTES", 1)
    size = sum(path.stat().st_size for path in weight_files(model))
    assert weights_identity(model, Weights("locked", size)) == "locked"
    unlocked = weights_identity(model, Weights("locked", size + 1))
    assert unlocked.startswith("unread:")
    os.utime(model / "model-00001-of-00001.safetensors", ns=(1, 1))
    assert weights_identity(model) != unlocked
