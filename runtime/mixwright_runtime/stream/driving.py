"""What one step makes of rows, by its shape: whoever drives a step, in a pipeline, a mixture or beside one, does it here.

A bug in a step costs what it was about and no more: a row is quarantined with the end of the trace, and where a step
decides on many rows at once the run ends with an error that says which step it was; what was done until then is kept.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar, cast

from mixwright_compiler.catalog.groups import is_in_band
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.errors import RowError, RunError, RunStopped
from mixwright_runtime.plugins.protocol import Measurement
from mixwright_runtime.plugins.range_apply import RangeApply
from mixwright_runtime.plugins.shapes import Apply, Enrich, Fold, Keep, Measure, Place, Spread, Table
from mixwright_runtime.stream.nodes import Node
from mixwright_runtime.values.beside import ended_by
from mixwright_runtime.values.rows import Dropped, Row

M = TypeVar("M")


async def prepared(nodes: Sequence[Node]) -> None:
    """Make steps ready for their first row.

    Raises:
        RunError: one cannot work here.
    """
    for node in nodes:
        await _unless_broken(node, node.step.prepare())


async def with_drawn(nodes: Sequence[Node]) -> None:
    """Let steps read the rows of pipelines that they draw from, which are there now.

    Raises:
        RunStopped: the run was interrupted.
        RunError: they cannot be read, or a step fails on them.
    """
    for node in nodes:
        await _unless_broken(node, node.step.drawn_is_there())


async def _unless_broken(node: Node, work: Awaitable[M]) -> M:
    """What a step comes to; a bug in it ends the run with an error that names it."""
    try:
        return await work
    except (RunStopped, RunError):
        raise
    except Exception as error:
        raise broken(node, error) from error


async def closed(nodes: Sequence[Node]) -> list[str]:
    """Let go of what steps hold; what went wrong with that. Each is asked, whatever another does, and none of their
    failures takes back what was done."""
    failures = []
    for node in nodes:
        try:
            await node.step.close()
        except Exception as error:
            failures.append(f"{broken(node, error)}; it was closing, and nothing is lost")
    return failures


def reports_of(nodes: Sequence[Node]) -> dict[str, Any]:
    """What steps report, by their ids."""
    steps = {node.id: node.step for node in nodes}
    for node in nodes:
        node.step.beside(steps)
    found = {node.id: node.step.report() for node in nodes}
    return {step: dict(report) for step, report in found.items() if report is not None}


def applied(node: Node, row: Row) -> Row | Dropped:
    """What a row-wise step makes of a row."""
    return _applied(node, row, cast(Apply, node.step).apply, row)


async def applied_in_ranges(node: Node, row: Row) -> Row | Dropped:
    """`applied`, where many rows are looked at together."""
    assert node.in_ranges is not None and isinstance(node.step, RangeApply)
    try:
        found = await node.in_ranges.found(row)
    except (RunStopped, RunError):
        raise
    except Exception:
        return applied(node, row)  # one row of many: what costs this one is found alone
    return _applied(node, row, node.step.apply_found, row, found)


def _applied(node: Node, row: Row, make: Callable[..., Row | Dropped], *arguments: Any) -> Row | Dropped:
    made = _tried(node, row, make, *arguments)
    return made if isinstance(made, (Row, Dropped)) else _no_row(node, row, made)


async def all_in_ranges(node: Node, rows: Sequence[Row]) -> list[Row | Dropped]:
    """`applied_in_ranges` of each of some rows, in their order."""
    return await asyncio.gather(*(applied_in_ranges(node, row) for row in rows))


async def enriched(node: Node, row: Row) -> Row | Dropped:
    """What a step makes of a row that waits for others."""
    assert isinstance(node.step, Enrich)
    try:
        made = await node.step.enrich(row)
    except (RunStopped, RunError):
        raise
    except Exception as error:
        return quarantined(node, row, error)
    return made if isinstance(made, Row | Dropped) else _no_row(node, row, made)


async def applied_beside(node: Node, row: Row) -> Row | Dropped:
    """What a row-wise step makes of a row, which takes long."""
    return await asyncio.to_thread(applied, node, row)


def _tried(node: Node, row: Row, make: Callable[..., M], *arguments: Any) -> M | Dropped:
    """What a step makes; a bug in it costs the row."""
    try:
        return make(*arguments)
    except RunError:
        raise
    except Exception as error:
        return quarantined(node, row, error)


def spread(node: Node, row: Row) -> list[Row] | Dropped:
    """The rows that a step makes of one."""
    assert isinstance(node.step, Spread)
    made = _tried(node, row, node.step.spread, row)
    if isinstance(made, Dropped) or (isinstance(made, list) and all(isinstance(row, Row) for row in made)):
        return made
    return _no_row(node, row, made)


def folded(node: Node, row: Row, rows: Sequence[Row], count: int) -> Row | Dropped:
    """The row that others were made of, `count` in number, with what is worked out from those that are left."""
    assert isinstance(node.step, Fold)
    made = _tried(node, row, node.step.fold, row, rows, count)
    return made if isinstance(made, Row | Dropped) else _no_row(node, row, made)


async def decided_on(node: Node, rows: Sequence[Row], stop: StopSignal) -> Iterator[Place]:
    """What a breaker says of rows, one verdict each; some are made when they are asked for. `keep` runs in a thread, so
    that requests go on: it may work for a while, or for hours.

    Raises:
        RunStopped: it was interrupted.
        RunError: it failed on them; they stay unfinished. Also as verdicts are asked for.
    """
    step = node.step
    assert isinstance(step, Keep | Table)
    with ended_by(stop.check_cut_short):  # the task's context is a copy of this one
        work: asyncio.Future[Any] = asyncio.ensure_future(
            step.table(rows) if isinstance(step, Table) else asyncio.to_thread(step.keep, rows)
        )
    stopping: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            step.interrupt()
        # Also when interrupted: a thread cannot be ended from outside, and would go on beside what comes next.
        decided: Iterable[Place] = await work
    except (RunStopped, RunError):
        raise
    except Exception as error:
        raise broken(node, error) from error
    finally:
        stopping.cancel()
        work.cancel()
    if not isinstance(decided, Sequence):
        return _one_by_one(node, len(rows), decided)
    _check_count(node, len(decided), len(rows))
    if any(place == [] for place in decided):
        await asyncio.to_thread(_check_none_lost, node, rows, decided)
    return iter(decided)


def _one_by_one(node: Node, count: int, decided: Iterable[Place]) -> Iterator[Place]:
    """Verdicts that are made as they are asked for."""
    made = 0
    try:
        for made, place in enumerate(decided, 1):
            if made > count:
                break
            if place == []:
                raise RunError(f"step '{node.name}' left nothing of a row, not in a list, a bug in it")
            yield place
    except (RunStopped, RunError):
        raise
    except Exception as error:
        raise broken(node, error) from error
    _check_count(node, made, count)


def _check_count(node: Node, verdicts: int, rows: int) -> None:
    """Raises RunError where a step did not answer for each row."""
    if verdicts != rows:
        raise RunError(f"step '{node.name}' answered {verdicts} verdicts for {rows} rows, a bug in it")


def _check_none_lost(node: Node, rows: Sequence[Row], decided: Sequence[Place]) -> None:
    """A row may leave nothing in its place only where it is a parent of another one.

    Raises:
        RunError: one left nothing at all.
    """
    gone = {rows[at].row_id for at, place in enumerate(decided) if place == []}
    for place in decided:
        made = place if isinstance(place, list) else [place] if isinstance(place, Row) else []
        gone.difference_update(parent for row in made for parent in row.parents)
    if gone:
        raise RunError(f"step '{node.name}' left nothing of {len(gone)} rows, a bug in it")


def decided(node: Node, rows: Sequence[Row], measurements: Sequence[Measurement]) -> list[Row | Dropped]:
    """A verifier's verdict on each row. One that it could not measure, by a fault of its own, is quarantined."""
    assert isinstance(node.step, Measure)
    verdicts: list[Row | Dropped] = []
    for row, measurement in zip(rows, measurements, strict=True):
        reason = f"verifier {measurement.outcome}"
        verdicts.append(Dropped(row, node.id, reason, dict(measurement.evidence), quarantined=True))
    sound = [i for i, measurement in enumerate(measurements) if not is_fault(measurement)]
    if not sound:
        return verdicts
    try:
        found = node.step.decide([rows[i] for i in sound], [measurements[i] for i in sound])
        if len(found) != len(sound):
            raise ValueError(f"{len(found)} verdicts for {len(sound)} rows")
    except Exception as error:
        found = [quarantined(node, rows[i], error) for i in sound]
    for i, verdict in zip(sound, found, strict=True):
        verdicts[i] = verdict
    return verdicts


def is_fault(measurement: Measurement) -> bool:
    """The verifier failed: that is no verdict on the text."""
    return measurement.outcome in ("error", "timeout")


def with_score(node: Node, row: Row, measurement: Measurement) -> Row:
    """A row with what a verifier found of it."""
    shown = {
        "outcome": measurement.outcome,
        "score": measurement.score,
        "evidence": dict(measurement.evidence),
    }
    return replace(row, scores={**row.scores, node.id: shown})


def passes(verdict: Row | Dropped) -> bool:
    """A verifier lets it pass, whether or not another candidate is taken in its place."""
    return isinstance(verdict, Row) or verdict.passed


def with_verdicts(node: Node, verdicts: list[Row | Dropped], rate: float | None) -> list[Row | Dropped]:
    """The rows with their verdicts in the column that `as` names. `rate`: the share of the row's candidates that pass,
    where they are looked at together."""
    if not node.verdict_in:
        return verdicts
    shared = {} if rate is None else {"rate": rate}
    told: list[Row | Dropped] = []
    for verdict in verdicts:
        if isinstance(verdict, Dropped) and verdict.quarantined:
            told.append(verdict)  # it was not measured
            continue
        row = verdict.row if isinstance(verdict, Dropped) else verdict
        found = row.scores.get(node.id, {})
        column = {"score": found.get("score"), "passes": passes(verdict), **shared}
        row = row.with_columns(**{node.verdict_in: column})
        told.append(replace(verdict, row=row) if isinstance(verdict, Dropped) else row)
    return told


def within_band(node: Node, verdicts: list[Row | Dropped], passing: int, of: int) -> list[Row | Dropped]:
    """The verdicts where `passing` of a row's `of` candidates are a share in the verifier's band; else none goes on."""
    if node.band is None or is_in_band(passing, of, *node.band):
        return verdicts
    side = "below" if passing / of < node.band[0] else "above"
    reason = f"{node.plan.operation.partition('.')[2]}: rate {side} the band"
    dropped: list[Row | Dropped] = []
    for verdict in verdicts:
        if isinstance(verdict, Dropped) and verdict.quarantined:
            dropped.append(verdict)
            continue
        row = verdict.row if isinstance(verdict, Dropped) else verdict
        evidence = row.scores.get(node.id, {}).get("evidence", {})
        dropped.append(Dropped(row, node.id, reason, {"passing": passing, "candidates": of, **evidence}))
    return dropped


def quarantined(node: Node, row: Row, error: Exception) -> Dropped:
    """A row that a step could not process."""
    if isinstance(error, RowError):
        return Dropped(row, node.id, "row error", str(error), quarantined=True)
    # A bug in a step must not cost the other rows; what it takes to find it is kept with the row.
    trace = "".join(traceback.format_exception(error)[-3:])
    return Dropped(row, node.id, f"internal error: {type(error).__name__}", trace, quarantined=True)


def broken(node: Node, error: Exception) -> RunError:
    """What ends the run when a step fails as a whole, with the place in its code."""
    at = traceback.extract_tb(error.__traceback__)[-1]
    return RunError(
        f"step '{node.name}' ({node.plan.operation}) failed: {type(error).__name__}: {error} "
        f"({at.filename.rpartition('/')[2]}, line {at.lineno})"
    )


def _no_row(node: Node, row: Row, made: object) -> Dropped:
    return quarantined(node, row, TypeError(f"neither a row nor why it is dropped: {made!r:.200}"))
