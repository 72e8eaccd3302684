"""What can be counted in a store: rows, requests, scores, of a run or of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from mixwright_runtime.store.records import TOOL, TallyRecord
from mixwright_runtime.store.store import Store

_TALLY = ", ".join(field.name for field in fields(TallyRecord))


def tallies(store: Store, run_id: int) -> list[TallyRecord]:
    """What each step of a run counted, by pipeline and in the order of its steps. A run that was killed has none."""
    query = f"SELECT {_TALLY} FROM current_tally WHERE run_id = ? ORDER BY pipeline, ordinal"
    return [TallyRecord(*row) for row in store.sql(query, [run_id])]


@dataclass(frozen=True, slots=True)
class Endings:
    """Rows of a run that ended alike. step, reason: empty for `kept`, see `OutcomeRecord`."""

    pipeline: str
    step: str
    status: str
    reason: str
    rows: int


def endings(store: Store, run_id: int) -> list[Endings]:
    """How the rows of a run ended: by pipeline and step, of each first what befell most."""
    query = """SELECT pipeline, step, status, reason, count(*) FROM outcome WHERE run_id = ?
        GROUP BY ALL ORDER BY pipeline, step, count(*) DESC, reason, status"""
    return [Endings(*row) for row in store.sql(query, [run_id])]


def dropped_by_set(store: Store, run_id: int, pipeline: str, step: str) -> dict[str, int]:
    """Rows that a step dropped, by the `set` that its evidence names."""
    query = """SELECT detail->>'$.set', count(*) FROM outcome
        WHERE run_id = ? AND pipeline = ? AND step = ? AND status = 'dropped' GROUP BY ALL"""
    return dict(store.sql(query, [run_id, pipeline, step]))


@dataclass(frozen=True, slots=True)
class SelectedRows:
    """Rows that a mixture took, by its component and the pipeline or source that gave them."""

    mixture: str
    component: str
    pipeline: str
    rows: int


def selected(store: Store, run_id: int) -> list[SelectedRows]:
    """How many rows the mixtures of a run took from where."""
    query = """SELECT mixture, component, pipeline, count(*) FROM selection WHERE run_id = ?
        GROUP BY ALL ORDER BY mixture, component, pipeline"""
    return [SelectedRows(*row) for row in store.sql(query, [run_id])]


@dataclass(frozen=True, slots=True)
class ModelCalls:
    """Requests that a run made of a model. last_ended: seconds since the epoch."""

    model: str
    answered: int
    failed: int
    prompt_tokens: int
    output_tokens: int
    last_ended: float


def model_calls(store: Store, run_id: int) -> list[ModelCalls]:
    """Requests of a run by model; what it found in the store from earlier runs is not in it."""
    query = """SELECT model, count(*) FILTER (status = 'ok'), count(*) FILTER (status <> 'ok'),
            coalesce(sum(prompt_tokens), 0)::BIGINT, coalesce(sum(output_tokens), 0)::BIGINT, max(ended)
        FROM call WHERE run_id = ? AND NOT starts_with(model, ?) GROUP BY model ORDER BY model"""
    return [ModelCalls(*row) for row in store.sql(query, [run_id, TOOL])]


@dataclass(frozen=True, slots=True)
class NodeAnswers:
    """Answers that a step (`pipeline.step`) got of a model identity in any run; tokens are means, None without any."""

    node: str
    identity: str
    answers: int
    prompt_tokens: float | None
    output_tokens: float | None


def node_answers(store: Store) -> list[NodeAnswers]:
    """Answers that the store holds, by step and model identity."""
    query = """SELECT node, identity, count(DISTINCT key), avg(prompt_tokens), avg(output_tokens)
        FROM call WHERE status = 'ok' GROUP BY node, identity ORDER BY node, identity"""
    return [NodeAnswers(*row) for row in store.sql(query)]


@dataclass(frozen=True, slots=True)
class ScoreBins:
    """How often a verifier's scores fell in each of equally wide bins from `low` to `high`; one bin where all are
    equal."""

    pipeline: str
    step: str
    low: float
    high: float
    counts: Sequence[int]


def score_bins(store: Store, run_id: int, bins: int) -> list[ScoreBins]:
    """Scores of each verifier of a run. A measurement is an object with a `score`, or the number itself."""
    query = """
        WITH measured AS (
            SELECT pipeline, entry.key AS step,
                coalesce(try_cast(entry.value->>'$.score' AS DOUBLE), try_cast(entry.value AS DOUBLE)) AS score
            FROM outcome, json_each(outcome.scores) AS entry WHERE run_id = $1
        ), ranged AS (
            SELECT *, min(score) OVER same AS low, max(score) OVER same AS high
            FROM measured WHERE isfinite(score) WINDOW same AS (PARTITION BY pipeline, step)
        )
        SELECT pipeline, step, low, high,
            CASE WHEN high > low THEN least($2 - 1, floor((score - low) / (high - low) * $2)) ELSE 0 END AS bin,
            count(*)
        FROM ranged GROUP BY ALL ORDER BY pipeline, step, bin"""
    counts: dict[tuple[str, str, float, float], list[int]] = {}
    for pipeline, step, low, high, index, count in store.sql(query, [run_id, bins]):
        counts.setdefault((pipeline, step, low, high), [0] * (bins if high > low else 1))[int(index)] = count
    return [ScoreBins(*measured, found) for measured, found in counts.items()]


@dataclass(frozen=True, slots=True)
class Passes:
    """Scores stored for a verifier's rows. passed: of these by the thresholds of the run; passes: by others."""

    scores: int
    passed: int
    passes: int


def passes_between(
    store: Store, run_id: int, pipeline: str, step: str, low: float | None, high: float | None
) -> Passes:
    """What other thresholds, inclusive, make of a verifier's stored scores; None is no bound. Needs `has_verdicts`."""
    query = """SELECT count(passes), count(*) FILTER (passes), count(*) FILTER (passes IS NOT NULL
            AND outcome = 'measured' AND score >= coalesce(?, score) AND score <= coalesce(?, score))
        FROM verdict WHERE run_id = ? AND pipeline = ? AND step = ?"""
    return Passes(*store.sql(query, [low, high, run_id, pipeline, step])[0])


def has_verdicts(store: Store) -> bool:
    """Whether the store has the views on verdicts: one made by an earlier version, and not run since, has none."""
    return bool(store.sql("SELECT 1 FROM duckdb_views() WHERE view_name = 'verdict'"))
