"""Requests and answers of the engine protocol as frames, which are all that travels between a run and its workers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import fields
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


def request_frame(request: Any) -> bytes:
    """A request as it travels."""
    return frame({field.name: getattr(request, field.name) for field in fields(request)}, plain=_plain)


def request_in(kind: str, body: bytes) -> Any:
    """The request that has arrived."""
    found, _ = read_frame(body)
    return REQUESTS[kind](**{**_frozen(found), "key": bytes.fromhex(found["key"])})


def answer_frame(answer: Any) -> bytes:
    """An answer of an engine as it travels: vectors as the bytes that they are, all else as JSON."""
    found = {field.name: getattr(answer, field.name) for field in fields(answer)}
    bodies = []
    if isinstance(answer, Vectors):
        rows = answer.vectors.astype("<f4")
        found["vectors"] = list(rows.shape)
        bodies = [rows.tobytes()]
    return frame(found, bodies, plain=_plain)


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
    with _readable():
        found, bodies = read_frame(body)
        if "fault" in found:
            raise EngineFault(Fault(found["fault"]), str(found["message"]), found["wait_s"])
        if "error" in found:
            raise RunError(str(found["error"]))
    return found, bodies


def engine_answer(kind: str, body: bytes) -> Any:
    """The answer of an engine that has arrived.

    Raises:
        EngineFault: it says that there is none, or is no answer.
        RunError: the engine fails as none should.
    """
    found, bodies = told_in(body)
    with _readable():
        if kind == "complete":
            found["finish"] = Finish(found["finish"])
        elif kind == "embed":
            import numpy as np

            rows = np.frombuffer(bodies[0], dtype="<f4")
            found["vectors"] = rows.reshape(found["vectors"]).astype(np.float32)
        return _ANSWERS[kind](**_frozen(found))


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """What is read here is an answer."""
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise EngineFault(Fault.MALFORMED, f"a worker's answer cannot be read: {error}") from error


def _plain(value: object) -> object:
    match value:
        case bytes():
            return value.hex()
        case Finish():
            return value.value
        case Mapping():
            return dict(value)
    raise TypeError(f"{type(value).__name__} does not travel")


def _frozen(found: Mapping[str, Any]) -> dict[str, Any]:
    """Lists of a request or an answer are tuples; those further in stay what they are."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
