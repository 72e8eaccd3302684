"""Holding what steps counted against what is stored: no row may vanish, and none may appear twice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from mixwright_runtime.errors import RunError
from mixwright_runtime.store.database import Database
from mixwright_runtime.store.records import TallyRecord


class AccountingError(RunError):
    """A row was lost or doubled: an error of mixwright, never of the data."""


def check_accounting(database: Database, run_id: int, *, complete: bool = False) -> None:
    """Return when every row that was started in a run is stored as kept, dropped or quarantined.

    Args:
        database: the store, flushed.
        run_id: the run.
        complete: the run was not stopped, so nothing may be left unfinished either.

    Raises:
        AccountingError: it is not; every difference is named.
    """
    differences = list(differences_of(database, run_id, complete=complete))
    if differences:
        raise AccountingError(
            f"run {run_id} does not add up, which is an error in mixwright, not in the spec:\n  "
            + "\n  ".join(differences[:20])
        )


def differences_of(database: Database, run_id: int, *, complete: bool = False) -> Iterator[str]:
    """One sentence for each number of a run that does not agree with another."""
    tallies: dict[str, list[TallyRecord]] = {}
    for row in database.read(
        "SELECT * EXCLUDE batch FROM current_tally WHERE run_id = ? ORDER BY pipeline, ordinal", [run_id]
    ):
        tally = TallyRecord(*row)
        tallies.setdefault(tally.pipeline, []).append(tally)
    stored = {
        (pipeline, status, step): rows
        for pipeline, status, step, rows in database.read(
            "SELECT pipeline, status, step, count(*) FROM outcome WHERE run_id = ? GROUP BY ALL", [run_id]
        )
    }
    starts = dict(
        database.read(
            "SELECT pipeline, count(DISTINCT (position, replica)) FROM outcome WHERE run_id = ? GROUP BY ALL",
            [run_id],
        )
    )
    merged = dict(
        database.read(
            """SELECT pipeline, count(DISTINCT parent) - count(DISTINCT position) FROM (
                SELECT pipeline, position, unnest(parents) AS parent FROM outcome WHERE run_id = ? AND len(parents) > 1
            ) GROUP BY ALL""",
            [run_id],
        )
    )
    plan = _plan_of(database, run_id)
    loops = _loops_of(plan)
    for pipeline, steps in tallies.items():
        inside = {step.step: loops.get((pipeline, step.step), "") for step in steps}
        outer = [step for step in steps if not inside[step.step]]
        yield from _within(pipeline, steps, inside)
        yield from _against_outcomes(pipeline, steps, outer[-1], stored)
        if complete:
            yield from (
                f"pipeline '{pipeline}' step '{step.step}': {step.unfinished} rows unfinished "
                "in a run that was not stopped"
                for step in steps
                if step.unfinished
            )
        lost = steps[0].rows_in - starts.get(pipeline, 0) - sum(step.unfinished for step in outer)
        # A start of which everything went into other rows has its outcome in theirs.
        lost -= max(0, merged.get(pipeline, 0))
        # Where candidates fork, counts alone could hide a lost row behind a spare candidate.
        if lost > 0 and any(step.forked for step in steps):
            yield f"pipeline '{pipeline}': {lost} of {steps[0].rows_in} started rows have no outcome"
    for pipeline, row_id, times in _doubled(database, run_id, plan):
        yield f"pipeline '{pipeline}': row {row_id} has {times} outcomes"


def _plan_of(database: Database, run_id: int) -> dict[str, Any]:
    plans = database.read("SELECT plan FROM run WHERE run_id = ?", [run_id])
    found: dict[str, Any] = json.loads(plans[0][0]) if plans else {}
    return found


def _loops_of(plan: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """(pipeline, step) -> the loop whose body the step is in."""
    return {
        (name, step["id"]): step["inside"]
        for name, pipeline in plan.get("pipelines", {}).items()
        for step in pipeline["steps"]
        if step.get("inside")
    }


def doubled_outcomes(database: Database, run_id: int) -> list[tuple[str, str, int]]:
    """(pipeline, row id, times) of up to ten rows that have several outcomes in one pipeline of a run.

    The steps of a mixture are left out: a row that an inner mixture repeats reaches them as often as it is repeated.
    """
    return _doubled(database, run_id, _plan_of(database, run_id))


def _doubled(database: Database, run_id: int, plan: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    mixtures = tuple(f"{name}." for name in plan.get("mixtures", {}))
    doubled = [
        (pipeline, row_id.hex(), times)
        for pipeline, row_id, times in database.read(
            """SELECT pipeline, row_id, count(*) FROM outcome WHERE run_id = ? GROUP BY ALL HAVING count(*) > 1
            ORDER BY ALL""",
            [run_id],
        )
        if not pipeline.startswith(mixtures)
    ]
    return doubled[:10]


def _within(pipeline: str, steps: list[TallyRecord], inside: Mapping[str, str]) -> Iterator[str]:
    for step in steps:
        entered = step.rows_in + step.forked
        left = step.rows_out + step.dropped + step.quarantined + step.unfinished
        if entered != left:
            yield (
                f"pipeline '{pipeline}' step '{step.step}': {entered} rows entered ({step.rows_in} in, {step.forked} "
                f"forked), {left} left ({step.rows_out} out, {step.dropped} dropped, {step.quarantined} quarantined, "
                f"{step.unfinished} unfinished): difference {entered - left}"
            )
    last: dict[str, TallyRecord] = {}
    for after in steps:
        # How often rows entered a loop's first step only the loop knows.
        before = last.get(inside[after.step])
        last[inside[after.step]] = after
        if before is not None and before.rows_out != after.rows_in:
            yield (
                f"pipeline '{pipeline}': {before.rows_out} rows left step '{before.step}', {after.rows_in} reached "
                f"'{after.step}': difference {before.rows_out - after.rows_in}"
            )


def _against_outcomes(
    pipeline: str, steps: list[TallyRecord], last: TallyRecord, stored: dict[tuple[str, str, str], int]
) -> Iterator[str]:
    for step in steps:
        for status, counted in (("dropped", step.dropped), ("quarantined", step.quarantined)):
            rows = stored.get((pipeline, status, step.step), 0)
            if rows != counted:
                yield (
                    f"pipeline '{pipeline}' step '{step.step}': {counted} rows {status}, {rows} stored: "
                    f"difference {counted - rows}"
                )
    kept = sum(rows for (name, status, _), rows in stored.items() if name == pipeline and status == "kept")
    if kept != last.rows_out:
        yield (
            f"pipeline '{pipeline}': {last.rows_out} rows left its last step, {kept} stored as kept: "
            f"difference {last.rows_out - kept}"
        )
