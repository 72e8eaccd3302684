"""What a store holds of the candidates that were not taken: the rows made of what a mixture's rows were made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from mixwright_runtime.store.store import Store


@dataclass(frozen=True, slots=True)
class LostCandidate:
    """A row that a run dropped. columns, scores: JSON objects; the scores are its verifiers' measurements by step id."""

    row_id: bytes
    pipeline: str
    step: str
    reason: str
    scores: str
    columns: str


@dataclass(frozen=True, slots=True)
class Beside:
    """A row of a mixture: the measurements of it, JSON, and the rows of its only parent that were dropped."""

    scores: str
    lost: tuple[LostCandidate, ...]


def beside_selected(store: Store, run_id: int, mixture: str) -> Iterator[Beside]:
    """For each row of a mixture, in its order, what was made of its parent besides. Call after `flush`.

    Memory: the candidates of one row.
    """
    query = """SELECT selection.position, taken.scores,
            other.row_id, other.pipeline, other.step, other.reason, other.scores, text.rowid AS text_at
        FROM selection
        JOIN outcome taken ON taken.run_id = selection.run_id AND taken.pipeline = selection.pipeline
            AND taken.row_id = selection.row_id AND taken.status = 'kept'
        LEFT JOIN outcome other ON other.run_id = taken.run_id AND len(taken.parents) = 1
            AND other.parents = taken.parents AND other.row_id <> taken.row_id AND other.status = 'dropped'
        LEFT JOIN content text ON text.digest = other.content
        WHERE selection.run_id = ? AND mixture = ?
        ORDER BY selection.position, other.candidate, other.row_id, other.step"""
    for _, rows in groupby(store.with_texts(query, [run_id, mixture]), key=lambda row: row[0]):
        scores, lost = "{}", dict[bytes, LostCandidate]()
        for row in rows:
            scores = row[1]
            if row[2] is not None:
                other = LostCandidate(bytes(row[2]), *row[3:])
                lost.setdefault(other.row_id, other)
        yield Beside(scores, tuple(lost.values()))
