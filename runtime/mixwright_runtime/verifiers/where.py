"""Verifier `where`: does a row expression hold?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import PICK, VERIFIER
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import Measurement, StepContext
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.values.expression_text import text_of_expression
from mixwright_runtime.values.rows import Row
from mixwright_runtime.values.stored_text import json_of
from mixwright_runtime.verifiers.verdicts import Selection

Evaluate = Callable[[Mapping[str, Any]], Any]

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "in")
SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class _Part:
    """A part of the expression that is true or not by itself: its text, and what to show when it fails."""

    text: str
    holds: Evaluate
    shown: tuple[tuple[str, Evaluate], ...] = ()
    branches: tuple[_Part, ...] = ()


@declare(
    "verify",
    "where",
    evidence={
        "failing": "list[struct{expr: text, is: json, values: json}]",
    },
    attributes=(
        attribute("expr", "expr:bool", "what must be true of a row; any of its columns", default=REQUIRED),
        attribute(
            "response",
            "column",
            "the column that `retry` asks again for; by default the last one before it that a model wrote",
        ),
        PICK,
        *VERIFIER,
    ),
)
class Where(Measure):
    """Checks that an expression over a row's columns is true: the score is the share of its parts that are.

    The parts are what `and` joins; all of them must hold (score 1). It is `filter` with the rights of a verifier: rows
    that fail are stored with the reason, can be asked for again (`on_fail = retry(2)`) or kept, and `pick` chooses among
    the candidates of a row. The evidence lists the parts that are not true, in the spec's words, with the values that
    made them so. An expression that is null, because a column it needs is null, is `unmeasurable`.

    ```mix
    verify where {
      expr = len(problem) < 600 and not contains(lower(problem), "as an ai") and answer > 0
      response = problem
      on_fail = retry(2)
    }
    ```
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        expression = step.attributes["expr"]
        tree = expression["tree"] if isinstance(expression, Mapping) else expression.tree
        self._whole = context.expression(expression)

        def compiled(part: Sequence[object]) -> Evaluate:
            return context.expression({"tree": part, "type": "any"})

        self._parts = [_part_of(part, compiled) for part in _joined(tree, "and")]
        self.selection = Selection.of(step, kind="where", wrong="not true", missing="null")

    async def measure(self, row: Row) -> Measurement:
        """The share of the expression's parts that are true."""
        if self._whole(row.columns) is True:
            return Measurement("measured", 1.0, {})
        values = [part.holds(row.columns) for part in self._parts]
        failing = [
            shown
            for part, value in zip(self._parts, values, strict=True)
            if value is not True
            for shown in _shown(part, row.columns)
        ]
        if any(value is False for value in values):
            share = sum(value is True for value in values) / len(values)
            return Measurement("measured", share, {"failing": failing})
        return Measurement("unmeasurable", None, {"failing": failing})


def _joined(tree: Sequence[Any], operator: str) -> list[Sequence[Any]]:
    """The parts that an operator joins, in order; the tree itself when it is no such operator."""
    parts: list[Sequence[Any]] = []
    pending = [tree]
    while pending:
        part = pending.pop()
        if part[0] == "op" and part[1] == operator and len(part) == 4:
            pending += [part[3], part[2]]
        else:
            parts.append(part)
    return parts


def _part_of(tree: Sequence[Any], compiled: Callable[[Sequence[Any]], Evaluate]) -> _Part:
    branches = _joined(tree, "or")
    text = text_of_expression(tree)
    if len(branches) > 1:
        return _Part(text, compiled(tree), branches=tuple(_part_of(branch, compiled) for branch in branches))
    inner = tree
    while inner[0] == "op" and inner[1] == "not":
        inner = inner[2]
    operands = (
        list(inner[2:])
        if inner[0] == "op" and inner[1] in COMPARISONS
        else list(inner[2:] if inner[0] == "call" else [inner])
    )
    shown = {text_of_expression(operand): operand for operand in operands if operand[0] not in ("lit",)}
    # A list of literals says nothing that the text does not.
    shown = {name: o for name, o in shown.items() if o[0] != "list" or any(i[0] != "lit" for i in o[1:])}
    return _Part(text, compiled(tree), tuple((name, compiled(operand)) for name, operand in shown.items()))


def _shown(part: _Part, columns: Mapping[str, object]) -> list[dict[str, Any]]:
    """What failed: a part with the values in it; of alternatives, every one."""
    if part.branches:
        return [shown for branch in part.branches for shown in _shown(branch, columns)]
    values = {name: _short(evaluate(columns)) for name, evaluate in part.shown}
    return [{"expr": part.text, "is": part.holds(columns), "values": values}]


def _short(value: object) -> Any:
    if isinstance(value, str):
        return value if len(value) <= SHOWN_CHARACTERS else value[: SHOWN_CHARACTERS - 1] + "…"
    if isinstance(value, dict | list):
        text = json_of(value)
        return value if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
    return value
