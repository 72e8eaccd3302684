"""Verdicts out of measurements: what passes, and which of the passing candidates goes on.

Pure functions of stored measurements, so that another threshold needs no measurement.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from runtime.rows import Dropped, Row
from runtime.steps.protocol import Measurement

Same = Callable[[str, str], Awaitable[str]]
"""How two answers compare: `equal`, `error`, `timeout`, or another word for not equal."""


def decide_by_score(
    rows: Sequence[Row],
    measurements: Sequence[Measurement],
    *,
    step_id: str,
    kind: str,
    wrong: str,
    missing: str,
    pick: str,
) -> list[Row | Dropped]:
    """Rows with score 1 pass, and `pick` (all, first, best) says which of them go on.

    Args:
        wrong, missing: the word for a measured row that fails, and for an unmeasurable one.
    """
    passing = [i for i, m in enumerate(measurements) if m.outcome == "measured" and (m.score or 0.0) >= 1.0]
    chosen = set(passing if pick == "all" else passing[:1])
    verdicts: list[Row | Dropped] = []
    for i, (row, measurement) in enumerate(zip(rows, measurements, strict=True)):
        if i in chosen:
            verdicts.append(row)
        else:
            word = missing if measurement.outcome == "unmeasurable" else wrong
            reason = "not picked" if i in passing else word
            verdicts.append(Dropped(row, step_id, f"{kind}: {reason}", dict(measurement.evidence)))
    return verdicts


async def group_measurements(
    answers: Sequence[str | None], same: Same, evidence: Callable[[str | None], dict[str, object]]
) -> list[Measurement]:
    """One measurement for each answer of a row's candidates: the score is how many of them are equal to it.

    The evidence has the `class` (number of the first candidate with that answer) and `of` (how many candidates there
    are). An answer is compared with the first of each class found so far, in candidate order.
    """
    classes: list[list[int]] = []
    faults: dict[int, str] = {}
    for i, answer in enumerate(answers):
        if answer is None:
            continue
        outcomes = await asyncio.gather(*(same(str(answers[members[0]]), answer) for members in classes))
        equal = next((n for n, outcome in enumerate(outcomes) if outcome == "equal"), None)
        fault = next((outcome for outcome in outcomes if outcome in ("error", "timeout")), None)
        if equal is not None:
            classes[equal].append(i)
        elif fault is not None:
            faults[i] = fault
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
            outcome = "timeout" if faults[i] == "timeout" else "error"
            measurements.append(Measurement(outcome, None, found))  # type: ignore[arg-type]
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
    chosen = set(members[:1] if pick in ("first", "best") else members)
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
        verdicts.append(Dropped(row, step_id, f"{kind}: {reason}", dict(measurement.evidence)))
    return verdicts


def text_of_response(value: object) -> str | None:
    """A response as text: numbers as written, None for null, empty text and anything else."""
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)
    return None
