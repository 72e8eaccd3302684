"""The store: everything a run has made, in one DuckDB file, written by one thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from compiler.plan import Plan
from runtime.store.records import (
    CallRecord,
    EventRecord,
    OutcomeRecord,
    RunRecord,
    ScoreRecord,
    SelectedRow,
    SelectionRecord,
    TallyRecord,
)


class Store:
    """One store directory, opened. All methods are thread-safe; `find_*` and `flush` are awaited in an event loop.

    Everything is appended; "current" is a view. Records are durable in the order they were put: first whatever an
    outcome rests on, then the outcome. A writer failure surfaces as StoreBroken from the next `put_*` and from
    `flush`.
    """

    @classmethod
    def open(cls, directory: Path, *, read_only: bool = False) -> Store:
        """Open `directory/store.duckdb`, made on first use.

        Raises:
            StoreLocked: another process holds it; `.pid` says which, the message what to do.
            StoreBroken: it cannot be read, is newer than this version, or the disk is full or read-only.
        """
        raise NotImplementedError

    def begin_run(self, plan: Plan, command: str) -> int:
        """Id of a new run, already durable: 1, 2, 3 ... in this store."""
        raise NotImplementedError

    def end_run(self, run_id: int, status: str, summary: dict[str, Any]) -> None:
        """Record how a run ended: `done`, `short`, `stopped` or `failed`. Waits until it is durable."""
        raise NotImplementedError

    def put_call(self, record: CallRecord) -> None:
        """Queue a finished call; found by `find_calls` at once, durable within 250 ms."""
        raise NotImplementedError

    def put_score(self, record: ScoreRecord) -> None:
        """Queue a measurement; found by `find_scores` at once."""
        raise NotImplementedError

    def put_outcome(self, record: OutcomeRecord) -> None:
        """Queue what became of a row. Put it after the calls and scores that it rests on."""
        raise NotImplementedError

    def put_tally(self, record: TallyRecord) -> None:
        """Queue a step's counts, cumulative: the last one put for a step counts."""
        raise NotImplementedError

    def put_selection(self, records: Iterable[SelectionRecord]) -> None:
        """Queue a mixture's rows in their final order."""
        raise NotImplementedError

    def put_event(self, record: EventRecord) -> None:
        """Queue an event; `at == 0` is stamped with the wall clock."""
        raise NotImplementedError

    async def flush(self) -> None:
        """Return when everything put so far is durable."""
        raise NotImplementedError

    async def find_calls(self, keys: Sequence[bytes]) -> dict[bytes, CallRecord]:
        """Answers known for `keys`, only those with status `ok`, put earlier in this session or by any run before.

        Concurrent calls are gathered into one query, so awaiting one key at a time from many tasks is fine.
        """
        raise NotImplementedError

    async def find_scores(self, keys: Sequence[bytes]) -> dict[bytes, ScoreRecord]:
        """Measurements known for `keys`, without those that ended in `error` or `timeout`. Gathered likewise."""
        raise NotImplementedError

    def kept_rows(self, run_id: int, pipeline: str) -> Iterator[OutcomeRecord]:
        """Rows that a pipeline kept, by position, replica and candidate. Call after `flush`."""
        raise NotImplementedError

    def selected_rows(self, run_id: int, mixture: str) -> Iterator[SelectedRow]:
        """A mixture's rows with their columns, in its order. Call after `flush`."""
        raise NotImplementedError

    def last_run(self, *, mixture: str | None = None) -> RunRecord | None:
        """The newest run, or the newest that selected rows for `mixture`."""
        raise NotImplementedError

    def check_accounting(self, run_id: int) -> None:
        """Hold what steps counted against what is stored. Call after `flush`, at the end of every run.

        Raises:
            AccountingError: a row was lost or doubled; names pipeline, step and difference.
        """
        raise NotImplementedError

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a reading query, over what is durable. Tables and views: `runtime/store/schema.sql`."""
        raise NotImplementedError

    def close(self) -> None:
        """Make everything put durable, checkpoint and release the file; safe to call twice."""
        raise NotImplementedError

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
