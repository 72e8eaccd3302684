"""The store: everything a run has made, in one DuckDB file, written by one thread."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import json
import os
import platform
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.errors import StoreBroken
from mixwright_runtime.store.accounting import check_accounting
from mixwright_runtime.store.database import LOW_SPACE_BYTES, Database, refuse_low_space
from mixwright_runtime.store.journal import DAMAGED_SUFFIX, Journal, uncommitted
from mixwright_runtime.store.lookup import KnownPart, Lookup, StoredRecords
from mixwright_runtime.store.ordered_texts import with_texts
from mixwright_runtime.store.records import (
    FINAL_SQL,
    SELECTED_SQL,
    CallRecord,
    EventRecord,
    FoundCall,
    OutcomeRecord,
    RunEnd,
    RunRecord,
    RunStart,
    ScoreRecord,
    SelectedRow,
    SelectionRecord,
    TallyRecord,
    outcome_record,
)
from mixwright_runtime.store.writer import BATCH_RECORDS, Writer

_CALL_COLUMNS = ", ".join(FoundCall._fields)
_SCORE_COLUMNS = ", ".join(field.name for field in fields(ScoreRecord))
_RUN_COLUMNS = ", ".join(field.name for field in fields(RunRecord))


class Store:
    """One store directory, opened. All methods are thread-safe; `find_*` and `flush` are awaited in an event loop.

    Everything is appended; "current" is a view. Records are durable in the order they were put: first whatever an
    outcome rests on, then the outcome. A writer failure surfaces as StoreBroken from the next `put_*` and from
    `flush`.
    """

    def __init__(self, database: Database, low_space_bytes: int) -> None:
        """Use `Store.open`."""
        self._database = database
        self._writer: Writer | None = None
        self._journal: Journal | None = None
        self._journal_damage = ""
        self._low_space_bytes = low_space_bytes
        self._reader = ThreadPoolExecutor(1, "mixwright-store-reader")
        self._calls = Lookup(
            StoredRecords(
                database, "call", _CALL_COLUMNS, FINAL_SQL, FoundCall, rank="(status = 'ok')::TINYINT"
            ),
            self._reader,
        )
        self._scores = Lookup(
            StoredRecords(
                database, "score", _SCORE_COLUMNS, "outcome NOT IN ('error', 'timeout')", ScoreRecord
            ),
            self._reader,
        )
        self._last_run_id = int(database.read("SELECT coalesce(max(run_id), 0) FROM run")[0][0])
        self._is_closed = False
        self._is_in_a_hurry = False
        atexit.register(
            self.close
        )  # else DuckDB's bindings print pages about leaks when an error ends the process

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        read_only: bool = False,
        low_space_bytes: int = LOW_SPACE_BYTES,
        at_point: Callable[[str], None] = lambda _: None,
    ) -> Store:
        """Open `directory/store.duckdb`, made on first use.

        Args:
            directory: the store's own; on a local disk.
            read_only: `put_*` and `begin_run` are refused, the file is not touched.
            low_space_bytes: less free disk than this sets `space_warning`, less than half of it stops the writer.
            at_point: called in the writer's thread at `write`, `commit` and `committed`; faults are injected here.

        Raises:
            StoreLocked: another process holds it; `.pid` says which, the message what to do.
            StoreBroken: it cannot be read, is newer than this version, or the disk is full or read-only.
        """
        database = Database(directory, read_only=read_only)
        store = cls(database, low_space_bytes)
        if not read_only:
            store._writer = Writer(
                database, on_commit=store._settle, at_point=at_point, low_space_bytes=low_space_bytes
            )
            try:
                store._start_journal()
            except BaseException:
                with contextlib.suppress(StoreBroken):
                    store.close()
                raise
        return store

    @property
    def directory(self) -> Path:
        """The directory it is in."""
        return self._database.directory

    @contextlib.contextmanager
    def in_little_memory(self) -> Iterator[None]:
        """While rows come in: what is not needed soon goes to disk."""
        self._database.use_little_memory()
        try:
            yield
        finally:
            self._database.use_memory()

    def begin_run(self, plan: Plan, command: str) -> int:
        """Id of a new run, already durable: 1, 2, 3 ... in this store.

        Raises:
            StoreBroken: there is too little room on the disk to begin.
        """
        import duckdb

        refuse_low_space(self._database.directory, self._low_space_bytes)
        writer = self._open_writer()
        self._is_in_a_hurry = False
        self._last_run_id += 1
        versions = {
            "mixwright": plan.mixwright_version,
            "python": platform.python_version(),
            "duckdb": duckdb.__version__,
        }
        text = plan.model_dump_json()
        writer.put(RunStart(self._last_run_id, plan.spec, text, json.dumps(versions), command, time.time()))
        writer.flush()
        return self._last_run_id

    def end_run(self, run_id: int, status: str, summary: dict[str, Any]) -> None:
        """Record how a run ended: `done`, `short`, `stopped` or `failed`. Waits until it is durable."""
        writer = self._open_writer()
        writer.put(RunEnd(run_id, status, json.dumps(summary, ensure_ascii=False), time.time()))
        writer.flush()

    def put_call(self, record: CallRecord) -> None:
        """Queue a finished call: found by `find_calls` at once, committed within about 250 ms.

        When this returns the call is in the journal, so a kill of the process does not lose it; only a power failure
        can until it is committed. A second final call for a key of this session is not stored: the first counts.
        """
        if not record.is_final or self._calls.add(record.key, FoundCall.of(record)):
            self._open_writer().put(record, entry=self._journal.entry(record) if self._journal else b"")

    def put_score(self, record: ScoreRecord) -> None:
        """Queue a measurement; found by `find_scores` at once. The first of a key counts."""
        if record.outcome in ("error", "timeout") or self._scores.add(record.key, record):
            self._open_writer().put(record)

    def put_outcome(self, record: OutcomeRecord) -> None:
        """Queue what became of a row. Put it after the calls and scores that it rests on."""
        self._open_writer().put(record)

    def put_tally(self, record: TallyRecord) -> None:
        """Queue a step's counts, cumulative: the last one put for a step counts."""
        self._open_writer().put(record)

    def put_selection(self, records: Iterable[SelectionRecord]) -> None:
        """Queue a mixture's rows in their final order."""
        writer = self._open_writer()
        left = iter(records)
        while batch := tuple(islice(left, BATCH_RECORDS)):
            writer.put(*batch)

    def put_event(self, record: EventRecord) -> None:
        """Queue an event; `occurred == 0` is stamped with the wall clock."""
        self._open_writer().put(record if record.occurred else replace(record, occurred=time.time()))

    async def flush(self) -> None:
        """Return when everything put so far is durable.

        Raises:
            StoreBroken: it could not be written; the message says how much was kept.
        """
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[None] = loop.create_future()

        def settle(error: BaseException | None) -> None:
            if durable.done():
                return
            if error is None:
                durable.set_result(None)
            else:
                durable.set_exception(error)

        def done(error: BaseException | None) -> None:
            loop.call_soon_threadsafe(settle, error)

        self._open_writer().when_durable(done)
        await durable

    @property
    def space_warning(self) -> str:
        """Why a run should stop asking for more and end: the disk is nearly full. Empty while there is room."""
        return self._writer.space_warning if self._writer else ""

    @property
    def seal_warning(self) -> str:
        """Why answers have no second copy (`segments/`) at the moment; empty while they have."""
        return self._writer.seal_failure if self._writer else ""

    @property
    def journal_warning(self) -> str:
        """Why a kill may cost answers, or which of an earlier run it did cost; empty when none."""
        return self._journal_damage or (self._journal.failure if self._journal else "")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a run tells of how its results are kept: little room, no journal, no second copy. Empty when all is
        well."""
        return tuple(filter(None, (self.space_warning, self.journal_warning, self.seal_warning)))

    async def find_calls(self, keys: Sequence[bytes]) -> dict[bytes, FoundCall]:
        """Final calls known for `keys` (`CallRecord.is_final`), put earlier in this session or by any run before.

        Concurrent calls are gathered into one query, so awaiting one key at a time from many tasks is fine.
        """
        return await self._calls.find(keys)

    def parts_of_calls(self, keys: Sequence[bytes]) -> AsyncIterator[KnownPart[FoundCall]]:
        """As `find_calls`, for very many: places of keys and their calls, a part after another as they lie in the store.
        A place may come twice; its last call counts."""
        return self._calls.parts(keys)

    async def find_scores(self, keys: Sequence[bytes]) -> dict[bytes, ScoreRecord]:
        """Measurements known for `keys`, without those that ended in `error` or `timeout`. Gathered likewise."""
        return await self._scores.find(keys)

    def kept_rows(self, run_id: int, pipeline: str) -> Iterator[OutcomeRecord]:
        """Rows that a pipeline kept, by position, replica and candidate. Call after `flush`."""
        values = ", ".join({"columns": "''"}.get(name, name) for name in OutcomeRecord._fields)
        query = f"""SELECT {values}, text.rowid AS text_at
            FROM outcome LEFT JOIN content text ON text.digest = outcome.content
            WHERE run_id = ? AND pipeline = ? AND status = 'kept'
            ORDER BY position, replica, candidate, row_id"""
        for *row, columns in self.with_texts(query, [run_id, pipeline]):
            yield outcome_record(row)._replace(columns=columns)

    def selected_rows(self, run_id: int, mixture: str) -> Iterator[SelectedRow]:
        """A mixture's rows with their columns, in its order. Call after `flush`."""
        query = """SELECT selection.position, component, selection.pipeline, selection.row_id, repeat,
                text.rowid AS text_at
            FROM selection
            LEFT JOIN outcome ON outcome.run_id = selection.run_id AND outcome.pipeline = selection.pipeline
                AND outcome.row_id = selection.row_id AND outcome.status = 'kept'
            LEFT JOIN content text ON text.digest = outcome.content
            WHERE selection.run_id = ? AND mixture = ?
            ORDER BY selection.position"""
        for row in self.with_texts(query, [run_id, mixture]):
            yield SelectedRow(*row)

    def last_run(self, *, mixture: str | None = None) -> RunRecord | None:
        """The newest run, or the newest that selected rows for `mixture` and was not broken off at that."""
        which = "" if mixture is None else f"WHERE run_id IN ({SELECTED_SQL})"
        rows = self._database.read(
            f"SELECT {_RUN_COLUMNS} FROM run_state {which} ORDER BY run_id DESC LIMIT 1",
            [] if mixture is None else [mixture],
        )
        return RunRecord(*rows[0]) if rows else None

    def check_accounting(self, run_id: int, *, complete: bool = False) -> None:
        """Hold what steps counted against what is stored. Call after `flush`, at the end of every run.

        `complete`: the run was not stopped, so a row that a step calls unfinished is an error too.

        Raises:
            AccountingError: a row was lost or doubled; names pipeline, step and difference.
        """
        check_accounting(self._database, run_id, complete=complete)

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a reading query, over what is durable. Tables and views: `mixwright_runtime/store/schema.sql`.

        For users and tests: what Mixwright itself reads, the modules of this folder ask (`runs`, `counts`,
        `row_records`), so that only they know the tables.
        """
        return self._database.read(query, parameters)

    def hurry(self) -> None:
        """Somebody waits for the end: `close` leaves the log beside the file, as a kill does, unless another run begins.
        To fold it in takes up to seconds, which whoever opens the store next takes to read it."""
        self._is_in_a_hurry = True

    def close(self) -> None:
        """Make everything put durable, checkpoint and release the file; safe to call twice.

        Raises:
            StoreBroken: the last records could not be written; the file is released all the same.
        """
        if self._is_closed:
            return
        self._is_closed = True
        atexit.unregister(self.close)
        try:
            # The last checkpoint would else take what the limit leaves it, beside all that was read before.
            self._database.use_little_memory()
        finally:
            self._close()

    def _close(self) -> None:
        try:
            if self._writer is not None:
                self._writer.close()
        finally:
            if self._journal is not None:
                self._journal.close()
            self._reader.shutdown()
            self._database.close(folds_log=not self._is_in_a_hurry)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise StoreBroken(f"{self._database.path} is open for reading only")
        return self._writer

    def _start_journal(self) -> None:
        """Commit what a killed run left in the journal, and begin a new one."""
        writer = self._open_writer()
        records, damages = uncommitted(self._database)
        for record in records:
            if not record.is_final or self._calls.add(record.key, FoundCall.of(record)):
                writer.put(record)
        writer.flush()
        for path, damage in damages:
            aside = path.with_name(path.name + DAMAGED_SUFFIX)
            with contextlib.suppress(OSError):
                os.replace(path, aside)
            self._journal_damage = f"{damage}; the calls before it were kept, the file is now {aside.name}"
        # Last: it empties the files. What they held is committed, and a damaged one is out of the way.
        self._journal = writer.journal = Journal(self._database.directory, self._database.store_id)

    def _settle(self, batch: Sequence[Any]) -> None:
        calls = [record.key for record in batch if type(record) is CallRecord and record.is_final]
        scores = [record for record in batch if type(record) is ScoreRecord]
        self._calls.settle(calls)
        self._scores.settle([score.key for score in scores if score.outcome not in ("error", "timeout")])

    def streamed(self, query: str, parameters: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """`Database.streamed` over what is durable, for the modules of this folder."""
        return self._database.streamed(query, parameters)

    def with_texts(self, query: str, parameters: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """`ordered_texts.with_texts` over what is durable, for the modules of this folder."""
        return with_texts(self._database, query, parameters)
