"""Workers that are processes of this machine: what a cluster does, on a laptop and in CI, and a use of more cores.

They have this process's environment, so that they find the secrets which no lease carries, and end when it does, however
that comes about.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import AsyncGenerator
from typing import Any

from mixwright_runtime.cluster.keeping import Kept, KeptCluster
from mixwright_runtime.cluster.leases import Lease, LeaseFault
from mixwright_runtime.cluster.protocol import (
    LeaseLost,
    Setup,
    answers_in,
    error_in,
    frame,
    lease_frame,
    read_frame,
    setup_frame,
    sites_in,
)
from mixwright_runtime.engines.protocol import Sites
from mixwright_runtime.workers.boot import command_of
from mixwright_runtime.workers.frames import Arriving, FrameTooLong, framed

CLOSE_S = 5.0
"""Seconds that a worker has to close its engines in; then it is killed. Chosen."""
FRAME_LIMIT_BYTES = 1 << 30
WORDS_KEPT = 2_000
"""Bytes of what a worker wrote last to its standard error, told if it ends."""


class LocalCluster(KeptCluster):
    """`count` processes of this machine."""

    shares_machine = True

    def __init__(self, count: int) -> None:
        super().__init__(f"local:{count}", [f"local-{n}" for n in range(1, count + 1)])

    async def begin(self, place: str, setup: Setup) -> Kept:
        """See `KeptCluster.begin`."""
        worker = LocalWorker(place)
        try:
            await asyncio.get_running_loop().subprocess_exec(
                lambda: worker, *command_of("mixwright_runtime.cluster.process")
            )
        except OSError as error:
            raise LeaseLost(LeaseFault.DIED, f"worker {place} cannot be started: {error}") from error
        try:
            await worker.set_up(setup)
        except BaseException:
            await worker.end()
            raise
        return worker


class LocalWorker(asyncio.SubprocessProtocol):
    """One process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.node = platform.node() or "here"
        self.has_served = False
        self.sites: dict[str, Sites] = {}
        self.pid = 0
        loop = asyncio.get_running_loop()
        self._over: asyncio.Future[str] = loop.create_future()
        self._told: dict[str, asyncio.Future[dict[str, Any]]] = {}
        """What it was asked to do besides leases: once each."""
        self._leases: dict[int, asyncio.Queue[tuple[list[tuple[bytes, bytes]], Sites, bool] | None]] = {}
        self._next_lease = 1
        self._arriving = Arriving(FRAME_LIMIT_BYTES)
        self._words = b""
        self._transport: Any = None

    async def set_up(self, setup: Setup) -> None:
        """Tell it of the run. Raises as `KeptCluster.begin`."""
        await self._do("setup", "", setup_frame(setup))

    async def open(self, service: str) -> int:
        """See `Worker.open`."""
        told = await self._do("open", service, frame({"do": "open", "service": service}))
        self.has_served = True
        return int(told["slots"])

    async def answers(self, service: str, lease: Lease) -> AsyncGenerator[list[tuple[bytes, bytes]]]:
        """See `Worker.answers`."""
        if self._over.done():
            raise self._lost()
        address = self._next_lease
        self._next_lease += 1
        arrived = self._leases[address] = asyncio.Queue()
        self._send(lease_frame(service, lease, address))
        try:
            is_last = False
            while not is_last:
                came = await arrived.get()
                if came is None:
                    raise self._lost()
                results, self.sites[service], is_last = came
                yield results
        finally:
            del self._leases[address]

    async def ended(self) -> str:
        """See `Kept.ended`."""
        return await asyncio.shield(self._over)

    async def end(self) -> None:
        """See `Kept.end`."""
        if self._transport is None:
            return
        if not self._over.done():
            self._transport.get_pipe_transport(0).close()
            await asyncio.wait([self._over], timeout=CLOSE_S)
        self._kill()
        await asyncio.wait([self._over])
        self._transport.close()

    def connection_made(self, transport: object) -> None:
        self._transport = transport
        self.pid = self._transport.get_pid()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._words = (self._words + data)[-WORDS_KEPT:]
            return
        try:
            for body in self._arriving.bodies(data):
                self._came(*read_frame(body))
        except (FrameTooLong, ValueError, KeyError, TypeError):
            # Whatever wrote this is no worker of ours any more.
            self._kill()

    def connection_lost(self, exc: Exception | None) -> None:
        """The process has ended and everything it wrote was read."""
        code = self._transport.get_returncode()
        how = (
            "ended"
            if code is None
            else f"ended by signal {-code}"
            if code < 0
            else f"ended with status {code}"
        )
        last = self._words.decode(errors="replace").strip().splitlines()[-1:]
        if not self._over.done():
            self._over.set_result(how + "".join(f": {line[-300:]}" for line in last))
        for arrived in self._leases.values():
            arrived.put_nowait(None)
        for told in self._told.values():
            if not told.done():
                told.set_exception(self._lost())
                told.exception()  # nobody may wait for it any more

    async def _do(self, what: str, service: str, data: bytes) -> dict[str, Any]:
        """Have one thing done that is no lease; asked for twice at once, both wait for it. Returns what it said."""
        name = f"{what} {service}"
        told = self._told.get(name)
        if told is None:
            if self._over.done():
                raise self._lost()
            told = self._told[name] = asyncio.get_running_loop().create_future()
            self._send(data)
        head = await asyncio.shield(told)
        error = error_in(head)
        if error is not None:
            raise error
        return head

    def _came(self, head: dict[str, Any], bodies: list[bytes]) -> None:
        if head["did"] == "answer":
            arrived = self._leases.get(head["lease"])
            if arrived is not None:
                arrived.put_nowait((answers_in(head, bodies), sites_in(head), bool(head["last"])))
            return
        told = self._told[f"{head['did']} {head.get('service', '')}"]
        if not told.done():
            told.set_result(head)

    def _send(self, data: bytes) -> None:
        self._transport.get_pipe_transport(0).write(framed(data))

    def _kill(self) -> None:
        if self._transport.get_returncode() is None:
            self._transport.kill()

    def _lost(self) -> LeaseLost:
        return LeaseLost(LeaseFault.DIED, f"worker {self.name} {self._over.result()}")
