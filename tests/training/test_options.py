"""What a train block says beyond the rate: that it reaches the optimizer, and that a job without it is the job it was."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mixwright_compiler.plan.plan import Plan, Train
from mixwright_runtime.errors import RunError
from mixwright_runtime.training.settings import TrainSettings, settings_of
from mixwright_runtime.training.state import state_of

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
    [
        {"schedule": "wsd"},
        {"min_learning_rate": 1e-4},
        {"betas": [0.9, 0.95]},
        {"eps": 1e-6},
        {"rates": [{"of": "*", "rate": 1e-4}]},
        {"frozen": ["*.0.*"]},
        {"chat_template": "{{ messages }}"},
        {"measure": {"every": 2, "on": ["held_out"], "best": "held_out"}, "holdout": 0.1},
    ],
    ids=lambda given: next(iter(given)),
)
def test_an_option_makes_another_job_and_survives_the_file(
    settings: Callable[..., TrainSettings], given: dict[str, Any]
) -> None:
    found = settings(**given)
    assert found.fingerprint("rows", "base") != BEFORE
    assert state_of(TrainSettings, found.to_json().encode(), "it") == found


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

    from mixwright_runtime.training.packed import open_packed
    from mixwright_runtime.training.prepare import prepare
    from mixwright_runtime.training.trainer import arguments_of, trainer_of

    def make(**given: Any) -> Any:
        here = settings(zero=0, ranks=1, precision="fp32", warmup=0.0, **given)
        prepared = prepare(here, rows, tmp_path / "out")
        arguments = arguments_of(prepared.directory, here, prepared.layout, steps=4, is_universal=False)
        model = AutoModelForCausalLM.from_pretrained(random_model)
        packed, slots = open_packed(prepared.directory / "packed"), [0] * 4 * prepared.layout.slots
        made = trainer_of(model, arguments, here, packed, slots, prepared.layout, prepared.directory, 0)
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

    from mixwright_runtime.training.muon import MuonWithAdamW

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


def test_a_measure_that_only_looks_makes_no_other_job(settings: Callable[..., TrainSettings]) -> None:
    looks = settings(measure={"every": 2, "on": ["held_out"]})
    assert looks.fingerprint("rows", "base") == BEFORE


NAMES = [
    "model.embed_tokens.weight",
    "model.layers.0.mlp.weight",
    "model.layers.1.mlp.weight",
    "lm_head.weight",
]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"frozen": ["*.2.*"]},
            r"`frozen`: `\*\.2\.\*` matches none of 4 parameters; some are model\.embed_tok",
        ),
        ({"rates": [{"of": "head", "rate": 0.1}]}, "`rates`: `head` matches none of 4 parameters"),
        ({"frozen": ["*"]}, "`frozen` leaves nothing to train"),
        (
            {"rates": [{"of": "model.*", "rate": 0.1}, {"of": "*.0.*", "rate": 0.2}]},
            r"all that `\*\.0\.\*` matches is frozen, or has an earlier rate",
        ),
    ],
)
def test_a_pattern_that_does_nothing_is_an_error(
    settings: Callable[..., TrainSettings], given: dict[str, Any], message: str
) -> None:
    from mixwright_runtime.training.groups import refuse_idle_patterns

    with pytest.raises(RunError, match=message):
        refuse_idle_patterns(settings(**given), NAMES)
    with pytest.raises(RunError, match="`rates` and `frozen` are of AdamW without `lora`"):
        settings(**given, optimizer="muon", zero=0, ranks=1)


def test_names_are_known_before_a_model_is_loaded(random_model: Path) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    from mixwright_runtime.training.groups import parameter_names

    model = AutoModelForCausalLM.from_pretrained(random_model)
    names, embeddings = parameter_names(AutoConfig.from_pretrained(random_model))
    assert names == [name for name, _ in model.named_parameters()]
    assert embeddings == ["model.embed_tokens.weight"]


def test_each_part_follows_the_schedule_from_its_own_rate(trainer: Callable[..., Any]) -> None:
    made = trainer(
        learning_rate=1e-3,
        min_learning_rate=1e-4,
        weight_decay=0.1,
        rates=[{"of": "*layers.0.*", "rate": 1e-2}, {"of": "*layers*", "rate": 1e-5}],
    )
    names = {id(parameter): name for name, parameter in made.model.named_parameters()}
    found = {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in made.optimizer.param_groups
        for parameter in group["params"]
    }
    assert len(found) == len(names)
    assert found["model.layers.0.mlp.up_proj.weight"] == (1e-2, 0.1)
    assert found["model.layers.1.input_layernorm.weight"] == (1e-5, 0.0)
    assert found["model.embed_tokens.weight"] == (1e-3, 0.1)
    for _ in range(4):
        made.optimizer.step()
        made.lr_scheduler.step()
    assert sorted(set(made.lr_scheduler.get_last_lr())) == pytest.approx([1e-6, 1e-4, 1e-3])


@pytest.mark.slow  # starts two ranks
def test_zero3_leaves_frozen_parts_and_trackers_follow_the_curve(
    plan: Plan,
    train_block: Callable[..., Train],
    rows: list[dict[str, Any]],
    random_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("deepspeed")
    from safetensors.torch import load_file

    from mixwright_runtime.training.curve import read_curve
    from mixwright_runtime.training.train import train_mixture

    logged: list[int] = []
    tracker: Any = SimpleNamespace(
        init=lambda **_: None,
        log=lambda values, step: logged.append(step),
        finish=lambda: logged.append(-1),
    )
    monkeypatch.setitem(sys.modules, "trackio", tracker)
    train = train_block(
        steps=2,
        precision="fp32",
        save_as="fp32",
        warmup=0.0,
        trackers=["trackio"],
        frozen=["*embed_tokens*"],
        rates=[{"of": "*layers.0.*", "rate": 0.0}],
    )
    report = train_mixture(plan, train, rows, tmp_path / "out")
    before, after = (
        load_file(random_model / "model.safetensors"),
        load_file(tmp_path / "out/model.safetensors"),
    )
    same = {name for name in before if before[name].float().equal(after[name])}
    assert same == {name for name in before if "embed_tokens" in name or "layers.0." in name}
    assert report.how == "done"
    assert logged == [line["step"] for line in read_curve(tmp_path / "out" / "curve.jsonl")] + [-1]


TEMPLATE = (
    "{% for m in messages %}{{ m.role | upper }}: {% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
    "{{ eos_token }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{% endfor %}"
)


def test_a_template_of_the_block_takes_the_place_of_the_tokenizers(
    settings: Callable[..., TrainSettings], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """As a text or a file: the same job; what is packed is written by it, and the tokenizer that is saved has it."""
    from transformers import AutoTokenizer

    from mixwright_runtime.training.packed import open_packed
    from mixwright_runtime.training.prepare import prepare

    (tmp_path / "chat.jinja").write_text(TEMPLATE)
    texts, jobs = [], []
    for written in (TEMPLATE, "chat.jinja"):
        prepared = prepare(settings(chat_template=written, ranks=1), rows[1:2], tmp_path / "out")
        tokenizer = AutoTokenizer.from_pretrained(prepared.settings.tokenizer)
        packed = open_packed(prepared.directory / "packed")
        texts.append(tokenizer.decode(packed.tokens[0, : packed.used[0]].tolist()))
        jobs.append((prepared.fingerprint, tokenizer.chat_template))
    assert jobs[0] == jobs[1] and jobs[0][1] == TEMPLATE
    assert texts == ["USER: Ada has 1 pears. Ada has 1 pears. ASSISTANT: 1+1: #### 2<|end|>"] * 2


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("nowhere.jinja", "nowhere.jinja cannot be read"),
        ("{% for m in %}", "`chat_template`, line 1 does not parse: "),
    ],
)
def test_a_template_that_cannot_be_read_is_named(
    settings: Callable[..., TrainSettings], written: str, message: str
) -> None:
    with pytest.raises(RunError, match=message):
        settings(chat_template=written)
