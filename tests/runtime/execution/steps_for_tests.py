"""Small steps to run pipelines of: each does one thing that an executor must cope with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from mixwright_runtime.errors import RowError
from mixwright_runtime.plugins.declare import attribute, declare
from mixwright_runtime.plugins.protocol import Measurement
from mixwright_runtime.plugins.shapes import Apply, Keep, Measure, MeasureGroup
from mixwright_runtime.values.rows import Dropped, Row

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""Functions that steps of this process call: a plan is JSON and holds their names."""


def named(function: Callable[..., Any]) -> str:
    """A name under which a step finds a function."""
    name = f"function-{len(FUNCTIONS)}"
    FUNCTIONS[name] = function
    return name


@declare("step", "test_call")
class CallFunction(Apply):
    """Applies `function(columns) -> columns or False or an exception`."""

    def __init__(self, step: Any, context: Any) -> None:
        self.id, self.function = step.id, FUNCTIONS[step.attributes["function"]]

    def apply(self, row: Row) -> Row | Dropped:
        result = self.function(row.columns)
        if isinstance(result, Exception):
            raise result
        return row.with_columns(**result) if result is not False else Dropped(row, self.id, "refused")


@declare("verify", "test_score")
class ScoreText(Measure):
    """Measures `score(response)`; passes what scores at least `min`, of a group what `pick` says."""

    def __init__(self, step: Any, context: Any) -> None:
        self.id = step.id
        self.response = step.attributes["response"]
        self.score = FUNCTIONS[step.attributes["score"]]
        self.least = step.attributes.get("min", 1)
        self.pick = step.attributes.get("pick", "all")
        self.measured: list[str] = []

    async def measure(self, row: Row) -> Measurement:
        self.measured.append(row.columns[self.response])
        score = self.score(row.columns[self.response])
        if asyncio.iscoroutine(score):
            score = await score
        if isinstance(score, Exception):
            raise score
        return Measurement("measured", float(score))

    def decide(self, rows: Sequence[Row], measurements: Sequence[Measurement]) -> list[Row | Dropped]:
        good = [(m.score or 0) >= self.least for m in measurements]
        if self.pick == "first" and any(good):
            first = good.index(True)
            return [row if i == first else Dropped(row, self.id, "not picked") for i, row in enumerate(rows)]
        return [row if ok else Dropped(row, self.id, "wrong") for row, ok in zip(rows, good, strict=True)]


@declare(
    "verify",
    "test_majority",
    compares="always",
    attributes=(attribute("pick", "enum:first|all", "", default="first"),),
)
class Majority(MeasureGroup):
    """Passes the candidates that most have in common, or the first of them."""

    def __init__(self, step: Any, context: Any) -> None:
        self.id, self.response = step.id, step.attributes["response"]
        self.pick = step.attributes.get("pick", "first")
        self.groups: list[int] = []

    async def measure_group(self, rows: Sequence[Row]) -> list[Measurement]:
        self.groups.append(len(rows))
        texts = [row.columns[self.response] for row in rows]
        return [Measurement("measured", float(texts.count(text))) for text in texts]

    def decide(self, rows: Sequence[Row], measurements: Sequence[Measurement]) -> list[Row | Dropped]:
        best = max(m.score or 0 for m in measurements)
        agreed = [i for i, m in enumerate(measurements) if m.score == best]
        chosen = agreed if self.pick == "all" else agreed[:1]
        return [row if i in chosen else Dropped(row, self.id, "not picked") for i, row in enumerate(rows)]


@declare("dedup", "test_first", breaker=True)
class FirstOfEach(Keep):
    """Keeps the first row of each value of `on`."""

    def __init__(self, step: Any, context: Any) -> None:
        self.id, self.on = step.id, step.attributes["on"]
        self.seen: set[Any] = set()
        self.positions: list[int] = []

    def keep(self, rows: Sequence[Row]) -> list[Row | Dropped]:
        results: list[Row | Dropped] = []
        for row in rows:
            self.positions.append(row.position)
            value = row.columns[self.on]
            results.append(Dropped(row, self.id, "duplicate") if value in self.seen else row)
            self.seen.add(value)
        return results


def row_error(text: str) -> RowError:
    return RowError(text)
