"""Work as it is counted, the same however busy the machine is: functions called, and queries of the store."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

from benchmarks.virtual_loop import WholeRunLoop

COMMIT_RECORDS = 50
"""Records in a transaction meanwhile, so that a few hundred rows make as many transactions as millions do otherwise."""
_READS = ("SELECT", "WITH")


@dataclass
class Counted:
    """calls: of functions, in Python and in C, in all threads. queries: that read the store, over all of a table each."""

    calls: int = 0
    queries: int = 0


class _Connection:
    """A connection of DuckDB whose queries are counted."""

    def __init__(self, connection: Any, counted: Counted) -> None:
        self._connection = connection
        self._counted = counted

    def execute(self, query: str, *parameters: Any) -> Any:
        self._counted.queries += query.lstrip().startswith(_READS)
        return self._connection.execute(query, *parameters)

    def cursor(self) -> _Connection:
        return _Connection(self._connection.cursor(), self._counted)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@contextlib.contextmanager
def counting() -> Iterator[Counted]:
    """Count what is done inside. A query of DuckDB is one call, however many rows it scans: that is why they are counted
    apart. Event loops have virtual time: keys that come within a millisecond share a query, and fewer do on a busy
    machine."""
    from mixwright_runtime.store import database, writer

    counted = Counted()
    attach = database.attach

    def attached(path: Path, *, read_only: bool) -> _Connection:
        return _Connection(attach(path, read_only=read_only), counted)

    def called(_frame: FrameType, event: str, _argument: object) -> None:
        counted.calls += event in ("call", "c_call")

    with (
        patch.object(database, "attach", attached),
        patch.object(writer, "BATCH_RECORDS", COMMIT_RECORDS),
        patch.object(asyncio.events, "new_event_loop", WholeRunLoop),
    ):
        threading.setprofile(called)
        sys.setprofile(called)
        try:
            yield counted
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
