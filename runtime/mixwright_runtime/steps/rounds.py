"""Step `rounds`."""

from __future__ import annotations

from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import STEP
from mixwright_runtime.plugins.declare import attribute, declare
from mixwright_runtime.plugins.protocol import StepContext
from mixwright_runtime.plugins.shapes import Loop
from mixwright_runtime.values.rows import Dropped, Row, round_id


@declare(
    "step",
    "rounds",
    label="new_column",
    makes={"{label}.round": "int"},
    loops=True,
    attributes=(
        attribute("times", "count", "Rounds at most.", default=4, cls="set", minimum=1, maximum=64),
        attribute(
            "carry",
            "map[new_column=expr:any]",
            "What the next round finds in a column: `carry = { instruction = evolved }`. The name is of a column of the "
            "rows that come to the loop; the expression sees what the round has made.",
        ),
        attribute(
            "failed",
            "enum:again|end",
            "A row that a step of the loop drops goes into the next round as it came into this one, or its loop ends.",
            default="again",
            cls="set",
        ),
        attribute(
            "emit",
            "enum:passed|last",
            "What leaves the loop: a row for each round that was passed, or the last alone.",
            default="passed",
            cls="set",
        ),
        attribute(
            "start",
            "enum:drop|keep",
            "With `keep` the row that came to the loop leaves it, too, as round 0.",
            default="drop",
            cls="set",
        ),
        attribute(
            "until", "expr:bool", "A row of which this is true after a round goes into no further one."
        ),
        *STEP,
    ),
)
class Rounds(Loop):
    """Takes each row several times through the steps inside: `rounds evolve { times = 4, carry = { … }, … }`.

    Nothing waits for other rows: one may be in its third round while another is in its first. In each round a row has
    an identity of its own, made from that of the row which came to the loop and the number of the round, and in
    `NAME.round` that number; so draws differ from round to round, and the same request is asked anew. What a round
    makes is gone in the next but for what `carry` hands on. A row in round 2 is a child of what it was in round 1,
    and `explain` shows them all.

    A verdict, of a `filter` or a verifier, is what `failed` speaks of. A fault of a model or of a step is none: it ends
    the row's loop, so that what later rounds were asked never hangs on a machine; what it passed before stays.

    With `start = keep` columns that a round makes are null in round 0, except those that `carry` names: what the next
    round would find in `instruction` is then what the row has there. With `until`, `emit = last` and `failed = again` a
    row of which it never becomes true is dropped.

    Steps that decide on many rows (`dedup`) cannot stand inside, and what makes several rows of one must be brought
    together again there.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self.step = step
        self.times = int(attributes["times"])
        self.again = attributes["failed"] == "again"
        self.emits_last = attributes["emit"] == "last"
        self._keeps_start = attributes["start"] == "keep"
        carry: dict[str, Any] = attributes.get("carry") or {}
        self._carry = [(name, context.expression(value)) for name, value in carry.items()]
        self._until = context.expression(attributes["until"]) if attributes.get("until") else None
        self._column = f"{step.label}.round"
        self._as_start = {
            value["tree"][1]: name
            for name, value in carry.items()
            if value["tree"][0] == "col" and value["tree"][1] != name
        }

    def begin(self, row: Row) -> Row | None:
        """The row as round 0."""
        if not self._keeps_start:
            return None
        columns = {made: row.columns.get(name) for made, name in self._as_start.items()}
        start = row.with_columns(**{**columns, self._column: 0})
        start.path = (*row.path, 0)
        return start

    def enter(self, row: Row, before: Row, came_from: bytes, number: int) -> Row:
        """The row of a round: as it came to the loop, with what the last one that was passed hands on."""
        entered = row.with_columns(**{self._column: number})
        if before is not row:
            entered.columns.update((name, value(before.columns)) for name, value in self._carry)
            entered.calls = before.calls
        entered.row_id = round_id(row.row_id, self.step.identity, number)
        entered.parents = row.as_parents if came_from == row.row_id else (came_from,)
        entered.path = (*row.path, number)
        entered.rounds = (*row.rounds, number)
        return entered

    def leave(self, row: Row, passed: Row) -> Row:
        """The row of a round as one that is in none."""
        left = passed.with_columns()
        left.rounds = row.rounds
        return left

    def is_done(self, passed: Row) -> bool:
        return self._until is not None and self._until(passed.columns) is True

    def unreached(self, row: Row) -> Dropped | None:
        """A row without a last one."""
        if self._until is None or not (self.emits_last and self.again):
            return None
        return Dropped(row, self.step.id, "rounds: not reached", {"rounds": self.times})
