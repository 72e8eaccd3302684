"""The end of a run: the books are closed, the mixtures selected and exported, and the verdict is given."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar, cast

from mixwright_runtime.cluster.status import cluster_status, cluster_warnings
from mixwright_runtime.errors import RunError, RunStopped
from mixwright_runtime.facts.policies import Violation, policy_facts
from mixwright_runtime.facts.reports import reviews_of
from mixwright_runtime.run.run import Run, RunReport
from mixwright_runtime.run.summary import (
    ExportSummary,
    MixtureSummary,
    PipelineSummary,
    RowCounts,
    RunSummary,
    StepSummary,
)
from mixwright_runtime.run.waves import PipelineRun
from mixwright_runtime.store.records import LIMITED, RATES, REPORTS, EventRecord
from mixwright_runtime.stream.driving import reports_of
from mixwright_runtime.stream.nodes import Node
from mixwright_runtime.values.beside import beside
from mixwright_runtime.verifiers.rates import rates_of
from mixwright_runtime.verifiers.reviewed import REVIEW

Made = TypeVar("Made")


async def finish(run: Run) -> RunReport:
    """Close the books of a run that has ended in whatever way.

    Raises:
        RunError: what the run failed of; or the store cannot be written, or does not add up.
    """
    store, stop = run.store, run.stop
    unfinished = _put_tallies(run)
    is_complete = not stop.reason
    mixtures: dict[str, MixtureSummary] = {}
    messages = [*(replay.note for replay in run.replays if replay.note), *run.calls.warnings()]
    if not stop.is_cut_short:
        mixtures = await _unless_interrupted(run, partial(_record_mixtures, run)) or {}
    _put_reports(run)
    # Durable before it is added up: the account is taken of what the store has, not of what this process believes.
    await store.flush()
    if unfinished and is_complete:
        raise RunError(f"run {run.run_id}: {unfinished} rows are in no outcome, an error in mixwright")
    await asyncio.to_thread(store.check_accounting, run.run_id)
    summary = _summary(run, mixtures, unfinished)
    kept = cast(dict[str, Any], summary)
    if stop.failure is not None:
        store.end_run(run.run_id, "failed", kept)
        raise _told(stop.failure, run)
    if stop.signal is not None:
        return _interrupted(run, kept, messages)
    if run.options.limit is not None:
        store.put_event(EventRecord(run.run_id, LIMITED, str(run.options.limit)))
        # An export looks for it in the store.
        await store.flush()
    if run.options.exports:
        try:
            exported = await _unless_interrupted(run, partial(_export, run, summary))
        except RunError:
            store.end_run(run.run_id, "failed", kept)
            raise
        if exported is None:
            return _interrupted(run, kept, messages)
        summary["exports"] = exported
        _put_cluster(run, summary)  # tokens are made in leases, too
    messages += cluster_warnings(run.leased)
    short = {name: found["shortfall"] for name, found in mixtures.items() if found["shortfall"]}
    if stop.reason:
        messages.append(stop.reason)
    messages += [f"mixture '{name}': {text}" for name, text in short.items()]
    exit_code = 0
    is_limited = run.options.limit is not None
    if is_limited and short:
        messages.append(f"as --limit says: at most {run.options.limit:,} rows were started in each place")
    is_error = not is_limited and any(run.plan.mixtures[name].shortfall == "error" for name in short)
    if is_error or (stop.reason and not mixtures):
        exit_code = 1
    broken_demands = [] if is_limited else _violations(run, summary)
    if broken_demands:
        exit_code = 1
        summary["violations"] = [_plain(found) for found in broken_demands]
        messages += [found.text for found in broken_demands]
    over = _over_policy(run, summary)
    if over:
        exit_code = 1
        messages.append(over)
    broken = [why for why in map(_verifier_faults, run.pipeline_nodes) if why]
    if broken or run.faults_at_end:
        exit_code = 1
        messages += [*broken, *run.faults_at_end]
    status = "short" if (short and not is_limited) or stop.reason else "done"
    summary["exit_code"] = exit_code
    rated = {node.name: found for node in run.pipeline_nodes if (found := rates_of(node.passing)) is not None}
    if rated:
        store.put_event(EventRecord(run.run_id, RATES, json.dumps(rated)))
    # Last of all: a run that was killed while it exported has no end.
    store.end_run(run.run_id, status, kept)
    return RunReport(run.run_id, status, exit_code, kept, tuple(messages))


async def _unless_interrupted(run: Run, work: Callable[[], Made]) -> Made | None:
    """What `work` makes, in a thread, so that signals are heard; None where one has ended it."""
    try:
        return await beside(run.stop.check_cut_short, work)
    except RunStopped:
        return None


def _interrupted(run: Run, summary: dict[str, Any], messages: list[str]) -> RunReport:
    assert run.stop.signal is not None
    run.store.end_run(run.run_id, "stopped", summary)
    told = f"interrupted; {_kept(run)} are kept, 'mixwright run' again goes on from there"
    messages += [*cluster_warnings(run.leased), told]
    return RunReport(run.run_id, "stopped", 128 + run.stop.signal, summary, tuple(messages))


def allowed_quarantine(policies: Iterable[Mapping[str, Any]]) -> float:
    """The share of rows that may be quarantined: the strictest `max_quarantined`; without any, none may."""
    stated = [policy["max_quarantined"] for policy in policies if policy.get("max_quarantined") is not None]
    return float(min(stated, default=0.0))


def _over_policy(run: Run, summary: RunSummary) -> str:
    rows = summary["rows"]
    quarantined, ended = rows["quarantined"], rows["kept"] + rows["dropped"] + rows["quarantined"]
    allowed = allowed_quarantine(run.policies)
    if not quarantined or quarantined <= allowed * ended:
        return ""
    reasons = ", ".join(f"{count} {reason}" for reason, count in summary["quarantined"].items())
    hint = "" if allowed else "; 'policy { max_quarantined = 5% }' would allow some"
    return f"{quarantined} of {ended} rows were quarantined ({reasons}), {allowed:.3g} of them may be{hint}"


def _violations(run: Run, summary: RunSummary) -> list[Violation]:
    """Demands of tags and policies that the selected mixtures do not meet."""
    from mixwright_runtime.mixture.selection import subtotals_of

    found: list[Violation] = []
    for mixture in run.mixture_runs.values():
        selection = mixture.selection
        if selection is None:
            continue
        reviews = reviews_of(run.plan, mixture.name, summary["reviews"])
        sums = subtotals_of(selection.results, selection.tags)
        found += policy_facts(run.plan, mixture.name, sums, len(selection), reviews).violations
    return found


def _put_tallies(run: Run) -> int:
    unfinished = 0
    for name, pipeline in run.runs.items():
        executor = pipeline.executor
        tallies = [node.tally for node in executor.nodes]
        unfinished += run.outcomes[name].put_tallies(tallies, executor.started)
    for mixture in run.mixture_runs.values():
        mixture.put_tallies()
    return unfinished


def _put_reports(run: Run) -> None:
    """Keep what the steps of pipelines report beside the rows; those of mixtures are kept with these."""
    told = {
        node.name: {"operation": node.plan.operation, "report": reports[node.id]}
        for pipeline in run.runs.values()
        for reports in [reports_of(pipeline.executor.nodes)]
        for node in pipeline.executor.nodes
        if reports.get(node.id)
    }
    if told:
        run.store.put_event(EventRecord(run.run_id, REPORTS, json.dumps(told, ensure_ascii=False)))


def _record_mixtures(run: Run) -> dict[str, MixtureSummary]:
    from mixwright_runtime.mixture import record_selection
    from mixwright_runtime.mixture.selection import subtotals_of

    found: dict[str, MixtureSummary] = {}
    for mixture in run.mixture_runs.values():
        selection = mixture.selection
        if selection is None:
            continue
        reports = mixture.reports()
        record_selection(run.store, run.run_id, selection, steps=reports)
        found[mixture.name] = {
            "rows": len(selection),
            "shortfall": selection.shortfall,
            "notes": list(selection.notes),
            "components": {
                result.component: {"wanted": result.wanted, "got": result.got, "available": result.available}
                for result in selection.results
            },
            "subtotals": [_plain(part) for part in subtotals_of(selection.results, selection.tags)],
            "dropped": mixture.dropped(),
            "steps": reports,
        }
    return found


def _export(run: Run, summary: RunSummary) -> dict[str, ExportSummary]:
    """Write the exports of the mixtures that were selected; where each is, and its rows.

    Raises:
        RunError: a target cannot be written; the rows are in the store.
    """
    from mixwright_runtime.exporters.write import write_exports

    written = []
    for name in run.mixtures:
        if name in summary["mixtures"]:
            written += write_exports(run.plan, run.store, run.run_id, name, ranges=run.context.ranges)
    return {export.name: {"path": str(export.path), "rows": export.rows} for export in written}


def _summary(run: Run, mixtures: dict[str, MixtureSummary], unfinished: int) -> RunSummary:
    spending = run.spending
    rows: RowCounts = {"kept": 0, "dropped": 0, "quarantined": 0, "unfinished": unfinished}
    quarantined: dict[str, int] = {}
    for outcomes in run.outcomes.values():
        rows["kept"] += outcomes.kept
        rows["dropped"] += outcomes.dropped
        rows["quarantined"] += outcomes.quarantined
    for node in run.pipeline_nodes:
        for reason, count in node.tally.quarantine_reasons.items():
            quarantined[reason] = quarantined.get(reason, 0) + count
    found: RunSummary = {
        "spec": run.plan.spec,
        "run_id": run.run_id,
        "stopped_by": run.stop.reason,
        "seconds": round(spending.seconds, 3),
        "rows": rows,
        "quarantined": quarantined,
        "requests": spending.requests,
        "reused": sum(counts.reused for counts in run.calls.counts.values()),
        "prompt_tokens": spending.prompt_tokens,
        "output_tokens": spending.output_tokens,
        "cost": round(spending.cost, 6),
        "pipelines": {name: _pipeline(pipeline) for name, pipeline in run.runs.items()},
        "calls": {node: _plain(counts) for node, counts in run.calls.counts.items()},
        "calibrations": run.calibrations,
        "reviews": {
            node.name: node.step.report() for node in run.pipeline_nodes if node.plan.operation == REVIEW
        },
        "mixtures": mixtures,
        "violations": [],
        "exports": {},
        "exit_code": 0,
    }
    _put_cluster(run, found)
    if addresses := run.calls.addresses():
        found["addresses"] = addresses
    return found


def _put_cluster(run: Run, summary: RunSummary) -> None:
    if (cluster := cluster_status(run.leased).get("cluster")) is not None:
        summary["cluster"] = cluster


def _pipeline(pipeline: PipelineRun) -> PipelineSummary:
    return {
        "started": pipeline.executor.started,
        "kept": len(pipeline.kept),
        "wanted": pipeline.wanted,
        "exhausted": pipeline.is_exhausted,
        "waves": [list(wave) for wave in pipeline.waves],
        "steps": {node.id: _step(node) for node in pipeline.executor.nodes},
        "reports": reports_of(pipeline.executor.nodes),
    }


def _step(node: Node) -> StepSummary:
    tally = node.tally
    found: StepSummary = {
        "in": tally.rows_in,
        "out": tally.rows_out,
        "dropped": tally.drop_reasons,
        "quarantined": tally.quarantine_reasons,
    }
    if tally.quarantined_because:
        found["quarantined_because"] = tally.quarantined_because
    if node.rows_again:
        found["asked_again"] = {"rows": node.rows_again, "passed": node.passed_again}
    rated = rates_of(node.passing)
    if rated is not None:
        found["rated"] = rated
    return found


def _verifier_faults(node: Node) -> str:
    """Why a verifier's verdicts cannot be trusted: too many faults of its own for a run that was too short to stop."""
    return "" if node.measuring is None else node.measuring.over_budget()


def _plain(figures: Any) -> Any:
    """A dataclass as it is kept: its fields as JSON."""
    return vars(figures)


def _kept(run: Run) -> str:
    answered = sum(counts.answered for counts in run.calls.counts.values())
    ended = sum(o.kept + o.dropped + o.quarantined for o in run.outcomes.values())
    return f"{ended:,} finished rows and {answered:,} new answers"


def _told(failure: Exception, run: Run) -> Exception:
    """The failure, with what was kept and how to go on."""
    text = str(failure)
    if isinstance(failure, RunError) and "mixwright run" not in text:
        failure.args = (f"{text}; {_kept(run)} are kept, 'mixwright run' again sends only what is missing",)
    return failure
