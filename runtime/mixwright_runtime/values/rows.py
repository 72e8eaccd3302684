"""Rows on their way through a pipeline, and how they are named.

A row's identity is its lineage, never its position in a file or a batch: the source row's content and its
occurrence number, the replica, and the candidate index at each sampling step. Seeds and selection order
are derived from it, so neither batching nor the number of workers can change a dataset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any

from mixwright_compiler.catalog.references import declared_name
from mixwright_runtime.values.json_encoding import encoder

canonical_json = encoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
"""JSON text that equal values share: sorted keys, no spaces, no escapes of non-ASCII."""


def digest(domain: str, *parts: bytes | str | int) -> bytes:
    """16 bytes of BLAKE2b over length-prefixed parts in a versioned domain such as `mixwright.row.v1`."""
    framed: list[bytes] = []
    for part in (domain, *parts):
        raw = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        framed += (len(raw).to_bytes(8, "little"), raw)
    return blake2b(b"".join(framed), digest_size=16, person=b"mixwright").digest()


def source_row_id(columns: Mapping[str, object], occurrence: int) -> bytes:
    """Identity of a source row: its content, and which of its equals it is (0 for the first)."""
    return digest("mixwright.source.v1", canonical_json(columns), occurrence)


def source_row_ids(texts: Iterable[bytes]) -> bytearray:
    """`source_row_id` of many rows, each as the first of its equals, from their canonical JSON: 16 bytes a row."""
    begun = blake2b(_framed("mixwright.source.v1"), digest_size=16, person=b"mixwright")
    behind = _framed("0")
    found = bytearray()
    for text in texts:
        one = begun.copy()  # cheaper than one anew
        one.update(b"".join((len(text).to_bytes(8, "little"), text, behind)))
        found += one.digest()
    return found


def _framed(part: str) -> bytes:
    return len(part).to_bytes(8, "little") + part.encode()


class SourceIds:
    """Names the rows of a source as they come, in its order."""

    def __init__(self) -> None:
        self._times: dict[bytes, int] = {}

    def of(self, columns: Mapping[str, object]) -> bytes:
        """Identity of the next row."""
        first = source_row_id(columns, 0)
        occurrence = self._times.get(first, 0)
        self._times[first] = occurrence + 1
        return first if occurrence == 0 else source_row_id(columns, occurrence)


def replica_id(row_id: bytes, replica: int, level: int = 0) -> bytes:
    """Identity of a row that is started again; replica 0 keeps the row's own identity.

    level: how many pipelines that repeat rows lie behind this one. Where each of two repeats a row, the second's
    replica 1 of replica 0 is another row than its replica 0 of the first's replica 1.
    """
    if replica == 0:
        return row_id
    return digest("mixwright.replica.v1", row_id, replica, *([level] if level else []))


def candidate_id(row_id: bytes, step_id: str, candidate: int) -> bytes:
    """Identity of one of several candidates that a step makes of a row."""
    return digest("mixwright.candidate.v1", row_id, step_id, candidate)


def round_id(row_id: bytes, step_id: str, number: int) -> bytes:
    """Identity of what a row is in round `number`, 1, 2 …, of a loop: another one in each, so that draws differ."""
    return digest("mixwright.round.v1", row_id, step_id, number)


def merged_id(step_id: str, row_ids: Iterable[bytes]) -> bytes:
    """Identity of the row that a step makes of these, in whatever order they came."""
    return digest("mixwright.merged.v1", step_id, *sorted(row_ids))


def entry_id(leaf: str, row_id: bytes, repeat: int) -> bytes:
    """Identity of a row in a mixture: two pipelines may give rows of one lineage, and a row may be taken again.

    leaf: the source or pipeline that gave it; as a variant has it, its rows are called as those of its base are.
    repeat: 0 for its first appearance.
    """
    return digest("mixwright.entry.v1", declared_name(leaf), row_id, repeat)


def order_key(seed: int, row_id: bytes) -> int:
    """Rank of a row under a seed, 0..2^63-1: rows are started, and selected, in ascending order of it."""
    return int.from_bytes(digest("mixwright.order.v1", seed, row_id)[:8], "little") >> 1


@dataclass(slots=True)
class Row:
    """One row between two steps. `columns` is replaced, never mutated in place, when a row forks.

    `calls` are the keys of the model calls it took so far, `scores` its verifiers' measurements by step id.
    """

    row_id: bytes
    columns: dict[str, Any]
    origin_id: bytes
    """Identity of the source row it started from."""
    position: int
    """Order in which its source row was started: 0, 1, 2 ..."""
    replica: int = 0
    candidate: int = 0
    parents: tuple[bytes, ...] = ()
    calls: tuple[bytes, ...] = ()
    scores: dict[str, Any] = field(default_factory=dict)
    path: tuple[int, ...] = ()
    """Its place among the rows that steps made of one: item or round, outermost first."""
    rounds: tuple[int, ...] = ()
    """Rounds that it is in, outermost loop first: a part of what names its calls."""

    @property
    def as_parents(self) -> tuple[bytes, ...]:
        """The parents of a row that is made of this one: it, and the rows that it was made of itself where they are
        several, for it may never end by itself and be told of."""
        return (self.row_id, *(self.parents if len(self.parents) > 1 else ()))

    def with_columns(self, **new: object) -> Row:
        """The same row with more or other columns."""
        return Row(
            self.row_id,
            {**self.columns, **new},
            self.origin_id,
            self.position,
            self.replica,
            self.candidate,
            self.parents,
            self.calls,
            self.scores,
            self.path,
            self.rounds,
        )

    def fork(self, step_id: str, candidate: int) -> Row:
        """Candidate number `candidate` of this row at a sampling step."""
        return Row(
            candidate_id(self.row_id, step_id, candidate),
            dict(self.columns),
            self.origin_id,
            self.position,
            self.replica,
            candidate,
            self.as_parents,
            self.calls,
            dict(self.scores),
            self.path,
            self.rounds,
        )

    def child(self, step_id: str, number: int, columns: Mapping[str, Any]) -> Row:
        """Row number `number` of those that a step makes of this one, with these columns more."""
        child = self.fork(step_id, number)
        child.columns.update(columns)
        child.path = (*self.path, number)
        return child


def merged(step_id: str, rows: Sequence[Row]) -> Row:
    """The row that a step makes of these: in the place of the first and with its columns, a child of them all, which took
    their calls. One alone stays itself."""
    first = rows[0]
    if len(rows) == 1:
        return first
    row_ids = [row.row_id for row in rows]
    parents = dict.fromkeys((*row_ids, *(parent for row in rows for parent in row.as_parents)))
    calls = dict.fromkeys(key for row in rows for key in row.calls)
    return replace(first, row_id=merged_id(step_id, row_ids), parents=tuple(parents), calls=tuple(calls))


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row that did not survive `step`. `reason` is a short stable word (`filter`, `math: wrong`, `duplicate`),
    `detail` the evidence; `quarantined` tells a fault of the machine or the model from a verdict. `passed`: a verifier
    let it pass, and another candidate was taken."""

    row: Row
    step: str
    reason: str
    detail: Any = None
    quarantined: bool = False
    passed: bool = False


@dataclass(frozen=True)
class Rendered:
    """A rendered prompt: messages in OpenAI form."""

    messages: tuple[Mapping[str, str], ...]
