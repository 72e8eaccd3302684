"""Step `derive`."""

from __future__ import annotations

import math
from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Apply
from mixwright_runtime.values.rows import Dropped, Row


@declare(
    "step",
    "derive",
    makes={"*": "*"},
    attributes=(
        attribute("*", "expr:any", "a column to make: its name, and the expression that computes it"),
        *STEP,
    ),
)
class Derive(Apply):
    """Computes columns from the row: `derive { words = word_count(text), short = len(text) < 80 }`.

    Every expression sees the columns as they were before the step. A column that exists is replaced.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        self._columns = [
            (name, context.expression(value))
            for name, value in step.attributes.items()
            if name not in ("when", "id") and isinstance(value, dict) and "tree" in value
        ]

    def apply(self, row: Row) -> Row | Dropped:
        """The row with its computed columns."""
        return row.with_columns(**{name: _storable(value(row.columns)) for name, value in self._columns})


def _storable(value: object) -> Any:
    """Null for infinity and NaN, which JSON and so the store cannot hold."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
