"""A cluster under virtual time: seeded delays, deaths, partitions, answers that come late or twice; and its trace."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from named_faults import Injected

from mixwright_runtime.cluster.hosting import Host
from mixwright_runtime.cluster.keeping import KeptCluster
from mixwright_runtime.cluster.leases import Item, Lease, LeaseFault
from mixwright_runtime.cluster.protocol import (
    LeaseLost,
    Setup,
    Sites,
    answers_frame,
    answers_in,
    items_in,
    lease_frame,
    read_frame,
)
from mixwright_runtime.cluster.services import EngineService
from mixwright_runtime.engines.protocol import Engine


@dataclass(frozen=True)
class Weather:
    """What goes wrong, each as a chance for a lease; seconds."""

    dies: float = 0.0
    partition: float = 0.0
    unavailable: float = 0.0
    twice: float = 0.0
    slow: float = 0.0
    delay_s: float = 0.05
    partition_s: float = 90.0
    restart_s: float = 2.0


class SimulatedCluster(KeptCluster):
    """`size` workers, all on `engine`; `poison` in an item's body ends whichever worker gets it. See `Cluster`."""

    shares_machine = True

    def __init__(
        self, engine: Engine, size: int, seed: int = 0, weather: Weather | None = None, poison: str = "\0"
    ) -> None:
        super().__init__(f"simulated:{size}", [f"w{n}" for n in range(size)])
        self.engine = engine
        self.weather = weather or Weather()
        self.poison = poison.encode()
        self.chance = random.Random(seed)
        self.at_worker_point: Callable[[str], None] = lambda _: None
        """Of every worker's host; one that this raises in is gone."""
        self.loads_s = 0.0
        """Until which workers are only getting ready for what they are sent."""
        self.trace: list[tuple[float, str, str, int]] = []

    async def begin(self, place: str, setup: Setup) -> SimulatedWorker:
        """See `KeptCluster.begin`."""
        if any(worker.name == place for worker in self.everyone):
            await asyncio.sleep(self.weather.restart_s)
        return SimulatedWorker(place, self)

    def note(self, what: str, worker: str, count: int) -> None:
        self.trace.append((round(asyncio.get_running_loop().time(), 6), what, worker, count))

    def simulated(self, place: str) -> SimulatedWorker:
        """The worker that is there."""
        worker = self.workers[place]
        assert isinstance(worker, SimulatedWorker)
        return worker


class LoadingService(EngineService):
    """The cluster's engine, behind what it has to load first."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        super().__init__(cluster.engine)
        self._ready_at = cluster.loads_s

    def is_getting_ready(self) -> bool:
        return self._left_s() > 0

    async def answer(self, kind: str, body: bytes) -> bytes:
        await asyncio.sleep(max(0.0, self._left_s()))
        return await super().answer(kind, body)

    def _left_s(self) -> float:
        return self._ready_at - asyncio.get_running_loop().time()


class SimulatedWorker:
    def __init__(self, name: str, cluster: SimulatedCluster) -> None:
        self.name = self.node = name
        self.sites: dict[str, Sites] = {}
        self._cluster = cluster
        self._death = asyncio.Event()
        self.has_served = False
        self.cut_until = 0.0

    async def open(self, service: str) -> int:
        await asyncio.sleep(self._cluster.chance.random())
        try:
            await self._host(service).open(service)
        except Injected:
            self.die()
            raise LeaseLost(LeaseFault.DIED, "injected") from None
        self.has_served = True
        return 0

    async def answers(self, service: str, lease: Lease) -> AsyncGenerator[list[tuple[bytes, bytes]]]:
        cluster, weather, chance = self._cluster, self._cluster.weather, self._cluster.chance
        cluster.note("lease", self.name, len(lease.items))
        # Never under a single item: one that was suspected for two such deaths would be given up for a third.
        dies = chance.random() < weather.dies and len(lease.items) > 1
        dies_after = chance.randrange(len(lease.items)) if dies else None
        if chance.random() < weather.unavailable:
            raise LeaseLost(LeaseFault.UNAVAILABLE, "simulated")
        if chance.random() < weather.partition:
            self.cut_until = asyncio.get_running_loop().time() + weather.partition_s * chance.random()
        head, bodies = read_frame(lease_frame(service, lease, 1))
        items = items_in(head, bodies)
        if any(cluster.poison in item.body for item in items):
            dies_after = 0
        answered = 0
        async with contextlib.aclosing(self._answers(service, items)) as coming:
            async for results in coming:
                if dies_after is not None and answered + len(results) > dies_after:
                    self.die()
                await self._link()
                if self._death.is_set():
                    raise LeaseLost(LeaseFault.DIED, "simulated")
                answered += len(results)
                frame = answers_frame(1, results, is_last=answered == len(items))
                cluster.note("answers", self.name, len(results))
                yield answers_in(*read_frame(frame))
                if chance.random() < weather.twice:
                    yield answers_in(*read_frame(frame))
        if self._death.is_set():
            raise LeaseLost(LeaseFault.DIED, "simulated")

    async def _answers(self, service: str, items: list[Item]) -> AsyncGenerator[list[tuple[bytes, bytes]]]:
        try:
            async with contextlib.aclosing(self._host(service).answers(service, items)) as coming:
                async for results in coming:
                    yield results
        except Injected:
            self.die()

    def _host(self, service: str) -> Host:
        host = Host({service: LoadingService(self._cluster)})
        host.at_point = self._cluster.at_worker_point
        return host

    def die(self) -> None:
        if not self._death.is_set():
            self._cluster.note("died", self.name, 0)
            self._death.set()

    async def ended(self) -> str:
        await self._death.wait()
        return "ended: simulated"

    async def end(self) -> None:
        self._death.set()

    async def _link(self) -> None:
        """What comes through the network: after a while, and not while it is cut."""
        chance, weather = self._cluster.chance, self._cluster.weather
        await asyncio.sleep(weather.delay_s * chance.random())
        while (left := self.cut_until - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(left)
        if chance.random() < weather.slow:
            await asyncio.sleep(60.0 * chance.random())
