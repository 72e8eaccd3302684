"""A new store from what is left of a damaged one: its readable rows, the sealed segments and the journal of its calls."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mixwright_runtime.errors import StoreBroken, StoreLocked
from mixwright_runtime.store.database import (
    ACKED_NAME,
    FILE_NAME,
    attach,
    explained,
    first_line,
    make_empty,
    quoted,
    refuse_low_space,
)
from mixwright_runtime.store.journal import journal_files, read_journal
from mixwright_runtime.store.segments import segments_of
from mixwright_runtime.store.writer import TABLES, storable

RANGE_ROWS = 2_048
"""Rows tried together where a table cannot be read whole: DuckDB's vector, so its smallest readable piece."""


@dataclass
class Repair:
    """What a repair found and made. `rows`: rows in the new store by table; `lost`: sentences."""

    kept_aside: Path
    rows: dict[str, int] = field(default_factory=dict)
    from_segments: int = 0
    from_journal: int = 0
    lost: list[str] = field(default_factory=list)


def repair(directory: Path) -> Repair:
    """Replace a store by a new one with every row that can still be read; the old files are kept aside untouched.

    Outcomes whose columns or calls are gone are left out: the next run makes them again, from the answers that are
    there. Needs room for the old files once more, and for the new store.

    Raises:
        StoreLocked: a run holds the store.
        StoreBroken: there is no store, or no room.
    """
    path = directory / FILE_NAME
    log = path.with_name(FILE_NAME + ".wal")
    if not path.exists() and not segments_of(directory):
        raise StoreBroken(f"no store at {path}")
    _refuse_while_locked(path)
    journals = journal_files(directory)
    old = [file for file in (path, log, directory / ACKED_NAME, *journals) if file.exists()]
    # The copy kept aside, the one that is worked on, and the new store, which is no larger.
    refuse_low_space(directory, 3 * sum(file.stat().st_size for file in old) + (16 << 20))
    aside = directory / time.strftime("damaged-%Y%m%d-%H%M%S")
    aside.mkdir()
    for file in old:
        shutil.copy2(file, aside / file.name)
    result = Repair(aside)
    scratch = directory / f".repairing-{os.getpid()}"
    scratch.mkdir()
    try:
        fresh = make_empty(scratch / "fresh.duckdb")
        connection = attach(fresh, read_only=False)
        try:
            # In this order: outcomes are held against the calls only when segments and journals have given theirs, and
            # batches are counted when nothing is added or left out any more.
            source = _readable(aside, scratch, result)
            if source is not None:
                _copy_tables(connection, source, result)
            _add_segments(connection, directory, result)
            _add_journals(connection, journals, result)
            _leave_out_dangling(connection, result)
            _renumber(connection)
            result.rows = {
                table: int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
                for table in TABLES
            }
            connection.execute("CHECKPOINT store")
        finally:
            connection.close()
        # The log goes first: a new file with the old log beside it would be refused, the old file alone is not.
        log.unlink(missing_ok=True)
        (directory / ACKED_NAME).unlink(missing_ok=True)
        os.replace(fresh, path)
        for journal in journals:  # of a store that is no more; what it held is in the new one
            journal.unlink(missing_ok=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return result


def _refuse_while_locked(path: Path) -> None:
    import duckdb

    if not path.exists():
        return
    try:
        attach(path, read_only=True).close()
    except duckdb.Error as error:
        meaning = explained(error, path)
        if isinstance(meaning, StoreLocked):
            raise meaning from error


def _readable(aside: Path, scratch: Path, result: Repair) -> Path | None:
    """A copy of the old file that opens: with its log, with the log's good part, without it; None if none does."""
    import duckdb

    copy = scratch / FILE_NAME
    log = copy.with_name(FILE_NAME + ".wal")
    if not (aside / FILE_NAME).exists():
        return None
    shutil.copy2(aside / FILE_NAME, copy)
    length: int | None = None
    if (aside / log.name).exists():
        shutil.copy2(aside / log.name, log)
        length = log.stat().st_size
    while True:
        try:
            attach(copy, read_only=True).close()
            return copy
        except duckdb.Error as error:
            text = first_line(error)
            position = re.search(r"byte position (\d+)", text)
            if length is None:
                result.lost.append(f"{FILE_NAME} cannot be opened: {text}")
                return None
            if position and int(position.group(1)) < length:
                length = int(position.group(1))
                os.truncate(log, length)
                result.lost.append(f"the log after byte {length}")
            else:
                log.unlink()
                length = None
                result.lost.append("the log, which holds what came after the last checkpoint")


def _copy_tables(connection: Any, source: Path, result: Repair) -> None:
    import duckdb

    connection.execute(f"ATTACH {quoted(str(source))} AS old (READ_ONLY)")
    try:
        for table in TABLES:
            try:
                connection.execute(f"INSERT INTO {table} SELECT * FROM old.{table}")
            except duckdb.Error:
                _copy_ranges(connection, table, result)
    finally:
        with contextlib.suppress(duckdb.Error):
            connection.execute("DETACH old")


def _copy_ranges(connection: Any, table: str, result: Repair) -> None:
    import duckdb

    try:
        (rows,) = connection.execute(f"SELECT count(*) FROM old.{table}").fetchone()
    except duckdb.Error as error:
        result.lost.append(f"table {table}: {first_line(error)}")
        return
    for first in range(0, rows, RANGE_ROWS):
        last = min(first + RANGE_ROWS, rows) - 1
        try:
            connection.execute(
                f"INSERT INTO {table} SELECT * FROM old.{table} WHERE rowid BETWEEN {first} AND {last}"
            )
        except duckdb.Error:
            result.lost.append(f"table {table}: rows {first} to {last}")


def _add_segments(connection: Any, directory: Path, result: Repair) -> None:
    import duckdb

    for segment in segments_of(directory):
        if not segment.is_intact():
            result.lost.append(f"sealed copy {segment.path.name} is damaged itself")
            continue
        try:
            (added,) = connection.execute(
                f"""INSERT INTO call SELECT sealed.* FROM read_parquet({quoted(str(segment.path))}) AS sealed
                ANTI JOIN call
                    ON call.key = sealed.key AND call.status = sealed.status AND call.started = sealed.started"""
            ).fetchone()
        except duckdb.Error as error:
            result.lost.append(f"sealed copy {segment.path.name}: {first_line(error)}")
        else:
            result.from_segments += added


def _add_journals(connection: Any, journals: list[Path], result: Repair) -> None:
    """Add the calls that no transaction had yet, as one more batch."""
    newest = " UNION ALL ".join(f"SELECT max(batch) AS batch FROM {table}" for table in TABLES)
    (batch,) = connection.execute(f"SELECT coalesce(max(batch), 0) + 1 FROM ({newest})").fetchone()
    for journal in journals:
        content = read_journal(journal, None)
        if content.damage:
            result.lost.append(content.damage)
        for record in content.records:
            had = "SELECT 1 FROM call WHERE key = ? AND status = ? AND (status = 'ok' OR started = ?)"
            if not connection.execute(had, [record.key, record.status, record.started]).fetchall():
                values = [*map(storable, record), batch]
                connection.execute(f"INSERT INTO call VALUES ({', '.join('?' * len(values))})", values)
                result.from_journal += 1


def _leave_out_dangling(connection: Any, result: Repair) -> None:
    """Drop what rests on something lost. The new store is nobody's yet: deleting here deletes no evidence."""
    dangling = {
        "outcome": """content IS NOT NULL AND content NOT IN (SELECT digest FROM content)
            OR rowid IN (SELECT id FROM (SELECT rowid AS id, unnest(calls) AS key FROM outcome)
                WHERE key NOT IN (SELECT key FROM call))
            OR run_id NOT IN (SELECT run_id FROM run)""",
        "selection": """NOT EXISTS (SELECT 1 FROM outcome WHERE outcome.run_id = selection.run_id
            AND outcome.pipeline = selection.pipeline AND outcome.row_id = selection.row_id)""",
        "run_end": "run_id NOT IN (SELECT run_id FROM run)",
        "tally": "run_id NOT IN (SELECT run_id FROM run)",
    }
    for table, condition in dangling.items():
        (dropped,) = connection.execute(f"DELETE FROM {table} WHERE {condition}").fetchone()
        if dropped:
            result.lost.append(f"table {table}: {dropped} rows that rest on lost ones")


def _renumber(connection: Any) -> None:
    """Make the log of batches say what is there: what was lost has been reported, later scans look for new loss."""
    newest = " UNION ALL ".join(f"SELECT batch FROM {table}" for table in TABLES)
    counts = ", ".join(
        f"(SELECT count(*) FROM {table} WHERE {table}.batch = numbers.batch)" for table in TABLES
    )
    connection.execute(
        f"""INSERT INTO batch SELECT numbers.batch, epoch(now()), {counts}
        FROM (SELECT unnest(range(1, coalesce(max(batch), 0) + 1)) AS batch FROM ({newest})) AS numbers"""
    )
