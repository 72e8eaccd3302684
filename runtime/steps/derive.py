"""Step `derive`."""

from __future__ import annotations

from runtime.plugin import attribute, declare
from runtime.steps.attributes import COMMON


@declare(
    "step",
    "derive",
    attributes=(
        attribute("*", "expr:any", "a column to make: its name, and the expression that computes it"),
        *COMMON,
    ),
)
class Derive:
    """Computes columns from the row: `derive { words = word_count(text), short = len(text) < 80 }`.

    Every expression sees the columns as they were before the step. A column that exists is replaced.
    """
