"""Verdicts out of measurements: what passes, and which of the passing candidates goes on.

Pure functions of stored measurements, so that another threshold needs no measurement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_compiler.schema import is_number
from mixwright_runtime.plugins.protocol import TOO_HARD, TOO_LONG, Measurement
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.values.rows import Dropped, Row, canonical_json

Same = Callable[[str, str], Awaitable[str]]
"""How two answers compare: `equal`, `error`, or another word for not equal."""


@dataclass(frozen=True)
class Selection:
    """What a verifier lets pass: thresholds on its scores, and `pick` among a row's passing candidates.

    Verifiers that measure a score need no `decide` of their own:

        @declare("verify", "polite", attributes=(
            attribute("response", "column", "the text to rate", default=REQUIRED),
            threshold("min", "the least politeness that passes", default=0.5, minimum=0, maximum=1),
            PICK,
            *VERIFIER,
        ))
        class Polite(Measure):
            def __init__(self, step, context):
                self.selection = Selection.of(step, kind="polite", wrong="rude", missing="no text")

            async def measure(self, row):
                ...
                return Measurement("measured", 0.83, {"class": "formal", "marker": "would you mind"})

    A score passes from `low` to `high`, both inclusive; a text that cannot be measured never does. Of the passing
    candidates of a row go on, by `pick`:

        all        every one
        first      the lowest candidate
        best       that with the highest score, or with the lowest where `max` alone is stated; of equals the lowest
                   candidate
        majority   of the largest class the best one; of classes of one size that with the lowest candidate

    A verifier that sorts texts into classes writes a candidate's class into its evidence, as `class`: any JSON value,
    equal for candidates of one class. Without classes all passing candidates are one.
    """

    step_id: str
    kind: str
    low: float | None = None
    high: float | None = None
    pick: str = "all"
    wrong: str = ""
    """Word for a measured row that does not pass; empty says `below min` or `above max`."""
    missing: str = "unmeasurable"
    """Word for a row that holds nothing to measure."""

    @classmethod
    def of(cls, step: Step, *, kind: str, wrong: str = "", missing: str = "unmeasurable") -> Selection:
        """The selection that a step's attributes `min`, `max` and `pick` state; with neither threshold 1 is needed."""
        low, high = thresholds_of(step.attributes)
        pick = str(step.attributes.get("pick") or "all")
        return cls(step.id, kind, low, high, pick, wrong, missing)

    def passes(self, measurement: Measurement) -> bool:
        """Whether a measurement reaches the thresholds."""
        score = measurement.score
        if measurement.outcome != "measured" or score is None:
            return False
        return (self.low is None or score >= self.low) and (self.high is None or score <= self.high)

    def decide(
        self,
        rows: Sequence[Row],
        measurements: Sequence[Measurement],
        weight: Callable[[Measurement], float] = lambda _: 1.0,
    ) -> list[Row | Dropped]:
        """A verdict for each row, in order; see the protocol.

        Args:
            weight: how much a candidate's vote counts for its class in a majority; by default every one the same.
        """
        passing = [i for i, measurement in enumerate(measurements) if self.passes(measurement)]
        chosen = self._chosen(passing, measurements, weight)
        verdicts: list[Row | Dropped] = []
        for i, (row, measurement) in enumerate(zip(rows, measurements, strict=True)):
            if i in chosen:
                verdicts.append(row)
            else:
                reason = "not picked" if i in passing else self._failing(measurement)
                verdicts.append(
                    Dropped(
                        row,
                        self.step_id,
                        f"{self.kind}: {reason}",
                        dict(measurement.evidence),
                        passed=i in passing,
                    )
                )
        return verdicts

    def _chosen(
        self,
        passing: Sequence[int],
        measurements: Sequence[Measurement],
        weight: Callable[[Measurement], float],
    ) -> set[int]:
        match self.pick:
            case "first":
                return set(passing[:1])
            case "best":
                return self._best(passing, measurements)
            case "majority":
                votes: dict[str, float] = {}
                for i in passing:
                    name = class_of(measurements[i])
                    votes[name] = votes.get(name, 0.0) + weight(measurements[i])
                # `max` takes the first of equals, and classes are in the order of their lowest candidates.
                largest = max(votes, key=lambda name: votes[name], default=None)
                return self._best([i for i in passing if class_of(measurements[i]) == largest], measurements)
            case _:
                return set(passing)

    def _best(self, candidates: Sequence[int], measurements: Sequence[Measurement]) -> set[int]:
        sign = -1.0 if is_lower_better(self.low, self.high) else 1.0
        best = max(candidates, key=lambda i: (sign * (measurements[i].score or 0.0), -i), default=None)
        return set() if best is None else {best}

    def _failing(self, measurement: Measurement) -> str:
        if measurement.outcome != "measured":
            reason = measurement.evidence.get("reason")
            return str(reason) if reason in (TOO_HARD, TOO_LONG) else self.missing
        if self.wrong:
            return self.wrong
        is_low = self.low is not None and (measurement.score is None or measurement.score < self.low)
        return "below min" if is_low else "above max"


def thresholds_of(attributes: Any) -> tuple[float | None, float | None]:
    """(low, high) of a verifier's attributes `min` and `max`; a verifier without either passes with score 1.

    The store's view `verdict` says the same in SQL.
    """
    low, high = attributes.get("min"), attributes.get("max")
    if low is None and high is None and "min" not in attributes and "max" not in attributes:
        return 1.0, None
    return (None if low is None else float(low)), (None if high is None else float(high))


def is_lower_better(low: float | None, high: float | None) -> bool:
    """Whether a verifier's scores say how bad a text is: it has an upper bound alone."""
    return low is None and high is not None


def selection_of(verifier: Measure) -> Selection | None:
    """The thresholds on its score by which a verifier decides; None for one that decides by more than its score."""
    found = verifier.selection
    # A subclass has a rule of its own.
    return found if type(found) is Selection else None


def class_of(measurement: Measurement) -> str:
    """The class that a verifier sorted a text into, as text; the same for all of a verifier without classes."""
    return canonical_json(measurement.evidence.get("class"))


def class_measurements(
    classes: Sequence[str | None], evidence: Callable[[str | None], dict[str, object]]
) -> list[Measurement]:
    """`group_measurements` of candidates that are equal when their classes are: no comparison of each with each."""
    first_of: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for i, name in enumerate(classes):
        if name is not None:
            first_of.setdefault(name, i)
            sizes[name] = sizes.get(name, 0) + 1
    measurements: list[Measurement] = []
    for name in classes:
        found = {**evidence(name), "of": len(classes)}
        if name is None:
            measurements.append(Measurement("unmeasurable", None, found))
        else:
            measurements.append(
                Measurement("measured", float(sizes[name]), {**found, "class": first_of[name]})
            )
    return measurements


async def group_measurements(
    answers: Sequence[str | None], same: Same, evidence: Callable[[str | None], dict[str, object]]
) -> list[Measurement]:
    """One measurement for each answer of a row's candidates: the score is how many of them are equal to it.

    The evidence has the `class` (number of the first candidate with that answer) and `of` (how many candidates there
    are). An answer is compared with the first of each class found so far, in candidate order.
    """
    classes: list[list[int]] = []
    faults: set[int] = set()
    for i, answer in enumerate(answers):
        if answer is None:
            continue
        outcomes = await asyncio.gather(*(same(str(answers[members[0]]), answer) for members in classes))
        equal = next((n for n, outcome in enumerate(outcomes) if outcome == "equal"), None)
        if equal is not None:
            classes[equal].append(i)
        elif "error" in outcomes:
            faults.add(i)
        else:
            classes.append([i])
    measurements: list[Measurement] = []
    members_of = {i: members for members in classes for i in members}
    for i, answer in enumerate(answers):
        found = {**evidence(answer), "of": len(answers)}
        if i in members_of:
            members = members_of[i]
            measurements.append(Measurement("measured", float(len(members)), {**found, "class": members[0]}))
        elif i in faults:
            measurements.append(Measurement("error", None, found))
        else:
            measurements.append(Measurement("unmeasurable", None, found))
    return measurements


def decide_by_agreement(
    rows: Sequence[Row],
    measurements: Sequence[Measurement],
    *,
    step_id: str,
    kind: str,
    agree: int | None,
    pick: str,
) -> list[Row | Dropped]:
    """The members of the largest class pass when there are `agree` of them; by default, more than half of all.

    Of two classes of one size, that of the lower candidate wins.
    """
    measured = [(i, m) for i, m in enumerate(measurements) if m.outcome == "measured" and m.score]
    best = min(
        measured, key=lambda found: (-(found[1].score or 0.0), found[1].evidence["class"]), default=None
    )
    members: list[int] = []
    if best is not None:
        size, of = int(best[1].score or 0), int(best[1].evidence["of"])
        if size >= (of // 2 + 1 if agree is None else agree):
            members = [i for i, m in measured if m.evidence["class"] == best[1].evidence["class"]]
    chosen = set(members if pick == "all" else members[:1])
    verdicts: list[Row | Dropped] = []
    for i, (row, measurement) in enumerate(zip(rows, measurements, strict=True)):
        if i in chosen:
            verdicts.append(row)
            continue
        if measurement.outcome == "unmeasurable":
            reason = "no answer"
        elif i in members:
            reason = "not picked"
        else:
            reason = "minority" if members else "no agreement"
        evidence = dict(measurement.evidence)
        verdicts.append(Dropped(row, step_id, f"{kind}: {reason}", evidence, passed=i in members))
    return verdicts


def text_of_response(value: object) -> str | None:
    """A response as text: numbers as written, None for null, empty text and anything else."""
    if isinstance(value, str):
        return value if value.strip() else None
    if is_number(value):
        return repr(value)
    return None
