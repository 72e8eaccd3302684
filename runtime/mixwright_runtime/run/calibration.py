"""Calibrates verifiers on labelled rows, before any row of a pipeline is started."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from mixwright_compiler.catalog.labelled_rows import is_good, labels_in_words, one_sided
from mixwright_compiler.suggest import listing
from mixwright_runtime.errors import CalibrationFailed, RunError
from mixwright_runtime.plugins.protocol import Measurement
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.stream.driving import decided, is_fault
from mixwright_runtime.stream.nodes import Node
from mixwright_runtime.stream.supply import Sources
from mixwright_runtime.values.rows import Dropped, Row, canonical_json
from mixwright_runtime.verifiers.calibrate import DEMANDS, Calibration, area_under_curve, better_words
from mixwright_runtime.verifiers.verdicts import is_lower_better, selection_of, thresholds_of

CHUNK = 256
"""Labelled rows that are measured at once."""


async def calibrate_all(
    nodes: Iterable[Node], sources: Sources, keep: Callable[[str, dict[str, Any]], None]
) -> None:
    """Calibrate every verifier among the nodes that asks for it.

    Args:
        keep: is given the name of each (`pipeline.step`) with its figures, also when another one is not good enough.

    Raises:
        CalibrationFailed: one is below what its block demands.
        RunError: labelled rows lack a column or a label; the verifier failed too often.
        RunStopped: the run is stopping.
    """
    failed = []
    for node in nodes:
        block = node.plan.attributes.get("calibrate")
        if node.measuring is None or not isinstance(block, Mapping):
            continue
        rows = await sources.beside(partial(_rows_of, sources, str(block["rows"])))
        found = await calibrated(node, rows, block)
        keep(found.node, found.figures())
        if found.missed:
            failed.append(_why(found))
    if failed:
        raise CalibrationFailed(
            "; ".join(failed)
            + "; no row was started. Change the verifier, its threshold or the demand: 'mixwright run' measures only "
            "what is new"
        )


def _rows_of(sources: Sources, name: str) -> list[Row]:
    return [Row(e.row_id, e.columns, e.row_id, i) for i, e in enumerate(sources.entries(name))]


async def calibrated(node: Node, rows: Sequence[Row], block: Mapping[str, Any]) -> Calibration:
    """How a verifier's verdicts on labelled rows compare with their labels.

    Args:
        rows: rows of the labelled source, with the label.
        block: the attributes of `calibrate`.

    Raises:
        RunError: a row lacks a column or a label; the verifier failed too often.
    """
    assert node.measuring is not None
    name, source = node.measuring.node, str(block["rows"])
    measuring = node.measuring.beside(f"{name}.calibrate")
    label, good = str(block.get("label") or "label"), block.get("good", True)
    _need_columns(node, rows, label, block, source)
    _need_both_sides(name, [row.columns[label] for row in rows], label, good, source)
    groups = _groups(rows, block.get("group"), node, source)
    counts = dict.fromkeys(((right, passes) for right in (True, False) for passes in (True, False)), 0)
    scores: dict[bool, list[float]] = {True: [], False: []}
    sign = -1.0 if is_lower_better(*thresholds_of(node.plan.attributes)) else 1.0
    unmeasurable = faults = 0
    for members, measurements in await _measured(measuring, groups):
        verdicts = decided(node, members, measurements)
        for row, measurement, verdict in zip(members, measurements, verdicts, strict=True):
            if is_fault(measurement) or (isinstance(verdict, Dropped) and verdict.quarantined):
                faults += 1
                continue
            is_right = is_good(row.columns[label], good)
            counts[is_right, not isinstance(verdict, Dropped)] += 1
            score = measurement.score
            scores[is_right].append(-math.inf if score is None else sign * score)
            unmeasurable += score is None
    why = measuring.over_budget()
    if why:
        raise RunError(f"calibration on '{source}': {why}")
    if not scores[True] or not scores[False]:
        there = (
            "every one should pass"
            if scores[True]
            else "every one should fail"
            if scores[False]
            else "there is none"
        )
        raise RunError(
            f"verifier '{name}': the rows of '{source}' that could be judged do not tell right from wrong: {there}"
        )
    demands = {demand: float(block[demand]) for demand in DEMANDS if block.get(demand) is not None}
    found = Calibration(
        node=name,
        rows=source,
        right_passes=counts[True, True],
        wrong_passes=counts[False, True],
        right_fails=counts[True, False],
        wrong_fails=counts[False, False],
        unmeasurable=unmeasurable,
        faults=faults,
        auc=area_under_curve(scores[True], scores[False]),
        demands=demands,
    )
    return found if not found.missed else _with_better(found, node, scores)


async def _measured(
    measuring: Any, groups: Sequence[Sequence[Row]]
) -> list[tuple[Sequence[Row], list[Measurement]]]:
    """Each group with its measurements; groups of one are measured many at a time, unless the verifier compares."""
    if measuring.in_groups or any(len(group) > 1 for group in groups):
        return [(group, await measuring.of(group)) for group in groups]
    rows = [group[0] for group in groups]
    found: list[tuple[Sequence[Row], list[Measurement]]] = []
    for at in range(0, len(rows), CHUNK):
        chunk = rows[at : at + CHUNK]
        found += [([row], [m]) for row, m in zip(chunk, await measuring.of(chunk), strict=True)]
    return found


def _groups(rows: Sequence[Row], column: Any, node: Node, source: str) -> list[list[Row]]:
    """The rows that are judged together: those that agree in `column`; without it each alone."""
    if column is None:
        if node.measuring is not None and node.traits.compares:
            raise RunError(
                f"verifier '{node.measuring.node}' compares candidates: say in `calibrate` which rows of '{source}' "
                "belong together, `group = question`"
            )
        return [[row] for row in rows]
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(canonical_json(row.columns.get(str(column))), []).append(row)
    return list(groups.values())


def _need_columns(node: Node, rows: Iterable[Row], label: str, block: Mapping[str, Any], source: str) -> None:
    conditional = node.plan.when.columns if node.plan.when is not None else ()
    needed = {name for name in node.plan.reads if name not in conditional} | {label}
    if block.get("group") is not None:
        needed.add(str(block["group"]))
    for row in rows:
        missing = sorted(name for name in needed if name not in row.columns)
        if missing or row.columns[label] is None:
            what = f"has no column '{missing[0]}'" if missing else f"has no label: '{label}' is null"
            raise RunError(
                f"step '{node.id}': row {row.position + 1} of '{source}' {what}, which `calibrate` needs; its columns: "
                f"{', '.join(row.columns)}"
            )


def _need_both_sides(name: str, labels: Sequence[Any], label: str, good: Any, source: str) -> None:
    side = one_sided(labels, good)
    if not labels or side:
        there = f"every row {side} by `{label}`" if labels else f"there is none by `{label}`"
        listed = f"; `good` is {canonical_json(good)}, labels there: {listing(labels_in_words(labels))}"
        raise RunError(
            f"verifier '{name}': the rows of '{source}' do not tell right from wrong: {there}{listed if labels else ''}"
        )


def _with_better(found: Calibration, node: Node, scores: Mapping[bool, Sequence[float]]) -> Calibration:
    """The calibration with a `min` or `max` that would meet its demands, where the verifier is bounded on that side
    alone, decides by its score alone, and there is one. Of several the one with the highest F1.

    `scores` are those of right and wrong rows, turned round where lower is better.
    """
    from dataclasses import replace

    wanted = {name: value for name, value in found.demands.items() if name != "auc"}
    attributes = node.plan.attributes
    is_lower = is_lower_better(*thresholds_of(attributes))
    has_both = attributes.get("min") is not None and attributes.get("max") is not None
    name = "max" if is_lower else "min"
    if name not in attributes or has_both or not wanted or not _goes_by_score(node):
        return found
    right, wrong = sorted(scores[True]), sorted(scores[False])
    best: tuple[float, float, Calibration] | None = None
    for bound in sorted({score for score in (*right, *wrong) if math.isfinite(score)}):
        passes = [len(side) - bisect_left(side, bound) for side in (right, wrong)]
        at = replace(
            found,
            right_passes=passes[0],
            wrong_passes=passes[1],
            right_fails=len(right) - passes[0],
            wrong_fails=len(wrong) - passes[1],
            demands=wanted,
        )
        if not at.missed and at.f1 is not None and (best is None or at.f1 > best[0]):
            best = (at.f1, bound, at)
    if best is None:
        return found
    _, bound, at = best
    assert at.precision is not None and at.recall is not None
    stated = 0.0 - bound if is_lower else bound
    return replace(found, better={name: stated, "precision": at.precision, "recall": at.recall})


def _goes_by_score(node: Node) -> bool:
    return isinstance(node.step, Measure) and selection_of(node.step) is not None


def _why(found: Calibration) -> str:
    better = f" ({better_words(found.better)})" if found.better else ""
    total = found.right_passes + found.wrong_passes + found.right_fails + found.wrong_fails
    return (
        f"verifier '{found.node}' is not as good as `calibrate` demands: {', '.join(found.missed)} on {total:,} rows of "
        f"'{found.rows}'; of {found.right_passes + found.right_fails:,} right ones {found.right_passes:,} pass, of "
        f"{found.wrong_passes + found.wrong_fails:,} wrong ones {found.wrong_passes:,}{better}"
    )
