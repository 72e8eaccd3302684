"""Rows that wait for a step which decides once, on all of them: put aside, and read again when it looks at them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, overload

from mixwright_runtime.stream.kept import StartSpool
from mixwright_runtime.stream.nodes import Node
from mixwright_runtime.stream.outcomes import Start, Whence
from mixwright_runtime.values.rows import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class RowsAside(Sequence[Row]):
    """Rows that are put aside. Each is read anew whenever it is looked at, and may be looked at in any thread."""

    def __init__(self, starts: StartSpool, numbers: NDArray[np.int64]) -> None:
        """`numbers`: of each row in the spool."""
        self._starts = starts
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> RowsAside: ...
    def __getitem__(self, at: int | slice) -> Row | RowsAside:
        if isinstance(at, slice):
            return RowsAside(self._starts, self._numbers[at])
        return next(self._starts.at((int(self._numbers[at]),))).row

    def __iter__(self) -> Iterator[Row]:
        return (start.row for start in self._starts.at(map(int, self._numbers)))


class Waiting:
    """The rows in front of one step: 17 bytes of memory each, and 16 more once the step decides."""

    def __init__(self, node: Node, scratch: Path | None) -> None:
        """`scratch`: where rows are put aside that are too many for memory; a temporary folder when None."""
        self._node = node
        self._starts = StartSpool(scratch, f"step '{node.name}'")
        self._positions = array("q")
        self._applies = bytearray()

    def add(self, rows: Iterable[Row], whence: Whence) -> None:
        """What is left of a start.

        Raises:
            RunError: the disk is full.
        """
        for row in rows:
            self._positions.append(row.position)
            self._applies.append(self._node.applies(row))
            self._starts.add([(Start(row, *whence), None)])

    def concerned(self) -> RowsAside:
        """Those that the step decides on, in start order."""
        import numpy as np

        order = self._order
        return RowsAside(self._starts, order[np.frombuffer(self._applies, dtype=np.bool_)[order]])

    def in_start_order(self) -> Iterator[tuple[int, Whence, list[Row | None]]]:
        """Of each start its position, where it comes from, and its rows; None for each that the step decides on."""
        order = self._order
        rows = zip(map(int, order), self._starts.whence(map(int, order)), strict=True)
        for position, group in groupby(rows, key=lambda row: self._positions[row[0]]):
            those = list(group)
            yield (
                position,
                those[0][1],
                [
                    None if self._applies[number] else next(self._starts.at((number,))).row
                    for number, _ in those
                ],
            )

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """Numbers of the rows in the spool, in start order; those of one start stay as they came."""
        import numpy as np

        return np.argsort(np.frombuffer(self._positions, dtype=np.int64), kind="stable").astype(
            np.int64, copy=False
        )
