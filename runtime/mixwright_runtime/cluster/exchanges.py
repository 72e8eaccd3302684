"""Requests and answers of the engine protocol as frames, which are all that travels between a run and its workers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any

from mixwright_runtime.cluster.protocol import frame, read_frame
from mixwright_runtime.engines.protocol import (
    Answer,
    EmbedRequest,
    EngineFault,
    Fault,
    Finish,
    LabelRequest,
    Labels,
    Losses,
    LossRequest,
    Request,
    ScoreRequest,
    Scores,
    Vectors,
)
from mixwright_runtime.errors import RunError
from mixwright_runtime.values.json_encoding import encoder
from mixwright_runtime.values.made_once import KEPT, MadeOnce

REQUESTS: Mapping[str, type[Any]] = {
    "complete": Request,
    "score": ScoreRequest,
    "embed": EmbedRequest,
    "labels": LabelRequest,
    "losses": LossRequest,
}
"""Method of an engine -> what it is asked."""

_ANSWERS: Mapping[str, type[Any]] = {
    "complete": Answer,
    "score": Scores,
    "embed": Vectors,
    "labels": Labels,
    "losses": Losses,
}
_REQUEST_FIELDS, _ANSWER_FIELDS = (
    {kind: tuple(field.name for field in fields(told)) for kind, told in kinds.items()}
    for kinds in (REQUESTS, _ANSWERS)
)
_UNREADABLE = (ValueError, TypeError, KeyError, IndexError)
"""What reading something else than an answer comes to."""


def request_frame(kind: str, request: Any) -> bytes:
    """A request as it travels. Its sampling, which many share and which may hold a schema, is written once for all."""
    found = {name: getattr(request, name) for name in _REQUEST_FIELDS[kind]}
    found["key"] = request.key.hex()
    sampling = found.pop("sampling", None)
    return frame(found, [] if sampling is None else [_SAMPLING.of(sampling)], _encode)


def request_in(kind: str, body: bytes) -> Any:
    """The request that has arrived."""
    head, bodies = read_frame(body)
    found = _frozen(head)
    found["key"] = bytes.fromhex(head["key"])
    if bodies:
        found["sampling"] = _sampling_in(bodies[0])
    return REQUESTS[kind](**found)


def answer_frame(kind: str, answer: Any) -> bytes:
    """An answer of an engine as it travels: vectors as the bytes that they are, all else as JSON."""
    found = {name: getattr(answer, name) for name in _ANSWER_FIELDS[kind]}
    bodies = []
    if kind == "embed":
        rows = answer.vectors.astype("<f4")
        found["vectors"] = list(rows.shape)
        bodies = [rows.tobytes()]
    return frame(found, bodies, _encode)


def fault_frame(fault: EngineFault | RunError) -> bytes:
    """That there is no answer, as it travels."""
    if isinstance(fault, EngineFault):
        return frame({"fault": fault.fault.value, "message": str(fault), "wait_s": fault.retry_after_s})
    return frame({"error": str(fault)})


def told_in(body: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """An answer of any service as the frame that it is.

    Raises:
        EngineFault: it says that there is none, or is no answer.
        RunError: the service fails as none should.
    """
    try:
        found, bodies = read_frame(body)
        if "fault" in found:
            raise EngineFault(Fault(found["fault"]), str(found["message"]), found["wait_s"])
        if "error" in found:
            raise RunError(str(found["error"]))
    except _UNREADABLE as error:
        raise _unreadable(error) from error
    return found, bodies


def engine_answer(kind: str, body: bytes) -> Any:
    """The answer of an engine that has arrived.

    Raises:
        EngineFault: it says that there is none, or is no answer.
        RunError: the engine fails as none should.
    """
    found, bodies = told_in(body)
    try:
        if kind == "complete":
            found["finish"] = Finish(found["finish"])
        elif kind == "embed":
            import numpy as np

            rows = np.frombuffer(bodies[0], dtype="<f4")
            found["vectors"] = rows.reshape(found["vectors"]).astype(np.float32)
        return _ANSWERS[kind](**_frozen(found))
    except _UNREADABLE as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> EngineFault:
    return EngineFault(Fault.MALFORMED, f"a worker's answer cannot be read: {error}")


def _plain(value: object) -> object:
    match value:
        case Finish():
            return value.value
        case Mapping():
            return dict(value)
    raise TypeError(f"{type(value).__name__} does not travel")


def _frozen(found: dict[str, Any]) -> dict[str, Any]:
    """Lists of a request or an answer are tuples; those further in stay what they are."""
    for name, value in found.items():
        if type(value) is list:
            found[name] = tuple(value)
    return found


_encode = encoder(separators=(",", ":"), default=_plain)
_SAMPLING = MadeOnce[Mapping[str, Any], bytes](lambda sampling: _encode(sampling).encode("ascii"))


@lru_cache(maxsize=KEPT)
def _sampling_in(body: bytes) -> dict[str, Any]:
    """Sampling that has arrived: one object for all requests that have it, which engines go by."""
    found: dict[str, Any] = json.loads(body)
    return found
