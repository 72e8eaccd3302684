"""What the kinds of `select` share: how many rows are wanted, and which go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.declare import attribute
from mixwright_runtime.plugins.shapes import Place
from mixwright_runtime.values.rows import Dropped, Row

HOW_MANY = (
    attribute("count", "count", "how many rows are kept; all where there are no more", cls="set", minimum=1),
    attribute("top", "share", "the part of the rows that is kept, rounded to the nearest row", cls="set"),
)
ONE_OF_THEM = (("count",), ("top",))


def wanted_of(step: Step, rows: int) -> int:
    """How many of so many rows a step keeps."""
    count: int | None = step.attributes.get("count")
    return min(rows, round(float(step.attributes["top"]) * rows) if count is None else count)


def chosen(
    step: Step, rows: Sequence[Row], kept: Iterable[int], why: Mapping[int, tuple[str, Any]]
) -> list[Place]:
    """Rows in their order: those at `kept` go on, the others are dropped for the reason and with the evidence in `why`,
    or because others were before them."""
    going = set(kept)
    return [
        row if at in going else Dropped(row, step.id, *why.get(at, ("not selected", None)))
        for at, row in enumerate(rows)
    ]


def best_first(rows: Sequence[Row], by: Callable[[Mapping[str, Any]], Any]) -> tuple[list[int], list[Any]]:
    """Places of the rows whose value is a number, the largest first and of equal ones the earlier, and all values."""
    values = [by(row.columns) for row in rows]
    ranked = [at for at, value in enumerate(values) if value is not None and value == value]
    ranked.sort(key=lambda at: -values[at])
    return ranked, values
