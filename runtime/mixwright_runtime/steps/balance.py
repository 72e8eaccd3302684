"""Step `balance`: as many rows of each value of a column."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Place, Table
from mixwright_runtime.values.rows import Dropped, Row, canonical_json


@declare(
    "step",
    "balance",
    breaker=True,
    needs_all_rows="with to",
    one_of=(("most",), ("to",)),
    attributes=(
        attribute("by", "column", "the column whose values are to be balanced", default=REQUIRED),
        attribute("most", "count", "rows of each value at most", cls="set", minimum=1),
        attribute(
            "to",
            "enum:equal|smallest",
            "`smallest`: as many rows of each value as there are of the rarest; `equal`: as many as of each if the rows "
            "were shared out evenly",
            cls="set",
        ),
        attribute(
            "up",
            "enum:repeat|none",
            "with `to = equal`: values with too few rows have them repeated, or stay as they are",
            default="none",
            cls="set",
            only_when="to = equal",
        ),
        *STEP,
    ),
)
class Balance(Table):
    """Brings the values of a column into balance.

    ```mix
    pipeline even {
      from tagged
      balance { by = class, to = equal, up = repeat }
    }
    ```

    Of each value the rows that started first are kept. With `most` a row is decided on as it comes, and rows that start
    later change nothing; with `to` all rows are started. A row that is repeated goes on itself and as rows made of it,
    each with an identity of its own: first every row of the value twice, then three times, as far as is needed. Rows
    without a value (null) are a value of their own.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step = step
        self._by = str(attributes["by"])
        self._most: int | None = attributes.get("most")
        self._is_smallest = attributes.get("to") == "smallest"
        self._repeats = attributes.get("up") == "repeat"
        self._seen: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self._made = 0

    async def table(self, rows: Sequence[Row]) -> list[Place]:
        """Each row as often as it is wanted."""
        return await asyncio.to_thread(self._balanced, rows)

    def _balanced(self, rows: Sequence[Row]) -> list[Place]:
        values = [canonical_json(row.columns.get(self._by)) for row in rows]
        most = self._most
        if most is None:
            sizes = Counter(values)
            most = min(sizes.values()) if self._is_smallest else max(1, len(rows) // len(sizes))
        decided: list[Place] = []
        places: dict[str, list[int]] = {}
        for at, (row, value) in enumerate(zip(rows, values, strict=True)):
            self._seen[value] += 1
            if self._seen[value] <= most:
                self._left[value] += 1
                places.setdefault(value, []).append(at)
                decided.append(row)
            else:
                detail = {"value": row.columns.get(self._by), "most": most}
                decided.append(Dropped(row, self._step.id, "balance: enough", detail))
        if self._repeats:
            for value, those in places.items():
                self._repeat(rows, decided, value, those, most)
        return decided

    def _repeat(
        self, rows: Sequence[Row], decided: list[Place], value: str, places: Sequence[int], wanted: int
    ) -> None:
        for n in range(len(places), wanted):
            turn, place = divmod(n, len(places))
            at = places[place]
            row, so_far = rows[at], decided[at]
            made = so_far if isinstance(so_far, list) else [row]
            decided[at] = [*made, row.child(self._step.identity, turn, {})]
            self._left[value] += 1
            self._made += 1

    def report(self) -> dict[str, Any]:
        """How many rows of each value came and went on, the 50 most frequent, and how many of these are repetitions."""
        return {
            "values": len(self._seen),
            "repeated": self._made,
            "rows": {
                value: [count, self._left[value]] for value, count in sorted(self._seen.most_common(50))
            },
        }
