"""Which tokens the sampling parameters of a request leave, and what penalties do to them."""

from __future__ import annotations

from typing import Any

import pytest

from mixwright_runtime.engines.decoding import Prompt, _keep_likeliest, _next_tokens, _penalised, _Row
from mixwright_runtime.engines.prompts import prompt_of
from mixwright_runtime.engines.protocol import Request

torch = pytest.importorskip("torch")


def row(written: list[int], prompt: list[int] = [], **sampling: Any) -> _Row:  # noqa: B006
    return _Row(0, Prompt(prompt, **sampling), 100, [0.999] * 100, written)


@pytest.mark.parametrize(
    ("sampling", "left"),
    [
        ({}, [0.5, 0.3, 0.15, 0.05]),
        ({"top_k": 2}, [0.625, 0.375, 0, 0]),
        ({"top_k": 9}, [0.5, 0.3, 0.15, 0.05]),
        ({"min_p": 0.3}, [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0]),
        ({"min_p": 0.3, "top_k": 1}, [1, 0, 0, 0]),
    ],
)
def test_the_likeliest_tokens_stay_and_sum_to_one(sampling: dict[str, Any], left: list[float]) -> None:
    shares = torch.tensor([[0.5, 0.3, 0.15, 0.05]], dtype=torch.float64)
    _keep_likeliest(shares, [Prompt([], **sampling)])
    assert shares[0].tolist() == pytest.approx(left)


def test_equal_tokens_are_kept_in_their_order() -> None:
    shares = torch.full((1, 4), 0.25, dtype=torch.float64)
    _keep_likeliest(shares, [Prompt([], top_k=2)])
    assert shares[0].tolist() == [0.5, 0.5, 0, 0]


@pytest.mark.parametrize(
    ("asked", "logits"),
    [
        (row([1, 1, 2]), [2.0, 2.0, -2.0, 2.0]),
        (row([1, 1, 2], presence_penalty=0.5), [2.0, 1.5, -2.5, 2.0]),
        (row([1, 1, 2], frequency_penalty=0.5), [2.0, 1.0, -2.5, 2.0]),
        (row([1, 1, 2], [3], repetition_penalty=2.0), [2.0, 1.0, -4.0, 1.0]),
        (row([1], [3], repetition_penalty=2.0, presence_penalty=1.0), [2.0, 0.0, -2.0, 1.0]),
        (row([], presence_penalty=1.0), [2.0, 2.0, -2.0, 2.0]),
    ],
)
def test_penalties_count_what_was_written(asked: _Row, logits: list[float]) -> None:
    given = torch.tensor([[2.0, 2.0, -2.0, 2.0]])
    assert _penalised(given, [asked])[0].tolist() == logits
    assert given[0].tolist() == [2.0, 2.0, -2.0, 2.0], "the model's own tensor stays"


def test_a_row_without_penalties_is_decoded_as_beside_none() -> None:
    logits = torch.tensor([[2.0, 1.9, 0.0], [2.0, 1.9, 0.0]])
    plain, penalised = row([0]), row([0], presence_penalty=1.0)
    assert _next_tokens(logits, [plain, penalised]).tolist() == [0, 1]
    assert _next_tokens(logits[:1], [plain]).tolist() == [0]


def test_a_drawn_token_is_one_of_those_that_are_left() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.5, 0.0]])
    assert _next_tokens(logits, [row([], temperature=1.0)]).tolist() == [3]
    assert _next_tokens(logits, [row([], temperature=1.0, top_k=2)]).tolist() == [1]
    assert _next_tokens(logits, [row([], temperature=1.0, min_p=0.9)]).tolist() == [0]


class Tokenizer:
    """Remembers how its template was called."""

    def apply_chat_template(self, messages: Any, **options: Any) -> dict[str, list[int]]:
        self.options = options
        return {"input_ids": [1, 2]}


def test_a_template_gets_its_arguments_and_a_prompt_its_sampling() -> None:
    tokenizer = Tokenizer()
    sampling = {"max_tokens": 7, "top_k": 5, "repetition_penalty": 1.5}
    request = Request(b"k", ({"role": "user", "content": "hi"},), sampling, 3)
    prompt = prompt_of(request, tokenizer, {"enable_thinking": False, "tokenize": False})
    assert prompt == Prompt([1, 2], 3, 1.0, 1.0, 7, top_k=5, repetition_penalty=1.5)
    assert tokenizer.options["enable_thinking"] is False
    assert tokenizer.options["tokenize"] is True, "what an engine needs is not the spec's to change"
