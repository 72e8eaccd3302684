"""Tokens that a job adds to its base: one id each, with rows in the embeddings that are learned and exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mixwright_compiler.catalog.new_tokens import rows_with
from mixwright_compiler.plan.plan import Plan, Train
from mixwright_runtime.errors import RunError
from mixwright_runtime.training.settings import NewTokens, TrainSettings, settings_of

pytestmark = pytest.mark.train
pytest.importorskip("torch")
pytest.importorskip("transformers")

from mixwright_runtime.training.prepare import prepare  # noqa: E402
from mixwright_runtime.training.preview import load_tokenizer  # noqa: E402
from mixwright_runtime.training.train import train_mixture  # noqa: E402

CALL = ["<call>", "</call>"]


@pytest.fixture
def settings(train_block: Callable[..., Train], tmp_path: Path) -> Callable[..., TrainSettings]:
    return lambda **given: settings_of(train_block(ranks=1, zero=0, **given), tmp_path)


def weights(place: str | Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(Path(place) / "model.safetensors")


@pytest.mark.parametrize(
    ("rows", "tokens", "found"),
    [
        (32_000, 32_002, 32_064),  # a multiple of 64 stays one
        (300, 302, 304),  # and one of 4
        (301, 302, 302),
        (151_936, 151_670, 151_936),  # rows to spare are taken first
        (300, 300, 300),
    ],
)
def test_rows_are_added_where_none_are_to_spare(rows: int, tokens: int, found: int) -> None:
    assert rows_with(rows, tokens) == found


def test_a_new_token_is_one_id_in_any_text_and_survives_saving(random_model: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    new = NewTokens(plain=("<call>", "<call>er"), special=("<|tool|>",))
    tokenizer = load_tokenizer(str(random_model), new=new)
    before = len(load_tokenizer(str(random_model)))
    tokenizer.save_pretrained(tmp_path)
    for one in (tokenizer, AutoTokenizer.from_pretrained(tmp_path)):
        ids = one("Ada<call>Bo <call>er<|tool|>", add_special_tokens=False)["input_ids"]
        assert [token for token in ids if token >= before] == [before, before + 1, before + 2]
        assert one.decode(ids) == "Ada<call>Bo <call>er<|tool|>"
        assert one.decode(ids, skip_special_tokens=True) == "Ada<call>Bo <call>er"


def test_a_token_that_is_there_already_is_named(random_model: Path) -> None:
    with pytest.raises(RunError, match=r"has the token `<\|end\|>` already \(id 4\): take it out"):
        load_tokenizer(str(random_model), new=NewTokens(("<call>",), ("<|end|>",)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"new_tokens": [""]}, "a new token is empty"),
        ({"new_tokens": [" <call>"]}, '" <call>" begins or ends with a space'),
        ({"new_tokens": CALL, "new_special_tokens": ["<call>"]}, '"<call>" stands there twice'),
        (
            {"new_tokens": CALL, "lora": {"rank": 2, "alpha": 2, "dropout": 0.0, "layers": []}},
            "`lora` trains no embeddings, which new tokens need",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    settings: Callable[..., TrainSettings], given: dict[str, Any], message: str
) -> None:
    with pytest.raises(RunError, match=message):
        settings(**given)


@pytest.mark.parametrize(
    "still", [{"frozen": ["*embed_tokens*"]}, {"rates": [{"of": "*embed*", "rate": 0.0}]}]
)
def test_rows_that_would_not_be_learned_are_refused(
    settings: Callable[..., TrainSettings], rows: list[dict[str, Any]], tmp_path: Path, still: dict[str, Any]
) -> None:
    with pytest.raises(RunError, match=r"new tokens are learned in `model\.embed_tokens\.weight`"):
        prepare(settings(new_tokens=CALL, **still), rows, tmp_path / "out")
    assert not list((tmp_path / "out").glob("state/*/initial"))


def test_a_job_starts_from_its_base_with_a_row_for_each_token(
    settings: Callable[..., TrainSettings], rows: list[dict[str, Any]], random_model: Path, tmp_path: Path
) -> None:
    """The mean of the rows that were there; those stay, bit by bit, and so does the rest."""
    one = prepare(settings(new_tokens=CALL), rows, tmp_path / "out")
    other = prepare(settings(new_tokens=CALL), rows, tmp_path / "again")
    longer = prepare(settings(new_tokens=[*CALL, "<x>"]), rows, tmp_path / "out")
    base, start = weights(random_model), weights(one.directory / "initial")
    name = "model.embed_tokens.weight"
    old = len(base[name])
    assert start[name].shape[0] == rows_with(old, old + 2)
    assert start[name][:old].equal(base[name])
    assert all((row - base[name].mean(dim=0)).abs().max() < 1e-6 for row in start[name][old:])
    assert {key for key in base if not base[key].equal(start[key])} == {name}
    assert one.parameters == sum(tensor.numel() for tensor in start.values())
    assert start[name].equal(weights(other.directory / "initial")[name])
    assert one.fingerprint == other.fingerprint
    assert (
        len({one.fingerprint, longer.fingerprint, prepare(settings(), rows, tmp_path / "out").fingerprint})
        == 3
    )


def test_head_and_embeddings_that_are_two_matrices_both_get_rows(
    settings: Callable[..., TrainSettings], rows: list[dict[str, Any]], random_model: Path, tmp_path: Path
) -> None:
    """And rows that a base has to spare are taken first: they hold nothing that was learned."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(random_model)
    size = len(tokenizer)
    place = tmp_path / "untied"
    tokenizer.save_pretrained(place)
    torch.manual_seed(1)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=size + 1,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            tie_word_embeddings=False,
        )
    ).save_pretrained(place)
    prepared = prepare(settings(base=str(place), new_tokens=CALL), rows, tmp_path / "out")
    base, start = weights(place), weights(prepared.directory / "initial")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        assert len(start[name]) == rows_with(size + 1, size + 2)
        assert start[name][:size].equal(base[name][:size])
        assert all((row - base[name][:size].mean(dim=0)).abs().max() < 1e-6 for row in start[name][size:])


def test_a_fresh_model_is_built_with_them(
    settings: Callable[..., TrainSettings], rows: list[dict[str, Any]], random_model: Path, tmp_path: Path
) -> None:
    given = {
        "base": None,
        "architecture": {"hidden": 16, "layers": 1, "heads": 2, "kv_heads": 2, "ffn": 16},
        "tokenizer": str(random_model),
    }
    prepared = prepare(settings(**given, new_tokens=CALL), rows, tmp_path / "out")
    size = len(load_tokenizer(str(random_model)))
    assert len(weights(prepared.directory / "initial")["model.embed_tokens.weight"]) == size + 2


TEMPLATE = (
    "{% for m in messages %}{{ '<|turn|>' + m.role }}:{{ m.content }}"
    "{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
)


@pytest.mark.slow  # starts two ranks
def test_zero3_learns_them_and_the_model_that_is_saved_has_them(
    plan: Plan, train_block: Callable[..., Train], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A plain token in the answers, a special one that the template writes. Stopped in between, and continued."""
    pytest.importorskip("deepspeed")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from mixwright_runtime.training.packed import open_packed

    for row in rows:
        answer = row["messages"][1]
        answer["content"] = f"<call>{answer['content']}</call>"
    train = train_block(
        steps=2,
        precision="fp32",
        save_as="fp32",
        warmup=0.0,
        new_tokens=CALL,
        new_special_tokens=["<|turn|>"],
        chat_template=TEMPLATE,
    )
    paused = train_mixture(plan, train, rows, tmp_path / "out", pause_after=1)
    report = train_mixture(plan, train, rows, tmp_path / "out")
    assert (paused.how, report.how, report.steps) == ("paused", "done", 2)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    call, end, turn = (tokenizer.convert_tokens_to_ids(token) for token in (*CALL, "<|turn|>"))
    [state] = (tmp_path / "out" / "state").glob("*/settings.json")
    packed = open_packed(state.parent / "packed")
    counts = [int((packed.tokens == token).sum()) for token in (call, end, turn)]
    assert counts == [40, 40, 80]
    assert int((packed.labels == call).sum()) == 40
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    learned = model.get_input_embeddings().weight
    assert model.config.vocab_size == len(learned) == rows_with(turn - 2, turn + 1)
    start = weights(state.parent / "initial")["model.embed_tokens.weight"]
    assert all(not start[token].equal(learned[token]) for token in (call, end, turn))
    assert report.reloaded_loss == pytest.approx(report.last_loss, rel=0.2)
