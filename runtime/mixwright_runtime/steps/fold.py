"""Step `fold`, of rows made of one, and with `by` of rows that are alike."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Any

from mixwright_compiler.catalog.aggregates import OF_ALL
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Fold, Place, Table
from mixwright_runtime.values.rows import Dropped, Row, canonical_json, merged


@declare(
    "step",
    "fold",
    makes={"*": "*"},
    folds=True,
    attributes=(
        attribute("*", "aggregate", "A column to make: its name, and what it is worked out as."),
        attribute(
            "least",
            "count",
            "With fewer rows left, the row that they were made of is dropped.",
            default=1,
            cls="set",
            minimum=0,
        ),
        *(schema for schema in STEP if schema.name == "id"),
    ),
)
class FoldRows(Fold):
    """Brings the rows together that `each`, or `samples`, made of one: `fold { scores = list(score), n = count() }`.

    The row goes on as it was before they were made, with its identity and its columns, and with those worked out here:
    `count()` of the rows that are left and `count(all)` of those that were made, `mean`, `sum`, `min` and `max` of a
    number, `share`, `any` and `all` of a condition, `first` and `list` of anything, in the order of the rows. Nulls are
    left out, but for `first` and `list`; of no rows everything but a count and a list is null.

    What a step between dropped is told by that step; a row whose rows were all dropped is dropped here, unless `least`
    is 0.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        self.step = step
        self._least = int(step.attributes["least"])
        self._columns = Aggregated(step, context)

    def fold(self, row: Row, rows: Sequence[Row], count: int) -> Row | Dropped:
        """The row with what is worked out from those that are left."""
        calls = dict.fromkeys(row.calls)
        for other in rows:
            calls.update(dict.fromkeys(other.calls))
        if len(rows) < self._least:
            row = row.with_columns()
            row.calls = tuple(calls)
            return Dropped(row, self.step.id, "fold: too few", {"left": len(rows), "made": count})
        folded = row.with_columns(**self._columns.of(rows, count))
        folded.calls = tuple(calls)
        return folded


class Aggregated:
    """The columns that a step works out of several rows, as its attributes name them."""

    def __init__(self, step: Step, context: StepContext) -> None:
        self._columns: list[tuple[str, str, Callable[[Any], Any] | None, bool]] = []
        for name, value in step.attributes.items():
            if isinstance(value, dict) and "aggregate" in value:
                of = value["of"]
                expression = context.expression(of) if isinstance(of, dict) else None
                self._columns.append((name, value["aggregate"], expression, of == OF_ALL))

    def of(self, rows: Sequence[Row], count: int) -> dict[str, Any]:
        """The columns of these rows, of `count` that were made."""
        return {
            name: count
            if is_all
            else _worked_out(function, [expression(r.columns) for r in rows] if expression else list(rows))
            for name, function, expression, is_all in self._columns
        }


def _worked_out(function: str, values: list[Any]) -> Any:
    known = [value for value in values if value is not None]
    match function:
        case "count":
            return len(values)
        case "list":
            return values
        case "first":
            return values[0] if values else None
        case _ if not known:
            return None
        case "mean":
            return _finite(math.fsum(known) / len(known))
        case "share":
            return sum(known) / len(known)
        case "sum":
            return _finite(sum(known))
        case "any":
            return any(known)
        case "all":
            return all(known)
    return min(known) if function == "min" else max(known)


def _finite(value: float) -> float | None:
    """Null for what the store cannot hold."""
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else None
    return value if math.isfinite(value) else None


@declare(
    "step",
    "fold_by",
    makes={"*": "*"},
    breaker=True,
    needs_all_rows=True,
    with_attribute="by",
    rules=("grouped",),
    attributes=(
        attribute("by", "column", "a column that a step over all rows has made: `cluster`", default=REQUIRED),
        attribute("*", "aggregate", "A column to make: its name, and what it is worked out as."),
        attribute("least", "count", "Groups of fewer rows are dropped.", default=1, cls="set", minimum=1),
        *(schema for schema in STEP if schema.name == "id"),
    ),
)
class FoldBy(Table):
    """Makes one row of all rows of a group: `fold { by = group, members = list(instruction), size = count() }`.

    The new row stands in the place of the group's first and has its columns, with those worked out here as in `fold`. Its
    identity is made from those of all its rows, which are its parents: `mixwright explain` follows each of them. A row
    that is alone in its group stays itself.

    Groups are whole when all rows are there, so all are started.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        self._step = step
        self._by = str(step.attributes["by"])
        self._least = int(step.attributes["least"])
        self._columns = Aggregated(step, context)
        self._facts: dict[str, int] = {}

    async def table(self, rows: Sequence[Row]) -> list[Place]:
        """Called once, with all rows."""
        return await asyncio.to_thread(self._folded, rows)

    def _folded(self, rows: Sequence[Row]) -> list[Place]:
        groups: dict[Any, list[int]] = {}
        for at, row in enumerate(rows):
            # What has no value is like nothing else.
            value = row.columns.get(self._by)
            groups.setdefault(at if value is None else canonical_json(value), []).append(at)
        decided: list[Place] = [[] for _ in rows]
        for places in groups.values():
            group = [rows[at] for at in places]
            if len(group) < self._least:
                for at, row in zip(places, group, strict=True):
                    decided[at] = Dropped(row, self._step.id, "fold: too few", {"left": len(group)})
                continue
            made = merged(self._step.identity, group)
            decided[places[0]] = made.with_columns(**self._columns.of(group, len(group)))
        self._facts = {
            "rows": len(rows),
            "groups": len(groups),
            "merged": sum(len(places) for places in groups.values() if len(places) > 1),
        }
        return decided

    def report(self) -> dict[str, int]:
        """Rows, groups, and rows that went into one of several."""
        return self._facts
