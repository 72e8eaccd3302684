"""Step `draw`."""

from __future__ import annotations

from runtime.plugin import attribute, declare
from runtime.steps.attributes import COMMON


@declare(
    "step",
    "draw",
    label="new_column",
    makes={"{label}": "any"},
    attributes=(
        attribute("from", "ref:source", "the source to draw rows from"),
        attribute("values", "list[json]", "what to draw from, written out, instead of `from`"),
        attribute(
            "count",
            "count",
            "how many to draw, without repetition; above 1 the column is a list",
            default=1,
            minimum=1,
        ),
        attribute("balance", "column", "draw each value of this column of the drawn rows equally often"),
        attribute("column", "text", "take this column of the drawn row instead of the whole row"),
        *COMMON,
    ),
)
class Draw:
    """Adds a random choice to each row: few-shot examples, constraints, topics, personas.

    The choice depends on the pipeline's seed, the row's identity and the step's id, so it is the same in every run and
    whatever the batching. With `balance` a value of that column is chosen first, each equally likely, then a row
    that has it. With `count` above 1 the choices differ from each other.
    """
