"""What a train block says beyond the rate: that it reaches the optimizer, and that a job without it is the job it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compiler.plan import Train
from runtime.plugin import RunError
from runtime.training.settings import TrainSettings, settings_from_json, settings_of

pytestmark = pytest.mark.train
pytest.importorskip("torch")
pytest.importorskip("transformers")


@pytest.fixture
def settings(train_block: Callable[..., Train], tmp_path: Path) -> Callable[..., TrainSettings]:
    return lambda **given: settings_of(train_block(**given), tmp_path)


BEFORE = "8bb8295a8957191793174b4f52486508"
"""Of the small job, from before a job had any of these options."""


def test_a_job_without_options_is_the_job_that_it_was(settings: Callable[..., TrainSettings]) -> None:
    assert settings().fingerprint("rows", "base") == BEFORE
    assert settings(decay=0.5).fingerprint("rows", "base") == BEFORE


@pytest.mark.parametrize(
    "given",
    [{"schedule": "wsd"}, {"min_learning_rate": 1e-4}, {"betas": [0.9, 0.95]}, {"eps": 1e-6}],
    ids=lambda given: next(iter(given)),
)
def test_an_option_makes_another_job_and_survives_the_file(
    settings: Callable[..., TrainSettings], given: dict[str, Any]
) -> None:
    found = settings(**given)
    assert found.fingerprint("rows", "base") != BEFORE
    assert settings_from_json(found.to_json()) == found


@pytest.mark.parametrize("betas", [[0.9], [0.9, 1.0], [-0.1, 0.9], [0.9, 0.95, 0.99]])
def test_betas_are_two_numbers_under_one(settings: Callable[..., TrainSettings], betas: list[float]) -> None:
    with pytest.raises(RunError, match="`betas` are two numbers, each at least 0 and under 1"):
        settings(betas=betas)


@pytest.fixture
def trainer(
    settings: Callable[..., TrainSettings], rows: list[dict[str, Any]], random_model: Path, tmp_path: Path
) -> Callable[..., Any]:
    """The trainer of a job of one rank, before its first step, with optimizer and schedule."""
    from transformers import AutoModelForCausalLM

    from runtime.training.job import _arguments, _trainer
    from runtime.training.packed import open_packed
    from runtime.training.train import prepare

    def make(**given: Any) -> Any:
        here = settings(zero=0, ranks=1, precision="fp32", warmup=0.0, **given)
        prepared = prepare(here, rows, tmp_path / "out")
        arguments = _arguments(prepared.directory, here, prepared.layout, steps=4, is_universal=False)
        model = AutoModelForCausalLM.from_pretrained(random_model)
        packed, slots = open_packed(prepared.directory / "packed"), [0] * 4 * prepared.layout.slots
        made = _trainer(model, arguments, here, packed, slots, prepared.layout, prepared.directory, 0)
        made.create_optimizer_and_scheduler(4)
        return made

    return make


@pytest.mark.parametrize(
    ("given", "betas", "eps"),
    [({}, (0.9, 0.999), 1e-8), ({"betas": [0.8, 0.95], "eps": 1e-6}, (0.8, 0.95), 1e-6)],
)
def test_adamw_has_the_numbers_of_the_block(
    trainer: Callable[..., Any], given: dict[str, Any], betas: tuple[float, float], eps: float
) -> None:
    groups = trainer(**given).optimizer.param_groups
    assert {(group["betas"], group["eps"]) for group in groups} == {(betas, eps)}


def test_adamw_beside_muon_has_them_too() -> None:
    import torch

    from runtime.training.muon import MuonWithAdamW

    own, reference = torch.ones(5, requires_grad=True), torch.ones(5, requires_grad=True)
    numbers = {"betas": (0.5, 0.7)}
    mine = MuonWithAdamW(
        [("norm.weight", own)], muon_learning_rate=0.1, learning_rate=0.01, epsilon=0.1, **numbers
    )
    theirs = torch.optim.AdamW([reference], lr=0.01, eps=0.1, weight_decay=0.0, **numbers)
    for step in range(3):
        for value, optimizer in ((own, mine), (reference, theirs)):
            value.grad = torch.arange(5.0) - step
            optimizer.step()
    assert torch.allclose(own, reference, atol=1e-6)


def test_the_rate_of_a_job_is_that_of_its_schedule(trainer: Callable[..., Any]) -> None:
    made = trainer(schedule="wsd", decay=0.5, learning_rate=1e-3, min_learning_rate=1e-4)
    rates = []
    for _ in range(5):
        rates.append(made.lr_scheduler.get_last_lr()[0])
        made.optimizer.step()
        made.lr_scheduler.step()
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 5.5e-4, 1e-4])
