"""What a report shows of a run, read from the store. Every list has a bound, so the page has one, too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.exporters.card import Drop

if TYPE_CHECKING:
    from mixwright_runtime.mixture.record import MixtureRecord
    from mixwright_runtime.store.store import Store

SAMPLES = 20
"""Accepted, and again rejected, rows that are shown."""
BINS = 20
"""Bars of a score histogram."""


@dataclass(frozen=True)
class Stage:
    """What a step counted. rows_out includes candidates that it made of rows (`forked`)."""

    step: str
    rows_in: int
    rows_out: int
    dropped: int = 0
    quarantined: int = 0
    forked: int = 0


@dataclass(frozen=True)
class Histogram:
    """How often a verifier's scores fell in each of equally wide bins from `low` to `high`."""

    step: str
    low: float
    high: float
    counts: Sequence[int]


@dataclass(frozen=True)
class PipelineFacts:
    """What became of the rows of a pipeline, or of a component in the steps of `mixture`."""

    name: str
    stages: Sequence[Stage] = ()
    drops: Sequence[Drop] = ()
    histograms: Sequence[Histogram] = ()
    mixture: str = ""


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
    mixtures: Sequence[MixtureRecord] = ()
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

    found = store.sql("SELECT status, started, ended, versions FROM run_state WHERE run_id = ?", [run_id])
    if not found:
        raise RunError(f"the store has no run {run_id}")
    status, started, ended, versions = found[0]
    selected = {
        name for (name,) in store.sql("SELECT DISTINCT mixture FROM selection WHERE run_id = ?", [run_id])
    }
    return RunFacts(
        spec=plan.spec,
        run_id=run_id,
        status=status,
        started=started,
        ended=ended,
        versions=json.loads(versions),
        spec_files=[(file.name, file.sha256) for file in plan.files],
        pipelines=_pipelines(store, plan, run_id),
        calibrations=_calibrations(store, run_id),
        mixtures=[read_record(store, run_id, name) for name in sorted(selected & plan.mixtures.keys())],
        models=_models(store, plan, run_id),
        accepted=_samples(store, run_id, "status = 'kept' AND content IS NOT NULL"),
        rejected=_samples(store, run_id, "status <> 'kept'"),
    )


def _pipelines(store: Store, plan: Plan, run_id: int) -> list[PipelineFacts]:
    stages: dict[str, list[Stage]] = {}
    query = """SELECT pipeline, step, rows_in, rows_out, dropped, quarantined, forked FROM current_tally
        WHERE run_id = ? ORDER BY pipeline, ordinal"""
    for pipeline, *counts in store.sql(query, [run_id]):
        stages.setdefault(pipeline, []).append(Stage(*counts))
    drops: dict[str, list[Drop]] = {}
    query = """SELECT pipeline, step, reason, count(*), status = 'quarantined' FROM outcome
        WHERE run_id = ? AND status <> 'kept' GROUP BY ALL ORDER BY pipeline, count(*) DESC, step, reason"""
    for pipeline, *rest in store.sql(query, [run_id]):
        drops.setdefault(pipeline, []).append(Drop(pipeline, *rest))
    histograms = _histograms(store, run_id)
    found = {*stages, *drops, *histograms}
    # The spec's own pipelines first, as they are written; then what it imports; then the steps of mixtures.
    names = [name for name in plan.pipelines if name in found]
    names.sort(key=lambda name: "." in name)
    return [
        PipelineFacts(
            name, stages.get(name, []), drops.get(name, []), histograms.get(name, []), _mixture_of(plan, name)
        )
        for name in names + sorted(found - set(names))
    ]


def _calibrations(store: Store, run_id: int) -> dict[str, dict[str, Any]]:
    from mixwright_runtime.run.calibration import EVENT

    query = "SELECT payload FROM event WHERE run_id = ? AND kind = ? ORDER BY batch"
    figures = [json.loads(payload) for (payload,) in store.sql(query, [run_id, EVENT])]
    return {found.pop("node"): found for found in figures}


def _mixture_of(plan: Plan, name: str) -> str:
    """The mixture in `mixture.component`, the name under which a mixture's own steps are counted; else empty."""
    if name in plan.pipelines:
        return ""
    return max((m for m in plan.mixtures if name.startswith(f"{m}.")), key=len, default="")


def _histograms(store: Store, run_id: int) -> dict[str, list[Histogram]]:
    """Scores of each verifier by pipeline. A measurement is an object with a `score`, or the number itself."""
    query = f"""
        WITH measured AS (
            SELECT pipeline, entry.key AS step,
                coalesce(try_cast(entry.value->>'$.score' AS DOUBLE), try_cast(entry.value AS DOUBLE)) AS score
            FROM outcome, json_each(outcome.scores) AS entry WHERE run_id = ?
        ), ranged AS (
            SELECT *, min(score) OVER same AS low, max(score) OVER same AS high
            FROM measured WHERE isfinite(score) WINDOW same AS (PARTITION BY pipeline, step)
        )
        SELECT pipeline, step, low, high,
            CASE WHEN high > low THEN least({BINS - 1}, floor((score - low) / (high - low) * {BINS})) ELSE 0 END AS bin,
            count(*)
        FROM ranged GROUP BY ALL ORDER BY pipeline, step, bin"""
    counts: dict[tuple[str, str, float, float], list[int]] = {}
    for pipeline, step, low, high, index, count in store.sql(query, [run_id]):
        counts.setdefault((pipeline, step, low, high), [0] * (BINS if high > low else 1))[int(index)] = count
    found: dict[str, list[Histogram]] = {}
    for (pipeline, step, low, high), bins in counts.items():
        found.setdefault(pipeline, []).append(Histogram(step, low, high, bins))
    return found


def _models(store: Store, plan: Plan, run_id: int) -> list[ModelUse]:
    query = """SELECT model, count(*) FILTER (status = 'ok'), count(*) FILTER (status <> 'ok'),
            sum(prompt_tokens)::BIGINT, sum(output_tokens)::BIGINT
        FROM call WHERE run_id = ? GROUP BY model ORDER BY model"""
    found = []
    for name, answered, failed, prompt_tokens, output_tokens in store.sql(query, [run_id]):
        prices = plan.models[name].attributes if name in plan.models else {}
        cost = None
        if prices.get("price_in") is not None or prices.get("price_out") is not None:
            dollars = prompt_tokens * (prices.get("price_in") or 0) + output_tokens * (
                prices.get("price_out") or 0
            )
            cost = dollars / 1_000_000
        found.append(ModelUse(name, answered, failed, prompt_tokens, output_tokens, cost))
    return found


def _samples(store: Store, run_id: int, which: str) -> list[Sample]:
    """Rows spread over pipelines and reasons: the first of each by row id, then the second of each, and so on.

    Row ids are hashes, so this is a random sample that stays the same when the report is made again.
    """
    query = f"""
        WITH ranked AS (
            SELECT pipeline, row_id, step, reason, detail, scores, content,
                row_number() OVER (PARTITION BY pipeline, step, reason ORDER BY row_id) AS turn
            FROM outcome WHERE run_id = ? AND {which}
            QUALIFY turn <= {SAMPLES}
        ), chosen AS (SELECT * FROM ranked ORDER BY turn, pipeline, step, reason LIMIT {SAMPLES})
        SELECT row_id, pipeline, step, reason, detail, scores, coalesce(columns, '')
        FROM chosen LEFT JOIN content ON content.digest = chosen.content
        ORDER BY pipeline, step, reason, row_id"""
    return [
        Sample(row_id.hex(), pipeline, _text(columns), step, reason, detail, "" if scores == "{}" else scores)
        for row_id, pipeline, step, reason, detail, scores, columns in store.sql(query, [run_id])
    ]


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
