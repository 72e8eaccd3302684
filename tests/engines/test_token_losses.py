"""How likely the tokens of a text are: by the model's logits, whatever else is in the batch, and where they begin."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mixwright_runtime.engines.protocol import EngineFault, Fault, Losses, LossRequest
from mixwright_runtime.engines.token_losses import places_of
from mixwright_runtime.engines.transformers import TransformersEngine
from tests.engines.scoring_requests import engine_of

pytestmark = pytest.mark.train

PASSAGES = [
    ("", "one and two", 0, 0, ""),
    ("[1+1]", "Ada has 7 nuts 中文!", 0, 0, ""),
    ("[1+1]", "Ada has 7 nuts", 4, 3, ""),
    ("[", "Ada has 7 nuts and Bo none", 0, 0, "7"),
    ("x" * 60, "Bo", 0, 0, ""),
    ("", "a", 0, 0, ""),
    ("x", "abc", 99, 0, ""),
]
"""prefix, text, start, count, token."""


def requests() -> list[LossRequest]:
    return [LossRequest(bytes([n]), *stated) for n, stated in enumerate(PASSAGES)]


def told(engine: Any, asked: Sequence[LossRequest]) -> list[Losses]:
    """What an engine tells, started for it and closed again."""

    async def ask() -> list[Losses]:
        await engine.start()
        try:
            return await asyncio.gather(*map(engine.losses, asked))
        finally:
            await engine.close()

    return asyncio.run(ask())


def by_logits(path: Path, request: LossRequest) -> list[float | None]:
    """The same from the model's logits, a passage alone."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(path), AutoTokenizer.from_pretrained(path)
    before, ids = (
        list(tokenizer(text, add_special_tokens=False)["input_ids"])
        for text in (request.prefix, request.text)
    )
    with torch.inference_mode():
        shares = model(torch.tensor([before + ids])).logits[0].log_softmax(-1)
    [token] = tokenizer(request.token, add_special_tokens=False)["input_ids"] if request.token else [None]
    return [
        float(shares[len(before) + n - 1, one if token is None else token]) if before or n else None
        for n, one in enumerate(ids)
    ]


def test_they_are_what_the_logits_say(random_model: Path) -> None:
    found = told(engine_of(TransformersEngine, "generate", random_model), requests())
    for request, losses in zip(requests(), found, strict=True):
        expected = by_logits(random_model, request)
        if request.count:
            expected = expected[2:5]  # ` has` begins at 3, before the start
        elif request.start:
            expected = []
        assert list(losses.logprobs) == pytest.approx(expected, abs=2e-5)
        assert len(losses.offsets) == len(losses.logprobs)
    assert found[0].logprobs[0] is None, "the first token of all has nothing before it"


def test_one_at_a_time_they_are_the_same(random_model: Path) -> None:
    together = told(engine_of(TransformersEngine, "generate", random_model), requests())
    alone = told(engine_of(TransformersEngine, "generate", random_model, batch_size=1), requests())
    for one, other in zip(together, alone, strict=True):
        assert one.offsets == other.offsets and list(one.logprobs) == pytest.approx(
            list(other.logprobs), abs=2e-5
        )


def test_a_large_vocabulary_is_told_in_several_passes(random_model: Path, monkeypatch: Any) -> None:
    from mixwright_runtime.engines import token_losses

    whole = told(engine_of(TransformersEngine, "generate", random_model), requests())
    monkeypatch.setattr(token_losses, "MOST_NUMBERS", 1000)
    passes = told(engine_of(TransformersEngine, "generate", random_model), requests())
    for one, other in zip(whole, passes, strict=True):
        assert list(one.logprobs) == pytest.approx(list(other.logprobs), abs=2e-5)


@pytest.mark.parametrize(
    ("stated", "fault", "why"),
    [
        (("", "x" * 400, 0, 0, ""), Fault.TOO_LONG, r"prefix and text have \d+ tokens, `context` is 256"),
        (("", "", 0, 0, ""), Fault.BAD_REQUEST, "the text is empty"),
        (
            ("", "x", 0, 0, "zzz zz"),
            Fault.DENIED,
            "token `zzz zz` is 6 tokens of this model; a token must be one",
        ),
    ],
)
def test_what_cannot_be_told_says_why(
    random_model: Path, stated: tuple[Any, ...], fault: Fault, why: str
) -> None:
    with pytest.raises(EngineFault, match=why) as raised:
        told(engine_of(TransformersEngine, "generate", random_model), [LossRequest(b"", *stated)])
    assert raised.value.fault is fault


@pytest.mark.parametrize(
    ("spans", "places"),
    [
        ([(0, 3), (3, 7), (7, 8)], [0, 3, 7]),
        ([(0, 3), (4, 7), (7, 8)], [0, 3, 7]),  # the space in front of a word left out
        ([(0, 1), (1, 2), (1, 2), (1, 2), (2, 3)], [0, 1, 1, 1, 2]),  # a character of three tokens
        ([(0, 1), (1, 2), (1, 3)], [0, 1, 1]),
        ([], []),
    ],
)
def test_a_token_begins_where_the_one_before_it_ends(spans: list[tuple[int, int]], places: list[int]) -> None:
    assert places_of(spans) == places
