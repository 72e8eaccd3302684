"""Which rows of a wave start first: those that will take longest, where their size tells.

A wave ends when its last row does. When a long row starts last, all other places at the engine stay empty until it is
done; when it starts early, short rows fill the gaps behind it (longest processing time first, Graham 1969: at most
4/3 of the best makespan). How long a row takes is not known, but often grows with the text that its prompt is made of.
Whether it does is measured on the rows that have ended, so a pipeline of which it is not true keeps its start order.

All rows of a wave are processed whatever their order, and each keeps its position, by which breakers, selection and
quotas go. So the order changes when a row is asked for, never what comes out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import log, sqrt

from mixwright_runtime.stream.outcomes import Start
from mixwright_runtime.values.rows import Row

BLOCK_ROUNDS = 4
"""Behind a breaker, which takes rows in start order, rows are put in order in blocks of so many times the window: a row
holds up those behind it for one block at most. Without one, all that follow the first rows are one block."""
MOST_ROWS = 20_000
"""Chosen: rows that are put in order together, at most, for all of them are in memory then."""
TOGETHER = 256
"""Rows that are read in one go where their order is as it was. Chosen."""
REMEMBERED = 512
ENOUGH_ROWS = 32
"""Chosen: rows that ended, of which the correlation is taken, at most and at least."""
CLEAR_CORRELATION = 0.2
"""Of log(size) and log(seconds). At 32 rows, chance alone reaches it one time in four; then the order is as good as any
other, and it is looked at again for every block."""


class LongestFirst:
    """Orders one pipeline's rows, and learns from those that end.

    size_of: how large a row's prompt is, in any unit. in_blocks: a breaker waits for the rows in start order.
    """

    def __init__(self, size_of: Callable[[Row], float], window: int, *, in_blocks: bool) -> None:
        self._size_of = size_of
        self._window = max(1, window)
        self._in_blocks = in_blocks
        self._ended: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)

    def ordered(self, starts: Sequence[Start]) -> Iterator[Sequence[Start]]:
        """A wave's rows in the order in which to start them, in parts; block by block, by what is known when a block
        begins."""
        bounds = self._bounds(len(starts))
        for begin, end in pairwise(bounds):
            block = starts[begin:end]
            correlation = self.correlation()
            if abs(correlation) >= CLEAR_CORRELATION:
                # Stable, so rows of one size stay in start order.
                sign = -1.0 if correlation > 0 else 1.0
                yield sorted(block, key=lambda start: sign * self._size_of(start.row))
            else:
                yield from in_parts(block)

    def _bounds(self, count: int) -> list[int]:
        """Where the blocks of a wave begin, and its end."""
        if self._in_blocks:
            blocks = max(1, count // (BLOCK_ROUNDS * self._window))
            return [n * count // blocks for n in range(blocks + 1)]
        # While nothing is known, as many rows as it takes until enough of them have ended.
        first = 0 if len(self._ended) >= ENOUGH_ROWS else self._window + ENOUGH_ROWS
        return [0, *range(min(first, count), count, MOST_ROWS), count]

    def took(self, row: Row, seconds: float) -> None:
        """A row that was started has ended, after so long."""
        self._ended.append((self._size_of(row), seconds))

    def correlation(self) -> float:
        """Of size and time, of the rows that ended last, -1..1; 0 while there are too few."""
        told = list(self._ended)  # at once: rows are put in order beside the event loop, in which they end
        count = len(told)
        if count < ENOUGH_ROWS:
            return 0.0
        ended = [(log(1 + size), log(1e-3 + max(0.0, seconds))) for size, seconds in told]
        mean_size = sum(size for size, _ in ended) / count
        mean_time = sum(time for _, time in ended) / count
        both = sum((size - mean_size) * (time - mean_time) for size, time in ended)
        sizes = sum((size - mean_size) ** 2 for size, _ in ended)
        times = sum((time - mean_time) ** 2 for _, time in ended)
        return both / sqrt(sizes * times) if sizes > 0 and times > 0 else 0.0


def in_parts(starts: Sequence[Start]) -> Iterator[Sequence[Start]]:
    """Rows in their order, some at a time."""
    return (starts[first : first + TOGETHER] for first in range(0, len(starts), TOGETHER))


def size_of_columns(names: Sequence[str]) -> Callable[[Row], float]:
    """Sizes rows by the characters in the columns that their first prompt is made of."""

    def size_of(row: Row) -> float:
        return float(sum(map(_characters, map(row.columns.get, names))))

    return size_of


def _characters(value: object) -> int:
    """How many characters the texts in a value have; of a list without any, how many items there are."""
    match value:
        case str():
            return len(value)
        case list():
            return sum(map(_characters, value)) or len(value)
        case dict():
            return sum(map(_characters, value.values()))
        case _:
            return 0
