"""Verifier `value`: is a number that the row has high enough?"""

from __future__ import annotations

import math

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import PICK, VERIFIER, threshold
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import Measurement, StepContext
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.values.rows import Row
from mixwright_runtime.verifiers.verdicts import Selection


@declare(
    "verify",
    "value",
    attributes=(
        attribute("of", "expr:float", "the number: a column, or an expression", default=REQUIRED),
        threshold("min", "the least that passes"),
        threshold("max", "the most that passes"),
        attribute(
            "response",
            "column",
            "the column that `retry` asks again for; by default the last one before it that a model wrote",
        ),
        PICK,
        *VERIFIER,
    ),
)
class Value(Measure):
    """Takes a number that a row has as its score: one that a source brings along, or that a step worked out.

    It is `verify reward` for rewards that are known already. With `pick = best` the candidate with the highest number
    goes on, with `max` alone that with the lowest. Without `min` and `max` every number passes; null, and what is no
    finite number, is `unmeasurable`.

    ```mix
    each sample { of = completions }          # imported candidates, with their rewards
    verify value { of = sample.reward, pick = best }
    ```
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        self._value = context.expression(step.attributes["of"])
        self.selection = Selection.of(step, kind="value", missing="no number")

    async def measure(self, row: Row) -> Measurement:
        """The number as the score."""
        value = self._value(row.columns)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return Measurement("unmeasurable", None, {})
        return Measurement("measured", float(value), {})
