"""Finding stored results by key: from memory where possible, else one query for what many tasks ask at once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Any, Generic, TypeVar

from mixwright_runtime.store.database import Database

GATHER_KEYS = 512
GATHER_SECONDS = 0.002
"""Chosen: how many keys share a query at most, and how long the first of them waits for others."""

BLOCK_ROWS = 512
"""Rows read together. Runs ask in about the order in which rows were written, so neighbours are wanted next; and
DuckDB decompresses 2,048 rows of text to read one."""
CACHED_BLOCKS = 64
INDEX_ROWS = 1_000_000
"""Keys kept in memory, about 180 bytes each; a larger table is asked by a join for every gathered batch."""

R = TypeVar("R")


class _Absent:
    """Neither put in this session nor known to be in the table."""


_ABSENT = _Absent()


class StoredRecords(Generic[R]):
    """The records that a table held when the store was opened, and by query those that came later.

    `condition` is SQL that says which of them may be found. Of several with one key that of the highest `rank` counts
    (SQL as well), of equals the first.
    """

    def __init__(
        self,
        database: Database,
        table: str,
        columns: str,
        condition: str,
        make: Callable[..., R],
        *,
        rank: str = "0",
    ) -> None:
        self._database = database
        self._table = table
        self._columns = columns
        self._condition = condition
        self._rank = rank
        self._make = make
        self._row_count = int(database.read(f"SELECT count(*) FROM {table}")[0][0])
        self._row_ids: dict[bytes, int] | None = {} if self._row_count == 0 else None
        self._blocks: OrderedDict[int, dict[int, tuple[Any, ...]]] = OrderedDict()

    def may_have(self, key: bytes) -> bool:
        """False when no record of `key` was there at the opening; True may mean: not known yet."""
        return self._row_ids is None or key in self._row_ids

    def at_hand(self, key: bytes) -> R | None:
        """The record, if it is in memory."""
        if self._row_ids is None or (row_id := self._row_ids.get(key)) is None:
            return None
        block = self._blocks.get(row_id // BLOCK_ROWS)
        return None if block is None else self._make(*block[row_id])

    def read(self, keys: Sequence[bytes], later: Sequence[bytes]) -> dict[bytes, R]:
        """Records of `keys`, and of `later` among what was written since. For one thread at a time; blocks."""
        if self._row_ids is None and self._row_count <= INDEX_ROWS:
            self._row_ids = self._probe("true", [])
        if self._row_ids is None:
            wanted = self._probe("key IN (SELECT unnest(?::BLOB[]))", [[*keys, *later]])
        else:
            wanted = {key: self._row_ids[key] for key in keys if key in self._row_ids}
            if later:
                query = "rowid >= ? AND key IN (SELECT unnest(?::BLOB[]))"
                wanted.update(self._probe(query, [self._row_count, list(later)]))
        blocks = self._load({row_id // BLOCK_ROWS for row_id in wanted.values()})
        return {key: self._make(*blocks[row_id // BLOCK_ROWS][row_id]) for key, row_id in wanted.items()}

    def _probe(self, which: str, parameters: list[Any]) -> dict[bytes, int]:
        rows = self._database.read(
            f"SELECT {self._rank}, rowid, key FROM {self._table} WHERE {self._condition} AND {which}",
            parameters,
        )
        # Into a dict the last of a key goes in.
        rows.sort(key=lambda row: (row[0], -row[1]))
        return {key: row_id for _, row_id, key in rows}

    def _load(self, numbers: set[int]) -> dict[int, dict[int, tuple[Any, ...]]]:
        """The blocks of these numbers; a block that may still grow is read afresh and not kept."""
        blocks: dict[int, dict[int, tuple[Any, ...]]] = {}
        for number in numbers:
            if (block := self._blocks.get(number)) is not None:
                blocks[number] = block
        for first, last in _runs(sorted(numbers - blocks.keys())):
            for number in range(first, last + 1):
                blocks[number] = {}
            for row_id, *row in self._database.read(
                f"SELECT rowid, {self._columns} FROM {self._table} WHERE rowid BETWEEN ? AND ?",
                [first * BLOCK_ROWS, (last + 1) * BLOCK_ROWS - 1],
            ):
                blocks[row_id // BLOCK_ROWS][row_id] = tuple(row)
        for number, block in blocks.items():
            if (number + 1) * BLOCK_ROWS <= self._row_count:
                self._blocks[number] = block
        while len(self._blocks) > CACHED_BLOCKS:
            self._blocks.popitem(last=False)
        return blocks


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """First and last of each stretch of consecutive numbers, at most 16 long; `numbers` ascend."""
    first = last = -2
    for number in numbers:
        if number != last + 1 or number - first >= 16:
            if first >= 0:
                yield first, last
            first = number
        last = number
    if first >= 0:
        yield first, last


class Lookup(Generic[R]):
    """Records by their 16-byte key, those of this session included.

    A record put in this session stays in memory until it is durable, its key for the whole session. Keys that were
    never written are answered without a query, once the index of the table is in memory.
    """

    def __init__(self, stored: StoredRecords[R], reader: Executor) -> None:
        self._stored = stored
        self._reader = reader
        self._session: dict[bytes, R | None] = {}
        self._keys: list[bytes] = []
        self._waiters: list[asyncio.Future[dict[bytes, R]]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, key: bytes, record: R) -> bool:
        """Remember a record that was just put; False when the session already has one for its key (the first counts)."""
        return self._session.setdefault(key, record) is record

    def settle(self, key: bytes) -> None:
        """The record of `key` is durable: its text need not stay in memory."""
        self._session[key] = None

    async def find(self, keys: Sequence[bytes]) -> dict[bytes, R]:
        """What is known for `keys`."""
        found: dict[bytes, R] = {}
        wanted: list[bytes] = []
        for key in keys:
            record = self._session.get(key, _ABSENT)
            if isinstance(record, _Absent):
                record = self._stored.at_hand(key)
                if record is None and not self._stored.may_have(key):
                    continue
            if record is None:
                wanted.append(key)
            else:
                found[key] = record
        if wanted:
            stored = await self._gathered(wanted)
            found.update((key, stored[key]) for key in wanted if key in stored)
        return found

    async def _gathered(self, keys: list[bytes]) -> dict[bytes, R]:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[dict[bytes, R]] = loop.create_future()
        self._keys.extend(keys)
        self._waiters.append(waiter)
        if len(self._keys) >= GATHER_KEYS:
            self._launch(loop)
        elif self._timer is None:
            self._timer = loop.call_later(GATHER_SECONDS, self._launch, loop)
        return await waiter

    def _read(self, keys: list[bytes]) -> dict[bytes, R]:
        later = [key for key in keys if self._session.get(key, _ABSENT) is None]
        return self._stored.read(keys, later)

    def _launch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        keys, self._keys = self._keys, []
        waiters, self._waiters = self._waiters, []
        reading = loop.run_in_executor(self._reader, self._read, list(dict.fromkeys(keys)))

        def deliver(done: asyncio.Future[dict[bytes, R]]) -> None:
            for waiter in waiters:
                if waiter.done():  # its task was cancelled
                    continue
                if done.cancelled():
                    waiter.cancel()
                elif (error := done.exception()) is not None:
                    waiter.set_exception(error)
                else:
                    waiter.set_result(done.result())

        reading.add_done_callback(deliver)
