"""The runs of a store, and what was noted in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

from mixwright_runtime.store.records import SELECTED_SQL, RunRecord, RunStart
from mixwright_runtime.store.store import Store

_RUN = ", ".join(field.name for field in fields(RunRecord))
_START = ", ".join(field.name for field in fields(RunStart))


def run_numbered(store: Store, run_id: int) -> RunRecord | None:
    """A run with its end; None when the store has none of this id."""
    found = store.sql(f"SELECT {_RUN} FROM run_state WHERE run_id = ?", [run_id])
    return RunRecord(*found[0]) if found else None


def runs_begun(store: Store) -> Iterator[RunStart]:
    """Every run as it began, newest first."""
    for row in store.sql(f"SELECT {_START} FROM run ORDER BY run_id DESC"):
        yield RunStart(*row)


def newest_ended(store: Store, spec: str, pipeline: str, before: int) -> int | None:
    """The newest run before a run that came to its end, of a spec and with rows of a pipeline."""
    query = """SELECT max(run_id) FROM run_state WHERE spec = ? AND run_id < ? AND status IN ('done', 'short')
        AND run_id IN (SELECT run_id FROM outcome WHERE pipeline = ?)"""
    [(found,)] = store.sql(query, [spec, before, pipeline])
    return None if found is None else int(found)


def payloads(store: Store, run_id: int, kind: str) -> list[str]:
    """What the events of a kind hold (`EventRecord.payload`), in the order in which they were put."""
    query = "SELECT payload FROM event WHERE run_id = ? AND kind = ? ORDER BY batch, rowid"
    return [payload for (payload,) in store.sql(query, [run_id, kind])]


@dataclass(frozen=True, slots=True)
class Named:
    """The run in which rows have a name, and what it is a name of."""

    run_id: int
    kind: Literal["mixture", "pipeline"]


def newest_named(store: Store, name: str, run_id: int | None = None) -> Named | None:
    """The newest run, or this one, with rows of a mixture or a pipeline of that name; a mixture before a pipeline."""
    found = store.sql(
        f"""SELECT run_id, kind FROM (
            SELECT run_id, 'mixture' AS kind FROM selection WHERE mixture = $1 AND run_id IN ({SELECTED_SQL})
            UNION SELECT run_id, 'pipeline' FROM outcome WHERE pipeline = $1)
        WHERE $2 IS NULL OR run_id = $2
        ORDER BY run_id DESC, kind LIMIT 1""",
        [name, run_id],
    )
    return Named(*found[0]) if found else None
