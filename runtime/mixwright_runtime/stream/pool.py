"""A pipeline that draws from the rows which it has kept itself: which of them a row may see, and when that is settled.

The row at position i sees what was kept of the rows at positions below

    i - max(5, min(lag, i // 8))

and nothing else, so that what it draws follows from its position alone: not from how many rows are under way, how long
answers take, how rows are cut into waves or how many are wanted. Self-Instruct asks in batches of five and looks at the
pool anew for each (Wang et al. 2023), which is where this begins; the distance then grows to `lag`, so that as many rows
can be under way.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, overload

from mixwright_runtime.errors import RunStopped
from mixwright_runtime.values.rows import Row

SMALLEST_LAG = 5
"""Rows of a batch of Self-Instruct's, in which all see the same pool."""
GROWTH = 8
"""Chosen: the lag is at most this part of the rows started so far, so that an early row is not without a pool."""


def bound_of(position: int, lag: int) -> int:
    """The row at this position sees what was kept of rows at positions below this one."""
    return max(0, position - max(SMALLEST_LAG, min(lag, position // GROWTH)))


def first_to_see(position: int, lag: int) -> int:
    """The first position whose row sees what was kept of the row at this one."""
    return next(later for later in count(position) if bound_of(later, lag) > position)


class _Prefix(Sequence[Mapping[str, Any]]):
    """The first rows of a list that only grows, without a copy."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], size: int) -> None:
        self._rows = rows
        self._size = size

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, at: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Mapping[str, Any]]: ...
    def __getitem__(self, at: int | slice) -> Mapping[str, Any] | Sequence[Mapping[str, Any]]:
        if isinstance(at, slice):
            start, stop, step = at.indices(self._size)
            if (start, step) == (0, 1):
                return _Prefix(self._rows, stop)
            return [self._rows[i] for i in range(start, stop, step)]
        if not -self._size <= at < self._size:
            raise IndexError(at)
        return self._rows[at % self._size]


class Pool:
    """What one pipeline has kept, in start order, as far as every row before is kept, dropped or quarantined."""

    def __init__(self, lag: int, on_closed: Callable[[int, Sequence[Row]], None] | None = None) -> None:
        """
        Args:
            on_closed: is told, position by position, what was kept of each.
        """
        self._lag = lag
        self._on_closed = on_closed
        self._rows: list[Mapping[str, Any]] = []
        self._sizes = [0]
        """Rows kept of positions below 0, 1, 2 … as far as these are closed."""
        self._early: dict[int, Sequence[Row]] = {}
        """Closed, and one before them is not."""
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._turns = count()
        self._is_broken = False

    @property
    def closed(self) -> int:
        """Positions below this one are closed."""
        return len(self._sizes) - 1

    def before(self, position: int) -> Sequence[Mapping[str, Any]]:
        """What the row at a position sees: the columns of rows, in start order. It must be `settled`."""
        return _Prefix(self._rows, self._sizes[bound_of(position, self._lag)])

    async def settled(self, position: int) -> None:
        """Return when all that the row at a position sees is closed.

        Raises:
            RunStopped: a row before it stays unfinished, so it never will be.
        """
        if self._is_broken:
            raise RunStopped("a row before it is unfinished")
        bound = bound_of(position, self._lag)
        if bound <= self.closed:
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (bound, next(self._turns), waiting))
        await waiting

    def close(self, position: int, kept: Sequence[Row]) -> None:
        """Nothing is under way any more of the row at this position, of which these are kept."""
        self._early[position] = kept
        while (rows := self._early.pop(self.closed, None)) is not None:
            ordered = sorted(rows, key=lambda row: (row.path, row.row_id))
            if self._on_closed is not None:
                self._on_closed(self.closed, ordered)
            self._rows += [row.columns for row in ordered]
            self._sizes.append(len(self._rows))
        while self._waiting and self._waiting[0][0] <= self.closed:
            self._wake(heapq.heappop(self._waiting)[2], None)

    def break_off(self) -> None:
        """A row stays unfinished: those that would see it are not started."""
        self._is_broken = True
        while self._waiting:
            self._wake(self._waiting.pop()[2], RunStopped("a row before it is unfinished"))

    @staticmethod
    def _wake(waiting: asyncio.Future[None], error: Exception | None) -> None:
        if waiting.done():
            return
        if error is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(error)
