"""The losses of a text at vLLM's server: it goes there as tokens, and the server says how likely each of them was."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mixwright_runtime.engines.protocol import EngineFault, Fault, Losses
from mixwright_runtime.engines.server_json import document_of, malformed, name_in
from mixwright_runtime.engines.token_losses import Passage

FIELDS: Mapping[str, object] = {"max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 0}
"""Fields of a request that ask for them; the one token that is written is of no use."""

WHAT = "a completion with log-probabilities of its prompt"


def lines_in(body: bytes) -> tuple[list[Any], str]:
    """What a server tells of each token of a prompt, and the name that the model has there.

    Raises:
        EngineFault: it is no answer, or tells nothing of the prompt.
    """
    document = document_of(body, WHAT, once="choices")
    try:
        [choice] = document["choices"]
        lines = choice.get("prompt_logprobs")
        served_as = name_in(document, "model")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise malformed(body, WHAT, error) from None
    if not isinstance(lines, list):
        raise EngineFault(Fault.DENIED, "it tells no log-probabilities of a prompt")
    return lines, served_as


def losses_in(passage: Passage, body: bytes) -> tuple[Losses, str]:
    """The log-probabilities of a passage's told tokens in the body of a 200, and the name that the model has there.

    Raises:
        EngineFault: it is no answer, or tells too few or other tokens.
    """
    lines, served_as = lines_in(body)
    try:
        told = zip(lines, passage.tokens, strict=True)
        values = [_logprob(line, token) for line, token in list(told)[passage.known_from :]]
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise malformed(body, WHAT, error) from None
    return passage.losses(values, {"engine": "openai", "model": served_as}), served_as


def _logprob(line: Any, token: int) -> float:
    value = line[str(token)]["logprob"]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("no log-probability of a token")
    return float(value)
