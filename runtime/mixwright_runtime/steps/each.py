"""Step `each`."""

from __future__ import annotations

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.errors import RowError
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Spread
from mixwright_runtime.values.rows import Dropped, Row


@declare(
    "step",
    "each",
    label="new_column",
    makes={"{label}": "item", "{label}.index": "int if read"},
    spreads="most",
    attributes=(
        attribute("of", "expr:any", "The list: a column, or an expression.", default=REQUIRED),
        attribute(
            "most",
            "count",
            "Takes the first this many items. All without it; `plan` then counts on 8 a row until a run has shown it.",
            cls="set",
            minimum=1,
        ),
        attribute("least", "count", "A row with fewer items is dropped.", default=0, cls="set", minimum=0),
        *STEP,
    ),
)
class Each(Spread):
    """Makes a row of each item of a list: `each task { of = split(listed, "\\n") }`.

    The rows go on by themselves and at the same time, in the order of the list. Each has the columns of its row, the
    item in a column of the step's name and, where something reads it, its place from 0 in `NAME.index`. Its
    identity is made from that of its row and the item's place, so that more items behind it change nothing.

    A `fold` behind it brings the rows together again. Without one they stay rows, and a row without items is dropped.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        self.step = step
        self._items = context.expression(step.attributes["of"])
        self._most: int | None = step.attributes.get("most")
        self._least = int(step.attributes.get("least") or 0)
        self._index = f"{step.label}.index" if f"{step.label}.index" in step.makes else ""

    def spread(self, row: Row) -> list[Row] | Dropped:
        """A row for each item; of null none."""
        items = self._items(row.columns)
        if items is None:
            items = []
        if not isinstance(items, list | tuple):
            raise RowError(f"`of` is no list but {type(items).__name__}")
        if len(items) < self._least:
            return Dropped(row, self.step.id, "each: too few", {"items": len(items), "least": self._least})
        made = []
        for at, item in enumerate(items[: self._most]):
            columns = {self.step.label: item}
            if self._index:
                columns[self._index] = at
            made.append(row.child(self.step.identity, at, columns))
        return made
