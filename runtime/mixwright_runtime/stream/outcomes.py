"""Writing down what became of each row, and counting it a second time on the way, so that the two can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from mixwright_runtime.store.records import OutcomeRecord, TallyRecord
from mixwright_runtime.values.rows import Dropped, Row
from mixwright_runtime.values.stored_text import clean_text, json_and_loss, json_of

BECAUSE_CHARACTERS = 200
"""Of the evidence for a quarantine, told when the run ends."""


class OutcomeStore(Protocol):
    """What outcomes need of the store (`mixwright_runtime.store.store.Store`)."""

    def put_outcome(self, record: OutcomeRecord) -> None: ...

    def put_tally(self, record: TallyRecord) -> None: ...


@dataclass
class Tally:
    """What one step counted in this run."""

    step: str
    rows_in: int = 0
    rows_out: int = 0
    dropped: int = 0
    quarantined: int = 0
    forked: int = 0
    drop_reasons: dict[str, int] = field(default_factory=dict)
    quarantine_reasons: dict[str, int] = field(default_factory=dict)
    quarantined_because: dict[str, str] = field(default_factory=dict)
    """The first evidence of each of these reasons, shortened."""
    inside: str = ""
    """The loop whose body the step is in."""
    rounds: int = 0
    """Of a loop: how often a row entered a round."""

    def ended(self, dropped: Dropped) -> None:
        """Count a row that this step ended."""
        if dropped.quarantined:
            self.quarantined += 1
            reasons = self.quarantine_reasons
            if dropped.detail and dropped.reason not in self.quarantined_because:
                told = dropped.detail if isinstance(dropped.detail, str) else json_of(dropped.detail)
                self.quarantined_because[dropped.reason] = clean_text(told)[:BECAUSE_CHARACTERS]
        else:
            self.dropped += 1
            reasons = self.drop_reasons
        reasons[dropped.reason] = reasons.get(dropped.reason, 0) + 1


class Whence(NamedTuple):
    """Where a row comes from: a source or pipeline, and the place in it."""

    source: str
    ref: str


class Start(NamedTuple):
    """A row at the start of a pipeline, with the place it comes from.

    leaf, repeat: of a nested mixture's row, the source or pipeline that holds it and its appearance in there.
    """

    row: Row
    source: str
    ref: str
    leaf: str = ""
    repeat: int = 0

    @property
    def whence(self) -> Whence:
        """Where it comes from, without the row."""
        return Whence(self.source, self.ref)


class Outcomes:
    """The book of one pipeline in one run."""

    def __init__(self, store: OutcomeStore, run_id: int, pipeline: str) -> None:
        self.kept = 0
        self.dropped = 0
        self.quarantined = 0
        self._store = store
        self._run_id = run_id
        self._pipeline = pipeline

    def keep(self, row: Row, whence: Whence) -> str | None:
        """Record a row that survived every step. Returns its columns as JSON, None where that has lost some of them."""
        self.kept += 1
        columns, has_lost = json_and_loss(row.columns)
        self._put(row, whence, "kept", columns=columns)
        return None if has_lost else columns

    def keep_again(self, row: Row, whence: Whence) -> None:
        """Record a row that survived a mixture's steps; its columns are where it was kept first."""
        self.kept += 1
        self._put(row, whence, "kept")

    def end(self, dropped: Dropped, whence: Whence) -> None:
        """Record a row that a step ended."""
        if dropped.quarantined:
            self.quarantined += 1
        else:
            self.dropped += 1
        self._put(
            dropped.row,
            whence,
            "quarantined" if dropped.quarantined else "dropped",
            step=dropped.step,
            reason=clean_text(dropped.reason),
            detail="" if dropped.detail is None else json_of(dropped.detail),
            columns=json_of(dropped.row.columns),
        )

    def put_tallies(self, tallies: Iterable[Tally], started: int) -> int:
        """Store the steps' counts; returns how many rows are in no outcome because the run stopped.

        A row that left one step and never reached the next counts as unfinished at the next; one that is in a round of a
        loop both there and at the loop.
        """
        unfinished_rows = 0
        reached = {"": started}
        for ordinal, tally in enumerate(tallies):
            rows_in = reached[tally.inside]
            left = tally.rows_out + tally.dropped + tally.quarantined
            unfinished = rows_in + tally.forked - left
            if not tally.inside:
                unfinished_rows += unfinished
            self._store.put_tally(
                TallyRecord(
                    self._run_id,
                    self._pipeline,
                    tally.step,
                    ordinal,
                    rows_in,
                    tally.rows_out,
                    tally.dropped,
                    tally.quarantined,
                    tally.forked,
                    unfinished,
                )
            )
            reached[tally.inside] = tally.rows_out
            reached[tally.step] = tally.rounds
        return unfinished_rows

    def _put(
        self,
        row: Row,
        whence: Whence,
        status: Any,
        *,
        step: str = "",
        reason: str = "",
        detail: str = "",
        columns: str = "",
    ) -> None:
        self._store.put_outcome(
            OutcomeRecord(
                run_id=self._run_id,
                pipeline=self._pipeline,
                row_id=row.row_id,
                origin_id=row.origin_id,
                source=whence.source,
                source_ref=whence.ref,
                position=row.position,
                replica=row.replica,
                candidate=row.candidate,
                parents=row.parents,
                status=status,
                step=step,
                reason=reason,
                detail=detail,
                columns=columns,
                calls=row.calls,
                scores=json_of(row.scores) if row.scores else "{}",
            )
        )
