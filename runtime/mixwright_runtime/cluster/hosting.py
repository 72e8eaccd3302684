"""The inside of a worker, on whatever machine: the services of a run, and leases answered by them."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path

import mixwright_runtime
from mixwright_compiler.plugins.files import files_of, identity_of
from mixwright_runtime.cluster.exchanges import fault_frame
from mixwright_runtime.cluster.leases import Item
from mixwright_runtime.cluster.protocol import unexpected
from mixwright_runtime.engines.protocol import EngineFault, Sites
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.loading import fault_of

SHARE = 0.05
"""Of the time that an answer took it may wait for others to travel with; chosen."""
LEAST_HOLD_S, MOST_HOLD_S = 0.002, 0.25
SIGN_S = 0.5
"""How often a worker says that it is getting ready for what it was sent; less than any deadline. Chosen."""


def code_identity() -> str:
    """Identity of the code that runs here: answers of another version may be others."""
    return identity_of(files_of(Path(mixwright_runtime.__path__[0])))


class Service(ABC):
    """What answers items of a kind of work. An answer is a function of the item, whichever worker gives it."""

    @abstractmethod
    async def start(self) -> int:
        """Make it ready; returns as `Worker.open`.

        Raises:
            RunError: it cannot be had here.
        """

    def sites(self) -> Sites:
        """How the addresses of a model stand; nothing where there are not several."""
        return {}

    def is_getting_ready(self) -> bool:
        """Whether it is at nothing yet, but at what it needs for that."""
        return False

    @abstractmethod
    async def answer(self, kind: str, body: bytes) -> bytes:
        """The answer to one item.

        Raises:
            EngineFault, RunError: there is none; the one who asked is told why (`exchanges.told_in`).
        """

    @abstractmethod
    async def close(self) -> None:
        """End what it started."""


class Host:
    """Answers leases with services of this process."""

    def __init__(self, services: Mapping[str, Service]) -> None:
        self.at_point: Callable[[str], None] = lambda _: None
        """Called at `opening`, `opened`, `received`, `done` and `sent`; faults are injected here."""
        self._services = services
        self._starting: dict[str, asyncio.Future[int]] = {}

    async def open(self, service: str) -> int:
        """Start a service, once. Returns as `Worker.open`.

        Raises:
            RunError: it cannot be started.
        """
        self.at_point("opening")
        if service not in self._starting:
            self._starting[service] = asyncio.ensure_future(self._services[service].start())
        try:
            slots = await asyncio.shield(self._starting[service])
        except RunError:
            raise
        except Exception as error:
            raise _told(error) from error
        self.at_point("opened")
        return slots

    async def answers(self, service: str, items: Sequence[Item]) -> AsyncGenerator[list[tuple[bytes, bytes]]]:
        """The answers to items, a few at a time: what is ready waits a little for more to travel with. None at all are a
        sign that the service is getting ready (`Service.is_getting_ready`)."""
        self.at_point("received")
        loop = asyncio.get_running_loop()
        began = loop.time()
        jobs = [asyncio.ensure_future(self._answer(service, item)) for item in items]
        try:
            while jobs:
                done, _ = await asyncio.wait(jobs, timeout=SIGN_S, return_when=asyncio.FIRST_COMPLETED)
                if not done:
                    if self._services[service].is_getting_ready():
                        yield []
                    continue
                if not all(job.done() for job in jobs):
                    hold_s = min(max(SHARE * (loop.time() - began), LEAST_HOLD_S), MOST_HOLD_S)
                    await asyncio.wait(jobs, timeout=hold_s)
                ready = [job.result() for job in jobs if job.done()]
                jobs = [job for job in jobs if not job.done()]
                self.at_point("done")
                yield ready
                self.at_point("sent")
        finally:
            for job in jobs:
                job.cancel()

    def sites(self, service: str) -> Sites:
        """How the addresses of a model stand, where there are several."""
        return self._services[service].sites()

    async def close(self) -> None:
        """Close every service that was started."""
        for service, starting in self._starting.items():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await self._services[service].close()

    async def _answer(self, service: str, item: Item) -> tuple[bytes, bytes]:
        try:
            return item.key, await self._services[service].answer(item.kind, item.body)
        except (EngineFault, RunError) as fault:
            return item.key, fault_frame(fault)
        except Exception as error:
            return item.key, fault_frame(_told(error))


def _told(error: Exception) -> RunError:
    """An error that nobody expects, as one that can travel."""
    return fault_of(error) or unexpected("the worker", error)
