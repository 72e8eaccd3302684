"""What a cluster is to a run, and how leases and answers travel.

A frame is a line of JSON, the head, and behind it the bytes of each item it speaks of. What is more than JSON says well,
a vector or a program's files, is a frame again: a head and bytes. Nothing is pickled, so that what a model wrote is never
more than text.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mixwright_runtime.cluster.leases import Item, Lease, LeaseFault
from mixwright_runtime.engines.protocol import Needs, Sites
from mixwright_runtime.errors import EngineUnavailable, MissingExtra, RunError, in_words
from mixwright_runtime.values.json_encoding import encoder


class LeaseLost(Exception):
    """A worker will not answer what it was sent, or not the rest of it."""

    def __init__(self, fault: LeaseFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


@dataclass(frozen=True)
class Setup:
    """What a worker is told before its first lease; no secret, these it reads from its own environment.

    plan: as JSON. needs: what is needed of each model that the run asks, by its name. code: identity of
    the code of the run, which must be the worker's, too. sandbox: what confines untrusted code there
    (`mixwright_runtime/sandbox/backends.py`). sharing: workers that have the same processors.
    """

    plan: str
    needs: Mapping[str, Needs]
    code: str
    sandbox: str = "bwrap"
    sharing: int = 1


class Worker(Protocol):
    """A process that answers leases: one on each node of a cluster, some on one machine.

    sites: model -> what it last told of the model's addresses, where there are several.
    """

    name: str
    node: str
    sites: dict[str, Sites]

    async def open(self, service: str) -> int:
        """Start a service there, a model's engine or one of `services.py`; done again, it is there already. Returns the
        items that it works on at once; 0 where the run knows.

        Raises:
            RunError: it cannot be started, as `Engine.start` says.
            LeaseLost: the worker ended meanwhile.
        """

    def answers(self, service: str, lease: Lease) -> AsyncGenerator[list[tuple[bytes, bytes]]]:
        """The answers to a lease of a service's items, as they come; each is (key, body). None at all say that the worker
        is getting ready for them.

        Raises:
            LeaseLost: the worker died or is out of reach.
        """


class Listener(Protocol):
    """Who wants to know which workers there are."""

    def joined(self, worker: Worker) -> None:
        """A worker is ready to be asked."""

    def left(self, worker: Worker) -> None:
        """A worker is gone."""

    def failed(self, error: RunError) -> None:
        """There is no worker any more, and there will be none."""


class Cluster(Protocol):
    """The workers of a run. places: names of the workers that there are when all are up; workers: those that are, by
    place; everyone: those and the ones that are gone. shares_machine: they have this machine's environment and loopback
    address. at_point: called at `joined`, `left`, `lease`, `answer`, `told`, `late` and `lost`; faults are injected here.
    """

    name: str
    shares_machine: bool
    at_point: Callable[[str], None]

    @property
    def places(self) -> Sequence[str]: ...

    @property
    def workers(self) -> Mapping[str, Worker]: ...

    @property
    def everyone(self) -> Sequence[Worker]: ...

    async def start(self, setup: Setup) -> None:
        """Bring the workers up, once; returns when the first is ready.

        Raises:
            RunError: none comes up.
        """

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of workers from now on, and of those that are up."""

    async def close(self) -> None:
        """End every worker; safe to call twice."""


# Escaped: a lone surrogate has no UTF-8, and the head is one line.
_encode = encoder(separators=(",", ":"))
_decode = json.JSONDecoder().raw_decode


def frame(
    head: Mapping[str, object], bodies: Sequence[bytes] = (), encode: Callable[[object], str] = _encode
) -> bytes:
    """A head and bodies as they travel. The head's `sizes` are the frame's own. encode: makes a line of ASCII of it."""
    told = {**head, "sizes": [len(body) for body in bodies]} if bodies else head
    return b"".join((encode(told).encode("ascii"), b"\n", *bodies))


def read_frame(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """What `frame` was given.

    Raises:
        ValueError: it is no frame.
    """
    end = data.find(b"\n")
    line = data[: max(end, 0)].decode("ascii")
    head, read = _decode(line)
    if not isinstance(head, dict) or read != len(line):
        raise ValueError("the head of a frame is no object")
    bodies, at = [], end + 1
    for size in head.pop("sizes", ()):
        bodies.append(data[at : at + size])
        at += size
    if at != len(data):
        raise ValueError("a frame is longer or shorter than its head says")
    return head, bodies


def setup_frame(setup: Setup) -> bytes:
    """What a worker is told first, as it travels."""
    needs = {
        model: {"capabilities": sorted(each.capabilities), "tokens": dict(each.tokens)}
        for model, each in setup.needs.items()
    }
    told = {"needs": needs, "code": setup.code, "sandbox": setup.sandbox, "sharing": setup.sharing}
    return frame({"do": "setup", **told}, [setup.plan.encode()])


def setup_in(head: Mapping[str, Any], bodies: Sequence[bytes]) -> Setup:
    """What a worker has been told first."""
    needs = {
        model: Needs(frozenset(each["capabilities"]), each["tokens"]) for model, each in head["needs"].items()
    }
    return Setup(bodies[0].decode(), needs, head["code"], head["sandbox"], head["sharing"])


def lease_frame(service: str, lease: Lease, address: int) -> bytes:
    """A lease as it travels; address: what its answers carry."""
    items = [[item.key.hex(), item.kind] for item in lease.items]
    return frame(
        {"do": "lease", "service": service, "lease": address, "items": items},
        [item.body for item in lease.items],
    )


def items_in(head: Mapping[str, Any], bodies: Sequence[bytes]) -> list[Item]:
    """The items of a lease that has arrived."""
    return [
        Item(bytes.fromhex(key), kind, body) for (key, kind), body in zip(head["items"], bodies, strict=True)
    ]


def answers_frame(
    address: int, results: Sequence[tuple[bytes, bytes]], *, is_last: bool, sites: Sites | None = None
) -> bytes:
    """Answers to a lease as they travel, and how the model's addresses stand."""
    head: dict[str, object] = {
        "did": "answer",
        "lease": address,
        "keys": [key.hex() for key, _ in results],
        "last": is_last,
    }
    if sites:
        head["sites"] = sites
    return frame(head, [body for _, body in results])


def answers_in(head: Mapping[str, Any], bodies: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """The answers that have arrived."""
    return [(bytes.fromhex(key), body) for key, body in zip(head["keys"], bodies, strict=True)]


def sites_in(head: Mapping[str, Any]) -> Sites:
    """How the model's addresses stood when these answers left."""
    told = head.get("sites", {})
    return {site: (int(requests), bool(answers)) for site, (requests, answers) in told.items()}


def told_error(error: RunError) -> dict[str, str]:
    """An error that ends a run, as it travels."""
    return {"error": type(error).__name__, "message": str(error)}


def error_in(head: Mapping[str, Any]) -> RunError | None:
    """The error that a worker tells; None where it tells none."""
    if "error" not in head:
        return None
    kinds: Mapping[str, Callable[[str], RunError]] = {
        kind.__name__: kind for kind in (EngineUnavailable, MissingExtra)
    }
    return kinds.get(str(head["error"]), RunError)(str(head.get("message", "")))


def unexpected(what: str, error: BaseException) -> RunError:
    """An error that nobody expects, as one that ends a run."""
    return RunError(f"{what} fails: {in_words(error)[:1000]}")
