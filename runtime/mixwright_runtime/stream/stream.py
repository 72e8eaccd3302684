"""Streams rows through one pipeline: each goes on the moment its own step ends, nothing waits for a stage.

    starts ─▶ workers (the window) ─▶ steps ─▶ breaker ─▶ steps ─▶ kept
                 one row each          │        rows in start order, in chunks
                                       └─▶ candidates side by side; a closing verifier brings them together

A row that cannot be processed is quarantined with its reason; it never ends the run, and never disappears: every
started row ends in the outcomes, or stays unfinished because the run stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.errors import RunStopped
from mixwright_runtime.plugins.shapes import Place
from mixwright_runtime.store.underway import Underway, set_out
from mixwright_runtime.stream.ahead import Ahead
from mixwright_runtime.stream.counting import Counted
from mixwright_runtime.stream.crew import Crew
from mixwright_runtime.stream.driving import decided_on
from mixwright_runtime.stream.flows import Flow
from mixwright_runtime.stream.kept import Keeper
from mixwright_runtime.stream.nodes import Node
from mixwright_runtime.stream.ordering import LongestFirst, in_parts
from mixwright_runtime.stream.outcomes import Outcomes, Start
from mixwright_runtime.stream.pool import Pool
from mixwright_runtime.stream.waiting import Waiting
from mixwright_runtime.stream.walk import NOTHING_SETTLED, Settled, Walk
from mixwright_runtime.values.rows import Row

CHUNK = 256
"""Rows that a breaker takes at once: enough to work in one go, few enough that those behind it start early. Chosen."""
BREATH = 100
"""Rows without any waiting after which a worker lets the event loop see to signals and progress. Chosen."""
MOST_BEHIND = 20_000
"""Chosen: rows under way behind a step that decides on all of them, at most, or twice the window: more than any model and
the look-ups of the store have waiting. They are in memory."""


@dataclass
class _Buffer:
    """Rows in front of a breaker, put back into start order."""

    waiting: dict[int, list[Row]] = field(default_factory=dict)
    next_position: int = 0
    ready: list[tuple[int, list[Row]]] = field(default_factory=list)
    ready_rows: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Executor:
    """One pipeline in one run. `wave` may be called again and again; positions go on from 0."""

    def __init__(
        self,
        nodes: Sequence[Node],
        outcomes: Outcomes,
        stop: StopSignal,
        *,
        window: int,
        kept: Keeper | None = None,
        order: LongestFirst | None = None,
        pool: Pool | None = None,
        settled: Settled = NOTHING_SETTLED,
        scratch: Path | None = None,
    ) -> None:
        """
        Args:
            kept: takes the rows that survive; nothing does when None.
            order: which rows of a wave start first; without it they start in start order.
            pool: of a pipeline that draws from its own rows: a row starts when what it sees is closed.
            settled: rows that are not to be tried again at a step where an earlier run lost them.
            scratch: where rows are put aside that wait for a step which decides on all of them; a temporary folder
                when None.
        """
        self.nodes = tuple(nodes)
        self.started = 0
        self.finished = 0
        """Started rows of which nothing is under way any more."""
        self._kept = kept
        self._book = Counted(outcomes)
        self._walk = Walk(self.nodes, self._book, settled)
        self._pool = pool
        self._stop = stop
        self._window = max(1, window)
        self._order = order
        self._breakers = [i for i, node in enumerate(self.nodes) if node.is_breaker]
        self._ends = [
            next((i for i in self._breakers if i >= at), len(self.nodes)) for at in range(len(self.nodes) + 1)
        ]
        """Of each place the breaker that is next from there on, or the end."""
        self._scratch = scratch
        self._buffers = {i: _Buffer() for i in self._breakers if not self.nodes[i].needs_all_rows}
        self._waiting = {i: self._nobody_at(i) for i in self._breakers if self.nodes[i].needs_all_rows}
        self._behind: set[asyncio.Task[None]] = set()
        self._ended_behind = asyncio.Event()
        self._has_failed = False
        """One of the tasks behind a breaker."""

    @property
    def needs_all_rows(self) -> bool:
        """A step decides on all rows at once, so that all must be started before any can survive."""
        return bool(self._waiting)

    @property
    def in_flight(self) -> int:
        """Rows that are started and not finished."""
        return self.started - self.finished

    async def wave(self, starts: Sequence[Start]) -> None:
        """Take rows through the pipeline until each is kept, dropped or quarantined, or the run stops.

        Rows must come in start order with positions that go on from the last wave. At most `window` are under way
        in front of the first breaker, and some that wait for the store.

        Raises:
            RunError: the machine failed; outcomes so far are recorded.
        """
        parts = in_parts(starts) if self._order is None else self._order.ordered(starts)
        pending = Ahead(parts, self._stop.check, is_in_memory=isinstance(starts, list))
        crew = Crew(self._window, partial(self._work, pending))
        try:
            await crew.done()
            # Front to back, each until nothing is under way behind it: those are the rows that the next one waits for.
            for at in self._breakers:
                if at in self._waiting and self._stop.reason:
                    break  # its rows stay unfinished: a part of a table decides nothing
                try:
                    await (self._pass_table(at) if at in self._waiting else self._pass_breaker(at))
                except RunStopped:
                    break
                while self._behind:
                    behind = list(self._behind)
                    await _all_or_first_error(behind)
                    self._behind.difference_update(behind)
        finally:
            await crew.dismiss()
            for task in self._behind:
                task.cancel()
            await asyncio.gather(*self._behind, return_exceptions=True)

    async def _work(self, starts: Ahead, crew: Crew) -> None:
        now = asyncio.get_running_loop().time
        for taken in count(1):
            try:
                start = await starts.next()
                if start is None:
                    break
                self._stop.check()
                row = start.row
                if self._pool is not None:
                    await self._pool.settled(row.position)
            except RunStopped:
                return
            self.started += 1
            self._book.started(start)
            begun, underway = now(), Underway(crew.left, crew.returned)
            set_out(underway)
            try:
                await self._segment(0, row.position, [row])
            except RunStopped:
                # The row stays unfinished; the next run starts it again.
                self._unfinished()
                continue
            # Of a row whose calls are stored the time says nothing, and its order would only scatter what is read there.
            if self._order is not None and underway.has_asked:
                self._order.took(row, now() - begun)
            if crew.has_too_many:
                return
            if taken % BREATH == 0:
                await asyncio.sleep(0)
        crew.is_out_of_rows = True

    async def _segment(self, at: int, position: int, rows: Iterable[Row]) -> None:
        """From step `at` to the next breaker or the end."""
        end = self._ends[at]
        flows: list[Flow] = []
        for row in rows:
            flows += await self._walk.through(Flow(row), at, end)
        if end in self._waiting and flows:
            self._waiting[end].add((flow.row for flow in flows), self._book.set_aside(position))
            return
        # Of a start of which nothing is left a step that decides on all rows needs no word, as one in start order does.
        while end in self._waiting:
            end = self._ends[end + 1]
        if end == len(self.nodes):
            kept = [flow.row for flow in flows]
            ended = self._book.finished(position, kept)
            self.finished += 1
            if self._kept is not None:
                self._kept.add(ended)
            if self._pool is not None:
                self._pool.close(position, kept)
            return
        buffer = self._buffers[end]
        # A start of which nothing is left takes its place, too: a breaker decides in start order and never past a gap,
        # so one that is missing (the run stopped) holds up all behind it, and they stay unfinished as it does.
        buffer.waiting[position] = [flow.row for flow in flows]
        while (ready := buffer.waiting.pop(buffer.next_position, None)) is not None:
            buffer.ready.append((buffer.next_position, ready))
            buffer.ready_rows += len(ready)
            buffer.next_position += 1
        # What others wait for goes on at once, also where nothing is left of it.
        if buffer.ready_rows >= CHUNK or (self._pool is not None and buffer.ready):
            await self._pass_breaker(end)

    def _unfinished(self) -> None:
        if self._pool is not None:
            self._pool.break_off()

    async def _pass_breaker(self, at: int) -> None:
        """Let the breaker decide on the rows that are next in start order, and send on what it keeps."""
        node, buffer = self.nodes[at], self._buffers[at]
        # A breaker goes by the rows that it has seen: a chunk is taken and decided under one lock, or two chunks could
        # reach it the wrong way round.
        async with buffer.lock:
            batch, buffer.ready, buffer.ready_rows = buffer.ready, [], 0
            rows = [row for _, group in batch for row in group]
            concerned = [row for row in rows if node.applies(row)]
            verdicts = await decided_on(node, concerned, self._stop) if concerned else iter(())
            through = []
            for position, group in batch:
                results = [next(verdicts) if node.applies(row) else row for row in group]
                through.append((position, [row for made in results for row in self._let_through(made, node)]))
        for position, survivors in through:
            # Tasks only where something is waited for: elsewhere they cost more than the steps. Their number has no
            # bound here: the gate of the model or the pool of workers that they wait for is one.
            if any(later.waits for later in self.nodes[at + 1 :]):
                self._send_on(self._segment(at + 1, position, survivors))
            else:
                await self._segment(at + 1, position, survivors)

    async def _pass_table(self, at: int) -> None:
        """Let a step decide on all rows, and send on what it keeps, one after another."""
        node, waiting = self.nodes[at], self._waiting[at]
        self._waiting[at] = self._nobody_at(at)
        rows = waiting.concerned()
        verdicts = await decided_on(node, rows, self._stop) if rows else iter(())
        waits_behind = any(later.waits for later in self.nodes[at + 1 :])
        for done, (position, whence, group) in enumerate(waiting.in_start_order(), 1):
            self._stop.check_cut_short()
            self._book.resumed(position, whence)
            results = [next(verdicts) if row is None else row for row in group]
            survivors = [row for made in results for row in self._let_through(made, node)]
            if waits_behind:
                self._send_on(self._segment(at + 1, position, survivors))
                if await self._is_broken_behind():
                    return
            else:
                await self._segment(at + 1, position, survivors)
            if done % BREATH == 0:
                await asyncio.sleep(0)
        for _ in verdicts:  # none is left, which is checked there
            pass

    async def _is_broken_behind(self) -> bool:
        """Whether one of the rows that were sent on ended with an error; waits while they are too many."""
        while not self._has_failed and len(self._behind) >= max(MOST_BEHIND, 2 * self._window):
            self._ended_behind.clear()
            await self._ended_behind.wait()
        return self._has_failed

    def _nobody_at(self, at: int) -> Waiting:
        return Waiting(self.nodes[at], self._scratch)

    def _let_through(self, made: Place, node: Node) -> list[Row]:
        """The rows that go on in the place of one."""
        if isinstance(made, list):
            self._book.forked(made, node)
            return made
        return [made] if self._book.took(made, node) else []

    def _send_on(self, job: Coroutine[object, object, None]) -> None:
        async def quietly() -> None:
            set_out(None)
            try:
                await job
            except RunStopped:
                self._unfinished()
                return

        task = asyncio.create_task(quietly())
        self._behind.add(task)
        task.add_done_callback(self._forget_if_sound)

    def _forget_if_sound(self, task: asyncio.Task[None]) -> None:
        # One that failed stays: `wave` looks at them all, and raises its error.
        if not task.cancelled() and task.exception() is None:
            self._behind.discard(task)
        else:
            self._has_failed = True
        self._ended_behind.set()


async def _all_or_first_error(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Return when all are done; raise the first error as soon as there is one."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()
