"""Rows that come to a step one by one, looked at in ranges of many, where a run has others do that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mixwright_runtime.plugins.range_apply import RangeApply
from mixwright_runtime.store.underway import in_the_store
from mixwright_runtime.values.ranges import Ranges
from mixwright_runtime.values.rows import Row
from mixwright_runtime.values.together import Together

MOST_ROWS = 500
"""Rows of a range."""
TURN_S = 0.002
"""Between two looks for further rows of a range that is not full. Chosen."""


class InRanges:
    """What is found of the rows of one step. They go on in the order in which they came, so that what the step counts and
    shows is the same as where each is looked at when it comes."""

    def __init__(self, step: RangeApply, ranges: Ranges) -> None:
        self._step = step
        self._ranges = ranges
        self._together = Together[Row, Any](self._look, most=MOST_ROWS, turn_s=TURN_S)

    async def found(self, row: Row) -> Any:
        """What is found of a row. Meanwhile another one may start in its stead."""
        with in_the_store():
            return await self._together.found(row)

    async def _look(self, rows: Sequence[Row]) -> Sequence[Any]:
        return await self._ranges.one(self._step.looks(), rows)
