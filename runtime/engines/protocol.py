"""The engine protocol: a request, an answer, and the ways an answer can fail.

An engine is declared under family `model` with a class `Engine(model: ModelSpec, environment: EngineEnvironment)`.
It answers requests concurrently; ordering, caching, retries and the circuit breaker are the caller's
(`runtime/calls.py`). It must not change a request, and must honour `seed` if it can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Protocol


@dataclass(frozen=True)
class Request:
    """One model call, rendered. `sampling`: temperature, top_p, max_tokens, stop (list), schema (JSON Schema or None)."""

    key: bytes
    messages: tuple[Mapping[str, str], ...]
    sampling: Mapping[str, Any]
    seed: int
    """0..2^31-1, derived from the key."""


class Finish(Enum):
    STOP = "stop"
    LENGTH = "length"
    REFUSED = "refused"
    EMPTY = "empty"
    MALFORMED = "malformed"


@dataclass(frozen=True)
class Answer:
    """What a model wrote. Only `Finish.STOP` is good by default; the others are kept, told apart, and not used."""

    text: str
    finish: Finish
    prompt_tokens: int = 0
    output_tokens: int = 0
    reasoning: str = ""
    engine: Mapping[str, Any] = field(default_factory=dict)
    """Provenance: engine version, device, dtype, system fingerprint."""


class Fault(Enum):
    """Why there is no answer, and so what to do about it."""

    RATE_LIMITED = "rate_limited"  # 429: wait, fewer at once; costs no attempt
    SERVER = "server"  # 5xx
    CONNECTION = "connection"  # reset, cut off: perhaps this row's doing
    UNREACHABLE = "unreachable"  # refused, no route, no such host: no row gets through; costs no attempt
    TIMEOUT = "timeout"
    MALFORMED = "malformed"  # 200 whose body is not what the protocol says
    BAD_REQUEST = "bad_request"  # 400, too long: this row never works, do not retry
    DENIED = "denied"  # 401, 403, 404: no row works, stop


class EngineFault(Exception):
    """A request that got no answer. `retry_after_s` is what the server asked for, if it did."""

    def __init__(self, fault: Fault, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class EngineEnvironment:
    """What an engine may know of its surroundings: where relative model paths start, and the secrets it was given."""

    directory: Path
    secrets: Mapping[str, str] = field(default_factory=dict)


class Engine(Protocol):
    """Answers requests. `slots` is how many it works on at once; the runtime keeps 1.1 times as many in flight.

    An engine whose `slots` are a limit that somebody set, not to be exceeded, says `is_limit = True`.
    """

    slots: int

    async def start(self) -> None:
        """Load the model or open the connection pool.

        Raises:
            MissingExtra: a package is not installed.
            EngineUnavailable: the model cannot be loaded, or the endpoint serves another one.
        """

    async def complete(self, request: Request) -> Answer:
        """The answer to one request.

        Raises:
            EngineFault: there is none; its `fault` says why.
        """

    async def close(self) -> None:
        """Release everything; safe to call twice."""
