"""Keeps a worker in each place of a cluster: one that ends is replaced, a place where none comes up is given up."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Protocol

from mixwright_runtime.cluster.protocol import LeaseLost, Listener, Setup, Worker, unexpected
from mixwright_runtime.errors import EngineUnavailable, RunError, error_of

RESTART_S, MOST_RESTART_S = 0.2, 30.0
"""Before a worker is replaced; twice as long after each one that came to nothing. Chosen."""
TRIES = 3
"""Workers in a row that end before any engine was started in them; then their place is given up. Chosen."""


class Kept(Worker, Protocol):
    """A worker whose end is noticed."""

    has_served: bool
    """An engine was started in it: it may have ended by what it was asked."""

    async def ended(self) -> str:
        """Return when it has ended, with how."""

    async def end(self) -> None:
        """End it; safe to call twice."""


class KeptCluster(ABC):
    """A cluster whose workers this process starts. See `Cluster`."""

    shares_machine = False

    def __init__(self, name: str, places: Iterable[str]) -> None:
        self.name = name
        self.at_point: Callable[[str], None] = lambda _: None
        self.places: list[str] = list(places)
        self.workers: dict[str, Kept] = {}
        self.everyone: list[Kept] = []
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._listeners: list[Listener] = []
        self._setup: Setup | None = None
        self._is_up: asyncio.Future[None] | None = None
        self._failure: RunError | None = None

    @abstractmethod
    async def begin(self, place: str, setup: Setup) -> Kept:
        """Start a worker in a place.

        Raises:
            RunError: there will be none in this place.
            LeaseLost: it ended before it was ready; another one may do better.
        """

    async def start(self, setup: Setup) -> None:
        """See `Cluster.start`."""
        if self._is_up is None:
            self._setup = setup
            self._is_up = asyncio.get_running_loop().create_future()
            for place in self.places:
                self._begin_keeping(place, setup)
        await asyncio.shield(self._is_up)

    def add(self, place: str) -> None:
        """There is one more place, after the start."""
        assert self._setup is not None
        self.places.append(place)
        self._begin_keeping(place, self._setup)

    def listen(self, listener: Listener) -> None:
        """See `Cluster.listen`."""
        self._listeners.append(listener)
        for worker in self.workers.values():
            listener.joined(worker)
        if self._failure is not None:
            listener.failed(self._failure)

    async def close(self) -> None:
        """See `Cluster.close`."""
        keepers, self._keepers = list(self._keepers.values()), {}
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        await asyncio.gather(*(worker.end() for worker in self.workers.values()))
        self.workers.clear()

    def _begin_keeping(self, place: str, setup: Setup) -> None:
        keeper = self._keepers[place] = asyncio.ensure_future(self._keep(place, setup))
        keeper.add_done_callback(self._kept)

    def _kept(self, keeper: asyncio.Task[None]) -> None:
        """A keeper that fails itself ends the run, which would wait for its worker for ever."""
        error = error_of(keeper)
        if error is not None:
            self._fail(unexpected("keeping workers", error))

    async def _keep(self, place: str, setup: Setup) -> None:
        failures = 0
        why: RunError = EngineUnavailable(f"no worker comes up at {place}")
        while failures < TRIES:
            try:
                worker = await self.begin(place, setup)
            except RunError as error:
                why = error
                break
            except LeaseLost as lost:
                failures += 1
                why = EngineUnavailable(str(lost))
            else:
                how = await self._served(place, worker)
                failures = 0 if worker.has_served else failures + 1
                why = EngineUnavailable(f"worker {worker.name} {how}")
            await asyncio.sleep(min(RESTART_S * 2.0**failures, MOST_RESTART_S))
        del self._keepers[place]
        if not self._keepers:
            self._fail(why)

    async def _served(self, place: str, worker: Kept) -> str:
        """Have a worker asked until it ends; returns how it did."""
        self.workers[place] = worker
        self.everyone.append(worker)
        assert self._is_up is not None
        if not self._is_up.done():
            self._is_up.set_result(None)
        self.at_point("joined")
        for listener in self._listeners:
            listener.joined(worker)
        how = await worker.ended()
        await worker.end()
        del self.workers[place]
        self.at_point("left")
        for listener in self._listeners:
            listener.left(worker)
        return how

    def _fail(self, error: RunError) -> None:
        self._failure = error
        if self._is_up is not None and not self._is_up.done():
            self._is_up.set_exception(error)
            self._is_up.exception()  # whoever started it may have gone
        for listener in self._listeners:
            listener.failed(error)
