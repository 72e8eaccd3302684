"""Rows with their columns in an order that is not theirs in the store.

DuckDB would sort the texts with the rows: a gigabyte for 300,000. So each text is read where it lies, put aside, and read
again when its row is come to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from mixwright_runtime.store.database import Database
from mixwright_runtime.values.beside import go_on
from mixwright_runtime.values.spool import Spool

PART_TEXTS = 2_048
"""Texts that are read together as they lie in the table: what DuckDB decompresses together."""
ROWS_TOGETHER = 1_000
"""Chosen: rows whose texts are in memory at once."""


def with_texts(database: Database, query: str, parameters: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Rows of a query in the order that it gives them, the last of whose columns, `text_at`, is replaced: the rowid of a
    row's columns in table `content` by these as JSON, a null by an empty text.

    Memory: 8 bytes a row. The texts lie in a file without a name beside the store once they are 16 MB.
    """
    places = database.arrays(
        f"SELECT DISTINCT text_at FROM ({query}) WHERE text_at IS NOT NULL ORDER BY text_at", parameters
    )["text_at"]
    scratch = database.directory if os.access(database.directory, os.W_OK) else None
    aside = Spool(scratch, f"mixture or pipeline in {database.path}")
    for first in range(0, len(places), PART_TEXTS):
        go_on()
        part = places[first : first + PART_TEXTS].tolist()
        found = dict(
            database.read(
                "SELECT rowid, columns FROM content WHERE rowid IN (SELECT unnest(?::BIGINT[]))", [part]
            )
        )
        aside.add(found[place].encode("utf-8") for place in part)
    rows = database.streamed(query, parameters)
    while part := list(islice(rows, ROWS_TOGETHER)):
        there = [row[-1] for row in part if row[-1] is not None]
        texts = aside.read(places.searchsorted(there).tolist())
        for row in part:
            yield *row[:-1], "" if row[-1] is None else next(texts).decode("utf-8")
