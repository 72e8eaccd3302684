"""Labels at an OpenAI-compatible server: one token is written, and the server says how likely others were there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mixwright_runtime.engines.protocol import EngineFault, Fault, LabelRequest, Labels
from mixwright_runtime.engines.server_json import document_of, malformed, name_in, tokens_in

MOST_TOKENS = 20
"""Tokens that servers tell the probabilities of; what is not among them is not told."""


def label_fields(request: LabelRequest) -> dict[str, Any]:
    """Fields of a request that ask for them."""
    if request.is_text:
        return {"max_tokens": 1, "logprobs": MOST_TOKENS}
    return {"max_tokens": 1, "logprobs": True, "top_logprobs": MOST_TOKENS}


def labels_in(request: LabelRequest, body: bytes) -> tuple[Labels, str]:
    """The labels' log-probabilities in the body of a 200, and the name that the model has there.

    Raises:
        EngineFault: it is no answer, or says nothing of how likely tokens are.
    """
    document = document_of(body, "an answer with log-probabilities", once="choices")
    try:
        [choice] = document["choices"]
        told = choice.get("logprobs")
        if not isinstance(told, Mapping):
            raise EngineFault(Fault.DENIED, "it tells no log-probabilities of tokens")
        found = _completed(told) if request.is_text else _said(told)
        served_as = name_in(document, "model")
        usage = tokens_in(document, "prompt_tokens"), tokens_in(document, "completion_tokens")
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise malformed(body, "an answer with log-probabilities", error) from None
    values = tuple(found.get(label) for label in request.labels)
    return Labels(values, *usage, {"engine": "openai", "model": served_as}), served_as


def _said(told: Mapping[str, Any]) -> dict[str, float]:
    """Token -> log-probability, of a chat's first token."""
    first = told["content"][0]
    return _known((one["token"], one["logprob"]) for one in (*(first.get("top_logprobs") or ()), first))


def _completed(told: Mapping[str, Any]) -> dict[str, float]:
    """Token -> log-probability, of a completion's first token."""
    return _known(told["top_logprobs"][0].items())


def _known(pairs: Any) -> dict[str, float]:
    found: dict[str, float] = {}
    for token, logprob in pairs:
        if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
            raise TypeError("no token with its log-probability")
        # Servers write -9999 of what is as good as impossible: that is no number to reckon with.
        if math.isfinite(logprob) and logprob > -1000:
            found[token] = min(float(logprob), 0.0)
    return found
