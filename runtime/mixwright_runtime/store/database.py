"""The DuckDB file: how it is made, opened and reopened, and what its errors mean to a user."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mixwright_runtime.errors import RunError, StoreBroken, StoreLocked

SCHEMA_VERSION = 1
FILE_NAME = "store.duckdb"
ACKED_NAME = "store.acked"
SPILL_NAME = "spill"

MEMORY_LIMIT = "1GB"
"""DuckDB's own default is 80 % of the machine, which an engine in the same process needs."""
LITTLE_MEMORY = "90MB"
"""While rows come in, which stay in memory until a checkpoint, and at the last checkpoint of all: what is more goes to
`spill`. Measured over 60,000 rows: 80 to 200 MB take the same CPU time. Where it is too little, as for a batch of
very long answers or a query that sorts texts, the work is done again with more."""
STREAMED_TOGETHER = 1_000
"""Chosen: rows of a streamed query that are Python's at once."""
THREADS = 2
CHECKPOINT_THRESHOLD = "256MB"
"""The default, 16 MB, recompresses the last open row group at every 16 MB of log: stalls of seconds."""
ROW_GROUP_SIZE = 16_384
"""Rows compressed together. Not persisted by DuckDB, so it is given at every open."""

LOW_SPACE_BYTES = 512 << 20
"""One checkpoint of CHECKPOINT_THRESHOLD and as much again: below it a run should end while it still can."""

REPAIR_HINT = "nothing was deleted; 'mixwright verify-store --repair' keeps what can be read"


class Database:
    """An attached store file: a connection for the writer, cursors for readers, and the acknowledgement file.

    `store.acked` holds the number of the last batch whose COMMIT returned. DuckDB takes a damaged length in its log
    for the torn tail of a crash, drops everything after it and reports success (2.0.0: 220 of 400 acknowledged rows
    gone after one flipped bit); this number is how it is noticed, before anything is overwritten.
    """

    def __init__(self, directory: Path, *, read_only: bool = False) -> None:
        self.directory = directory
        self.path = directory / FILE_NAME
        self.read_only = read_only
        self.read_lock = threading.RLock()
        self._connection: Any = None
        self._reader: Any = None
        self._acked_file: int | None = None
        self.store_id = ""
        self._is_in_little_memory = False
        if not read_only:
            self._make_if_missing()
        elif not self.path.exists():
            raise StoreBroken(f"no store at {self.path}; 'mixwright run' makes one")
        try:
            if not read_only and self._log_path.exists():
                # Replayed in memory first: nothing on disk changes if acknowledged batches turn out to be missing.
                self._connect(read_only=True)
                self._check_acknowledged()
                self._disconnect()
            self._connect(read_only=read_only)
            self._check_acknowledged()
            if not read_only:
                self._clear_spill()
                self._add_views()
        except BaseException:
            self.close()
            raise

    @property
    def _log_path(self) -> Path:
        return self.path.with_name(FILE_NAME + ".wal")

    @property
    def connection(self) -> Any:
        """The writer's connection."""
        return self._connection

    def _make_if_missing(self) -> None:
        if self.path.exists():
            return
        import duckdb

        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreBroken(
                f"cannot make the store directory {self.directory}: {error.strerror}"
            ) from error
        refuse_low_space(self.directory, LOW_SPACE_BYTES // 4)
        # Made under another name and linked into place whole: a kill in between leaves no half-made store.
        fresh = self.directory / f".making-{os.getpid()}.duckdb"
        fresh.unlink(missing_ok=True)
        try:
            make_empty(fresh)
            with contextlib.suppress(FileExistsError):  # another process was quicker: use its store
                os.link(fresh, self.path)
        except duckdb.Error as error:
            raise explained(error, self.path) from error
        except OSError as error:
            raise StoreBroken(f"cannot make a store at {self.path}: {error.strerror}") from error
        finally:
            fresh.unlink(missing_ok=True)

    def _connect(self, *, read_only: bool) -> None:
        import duckdb

        try:
            self._connection = attach(self.path, read_only=read_only)
            self._reader = self.cursor()
            versions = self._reader.execute("SELECT schema_version, store_id FROM meta").fetchall()
        except (duckdb.CatalogException, duckdb.BinderException) as error:
            raise StoreBroken(f"{self.path} is a DuckDB file but not a mixwright store") from error
        except duckdb.Error as error:
            raise explained(error, self.path) from error
        version, self.store_id = versions[0]
        if version > SCHEMA_VERSION:
            raise StoreBroken(
                f"{self.path} was made by a newer mixwright (store schema {version}, this version reads up to "
                f"{SCHEMA_VERSION}); upgrade mixwright, or use --store for another directory"
            )

    def _add_views(self) -> None:
        """The views that a store of an earlier version lacks; they hold nothing, so its schema stays the same."""
        import duckdb

        try:
            self._connection.execute(_sql("verdicts.sql"))
        except duckdb.Error as error:
            raise explained(error, self.path) from error

    def _clear_spill(self) -> None:
        """Remove what a killed process left; none but this one has the store open for writing."""
        for file in (self.directory / SPILL_NAME).glob("*"):
            with contextlib.suppress(OSError):
                file.unlink()

    def _disconnect(self) -> None:
        for connection in (self._reader, self._connection):
            if connection is not None:
                with contextlib.suppress(Exception):
                    connection.close()
        self._reader = self._connection = None

    def reopen(self) -> None:
        """Close and attach again, after an error that may have invalidated the instance.

        Raises:
            StoreBroken: it cannot be attached.
        """
        with self.read_lock:
            self._disconnect()
            self._connect(read_only=self.read_only)
            self._is_in_little_memory = False

    def use_little_memory(self) -> None:
        """Keep LITTLE_MEMORY at most, until that is too little for something or `use_memory` is called."""
        with self.read_lock:
            self._limit_memory(LITTLE_MEMORY)
            self._is_in_little_memory = True

    def use_memory(self) -> bool:
        """Keep MEMORY_LIMIT at most, as when it was opened. False where it did so before."""
        with self.read_lock:
            was_little, self._is_in_little_memory = self._is_in_little_memory, False
            if was_little:
                self._limit_memory(MEMORY_LIMIT)
            return was_little

    def _limit_memory(self, limit: str) -> None:
        import duckdb

        if self._reader is not None:
            with contextlib.suppress(duckdb.Error):  # more than that is in use, and cannot be put away
                self._reader.execute(f"SET memory_limit = '{limit}'")

    def cursor(self) -> Any:
        """A further connection to the same file, for one thread; close it."""
        cursor = self._connection.cursor()
        cursor.execute("USE store")
        return cursor

    def read(self, query: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
        """All rows of a query over committed data. Reads take turns; the writer is not held up.

        Raises:
            StoreBroken: a block cannot be read.
        """
        rows: list[tuple[Any, ...]] = self._fetched("fetchall", query, parameters)
        return rows

    def arrays(self, query: str, parameters: Any = ()) -> dict[str, Any]:
        """The columns of a query over committed data, by their names, as numpy arrays. Otherwise as `read`."""
        columns: dict[str, Any] = self._fetched("fetchnumpy", query, parameters)
        return columns

    def _fetched(self, how: str, query: str, parameters: Any) -> Any:
        import duckdb

        with self.read_lock:
            if self._reader is None:
                raise StoreBroken(f"{self.path} is closed")
            try:
                try:
                    return getattr(self._reader.execute(query, list(parameters)), how)()
                except duckdb.OutOfMemoryException:
                    if not self.use_memory():
                        raise
                    return getattr(self._reader.execute(query, list(parameters)), how)()
            except duckdb.Error as error:
                if isinstance(error, duckdb.ProgrammingError):
                    raise
                raise explained(error, self.path) from error

    def streamed(self, query: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows of a query over committed data one after the other, in the one order that it states. Raises as `read`."""
        import duckdb

        given = 0
        while True:
            with self.read_lock:
                cursor = self.cursor()
            try:
                cursor.execute(query, list(parameters))
                seen = 0
                while rows := cursor.fetchmany(STREAMED_TOGETHER):
                    seen += len(rows)
                    if seen > given:
                        fresh, given = rows[given - seen :], seen
                        yield from fresh
                return
            except duckdb.OutOfMemoryException as error:
                if not self.use_memory():
                    raise explained(error, self.path) from error
            except duckdb.Error as error:
                if isinstance(error, duckdb.ProgrammingError):
                    raise
                raise explained(error, self.path) from error
            finally:
                cursor.close()

    def last_batch(self) -> int:
        """Number of the newest committed batch; 0 for none."""
        return int(self.read("SELECT coalesce(max(batch), 0) FROM batch")[0][0])

    def acknowledge(self, batch: int) -> None:
        """Note that the COMMIT of `batch` returned. Written after it and never synced, so never ahead of the data."""
        with contextlib.suppress(OSError):  # a full disk: the batch is safe, and the next one will say so
            if self._acked_file is None:
                self._acked_file = os.open(self.directory / ACKED_NAME, os.O_RDWR | os.O_CREAT, 0o600)
            os.pwrite(self._acked_file, f"{self.store_id} {batch:020d}\n".encode(), 0)

    def acknowledged(self) -> int:
        """The last batch noted for this very store; 0 when there is none."""
        try:
            store_id, _, batch = (self.directory / ACKED_NAME).read_text().strip().partition(" ")
            return int(batch) if store_id == self.store_id else 0
        except (OSError, ValueError):
            return 0

    def _check_acknowledged(self) -> None:
        acknowledged, present = self.acknowledged(), self.last_batch()
        if present < acknowledged:
            raise StoreBroken(
                f"{self.path}: batches {present + 1} to {acknowledged} were written and are gone; the write-ahead log "
                f"{self._log_path.name} or the file is damaged or was replaced by an older copy; {REPAIR_HINT}"
            )

    def close(self, *, folds_log: bool = True) -> None:
        """Detach, which folds the log into the file, and release the lock. Safe to call twice. folds_log: without it the
        log stays beside the file, as after a kill, and the next who opens it reads it."""
        with self.read_lock:
            if self._reader is not None and not folds_log:
                with contextlib.suppress(Exception):  # then it takes longer
                    self._reader.execute("PRAGMA disable_checkpoint_on_shutdown")
            self._disconnect()
            if self._acked_file is not None:
                os.close(self._acked_file)
                self._acked_file = None


def schema_sql() -> str:
    """Text of `schema.sql` and of the views on verdicts."""
    return "\n".join(_sql(name) for name in ("schema.sql", "verdicts.sql"))


def _sql(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def make_empty(path: Path) -> Path:
    """Make a store file without rows at `path`, which must not exist; returns `path`."""
    connection = attach(path, read_only=False)
    try:
        connection.execute(schema_sql())
        connection.execute(
            "INSERT INTO meta VALUES (?, ?, ?)", [SCHEMA_VERSION, os.urandom(8).hex(), _versions()]
        )
        connection.execute("CHECKPOINT store")
    finally:
        connection.close()
    return path


def free_bytes(directory: Path) -> int:
    """Bytes that this user may still write on the directory's disk."""
    disk = os.statvfs(directory)
    return disk.f_bavail * disk.f_frsize


def refuse_low_space(directory: Path, needed_bytes: int) -> None:
    """Raise StoreBroken when the disk has less than `needed_bytes` left."""
    free = free_bytes(directory)
    if free < needed_bytes:
        raise StoreBroken(
            f"{free >> 20} MiB left on the disk of {directory}, {needed_bytes >> 20} MiB needed; free some space, or "
            "use --store for a directory on another disk"
        )


def quoted(text: str) -> str:
    """`text` as an SQL string literal, for the few statements that take no parameters (ATTACH, COPY, SET)."""
    return "'" + text.replace("'", "''") + "'"


def attach(path: Path, *, read_only: bool) -> Any:
    """A connection with the file at `path` attached as `store` and chosen. Raises what DuckDB raises."""
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": MEMORY_LIMIT,
            "threads": THREADS,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        },
    )
    try:
        connection.execute(f"SET temp_directory = {quoted(str(path.parent / SPILL_NAME))}")
        connection.execute(f"SET checkpoint_threshold = '{CHECKPOINT_THRESHOLD}'")
        options = "READ_ONLY" if read_only else f"ROW_GROUP_SIZE {ROW_GROUP_SIZE}"
        connection.execute(f"ATTACH {quoted(str(path))} AS store ({options})")
        connection.execute("USE store")
    except BaseException:
        connection.close()
        raise
    return connection


def _versions() -> str:
    import duckdb

    return f"duckdb {duckdb.__version__}, schema {SCHEMA_VERSION}"


def first_line(error: BaseException) -> str:
    """What an error says, without the query that DuckDB repeats below it."""
    return str(error).partition("\n")[0]


def explained(error: Exception, path: Path) -> RunError:
    """What a DuckDB error at `path` means, as the error to raise: StoreLocked or StoreBroken with a way on."""
    text = first_line(error)
    held = re.search(r"Conflicting lock is held in (.*?) ?\(PID (\d+)\)", text)
    if held or "Unique file handle conflict" in text or "already attached" in text:
        locked = StoreLocked(
            f"{path} is in use by process {held.group(2) if held else os.getpid()}; "
            f"'mixwright status --store {path.parent}' shows what it does"
        )
        locked.pid = int(held.group(2)) if held else os.getpid()
        return locked
    if "Could not set lock" in text:
        return StoreLocked(f"{path} is in use by another process, or its file system has no locks: {text}")
    position = re.search(r"byte position (\d+)", text)
    if "WAL" in text:
        where = f" at byte {position.group(1)}" if position else ""
        return StoreBroken(f"the write-ahead log {path}.wal is damaged{where}; {REPAIR_HINT} ({text})")
    newer = "newer" in text or "can only read version" in text
    if newer:
        return StoreBroken(f"{path} was written by a newer DuckDB; upgrade mixwright and duckdb ({text})")
    if re.search(r"No space left|File too large|quota exceeded|[Dd]isk (is )?full|ENOSPC", text):
        return StoreBroken(
            f"no space left to write {path}; every committed batch is kept: free some space and run again ({text})"
        )
    if re.search(r"Permission denied|Read-only file system|read-only", text):
        return StoreBroken(f"{path} cannot be written; check the permissions, or use --store ({text})")
    location = re.search(r"location (\d+)", text)
    if re.search(r"[Cc]orrupt|checksum|not a valid DuckDB|enough bytes", text):
        where = f" at byte {location.group(1)}" if location else ""
        return StoreBroken(f"{path} is damaged{where}; {REPAIR_HINT} ({text})")
    return StoreBroken(f"{path}: {text}")
