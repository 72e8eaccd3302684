"""What a worker must answer like all others before it takes part."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from mixwright_runtime.cluster.leases import Item, Lease, Seat
from mixwright_runtime.cluster.protocol import Worker
from mixwright_runtime.errors import RunError

PROOF_S = 120.0
"""Seconds for an answer that a worker must give before it takes part. Chosen."""


@dataclass(frozen=True)
class Proof:
    """An item that every worker must answer alike. fault_in: what is wrong with an answer; empty where nothing is."""

    kind: str
    body: bytes
    fault_in: Callable[[bytes], str]


async def prove(worker: Worker, service: str, proof: Proof) -> None:
    """Ask a worker itself, past the table.

    Raises:
        RunError: it answers otherwise, or not.
        LeaseLost: it is gone.
    """
    item = Item(b"proof", proof.kind, proof.body)
    lease = Lease(0, worker.name, (item,), 0.0, inf, 1, {item.key: item}, Seat(1, 1))
    try:
        async with asyncio.timeout(PROOF_S):
            async with contextlib.aclosing(worker.answers(service, lease)) as coming:
                async for results in coming:
                    for _, body in results:
                        if fault := proof.fault_in(body):
                            raise RunError(f"worker {worker.name} is not used: {fault}")
    except TimeoutError:
        raise RunError(f"worker {worker.name} is not used: no answer after {PROOF_S:g} s") from None
