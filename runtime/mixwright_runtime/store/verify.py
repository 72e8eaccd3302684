"""Reading a whole store to see that it is complete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mixwright_runtime.errors import StoreBroken
from mixwright_runtime.store.accounting import differences_of, doubled_outcomes
from mixwright_runtime.store.database import Database, quoted
from mixwright_runtime.store.journal import uncommitted
from mixwright_runtime.store.segments import segments_of
from mixwright_runtime.store.writer import TABLES


@dataclass(frozen=True)
class StoreReport:
    """What a full scan found. `rows` by table; `faults` are sentences, empty for a good store.

    `journaled`: calls of a killed run that the next opening for writing will commit. `notes`: what a reader should
    know and nobody need repair.
    """

    path: Path
    rows: dict[str, int] = field(default_factory=dict)
    size_bytes: int = 0
    faults: list[str] = field(default_factory=list)
    journaled: int = 0
    notes: list[str] = field(default_factory=list)


def verify(directory: Path) -> StoreReport:
    """Read every block and hold the tables against the log of batches, the answers' keys and each run's accounts.

    Raises:
        StoreLocked: a run holds the store.
        StoreBroken: it cannot be opened at all, or a block cannot be read.
    """
    database = Database(directory, read_only=True)
    try:
        rows = {table: int(database.read(f"SELECT count(*) FROM {table}")[0][0]) for table in TABLES}
        waiting, damages = uncommitted(database)
        return StoreReport(
            database.path,
            rows,
            database.path.stat().st_size,
            list(_faults(database)),
            len(waiting),
            [f"{damage}; the calls before it are taken in, the file is kept" for _, damage in damages],
        )
    finally:
        database.close()


def duplicate_rows(database: Database) -> list[tuple[str, str]]:
    """What is stored twice, as (table, what): each good call, outcome, content and mixture position must be single.

    Two runs of two sessions can each have asked for the same call; then the first counts and the second is waste, not
    a fault, so calls are held against their own run only.
    """
    queries = {
        "call": "SELECT hex(key) FROM call WHERE status = 'ok' GROUP BY key, run_id HAVING count(*) > 1",
        "content": "SELECT hex(digest) FROM content GROUP BY digest HAVING count(*) > 1",
        "selection": (
            "SELECT mixture || ' position ' || position FROM selection GROUP BY run_id, mixture, position "
            "HAVING count(*) > 1"
        ),
        "run": "SELECT run_id::VARCHAR FROM run GROUP BY run_id HAVING count(*) > 1",
    }
    found = [
        (table, str(what).lower())
        for table, query in queries.items()
        for (what,) in database.read(query + " LIMIT 10")
    ]
    for (run_id,) in database.read("SELECT DISTINCT run_id FROM outcome ORDER BY run_id"):
        found += [("outcome", f"{pipeline} {row}") for pipeline, row, _ in doubled_outcomes(database, run_id)]
    return found


def _faults(database: Database) -> Iterator[str]:
    for table in TABLES:
        # Hashing every column makes DuckDB read, decompress and checksum every block.
        try:
            database.read(f"SELECT bit_xor(hash({table})) FROM {table}")
        except StoreBroken as error:
            yield f"table {table} cannot be read: {error}"
            continue
        for batch, noted, present in database.read(
            f"""SELECT coalesce(batch.batch, found.batch), coalesce(batch.{table}, 0), coalesce(found.rows, 0)
            FROM batch FULL JOIN (SELECT batch, count(*) AS rows FROM {table} GROUP BY batch) AS found
                ON batch.batch = found.batch
            WHERE coalesce(batch.{table}, 0) <> coalesce(found.rows, 0) ORDER BY 1 LIMIT 10"""
        ):
            yield f"batch {batch} wrote {noted} rows to {table}, {present} are there"
    for first, last in database.read(
        "SELECT min(batch), max(batch) FROM batch HAVING max(batch) <> count(*)"
    ):
        yield f"batches {first} to {last} are not numbered without gaps"
    for table, what in duplicate_rows(database):
        yield f"{table} {what} is stored more than once"
    for row_id, pipeline in database.read(
        """SELECT hex(row_id), pipeline FROM outcome WHERE content IS NOT NULL
        AND content NOT IN (SELECT digest FROM content) LIMIT 10"""
    ):
        yield f"row {row_id.lower()} of {pipeline}: its columns are missing"
    for row_id, pipeline in database.read(
        """SELECT hex(row_id), pipeline FROM (SELECT row_id, pipeline, unnest(calls) AS key FROM outcome)
        WHERE key NOT IN (SELECT key FROM call) LIMIT 10"""
    ):
        yield f"row {row_id.lower()} of {pipeline} rests on a call that is missing"
    yield from _segment_faults(database)
    for (run_id,) in database.read("SELECT run_id FROM run_end WHERE status = 'done' ORDER BY run_id"):
        yield from (f"run {run_id}: {difference}" for difference in differences_of(database, run_id))


def _segment_faults(database: Database) -> Iterator[str]:
    for segment in segments_of(database.directory, database.store_id):
        if not segment.is_intact():
            yield f"sealed copy {segment.path} is damaged; the store has its calls: delete it, and it is made again"
            continue
        noted, present = database.read(
            f"""SELECT coalesce(sum(call), 0)::BIGINT, (SELECT count(*) FROM read_parquet({quoted(str(segment.path))}))
            FROM batch WHERE batch BETWEEN ? AND ?""",
            [segment.first, segment.last],
        )[0]
        if present != noted:
            yield f"sealed copy {segment.path} holds {present} calls instead of {noted}"
