"""A step of which others may look at many rows together."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from mixwright_runtime.plugins.shapes import Apply
from mixwright_runtime.values.ranges import RangeWork
from mixwright_runtime.values.rows import Dropped, Row


class RangeApply(Apply):
    """An `Apply` that goes by what is found of a row by itself, by a function that others may work out for many rows."""

    @abstractmethod
    def looks(self) -> RangeWork[Sequence[Row], Sequence[Any]]:
        """What is found of each row of a range; asked once the step is prepared."""

    @abstractmethod
    def apply_found(self, row: Row, found: Any) -> Row | Dropped:
        """What becomes of a row. Raises as `apply`."""

    def apply(self, row: Row) -> Row | Dropped:
        """See `Apply.apply`."""
        [found] = self.looks().here([row])
        return self.apply_found(row, found)
