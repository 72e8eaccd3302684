"""Drives the lease table of one service: leases go to the workers of a cluster, answers to those who wait for them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Any

from mixwright_runtime.calls.fault import Clock
from mixwright_runtime.cluster.durations import LeasePolicy
from mixwright_runtime.cluster.leases import Item, Lease, LeaseFault, LeaseTable
from mixwright_runtime.cluster.protocol import Cluster, LeaseLost, Setup, Worker, unexpected
from mixwright_runtime.cluster.proving import Condition
from mixwright_runtime.cluster.waiting import Waiting
from mixwright_runtime.engines.protocol import EngineFault, Fault
from mixwright_runtime.errors import EngineUnavailable, RunError, RunStopped, error_of

POISONED_IN_A_ROW = 10
"""Items given up without any answer in between, after which it is not the items' doing. Chosen."""


class Leasing:
    """Has items of one service answered by whichever workers there are. See `Listener`."""

    def __init__(
        self,
        service: str,
        cluster: Cluster,
        setup: Setup,
        *,
        slots: int,
        clock: Clock,
        again: Callable[[], None],
        policy: LeasePolicy | None = None,
        name: str = "",
        conditions: Iterable[Condition] = (),
    ) -> None:
        """slots: of one worker. again: called before an item is sent again, which it may refuse with RunStopped. name: of
        the work, where a service does several kinds of it. conditions: see `require`."""
        self.table = LeaseTable(clock.monotonic, policy, self._may_send_again)
        self.answered: dict[str, int] = {}
        """Worker -> its answers that were used."""
        self.troubles: dict[str, str] = {}
        """Worker -> why the service does not start there."""
        self.service = service
        self.name = name or service
        self.cluster = cluster
        self._setup = setup
        self._slots = slots
        self._clock = clock
        self._again = again
        self._workers: dict[str, Worker] = {}
        self._waiting = Waiting()
        self._sent = 0
        self._opening: set[str] = set()
        self._conditions = list(conditions)
        self._jobs: set[asyncio.Task[None]] = set()
        self._is_ready: asyncio.Future[None] | None = None
        self._failure: RunError | None = None
        self._poisoned = 0
        """Items that were given up since the last answer."""
        self._stopped = RunStopped("the run is stopping")
        self._is_pumping = self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Return when the service is up in a worker; further ones take part as theirs is.

        Raises:
            RunError: it comes up in none.
        """
        if self._is_ready is None:
            self._is_ready = asyncio.get_running_loop().create_future()
            try:
                await self.cluster.start(self._setup)
            except RunError as error:
                self.failed(error)
            else:
                self.cluster.listen(self)
        await asyncio.shield(self._is_ready)

    async def ask(self, kind: str, key: bytes, body: bytes, limit_s: float = 0.0) -> bytes:
        """The answer to one item; see `Item`.

        Raises:
            EngineFault: workers died with it, or none is left.
            RunStopped: it would have to be sent again, and must not.
        """
        if self._failure is not None:
            raise _given_up(self._failure)
        self._sent += 1
        own = key + self._sent.to_bytes(8, "big")
        future = self._waiting.begin(own)
        self.table.offer([Item(own, kind, body, limit_s)])
        self._wake()
        try:
            return await future
        finally:
            if self._waiting.end(own):
                self.table.withdraw(own)

    async def require(self, condition: Condition) -> None:
        """Leave out every worker that does not meet it, those that join later, too.

        Raises:
            RunError: none is left.
        """
        self._conditions.append(condition)
        await asyncio.gather(*(self._held_to(worker, condition) for worker in list(self._workers.values())))

    @property
    def slots(self) -> int:
        """Items that all workers together work on at once."""
        return sum(self.table.slots_of(worker) for worker in self._workers)

    async def close(self) -> None:
        """Wait for nothing any more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    def joined(self, worker: Worker) -> None:
        """See `Listener.joined`."""
        if not self._is_closed:
            self._opening.add(worker.name)
            self._begin(self._open(worker))

    def left(self, worker: Worker) -> None:
        """See `Listener.left`."""
        if self._workers.get(worker.name) is worker:
            del self._workers[worker.name]
            self.table.leave(worker.name)
            self._wake()

    def failed(self, error: RunError) -> None:
        """See `Listener.failed`; also what else leaves nobody to wait for."""
        self._failure = error
        if self._is_ready is not None and not self._is_ready.done():
            self._is_ready.set_exception(error)
            self._is_ready.exception()  # nobody may wait for it any more
        for key in self._waiting:
            self._refuse(key, _given_up(error))

    async def _open(self, worker: Worker) -> None:
        try:
            slots = await worker.open(self.service)
            held = 0
            while held < len(self._conditions):
                await self._conditions[held].hold(worker, self.service)
                held += 1
        except RunError as error:
            self._opening.discard(worker.name)
            self._left_out(worker, error)
            return
        except LeaseLost:
            self._opening.discard(worker.name)  # whoever keeps it sends another one, or gives up
            return
        self._opening.discard(worker.name)
        self.troubles.pop(worker.name, None)
        self._workers[worker.name] = worker
        self.table.join(worker.name, slots or self._slots)
        if self._is_ready is not None and not self._is_ready.done():
            self._is_ready.set_result(None)
        self._wake()

    async def _held_to(self, worker: Worker, condition: Condition) -> None:
        try:
            await condition.hold(worker, self.service)
        except LeaseLost:
            self.left(worker)
        except RunError as error:
            self.left(worker)
            self._left_out(worker, error)
            if self._failure is not None:
                raise self._failure from error

    def _left_out(self, worker: Worker, error: RunError) -> None:
        self.troubles[worker.name] = str(error)
        if not self._workers and not self._opening:
            self.failed(error)

    def _wake(self) -> None:
        """Look at the table once what is under way in the loop is done: leases get what comes at the same time."""
        if not self._is_pumping:
            self._is_pumping = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._is_pumping = False
        try:
            self._pump()
        except Exception as error:
            self.failed(unexpected(f"the leasing of {self.name}", error))

    def _pump(self) -> None:
        late = self.table.stats.late
        self.table.overdue()
        if self.table.stats.late > late:
            self.cluster.at_point("late")
        while (lease := self.table.next()) is not None:
            self.cluster.at_point("lease")
            self._begin(self._follow(lease, self._workers[lease.worker]))
        for key in self.table.refused:
            self._refuse(key, self._stopped)
        self.table.refused.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self.table.due()
        if due is not None:
            wait_s = max(0.0, due - self._clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._wake)

    async def _follow(self, lease: Lease, worker: Worker) -> None:
        """Pass on the answers to a lease until it ends, late ones too."""
        fault, how = LeaseFault.UNAVAILABLE, "it ended"
        try:
            async with contextlib.aclosing(worker.answers(self.service, lease)) as coming:
                async for results in coming:
                    if not results:
                        lease.begin_anew(self._clock.monotonic())
                        continue
                    self.cluster.at_point("answer")
                    used = self.table.answered(lease.id, results)
                    if used:
                        self._poisoned = 0
                        self.answered[lease.worker] = self.answered.get(lease.worker, 0) + len(used)
                    for key, body in used:
                        self._waiting.tell(key, body)
                    self.cluster.at_point("told")
                    self._wake()
        except LeaseLost as lost:
            fault, how = lost.fault, str(lost)
            if fault is LeaseFault.DIED:
                self.left(worker)
        if lease.left:
            self.cluster.at_point("lost")
            for key in self.table.lost(lease.id, fault):
                self._poisoned += 1
                died = EngineFault(Fault.WORKER_DIED, "three workers died while they were at it")
                self._refuse(key, died)
            if self._poisoned >= POISONED_IN_A_ROW:
                self.failed(EngineUnavailable(f"workers die whatever they are asked; the last time: {how}"))
        self._wake()

    def _may_send_again(self) -> bool:
        try:
            self._again()
        except RunStopped as stopped:
            self._stopped = stopped
            return False
        return True

    def _refuse(self, key: bytes, error: Exception) -> None:
        self.table.withdraw(key)
        self._waiting.refuse(key, error)

    def _begin(self, job: Any) -> None:
        task = asyncio.ensure_future(job)
        self._jobs.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._jobs.discard(task)
        error = error_of(task)
        if error is not None:  # somebody may wait for what it was at
            self.failed(unexpected(f"the leasing of {self.name}", error))


def _given_up(error: RunError) -> EngineFault:
    return EngineFault(Fault.DENIED, f"no worker is left: {error}")
