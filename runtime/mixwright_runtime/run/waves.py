"""From wanted rows to started rows: the order in which rows start, and how many to start next.

Rows start in ascending `order_key(seed, row id)`, replica 0 of all before replica 1 of any; rows of another pipeline
start in that pipeline's own order, as it yields them. Every step keeps that order, so the first N survivors are the
same whatever the waves were, and a larger demand only adds to them.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Iterator, Sequence
from math import ceil, inf, sqrt
from typing import Any

from mixwright_compiler.plan.plan import Pipeline
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.errors import RunError
from mixwright_runtime.stream.driving import with_drawn
from mixwright_runtime.stream.kept import KeptRows
from mixwright_runtime.stream.outcomes import Start
from mixwright_runtime.stream.stream import Executor
from mixwright_runtime.stream.supply import READ_TOGETHER, Sources, SourceSupply, Starts
from mixwright_runtime.values.rows import Row, replica_id

PRIOR_ROWS = 4
"""Weight, in rows, of the belief that every row survives; it sizes the first wave and fades with what is seen. Chosen."""
GROWTH = 4
"""Chosen. A wave starts at most this many times the rows started before it: with few or no survivors yet, the yield is a
guess, and a guess must not send a million requests."""
SMALLEST_WAVE = 16
"""Chosen: a wave ends with its slowest row, so that the last few missing rows would take many waves of one or two."""


class PipelineSupply:
    """Kept rows of another pipeline in its own order; asking for more makes it start more.

    Others may read the same pipeline at the same time: each has its own place in `upstream.kept`, and what the
    pipeline still has to give is for it alone to say.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        upstream: PipelineRun,
        where: Callable[[Any], Any] | None,
        most: int | None,
    ) -> None:
        self._pipeline = pipeline
        self._upstream = upstream
        self._where = where
        self._limit = inf if pipeline.start.limit is None else pipeline.start.limit
        self._most = inf if most is None else most
        self.level: int = upstream.supply.level + (upstream.pipeline.start.repeat > 1)
        self._passed = array("q")
        """Places of the upstream rows that `where` lets in, at most `limit`."""
        self._seen = 0
        self._taken = 0

    @property
    def total(self) -> int | None:
        """How many rows there can be; None while the upstream pipeline may yield more."""
        there = len(self._passed) * self._pipeline.start.repeat
        return int(min(there, self._most)) if self._is_complete or there >= self._most else None

    @property
    def is_exhausted(self) -> bool:
        """Every row there is has been taken."""
        total = self.total
        return total is not None and self._taken >= total

    async def take(self, count: int | None) -> Starts[Start]:
        """The next `count` rows, or all; fewer when the upstream pipeline cannot yield them."""
        until = self._most if count is None else min(self._most, self._taken + count)
        # Replica 1 of any row comes after replica 0 of all: as long as there may be more rows, each start is another.
        while not self._is_complete and len(self._passed) < until:
            rows = min(until, self._limit)
            await self._upstream.ensure(None if rows == inf else self._seen + int(rows) - len(self._passed))
            if self._seen == len(self._upstream.kept):
                break
            await self._look_at_fresh()
        there = len(self._passed) * (self._pipeline.start.repeat if self._is_complete else 1)
        first, self._taken = self._taken, max(self._taken, int(min(until, there)))
        return Starts(self, self._started, first, self._taken)

    async def _look_at_fresh(self) -> None:
        """Let in what the upstream pipeline has kept since."""
        fresh = range(self._seen, len(self._upstream.kept))
        if self._where is None:
            self._passed.extend(fresh[: int(min(len(fresh), self._limit - len(self._passed)))])
            self._seen = fresh.stop
            return
        for place, kept in zip(fresh, self._upstream.kept.at(fresh), strict=True):
            # Row by row, for others ask between two of them whether this pipeline has come to its end.
            if self._where(kept.row.columns):
                self._passed.append(place)
            self._seen = place + 1
            if len(self._passed) >= self._limit:
                return
            if place % READ_TOGETHER == 0:
                await asyncio.sleep(0)

    def __len__(self) -> int:
        """Upstream rows that were let in so far."""
        return len(self._passed)

    def entries(self, first: int, last: int) -> Iterator[Start]:
        """Those of them from one place to another."""
        return self._upstream.kept.at(self._passed[first:last])

    @property
    def _is_complete(self) -> bool:
        """No further row will pass."""
        is_read = self._upstream.is_exhausted and self._seen >= len(self._upstream.kept)
        return is_read or len(self._passed) >= self._limit

    def _started(self, rows: Iterator[Start], position: int) -> Iterator[Start]:
        for at, kept in enumerate(rows, position):
            replica = at // len(self._passed)
            columns = kept.row.columns
            names = self._pipeline.start.columns
            row = Row(
                replica_id(kept.row.row_id, replica, self.level),
                {name: columns[name] for name in names} if names else dict(columns),
                kept.row.origin_id,
                at,
                replica,
                parents=(kept.row.row_id,) if replica else (),
            )
            yield Start(row, self._upstream.name, kept.ref)


class PipelineRun:
    """One pipeline in one run: starts rows in waves until enough have survived."""

    def __init__(
        self,
        pipeline: Pipeline,
        supply: SourceSupply | PipelineSupply,
        executor: Executor,
        stop: StopSignal,
        kept: KeptRows,
        *,
        fanout: int = 1,
        draws: Sequence[tuple[PipelineRun, int | None]] = (),
    ) -> None:
        """
        Args:
            kept: where the executor puts the rows that survive.
            fanout: rows that one row becomes when nothing is dropped (candidates that no verifier brings together).
            draws: pipelines whose rows its steps draw from, all or so many: they must be there before it starts.
        """
        self.pipeline = pipeline
        self.executor = executor
        self.supply = supply
        self.kept = kept
        """Survivors in start order; only ever appended to."""
        self.wanted: int | None = 0
        """Rows asked for so far; None for all."""
        self.waves: list[tuple[int, int]] = []
        """(rows started, rows kept) of each wave."""
        self._stop = stop
        self._fanout = fanout
        self._draws = draws
        self._lock = asyncio.Lock()
        self._begun = self._through = 0
        """Rows handed to the executor, and those of them of which everything is in `kept` or ended."""

    @property
    def name(self) -> str:
        return self.pipeline.name

    @property
    def is_exhausted(self) -> bool:
        """`kept` is all that there will ever be: no row is left to start, and none is under way."""
        return self.supply.is_exhausted and self._through >= self._begun

    async def ensure(self, count: int | None) -> None:
        """Start rows until `count` have survived in all, or none is left, or the run stops. None wants all there are.

        Whoever reads this pipeline may ask at any time; those who ask while a wave is under way wait for it.

        Raises:
            RunError: the machine failed; the run is told to stop.
        """
        if self.wanted is not None:
            self.wanted = None if count is None else max(self.wanted, count)
        if self._has(count):
            return
        async with self._lock:
            for other, limit in self._draws:
                await other.ensure(limit)
            if self._draws and not self._stop.reason:
                await with_drawn(self.executor.nodes)
            while not (self._has(count) or self._stop.reason or self.is_exhausted):
                size = None
                if count is not None and not self.executor.needs_all_rows:
                    size = self.next_wave(count - len(self.kept))
                starts = await self.supply.take(size)
                if not starts:
                    return
                await self._wave(starts)

    def _has(self, count: int | None) -> bool:
        return count is not None and len(self.kept) >= count

    async def _wave(self, starts: Sequence[Start]) -> None:
        before = len(self.kept)
        self._begun += len(starts)
        try:
            await self.executor.wave(starts)
        except RunError as failed:
            # Here and not where it ends up: whoever reads this pipeline, and all beside it, must start nothing more.
            self._stop.stop(str(failed), failed)
            raise
        finally:
            # A wave leaves nothing under way unless the run stops, and positions go on from wave to wave: sorted by
            # themselves, its survivors stand in start order behind all earlier ones.
            self.kept.settle()
            self._through = self.executor.finished
            self.waves.append((len(starts), len(self.kept) - before))

    @property
    def survival(self) -> float:
        """Rows kept for each row started, smoothed; above 1 where candidates go on as rows."""
        return (len(self.kept) + PRIOR_ROWS * self._fanout) / (self.executor.started + PRIOR_ROWS)

    def next_wave(self, missing: int) -> int:
        """Rows to start so that `missing` more probably survive: missing / yield and one standard deviation."""
        started, survival = self.executor.started, self.survival
        # The first wave takes it that every row survives: a wave more costs less than rows that nobody wanted.
        size = missing / survival
        if started:
            # The most that the number which a row becomes, 0 to fanout with this mean, can vary (Bhatia and Davis 2000).
            spread = survival * max(0.0, self._fanout - survival)
            size += sqrt(size * spread) / survival
            size = max(size, SMALLEST_WAVE)
            size = min(size, GROWTH * max(started, SMALLEST_WAVE))
        return max(1, ceil(size))


def supply_of(
    pipeline: Pipeline,
    runs: dict[str, PipelineRun],
    sources: Sources,
    where: Callable[[Any], Any] | None,
    limit: int | None,
) -> SourceSupply | PipelineSupply:
    """Where a pipeline's rows come from. `limit` is the user's `--limit`: the most starts, whatever repeats them."""
    if pipeline.start.kind == "source":
        return SourceSupply(pipeline, sources, where, limit)
    if pipeline.start.rows not in runs:
        raise RunError(f"pipeline '{pipeline.name}' starts from '{pipeline.start.rows}', which is not run")
    return PipelineSupply(pipeline, runs[pipeline.start.rows], where, limit)
