"""The one thread that writes: a queue of records in, transactions of about 2,000 records or 250 ms out."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from itertools import islice
from operator import attrgetter
from typing import Any

from mixwright_runtime.errors import RunError, StoreBroken
from mixwright_runtime.store.database import LOW_SPACE_BYTES, Database, explained, first_line, free_bytes
from mixwright_runtime.store.journal import Journal
from mixwright_runtime.store.key_set import KeySet
from mixwright_runtime.store.records import (
    CallRecord,
    EventRecord,
    OutcomeRecord,
    RunEnd,
    RunStart,
    ScoreRecord,
    SelectionRecord,
    TallyRecord,
    content_digest,
)
from mixwright_runtime.store.segments import Sealer
from mixwright_runtime.values.lasting_thread import LastingThread
from mixwright_runtime.values.stored_text import clean_text

BATCH_RECORDS = 2_000
BATCH_SECONDS = 0.25
"""Both chosen: how much a power failure may take, against the cost of a COMMIT. With 500 records the thread takes a sixth
more CPU where rows come faster than 700 a second."""
QUEUE_RECORDS = 20_000
"""Back-pressure: a producer waits when this many records are queued (about 50 MB of answers)."""
LARGEST_BATCH = 5_000
"""Chosen: what one transaction holds at most where the queue has filled up."""

TABLES = ("run", "run_end", "call", "score", "content", "outcome", "tally", "selection", "event")
"""In the order of the counts in table `batch`."""

_TABLE_OF: dict[type[Any], str] = {
    RunStart: "run",
    RunEnd: "run_end",
    CallRecord: "call",
    ScoreRecord: "score",
    OutcomeRecord: "outcome",
    TallyRecord: "tally",
    SelectionRecord: "selection",
    EventRecord: "event",
}
_VALUES_OF: dict[type[Any], Callable[[Any], tuple[Any, ...]]] = {
    record: tuple if issubclass(record, tuple) else attrgetter(*(field.name for field in fields(record)))
    for record in _TABLE_OF
}
_PARENTS, _COLUMNS = map(OutcomeRecord._fields.index, ("parents", "columns"))


class Writer:
    """Writes records to a database in the order they were put, each transaction whole or not at all.

    An error from COMMIT leaves it unknown whether the transaction is there. The writer then closes, reopens and
    reads the last batch number; it writes the batch again if it is missing, and gives up when that fails too.
    """

    def __init__(
        self,
        database: Database,
        *,
        on_commit: Callable[[Sequence[Any]], None],
        at_point: Callable[[str], None] = lambda _: None,
        low_space_bytes: int = LOW_SPACE_BYTES,
    ) -> None:
        """`on_commit` hears of each durable batch; `at_point` of `write`, `commit` and `committed`, for tests."""
        self._database = database
        self._on_commit = on_commit
        self._at_point = at_point
        self._low_space_bytes = low_space_bytes
        self._queue: list[Any] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._room = threading.Condition(self._lock)
        self._waiters: list[tuple[int, Callable[[BaseException | None], None]]] = []
        self._put_count = 0
        self._durable_count = 0
        self._is_urgent = False
        self._is_closing = False
        self._failure: RunError | None = None
        self._next_space_check = 0.0
        self.journal: Journal | None = None
        """Told of what is put, taken and committed, once there is one."""
        self.space_warning = ""
        """Why the run should end soon, when the disk is nearly full; else empty."""
        self.seal_failure = ""
        """Why the second copy of the calls is behind; empty while it is not."""
        self._next_batch = database.last_batch() + 1
        self._contents: KeySet | None = None
        """Digests of the texts that are stored; None while they are not read."""
        self._appenders: dict[str, Any] = {}
        self._sealer = Sealer(database.directory, database.store_id, database.read)
        self._thread = LastingThread(self._run, "mixwright-store")
        self._thread.start()

    def put(self, *records: Any, entry: bytes = b"") -> None:
        """Queue records; waits only while the queue is full.

        `entry`: the one record as the journal holds it (`Journal.entry`), written there before this returns.

        Raises:
            StoreBroken: an earlier batch could not be written.
        """
        with self._lock:
            if self._failure is not None or self._is_closing:
                raise self._refusal()
            self._put_count += len(records)
            if entry and self.journal is not None:
                # Under the lock that orders the queue: then a count of committed records says what a file still needs.
                self.journal.append(entry, self._put_count)
            before = len(self._queue)
            self._queue.extend(records)
            queued = len(self._queue)
            if queued >= QUEUE_RECORDS:
                self._wake.set()
                self._room.wait_for(lambda: len(self._queue) < QUEUE_RECORDS or self._failure is not None)
        # The first starts the writer's clock, the last ends it; those between have nothing to tell it.
        if before == 0 or before < BATCH_RECORDS <= queued:
            self._wake.set()

    def when_durable(self, done: Callable[[BaseException | None], None]) -> None:
        """Call `done(None)` when everything put so far is durable, or `done(error)` if it never will be.

        The call comes from the writer's thread, or from this one when nothing is outstanding.
        """
        with self._lock:
            failure = self._failure
            if failure is None and self._durable_count < self._put_count:
                self._waiters.append((self._put_count, done))
                self._is_urgent = True
                self._wake.set()
                return
        done(failure)

    def flush(self) -> None:
        """Wait until everything put so far is durable.

        Raises:
            StoreBroken: it could not be written.
        """
        finished = threading.Event()
        outcome: list[BaseException | None] = []

        def done(error: BaseException | None) -> None:
            outcome.append(error)
            finished.set()

        self.when_durable(done)
        finished.wait()
        if outcome[0] is not None:
            raise outcome[0]

    def close(self) -> None:
        """Write what is queued and end the thread. Raises StoreBroken when that failed; KeyboardInterrupt, where one came
        meanwhile, when it is done: the thread must not be at its connection when that is closed."""
        with self._lock:
            self._is_closing = True
        self._wake.set()
        interrupt = self._thread.end()
        self._forget_unwritten()
        if interrupt is not None:
            raise interrupt
        if self._failure is not None and self._put_count > self._durable_count:
            raise self._failure

    def _refusal(self) -> RunError:
        return self._failure or StoreBroken(f"{self._database.path} is closed")

    def _run(self) -> None:
        while True:
            self._wake.wait()
            # Cleared before the queue is looked at: whatever is put from here on wakes it again.
            self._wake.clear()
            self._gather()
            batch = self._take()
            if batch:
                try:
                    self._commit(batch)
                    self._settle(len(batch))
                    self._keep_house(batch)
                except BaseException as error:
                    self._fail(error)
                    return
            elif self._is_closing:
                self._seal(lambda: self._sealer.closing(self._next_batch - 1, self._database.connection))
                return

    def _gather(self) -> None:
        """Give a batch the time to fill, unless someone waits for it."""
        deadline = time.monotonic() + BATCH_SECONDS
        while not (self._is_urgent or self._is_closing) and 0 < len(self._queue) < BATCH_RECORDS:
            left = deadline - time.monotonic()
            if left <= 0 or not self._wake.wait(left):
                return
            self._wake.clear()

    def _take(self) -> list[Any]:
        with self._lock:
            batch = self._queue[:LARGEST_BATCH]
            self._queue = self._queue[LARGEST_BATCH:]
            if self._queue or self._is_closing:
                self._wake.set()
            if batch and self.journal is not None:
                # Under the lock of `put`: the next entry is no part of this batch, so it belongs into the other file.
                self.journal.turn()
            self._room.notify_all()
            return batch

    def _settle(self, count: int) -> None:
        with self._lock:
            self._durable_count += count
            # After the COMMIT alone: a file emptied before it would leave answers of the batch nowhere.
            if self.journal is not None:
                self.journal.committed(self._durable_count)
            due = [done for needed, done in self._waiters if needed <= self._durable_count]
            self._waiters = [waiter for waiter in self._waiters if waiter[0] > self._durable_count]
            self._is_urgent = bool(self._waiters)
        for done in due:
            done(None)

    def _fail(self, error: BaseException) -> None:
        failure = (
            error if isinstance(error, RunError) else StoreBroken(f"the store's writer stopped: {error!r}")
        )
        with self._lock:
            lost = self._put_count - self._durable_count
            self._failure = StoreBroken(
                f"{failure}; {self._durable_count} records of this session kept, {lost} not written; "
                "'mixwright run' again continues"
            )
            self._failure.__cause__ = error
            waiters, self._waiters = self._waiters, []
            self._room.notify_all()
        for _, done in waiters:
            done(self._failure)

    def _commit(self, batch: list[Any]) -> None:
        import duckdb

        number = self._next_batch
        try:
            self._write(number, batch)
        except (duckdb.Error, RuntimeError, OSError) as error:
            self._recover(number, batch, error)
        self._next_batch = number + 1
        self._database.acknowledge(number)
        self._at_point("committed")
        self._on_commit(batch)

    def _keep_house(self, batch: list[Any]) -> None:
        """What can wait until those who wait for the batch have been told: room on the disk, sealed copies."""
        self._watch_space()
        calls = sum(type(record) is CallRecord for record in batch)
        self._seal(lambda: self._sealer.committed(calls, self._next_batch - 1, self._database.connection))

    def _seal(self, seal: Callable[[], None]) -> None:
        """Make the second copy. Failing at it costs nothing now, so the run goes on and the failure is recorded."""
        import duckdb

        try:
            seal()
        except (duckdb.Error, RuntimeError, OSError) as error:
            self.seal_failure = (
                f"answers are in the store alone, their sealed copy could not be written: {first_line(error)}"
            )
            if isinstance(error, duckdb.OutOfMemoryException):
                self._database.use_memory()
        else:
            # It is tried again with each batch until it succeeds, and then takes in what was left behind.
            self.seal_failure = ""

    def _recover(self, number: int, batch: list[Any], error: Exception) -> None:
        import duckdb

        self._forget_unwritten()
        self._contents = None  # whether those of the batch are there is not known
        try:
            self._database.reopen()
            if self._database.last_batch() >= number:
                return
            self._write(number, batch)
        except (duckdb.Error, RuntimeError, OSError) as again:
            self._forget_unwritten()
            raise explained(again, self._database.path) from error

    def _forget_unwritten(self) -> None:
        """End the transaction that failed, and the appenders with their unflushed rows."""
        self._appenders.clear()
        with contextlib.suppress(Exception):
            self._database.connection.execute("ROLLBACK")

    def _write(self, number: int, batch: list[Any]) -> None:
        connection = self._database.connection
        rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in TABLES}
        contents: dict[bytes, str] = {}
        self._at_point("write")
        connection.execute("BEGIN")
        for record in batch:
            kind = type(record)
            if kind is OutcomeRecord:
                digest = None
                if record.columns:
                    columns = clean_text(record.columns)
                    digest = content_digest(columns)
                    contents[digest] = columns
                values = (
                    *record[:_PARENTS],
                    list(record.parents),
                    *record[_PARENTS + 1 : _COLUMNS],
                    digest,
                    list(record.calls),
                    record.scores,
                    number,
                )
            else:
                values = (*_VALUES_OF[kind](record), number)
            rows[_TABLE_OF[kind]].append(values)
        fresh = self._fresh(contents)
        rows["content"] = [(digest, contents[digest], number) for digest in fresh]
        counts = (len(those) for those in rows.values())
        rows["batch"] = [(number, time.time(), *counts)]
        for table, those in rows.items():
            if those:
                self._append(table, those)
        self._at_point("commit")
        connection.execute("COMMIT")
        # Not before: after a COMMIT that failed the same texts are fresh once more.
        if self._contents is not None:
            self._contents.update(fresh)

    def _fresh(self, contents: dict[bytes, str]) -> list[bytes]:
        """Digests whose text the store does not have yet."""
        if not contents:
            return []
        if self._contents is None:
            self._contents = KeySet.of_column(self._database, "content", "digest")
        known = self._contents
        return [digest for digest in contents if digest not in known]

    def _append(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        import duckdb

        appender = self._appenders.get(table)
        if appender is None:
            appender = self._appenders[table] = self._database.connection.appender(table)
        taken = 0

        def following() -> Iterator[tuple[Any, ...]]:
            nonlocal taken
            for row in islice(rows, taken, None):
                taken += 1
                yield row

        while taken < len(rows):
            try:
                appender.append_rows(following())
            except (duckdb.InvalidInputException, duckdb.ConversionException, TypeError, OverflowError):
                # Refused before anything of the row was kept: one bad value must not cost the batch.
                appender.append_row(*map(storable, rows[taken - 1]))
        appender.flush()

    def _watch_space(self) -> None:
        now = time.monotonic()
        if now < self._next_space_check:
            return
        self._next_space_check = now + 1.0
        free = free_bytes(self._database.directory)
        self.space_warning = ""
        if free < self._low_space_bytes:
            self.space_warning = f"{free >> 20} MiB left on the disk of {self._database.directory}"
        if free < self._low_space_bytes // 2:
            raise StoreBroken(f"stopped before the disk is full: {self.space_warning}")


def storable(value: Any) -> Any:
    """`value` in a form every column takes: text without lone surrogates, integers held to their column's range."""
    match value:
        case str():
            return clean_text(value)
        case bool() | None | bytes() | float():
            return value
        case int():
            # 32 bits fit every integer column; a count beyond them is nonsense that a server reported.
            return max(-(2**31), min(value, 2**31 - 1))
        case list():
            return [storable(item) for item in value]
        case _:
            return clean_text(str(value))
