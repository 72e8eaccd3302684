"""Requests and answers of the engine protocol as JSON, which is all that travels between a run and its workers."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

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


def request_json(request: Any) -> bytes:
    """A request as a line of JSON."""
    return _line({field.name: getattr(request, field.name) for field in fields(request)})


def request_in(kind: str, body: bytes) -> Any:
    """The request in a line of JSON."""
    found = json.loads(body)
    return REQUESTS[kind](**{**_frozen(found), "key": bytes.fromhex(found["key"])})


def answer_json(answer: Any) -> bytes:
    """An answer of an engine as a line of JSON."""
    found = {field.name: getattr(answer, field.name) for field in fields(answer)}
    if isinstance(answer, Vectors):
        rows = answer.vectors.astype("<f4")
        found["vectors"] = base64.b64encode(rows.tobytes()).decode()
        found["shape"] = list(rows.shape)
    return _line(found)


def fault_json(fault: EngineFault | RunError) -> bytes:
    """That there is no answer, as a line of JSON."""
    if isinstance(fault, EngineFault):
        return _line({"fault": fault.fault.value, "message": str(fault), "wait_s": fault.retry_after_s})
    return _line({"error": str(fault)})


def answer_in(kind: str, body: bytes) -> Any:
    """The answer in a line of JSON.

    Raises:
        EngineFault: it says that there is none, or is no answer.
        RunError: the engine fails as none should.
    """
    try:
        found = json.loads(body)
        if "fault" in found:
            raise EngineFault(Fault(found["fault"]), str(found["message"]), found["wait_s"])
        if "error" in found:
            raise RunError(str(found["error"]))
        if kind == "complete":
            found["finish"] = Finish(found["finish"])
        elif kind == "embed":
            import numpy as np

            rows = np.frombuffer(base64.b64decode(found["vectors"]), dtype="<f4")
            found["vectors"] = rows.reshape(found.pop("shape")).astype(np.float32)
        return _ANSWERS[kind](**_frozen(found))
    except (ValueError, TypeError, KeyError) as error:
        raise EngineFault(Fault.MALFORMED, f"a worker's answer cannot be read: {error}") from error


def _line(value: Mapping[str, Any]) -> bytes:
    # Escaped: a lone surrogate has no UTF-8, and no line may end within a body.
    return json.dumps(value, separators=(",", ":"), default=_plain).encode("ascii")


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
