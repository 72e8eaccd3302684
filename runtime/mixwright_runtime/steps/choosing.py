"""What the kinds of `select` share: how many rows are wanted, and which go on."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.declare import attribute
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


def not_selected(at: int) -> tuple[str, Any]:
    """Why a row at this place is dropped where others were before it, and nothing more is to be said."""
    return "not selected", None


def chosen(
    step: Step,
    rows: Sequence[Row],
    kept: Iterable[int],
    why: Callable[[int], tuple[str, Any]] = not_selected,
) -> Iterator[Row | Dropped]:
    """Rows in their order, made one by one: those at `kept` go on, any other is dropped for the reason and with the
    evidence that `why` gives for its place."""
    goes_on = bytearray(len(rows))
    for at in kept:
        goes_on[at] = True
    return (row if goes_on[at] else Dropped(row, step.id, *why(at)) for at, row in enumerate(rows))


class Ranking:
    """Rows by a number of theirs, the largest first and of equal ones the earlier: 50 bytes of memory each."""

    def __init__(self, rows: Iterable[Row], by: Callable[[Mapping[str, Any]], Any]) -> None:
        self.values = [by(row.columns) for row in rows]
        """The numbers as they are, and what is none."""
        ranked = [at for at, value in enumerate(self.values) if value is not None and value == value]
        ranked.sort(key=lambda at: -self.values[at])
        self.places = array("q", ranked)
        """Of the rows that have a number."""
        self._ranks = array("q", bytes(8 * len(self.values)))
        for rank, at in enumerate(ranked, 1):
            self._ranks[at] = rank

    def why(self, at: int, what: str) -> tuple[str, Any]:
        """Why the row at this place is dropped; `what` its number is."""
        if not self._ranks[at]:
            return f"no {what}", None
        return "not selected", {what: self.values[at], "rank": self._ranks[at]}
