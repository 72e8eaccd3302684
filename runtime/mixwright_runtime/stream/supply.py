"""Rows of sources in the order in which a pipeline or a mixture starts them; each is read when it starts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, overload

from mixwright_compiler.plan.plan import Pipeline, Plan
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.mixture import start_positions
from mixwright_runtime.sources.pages import SourceEntry, SourcePages
from mixwright_runtime.stream.outcomes import Start
from mixwright_runtime.values.beside import beside, ended_by, go_on
from mixwright_runtime.values.rows import Row, replica_id
from mixwright_runtime.values.sorting import order_of
from mixwright_runtime.values.spool import stretches

READ_TOGETHER = 256
"""Rows read at once of those that are about to start. Chosen."""
IDS_TOGETHER = 100_000
"""Identities whose keys are made at once: bounds memory beside the keys."""
ORDER_PART_BITS = 4
"""Leading bits of a key by which rows are parted before they are put in order: what a sort takes is of a sixteenth of
them. Chosen."""

T = TypeVar("T", covariant=True)
Made = TypeVar("Made")


class Sources:
    """The sources of a plan, each read once: its rows' identities are held, their columns read again when wanted."""

    def __init__(
        self, plan: Plan, directory: Path, stop: StopSignal | None = None, *, scratch: Path | None = None
    ) -> None:
        """`scratch`: where rows are put aside that are too many for memory; a temporary folder when None."""
        self._plan = plan
        self._stop = stop
        self._directory = directory
        self.scratch = scratch
        self._read: dict[str, SourcePages] = {}
        self._reading = threading.RLock()

    def check(self) -> None:
        """Raise RunStopped if the run that these are for is to end."""
        if self._stop is not None:
            self._stop.check_cut_short()

    async def beside(self, work: Callable[[], Made]) -> Made:
        """What `work` makes of sources, in a thread: it may read them whole. Raises as `pages`."""
        return await beside(self.check, work)

    def pages(self, name: str) -> SourcePages:
        """The rows of a source.

        Raises:
            SourceChanged: the lock file pins other bytes.
            RunError: it cannot be read.
            RunStopped: the run was interrupted, or failed.
        """
        with self._reading:
            if name not in self._read:
                with ended_by(self.check):
                    self._read[name] = SourcePages(
                        self._plan.sources[name], self._directory, scratch=self.scratch
                    )
            return self._read[name]

    def entries(self, name: str) -> Iterable[SourceEntry]:
        """Every row, in the order of the source; raises as `pages`."""
        return self.pages(name).entries()

    def starts(self, name: str, seed: int) -> Starts[SourceEntry]:
        """A source's rows as a mixture takes them directly, in start order."""
        pages = self.pages(name)
        rows = pages.in_order(self.order(pages, seed))

        def made(entries: Iterator[SourceEntry], position: int) -> Iterator[Start]:
            for at, entry in enumerate(entries, position):
                yield Start(Row(entry.row_id, entry.columns, entry.row_id, at), name, entry.ref)

        return Starts(rows, made, 0, len(rows))

    def order(self, pages: SourcePages, seed: int) -> Any:
        """Numbers of a source's rows in the order in which a mixture takes them."""
        return start_order(pages, seed)


def start_order(pages: SourcePages, seed: int) -> Any:
    """Numbers of a source's rows in ascending `order_key(seed, row id)`: a numpy array, 4 bytes a row."""
    import numpy as np

    keys = np.empty(len(pages), dtype=np.int64)
    parts = np.empty(len(pages), dtype=np.uint8)
    for first in range(0, len(pages), IDS_TOGETHER):
        go_on()
        last = min(first + IDS_TOGETHER, len(pages))
        keys[first:last] = start_positions(seed, pages.row_ids(first, last))
        parts[first:last] = keys[first:last] >> (63 - ORDER_PART_BITS)
    order = np.empty(len(pages), dtype=np.uint32 if len(pages) < 2**32 else np.uint64)
    done = 0
    for part in range(1 << ORDER_PART_BITS):
        go_on()
        there = np.flatnonzero(parts == part)
        order[done : done + len(there)] = there[order_of(keys[there])]
        done += len(there)
    return order


class Readable(Protocol[T]):
    """Things in an order of their own, each read when it is come to."""

    def __len__(self) -> int: ...

    def entries(self, first: int, last: int) -> Iterator[T]:
        """Those from one place to another."""


class Starts(Sequence[Start], Generic[T]):
    """Rows that start one after the other, each read when it is come to."""

    def __init__(
        self,
        rows: Readable[T],
        made: Callable[[Iterator[T], int], Iterator[Start]],
        first: int,
        last: int,
    ) -> None:
        """
        Args:
            made: starts of rows, the first of which has this position.
            first, last: positions; behind the last row the first comes again.
        """
        self._rows = rows
        self._made = made
        self._first = first
        self._last = last

    def __len__(self) -> int:
        return self._last - self._first

    @overload
    def __getitem__(self, at: int) -> Start: ...
    @overload
    def __getitem__(self, at: slice) -> Starts[T]: ...
    def __getitem__(self, at: int | slice) -> Start | Starts[T]:
        if isinstance(at, slice):
            start, stop, step = at.indices(len(self))
            if step != 1:
                raise ValueError("starts are taken one after the other")
            return Starts(self._rows, self._made, self._first + start, self._first + max(start, stop))
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        place = at % len(self)
        return next(iter(self[place : place + 1]))

    def __iter__(self) -> Iterator[Start]:
        count = len(self._rows)
        position = self._first
        while position < self._last:
            at = position % count
            until = min(at + READ_TOGETHER, count, at + self._last - position)
            yield from self._made(self._rows.entries(at, until), position)
            position += until - at

    def at(self, places: Iterable[int]) -> Iterator[Start]:
        """The rows at these places."""
        for first, last in stretches(places):
            yield from self[first : last + 1]

    def names(self, first: int, last: int) -> Iterator[tuple[bytes, str, int]]:
        """Identities of the rows from one place to another; leaf and repeat are a nested mixture's."""
        return ((start.row.row_id, "", 0) for start in self[first:last])


class SourceSupply:
    """Rows of a source in start order, `repeat` times over; at most `most` starts."""

    level: int = 0
    """Pipelines behind this one that repeat rows."""

    def __init__(
        self, pipeline: Pipeline, sources: Sources, where: Callable[[Any], Any] | None, most: int | None
    ) -> None:
        start = pipeline.start
        pages = sources.pages(start.rows)
        order = start_order(pages, pipeline.seed)
        if where is not None:
            assert start.where is not None
            order = order[pages.let_in(start.where, where)[order]]
        if start.limit is not None:
            order = order[: start.limit].copy()
        # Replicas outside, so that a larger `repeat` only adds starts behind those there were.
        self.total = len(order) * start.repeat
        if most is not None:
            self.total = min(self.total, most)
        self._pipeline = pipeline
        self._count = len(order)
        self._all = Starts(pages.in_order(order), self._started, 0, self.total)
        self._taken = 0

    @property
    def is_exhausted(self) -> bool:
        """Every row there is has been taken."""
        return self._taken >= self.total

    async def take(self, count: int | None) -> Starts[SourceEntry]:
        """The next `count` rows, or all that are left."""
        left = self.total - self._taken
        first, self._taken = self._taken, self._taken + (left if count is None else min(count, left))
        return self._all[first : self._taken]

    def _started(self, entries: Iterator[SourceEntry], position: int) -> Iterator[Start]:
        start = self._pipeline.start
        for at, entry in enumerate(entries, position):
            columns = entry.columns
            if start.columns:
                columns = {name: columns[name] for name in start.columns}
            replica = at // self._count
            row_id = replica_id(entry.row_id, replica)
            parents = (entry.row_id,) if replica else ()
            row = Row(row_id, dict(columns), entry.row_id, at, replica, parents=parents)
            yield Start(row, start.rows, entry.ref)
