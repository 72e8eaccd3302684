"""Ranges of rows in leases: what steps and exporters have done of many rows goes to the processes of a cluster's workers.

    LeasedRanges.each ─▶ a job for each range, some ahead ─▶ WorkerPool of a worker ─▶ what it returned, in order

Each kind of work has a table of its own, so that a worker which lacks what it takes, a tokenizer or a library, gets
none of it and all else. What all ranges share, such as the n-grams of evaluation sets, goes to a worker once, with the
question whether it makes the same of it as the run does; files that are too much for that come before (`given.py`). A
range that no worker can do is done by the run itself, as without workers: its result, or its error, is the same.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeVar

from mixwright_runtime.cluster.given import GivenFile
from mixwright_runtime.cluster.jobs import pool_answer_in, pool_job_frame
from mixwright_runtime.cluster.leasing import Leasing
from mixwright_runtime.cluster.proving import PROOF_S, Condition, Proof
from mixwright_runtime.engines.protocol import EngineFault
from mixwright_runtime.errors import RunError
from mixwright_runtime.sources.digests import digest_of_files
from mixwright_runtime.values.beside import go_on
from mixwright_runtime.values.ranges import HERE, RangeWork
from mixwright_runtime.workers.pool import WorkerError

R = TypeVar("R")
V = TypeVar("V")

AHEAD = 32
"""Ranges that are taken ahead at least; more where workers take more. Chosen."""
ASKS_S = 0.2
"""How often whoever waits for a range asks whether the run goes on."""


@dataclass(frozen=True)
class _Undone:
    """A range that no worker did."""

    why: str


@dataclass
class _Begun:
    """A kind of work: its table, the name of what its ranges share, and how many the run did itself, why the first."""

    work: RangeWork[Any, Any]
    leasing: Leasing
    shared: str
    files: Sequence[str]
    undone: int = 0
    why: str = ""

    def asked(self, function: str, sent: object) -> Coroutine[Any, Any, Any]:
        """What a worker returns for a range, or why none does."""
        body = pool_job_frame([sent], self.work.limit_s, self.shared, files=self.files)
        return self._answer(function, body)

    async def _answer(self, function: str, body: bytes) -> Any:
        try:
            await self.leasing.start()
            answer = await self.leasing.ask(function, b"", body, self.work.limit_s)
            return pool_answer_in(answer).get("value")
        except (EngineFault, RunError, WorkerError) as fault:
            return _Undone(str(fault))

    def next(self, work: RangeWork[R, V], coming: deque[tuple[R, Future[Any]]]) -> tuple[R, V]:
        """The first range that is coming, once it is there."""
        given, future = coming[0]
        found = _waited_for(future)
        coming.popleft()
        return given, self.settled(work, given, found)

    def settled(self, work: RangeWork[R, V], given: R, found: Any) -> V:
        """What is made of a range by what a worker returned for it."""
        if not isinstance(found, _Undone):
            return work.came(given, found)
        self.undone += 1
        self.why = self.why or found.why
        return work.here(given)


class LeasedRanges:
    """See `Ranges`: work on rows in the processes of a cluster's workers. Made in the loop of the run."""

    def __init__(self, leased: Callable[[RangeWork[Any, Any], Sequence[Condition]], Leasing]) -> None:
        """leased: makes a table for such work in the pools of the workers that meet the conditions."""
        self._leased = leased
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._begun: dict[int, _Begun] = {}
        self._beginning = threading.Lock()

    def each(self, work: RangeWork[R, V], ranges: Iterable[R]) -> Iterator[tuple[R, V]]:
        """See `Ranges.each`."""
        # Whoever waits in the loop's own thread would wait for ever.
        if threading.get_ident() == self._thread:
            yield from HERE.each(work, ranges)
            return
        begun = self._of(work)
        coming: deque[tuple[R, Future[Any]]] = deque()
        try:
            for given in ranges:
                asked = begun.asked(work.function, work.sent(given))
                coming.append((given, asyncio.run_coroutine_threadsafe(asked, self._loop)))
                while len(coming) > max(AHEAD, 2 * begun.leasing.slots):
                    yield begun.next(work, coming)
            while coming:
                yield begun.next(work, coming)
        finally:
            for _, future in coming:
                future.cancel()

    async def one(self, work: RangeWork[R, V], given: R) -> V:
        """See `Ranges.one`."""
        begun = self._begun.get(id(work))
        if begun is None:  # to name what is shared takes a while where it is large
            begun = await asyncio.to_thread(self._of, work)
        return begun.settled(work, given, await begun.asked(work.function, work.sent(given)))

    def warnings(self) -> list[str]:
        """What the run had to do itself, and why."""
        return [
            f"{begun.undone:,} ranges of {begun.leasing.name} were done by the run itself: {begun.why}"
            for begun in self._begun.values()
            if begun.undone
        ]

    async def close(self) -> None:
        """Wait for nothing any more."""
        await asyncio.gather(*(begun.leasing.close() for begun in self._begun.values()))

    def _of(self, work: RangeWork[Any, Any]) -> _Begun:
        with self._beginning:
            begun = self._begun.get(id(work))
            if begun is None:
                shared = work.shared()
                name = blake2b(shared, digest_size=16).hexdigest()
                files = [GivenFile(path, digest_of_files([path])) for path in work.files]
                digests = [file.digest for file in files]
                leasing = self._leased(work, [*files, _proof(work, name, shared, digests)])
                begun = self._begun[id(work)] = _Begun(work, leasing, name, digests)
            return begun


def _waited_for(future: Future[Any]) -> Any:
    while True:
        try:
            return future.result(ASKS_S)
        except TimeoutError:
            if future.done():
                return future.result()
            go_on()


def _differing(given: object, wanted: object) -> str:
    """What two lists differ in, where they are such."""
    if isinstance(given, list) and isinstance(wanted, list) and len(given) == len(wanted):
        return "; ".join(
            f"{one}, not {other}" for one, other in zip(given, wanted, strict=True) if one != other
        )
    return f"{given}, not {wanted}"


def _proof(work: RangeWork[Any, Any], name: str, shared: bytes, files: Sequence[str]) -> Proof:
    wanted = work.proof()

    def fault_in(answer: bytes) -> str:
        try:
            found = pool_answer_in(answer).get("value")
        except (EngineFault, RunError, WorkerError) as fault:
            return str(fault)
        if found == wanted:
            return ""
        return f"it has other libraries, files or processors than the run: {_differing(found, wanted)}"

    body = pool_job_frame([], work.limit_s, name, shared, files)
    return Proof(work.prover, body, fault_in, max(PROOF_S, work.limit_s))
