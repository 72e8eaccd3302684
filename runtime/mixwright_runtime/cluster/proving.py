"""What a worker must answer like all others before it takes part."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol

from mixwright_runtime.cluster.leases import Item, Lease, Seat
from mixwright_runtime.cluster.protocol import Worker
from mixwright_runtime.errors import RunError

PROOF_S = 120.0
"""Seconds for an answer that a worker must give before it takes part. Chosen."""


class Condition(Protocol):
    """What a worker must meet before it takes part."""

    async def hold(self, worker: Worker, service: str) -> None:
        """Hold a worker to it.

        Raises:
            RunError: it does not meet it.
            LeaseLost: it is gone.
        """


@dataclass(frozen=True)
class Proof:
    """An item that every worker must answer alike, within so many seconds. fault_in: what is wrong with an answer; empty
    where nothing is. See `Condition`."""

    kind: str
    body: bytes
    fault_in: Callable[[bytes], str]
    limit_s: float = PROOF_S

    async def hold(self, worker: Worker, service: str) -> None:
        """See `Condition.hold`."""
        body = await answer_of(worker, service, self.kind, self.body, self.limit_s)
        if fault := self.fault_in(body):
            raise RunError(f"worker {worker.name} is not used: {fault}")


async def answer_of(worker: Worker, service: str, kind: str, body: bytes, limit_s: float) -> bytes:
    """What a worker itself answers to an item, past the table. Raises as `Condition.hold`."""
    item = Item(b"proof", kind, body)
    lease = Lease(0, worker.name, (item,), 0.0, inf, 1, {item.key: item}, Seat(1, 1))
    found = b""
    try:
        async with asyncio.timeout(limit_s):
            async with contextlib.aclosing(worker.answers(service, lease)) as coming:
                async for results in coming:
                    found = results[-1][1] if results else found
    except TimeoutError:
        raise RunError(f"worker {worker.name} is not used: no answer after {limit_s:g} s") from None
    return found
