"""Step `filter`."""

from __future__ import annotations

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Apply
from mixwright_runtime.values.rows import Dropped, Row


@declare(
    "step",
    "filter",
    drops_only=True,
    attributes=(
        attribute("where", "expr:bool", "rows for which this is true are kept", default=REQUIRED),
        *STEP,
    ),
)
class Filter(Apply):
    """Keeps the rows for which `where` is true.

    As in SQL, a row for which the condition is null (a column it needs is null) is dropped. A filter is
    done before requests and verifiers that it does not depend on: a row that it drops costs nothing.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        self.step = step
        self._where = context.expression(step.attributes["where"])

    def apply(self, row: Row) -> Row | Dropped:
        """The row, or why it goes no further."""
        if self._where(row.columns) is True:
            return row
        return Dropped(row, self.step.id, "filter")
