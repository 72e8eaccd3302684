"""What a store holds of single rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from mixwright_runtime.store.records import (
    OUTCOME_COLUMNS,
    CallRecord,
    OutcomeRecord,
    ScoreRecord,
    SelectionRecord,
    outcome_record,
)
from mixwright_runtime.store.store import Store

_CALL = ", ".join(CallRecord._fields)
_SCORE = ", ".join(field.name for field in fields(ScoreRecord))
_SELECTION = ", ".join(SelectionRecord._fields)


def rows_starting(store: Store, prefix: str, limit: int) -> list[bytes]:
    """Rows whose id starts with `prefix` (lower-case hex), the first `limit` of them."""
    query = """SELECT DISTINCT row_id FROM outcome WHERE starts_with(lower(hex(row_id)), ?)
        ORDER BY 1 LIMIT ?"""
    return [bytes(row_id) for (row_id,) in store.sql(query, [prefix, limit])]


def rows_made_of(store: Store, prefix: str, limit: int) -> list[bytes]:
    """Rows with a source row, a parent or a call whose id starts with `prefix`, the first `limit` of them."""
    query = """SELECT DISTINCT row_id FROM outcome
        WHERE starts_with(lower(hex(origin_id)), $1)
            OR len(list_filter(parents, lambda parent: starts_with(lower(hex(parent)), $1))) > 0
            OR len(list_filter(calls, lambda key: starts_with(lower(hex(key)), $1))) > 0
        ORDER BY 1 LIMIT $2"""
    return [bytes(row_id) for (row_id,) in store.sql(query, [prefix, limit])]


@dataclass(frozen=True, slots=True)
class Entry:
    """A row as it stands in mixtures; the three name it in exports (`mixwright_runtime.values.rows.entry_id`)."""

    leaf: str
    row_id: bytes
    repeat: int


def entries(store: Store) -> Iterator[Entry]:
    """Every entry of any mixture of any run, each once."""
    for leaf, row_id, repeat in store.sql("SELECT DISTINCT pipeline, row_id, repeat FROM selection"):
        yield Entry(leaf, bytes(row_id), repeat)


def runs_with(store: Store, row_id: bytes) -> list[int]:
    """Ids of the runs in which a row ended, ascending."""
    query = "SELECT DISTINCT run_id FROM outcome WHERE row_id = ? ORDER BY 1"
    return [run_id for (run_id,) in store.sql(query, [row_id])]


def outcomes_of(store: Store, run_id: int, row_id: bytes) -> list[OutcomeRecord]:
    """What became of a row in each pipeline of a run that it was in, in the order in which it ended there."""
    query = f"""SELECT {OUTCOME_COLUMNS} FROM row_outcome WHERE run_id = ? AND row_id = ?
        ORDER BY row_outcome.batch"""
    return [outcome_record(row) for row in store.sql(query, [run_id, row_id])]


def calls_named(store: Store, keys: Sequence[bytes]) -> dict[bytes, CallRecord]:
    """Calls by key: of several the first good answer, else the first failure."""
    query = f"""SELECT {_CALL} FROM call WHERE key IN (SELECT unnest(?::BLOB[]))
        ORDER BY status = 'ok', batch DESC"""
    # Into a dict the last of a key goes in.
    return {call.key: call for call in (CallRecord(*row) for row in store.sql(query, [list(keys)]))}


def scores_of(store: Store, row_id: bytes) -> list[ScoreRecord]:
    """Measurements of a row in any run, the first of each key, faults of verifiers included."""
    query = f"""SELECT {_SCORE} FROM score WHERE row_id = ?
        QUALIFY row_number() OVER (PARTITION BY key ORDER BY batch) = 1 ORDER BY batch, node"""
    return [ScoreRecord(*row) for row in store.sql(query, [row_id])]


def selections_of(store: Store, run_id: int, row_id: bytes) -> list[SelectionRecord]:
    """Where a row stands in the mixtures of a run."""
    query = f"""SELECT {_SELECTION} FROM selection WHERE run_id = ? AND row_id = ?
        ORDER BY mixture, selection.position"""
    return [SelectionRecord(*row) for row in store.sql(query, [run_id, row_id])]


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another row made of a row's parents, and how it ended."""

    row_id: bytes
    candidate: int
    status: str
    step: str
    reason: str


def siblings_of(
    store: Store, run_id: int, row_id: bytes, parents: Sequence[bytes], limit: int
) -> list[Sibling]:
    """Other rows that a run made of a row's parents, the first `limit` candidates."""
    query = """SELECT row_id, candidate, status, step, reason FROM outcome
        WHERE run_id = ? AND row_id <> ? AND list_has_any(parents, ?::BLOB[])
        ORDER BY candidate, pipeline LIMIT ?"""
    return [Sibling(*row) for row in store.sql(query, [run_id, row_id, list(parents), limit])]


@dataclass(frozen=True, slots=True)
class LostRow:
    """A row that a run quarantined. furthest: the largest position of a row that the same run kept."""

    row_id: bytes
    step: str
    run_id: int
    position: int
    furthest: int


def quarantined_in(store: Store, pipeline: str) -> Iterator[LostRow]:
    """Rows of a pipeline that a run quarantined, of runs that kept any; the newest run first."""
    query = """WITH chosen AS (SELECT row_id, step, run_id, position, status FROM outcome WHERE pipeline = ?)
        SELECT row_id, step, run_id, position, furthest FROM chosen
        JOIN (SELECT run_id, max(position) AS furthest FROM chosen WHERE status = 'kept' GROUP BY run_id) USING (run_id)
        WHERE status = 'quarantined' ORDER BY run_id DESC, position, row_id"""
    for row_id, step, run_id, position, furthest in store.streamed(query, [pipeline]):
        yield LostRow(bytes(row_id), step, run_id, position, furthest)


def kept_by_position(store: Store, run_id: int, pipeline: str) -> Iterator[tuple[int, list[bytes]]]:
    """Position -> `content_digest` of each row that a run kept of the one there, ascending; of all that ended."""
    query = """SELECT position, coalesce(list_sort(list(content) FILTER (status = 'kept')), []) FROM outcome
        WHERE run_id = ? AND pipeline = ? GROUP BY position ORDER BY position"""
    for position, kept in store.streamed(query, [run_id, pipeline]):
        yield position, [bytes(digest) for digest in kept]


@dataclass(frozen=True, slots=True)
class SampledRow:
    """A row as it ended. detail, scores, columns: JSON, empty where there is none."""

    row_id: bytes
    pipeline: str
    step: str
    reason: str
    detail: str
    scores: str
    columns: str


_SAMPLED = {"accepted": "status = 'kept' AND content IS NOT NULL", "rejected": "status <> 'kept'"}


def sampled(
    store: Store, run_id: int, which: Literal["accepted", "rejected"], limit: int
) -> list[SampledRow]:
    """Rows spread over pipelines and reasons: the first of each by row id, then the second of each, and so on.

    Row ids are hashes, so this is a random sample that stays the same when it is taken again.
    """
    query = f"""
        WITH ranked AS (
            SELECT pipeline, row_id, step, reason, detail, scores, content,
                row_number() OVER (PARTITION BY pipeline, step, reason ORDER BY row_id) AS turn
            FROM outcome WHERE run_id = $1 AND {_SAMPLED[which]}
            QUALIFY turn <= $2
        ), chosen AS (SELECT * FROM ranked ORDER BY turn, pipeline, step, reason LIMIT $2)
        SELECT row_id, pipeline, step, reason, detail, scores, coalesce(columns, '')
        FROM chosen LEFT JOIN content ON content.digest = chosen.content
        ORDER BY pipeline, step, reason, row_id"""
    return [SampledRow(*row) for row in store.sql(query, [run_id, limit])]
