"""Scores and vectors as they may come from an engine: finite, as many as are due, and compact in the store."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mixwright_runtime.engines.protocol import (
    EmbedRequest,
    EngineFault,
    Fault,
    LabelRequest,
    Labels,
    Losses,
    LossRequest,
    ScoreRequest,
    Scores,
    Vectors,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VECTOR_PREFIX = "f32:"
"""Of a stored vector: little-endian float32 in base64, which the store's zstd brings back to about 4 bytes a number."""


def softmax(values: Sequence[float]) -> list[float]:
    """exp(x) / sum(exp(x)), shifted by the largest so that nothing overflows."""
    largest = max(values)
    shares = [math.exp(value - largest) for value in values]
    whole = math.fsum(shares)
    return [share / whole for share in shares]


def sigmoid(value: float) -> float:
    """1 / (1 + exp(-x)), without overflow for large negative x."""
    if value >= 0:
        return 1.0 / (1.0 + math.exp(-value))
    return math.exp(value) / (1.0 + math.exp(value))


def finite(values: object, what: str) -> tuple[float, ...]:
    """A list of numbers as floats.

    Raises:
        EngineFault: it is no list, is empty, or holds something else: null, a text, a truth value, NaN, infinity.
    """
    if not isinstance(values, list | tuple) or not values:
        raise EngineFault(Fault.MALFORMED, f"{what}: no list of numbers")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
            raise EngineFault(Fault.MALFORMED, f"{what}: {value!r:.100} is not a finite number")
    try:
        return tuple(float(value) for value in values)
    except OverflowError:
        raise EngineFault(Fault.MALFORMED, f"{what}: a number is too large") from None


def unit_vectors(rows: Any, what: str) -> NDArray[np.float32]:
    """Rows of numbers, scaled to length 1. Returns: (rows, size), float32.

    Raises:
        EngineFault: the rows have several lengths, or one is not finite or zero.
    """
    import numpy as np

    plain = [row for row in rows if isinstance(row, list | tuple)]
    if not all({type(value) for value in row} <= {float, int} for row in plain):
        raise EngineFault(Fault.MALFORMED, f"{what}: a vector holds something that is no number")
    try:
        vectors = np.asarray(rows, dtype=np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise EngineFault(Fault.MALFORMED, f"{what}: no vectors of one length ({error})") from None
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise EngineFault(Fault.MALFORMED, f"{what}: no vectors of one length")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or not (lengths > 0).all():
        raise EngineFault(Fault.MALFORMED, f"{what}: a vector is zero or not finite")
    scaled: NDArray[np.float32] = (vectors / lengths).astype("<f4")
    return scaled


def probe_like(request: ScoreRequest) -> ScoreRequest:
    """A request of the same form that any model can score."""
    if request.texts:
        return replace(request, key=b"", texts=("ok",) * len(request.texts))
    said = f"ok{request.step_tag}"
    messages = ({"role": "user", "content": "Say ok."}, {"role": "assistant", "content": said})
    return replace(request, key=b"", messages=messages, steps=int(bool(request.step_tag)))


def checked_scores(request: ScoreRequest, scores: Scores) -> Scores:
    """The scores, when they are what the request's task asks for.

    Raises:
        EngineFault: too few or too many, not finite, or a probability outside 0..1.
    """
    values = finite(list(scores.values), f"scores of task {request.task}")
    due = {"reward": 1, "process_reward": request.steps}.get(request.task, len(values))
    if len(values) != due:
        raise EngineFault(Fault.MALFORMED, f"{len(values)} scores where {due} are due")
    # A rounded float32 share may end a hair above 1.
    if request.task != "reward" and not all(-1e-6 <= value <= 1.000001 for value in values):
        raise EngineFault(
            Fault.MALFORMED, f"scores of task {request.task} are no probabilities: {values[:4]}"
        )
    return scores


def checked_vectors(request: EmbedRequest, vectors: Vectors) -> Vectors:
    """The vectors, when there is one for each text.

    Raises:
        EngineFault: there is not.
    """
    if len(vectors.vectors) != len(request.texts):
        raise EngineFault(Fault.MALFORMED, f"{len(vectors.vectors)} vectors for {len(request.texts)} texts")
    return vectors


def checked_labels(request: LabelRequest, found: Labels) -> Labels:
    """The log-probabilities, when there is one for each label, or none of it.

    Raises:
        EngineFault: too few or too many, or one that is none.
    """
    if len(found.logprobs) != len(request.labels):
        raise EngineFault(
            Fault.MALFORMED, f"{len(found.logprobs)} probabilities for {len(request.labels)} labels"
        )
    _check_logprobs(found.logprobs)
    return found


def checked_losses(request: LossRequest, found: Losses) -> Losses:
    """The log-probabilities of a text's tokens, when each has its place in the text.

    Raises:
        EngineFault: too few or too many, places that are none or not in order, or a value that is none.
    """
    places = found.offsets
    if len(places) != len(found.logprobs) or (request.count and len(places) > request.count):
        raise EngineFault(
            Fault.MALFORMED, f"{len(found.logprobs)} probabilities for {len(places)} tokens of a text"
        )
    if list(places) != sorted(places) or any(not 0 <= at < len(request.text) for at in places):
        raise EngineFault(Fault.MALFORMED, f"places of tokens outside a text of {len(request.text)}")
    _check_logprobs(found.logprobs)
    return found


def _check_logprobs(values: Sequence[float | None]) -> None:
    for value in values:
        if value is not None and not -math.inf < value <= 1e-3:
            raise EngineFault(Fault.MALFORMED, f"{value!r:.100} is no logarithm of a probability")


def scores_text(values: Iterable[float]) -> str:
    """Scores as they are stored: a JSON list, every number exact."""
    return json.dumps(list(values), separators=(",", ":"))


def scores_in(text: str) -> tuple[float, ...]:
    """The scores of a stored call."""
    return tuple(json.loads(text))


def vector_text(vector: NDArray[np.float32]) -> str:
    """A vector as it is stored."""
    return VECTOR_PREFIX + base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def vector_in(text: str) -> NDArray[np.float32]:
    """The vector of a stored call. Returns: (size,), float32."""
    import numpy as np

    return np.frombuffer(base64.b64decode(text.removeprefix(VECTOR_PREFIX)), dtype="<f4")
