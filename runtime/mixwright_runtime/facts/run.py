"""What is known of a run: what its report shows. Every list has a bound, so the page has one, too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.facts.pipelines import PipelineFacts, pipeline_facts
from mixwright_runtime.facts.policies import PolicyFacts, policy_facts
from mixwright_runtime.facts.reports import StepReport, reviews_in, reviews_of, step_reports

if TYPE_CHECKING:
    from mixwright_runtime.mixture.record import MixtureRecord
    from mixwright_runtime.store.row_records import SampledRow
    from mixwright_runtime.store.store import Store

SAMPLES = 20
"""Accepted, and again rejected, rows that are shown."""
BINS = 20
"""Bars of a score histogram."""


@dataclass(frozen=True)
class ModelUse:
    """Requests of this run by model; what was found in the store from earlier runs is not in it.

    cost: in dollars by the model's `price_in` and `price_out`, None when the spec states none.
    """

    model: str
    answered: int
    failed: int
    prompt_tokens: int
    output_tokens: int
    cost: float | None = None


@dataclass(frozen=True)
class Sample:
    """One row as it ended. text: (caption, text) pairs, untrusted. reason: empty when it was kept."""

    row_id: str
    pipeline: str
    text: Sequence[tuple[str, str]]
    step: str = ""
    reason: str = ""
    detail: str = ""
    scores: str = ""


@dataclass(frozen=True)
class RunFacts:
    """A run. status: `done`, `short`, `stopped`, `failed`, or empty while it goes on. times: seconds since the epoch."""

    spec: str
    run_id: int
    status: str
    started: float
    ended: float
    versions: Mapping[str, str] = field(default_factory=dict)
    spec_files: Sequence[tuple[str, str]] = ()
    pipelines: Sequence[PipelineFacts] = ()
    calibrations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By verifier, `pipeline.step`: `mixwright_runtime.verifiers.calibrate.Calibration.figures`."""
    rates: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By verifier, `pipeline.step`: `mixwright_runtime.verifiers.rates.rates_of`."""
    reviews: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By `review`, `pipeline.step`; see `mixwright_runtime.steps.review`."""
    reports: Sequence[StepReport] = ()
    """What other steps of pipelines report."""
    mixtures: Sequence[MixtureRecord] = ()
    policies: Mapping[str, PolicyFacts] = field(default_factory=dict)
    """What policies say of each mixture."""
    models: Sequence[ModelUse] = ()
    accepted: Sequence[Sample] = ()
    rejected: Sequence[Sample] = ()


def run_facts(store: Store, plan: Plan, run_id: int) -> RunFacts:
    """Everything the report of a run shows. Call after `flush`. The store is only read.

    Raises:
        RunError: the store has no such run.
    """
    from mixwright_runtime.errors import RunError
    from mixwright_runtime.mixture.record import read_record
    from mixwright_runtime.store.counts import selected
    from mixwright_runtime.store.row_records import sampled
    from mixwright_runtime.store.runs import run_numbered

    run = run_numbered(store, run_id)
    if run is None:
        raise RunError(f"the store has no run {run_id}")
    mixtures = {found.mixture for found in selected(store, run_id)} & plan.mixtures.keys()
    records = [read_record(store, run_id, name) for name in sorted(mixtures)]
    reports = step_reports(store, run_id)
    reviews = reviews_in(reports)
    return RunFacts(
        spec=plan.spec,
        run_id=run_id,
        status=run.status,
        started=run.started,
        ended=run.ended,
        versions=json.loads(run.versions),
        spec_files=[(file.name, file.sha256) for file in plan.files],
        pipelines=_pipelines(store, plan, run_id),
        calibrations=_calibrations(store, run_id),
        rates=_rates(store, run_id),
        reviews=reviews,
        reports=[report for report in reports if report.node not in reviews],
        mixtures=records,
        policies={
            r.mixture: policy_facts(
                plan, r.mixture, r.subtotals(), r.rows, reviews_of(plan, r.mixture, reviews)
            )
            for r in records
        },
        models=_models(store, plan, run_id),
        accepted=[_sample(row) for row in sampled(store, run_id, "accepted", SAMPLES)],
        rejected=[_sample(row) for row in sampled(store, run_id, "rejected", SAMPLES)],
    )


def _pipelines(store: Store, plan: Plan, run_id: int) -> list[PipelineFacts]:
    from mixwright_runtime.store.counts import ScoreBins, score_bins

    histograms: dict[str, list[ScoreBins]] = {}
    for bins in score_bins(store, run_id, BINS):
        histograms.setdefault(bins.pipeline, []).append(bins)
    found = {
        name: replace(
            facts,
            drops=sorted(facts.drops, key=lambda drop: (-drop.rows, drop.step, drop.reason)),
            histograms=histograms.get(name, ()),
        )
        for name, facts in pipeline_facts(store, plan, run_id).items()
    }
    shown = {name: facts for name, facts in found.items() if facts.stages or facts.drops or facts.histograms}
    # The spec's own pipelines first, as they are written; then what it imports; then the steps of mixtures.
    names = [name for name in plan.pipelines if name in shown]
    names.sort(key=lambda name: "." in name)
    return [shown[name] for name in names] + [facts for name, facts in shown.items() if name not in names]


def _calibrations(store: Store, run_id: int) -> dict[str, dict[str, Any]]:
    from mixwright_runtime.store.records import CALIBRATION
    from mixwright_runtime.store.runs import payloads

    figures = [json.loads(payload) for payload in payloads(store, run_id, CALIBRATION)]
    return {found.pop("node"): found for found in figures}


def _rates(store: Store, run_id: int) -> dict[str, dict[str, Any]]:
    from mixwright_runtime.store.records import RATES
    from mixwright_runtime.store.runs import payloads

    return {
        node: found
        for payload in payloads(store, run_id, RATES)
        for node, found in json.loads(payload).items()
    }


def _models(store: Store, plan: Plan, run_id: int) -> list[ModelUse]:
    from mixwright_runtime.store.counts import model_calls

    found = []
    for calls in model_calls(store, run_id):
        prices = plan.models[calls.model].attributes if calls.model in plan.models else {}
        cost = None
        if prices.get("price_in") is not None or prices.get("price_out") is not None:
            dollars = calls.prompt_tokens * (prices.get("price_in") or 0)
            dollars += calls.output_tokens * (prices.get("price_out") or 0)
            cost = dollars / 1_000_000
        found.append(
            ModelUse(
                calls.model, calls.answered, calls.failed, calls.prompt_tokens, calls.output_tokens, cost
            )
        )
    return found


def _sample(row: SampledRow) -> Sample:
    return Sample(
        row.row_id.hex(),
        row.pipeline,
        _text(row.columns),
        row.step,
        row.reason,
        row.detail,
        "" if row.scores == "{}" else row.scores,
    )


def _text(columns: str) -> list[tuple[str, str]]:
    """The chat of a row; before there is one, its columns."""
    values: dict[str, Any] = json.loads(columns) if columns else {}
    messages = values.get("messages")
    if isinstance(messages, list) and messages and all(isinstance(m, dict) for m in messages):
        return [(str(m.get("role", "")), str(m.get("content", ""))) for m in messages]
    return [
        (name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        for name, value in values.items()
    ]
