"""What of a job is made before any rank starts, and when it is made anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mixwright_compiler.plan.plan import Plan, Train
from mixwright_runtime.errors import RunError

pytestmark = pytest.mark.train
pytest.importorskip("deepspeed")

from mixwright_runtime.training import train as training  # noqa: E402
from mixwright_runtime.training.prepare import Prepared, prepare  # noqa: E402
from mixwright_runtime.training.schedule import EMPTY  # noqa: E402
from mixwright_runtime.training.settings import settings_of  # noqa: E402
from mixwright_runtime.training.train import Listener, train_mixture  # noqa: E402

Rows = list[dict[str, Any]]


def test_a_share_of_an_epoch_that_is_less_than_a_sequence_is_one(
    train_block: Callable[..., Train], rows: Rows, tmp_path: Path
) -> None:
    settings = settings_of(train_block(steps=None, epochs=0.01), tmp_path, ranks=1)
    prepared = prepare(settings, rows[:4], tmp_path)
    slots = np.load(prepared.directory / "slots.npy")
    assert (prepared.steps, int((slots != EMPTY).sum())) == (1, 1)


def test_another_beginning_token_packs_anew(
    train_block: Callable[..., Train], random_model: Path, rows: Rows, tmp_path: Path
) -> None:
    """It is not in tokenizer.json, and templates write it."""
    model = tmp_path / "model"
    shutil.copytree(random_model, model)
    template = "{{ bos_token }}" + (model / "chat_template.jinja").read_text()
    (model / "chat_template.jinja").write_text(template)
    file = model / "tokenizer_config.json"
    config = json.loads(file.read_text())
    digests = set()
    for token in ("<|user|>", "<|system|>"):
        file.write_text(json.dumps({**config, "bos_token": token}))
        settings = settings_of(train_block(base=str(model)), tmp_path, ranks=1)
        digests.add(prepare(settings, rows, tmp_path / "out").manifest.digest)
    assert len(digests) == 2


@pytest.mark.slow  # trains: 15 CPU-seconds
def test_what_fails_after_the_training_does_not_train_again(
    plan: Plan, train_block: Callable[..., Train], rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = train_block(steps=2, zero=0, ranks=1)

    def fails(*_: Any) -> Any:
        raise RunError("no space left on device")

    with monkeypatch.context() as broken, pytest.raises(RunError, match="no space"):
        broken.setattr(training, "report_of", fails)
        train_mixture(plan, train, rows, tmp_path / "out")
    resumed: list[int] = []

    def prepared(found: Prepared) -> None:
        resumed.append(found.resumed_at)

    report = train_mixture(
        plan, train, rows, tmp_path / "out", listener=replace(Listener(), prepared=prepared)
    )
    assert (resumed, report.how, report.steps) == ([2], "done", 2)
    assert not list(tmp_path.glob("out/state/*/checkpoints"))
