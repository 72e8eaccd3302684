"""Finding stored results by key: from memory where possible, else by one join for what many tasks ask at once.

DuckDB decompresses 2,048 rows of text to read one, so what a key costs is decided by how many are asked for together:
of a million calls, 20,000 at random take 30 µs each, 256 of them 800 µs, one alone 4 ms. So a row that is in the store
waits until no more of them come, and others start in its place meanwhile (`underway.py`). Who wants very many reads them
in the order of the table (`Lookup.parts`): 9 µs a vector of 384 numbers.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mixwright_runtime.store.database import Database
from mixwright_runtime.store.key_set import KeySet
from mixwright_runtime.store.underway import in_the_store
from mixwright_runtime.values.sorting import order_of
from mixwright_runtime.values.together import Together

if TYPE_CHECKING:
    from numpy.typing import NDArray

GATHER_KEYS = 20_000
"""Keys that share a join at most: their records are in memory until their rows have taken them."""
GATHER_SECONDS = 0.001
"""Between two looks for further keys of a join. Chosen."""
PART_KEYS = 2_048
"""Keys of a join where very many are read in the order of the table: what DuckDB decompresses together. Their records are
in memory."""

R = TypeVar("R")
KnownPart = tuple[list[int], list[R]]
"""Places of keys among those that were asked for, and their records."""


class KeyIndex:
    """Which rows of a table may have a key: 16 bytes a row, whatever the length of a key.

    Rows stand by the first eight bytes of their keys, those of one key by which of them counts. Two keys may share these
    bytes: whoever reads the rows compares the keys.
    """

    def __init__(self, heads: NDArray[Any], ranks: NDArray[Any], row_ids: NDArray[Any]) -> None:
        import numpy as np

        order = order_of(heads, -ranks, row_ids)
        self._heads = heads[order].astype(np.uint64, copy=False)
        self._row_ids = row_ids[order]
        self._sought = self._heads.data
        """The same numbers for a search of one, which numpy takes five times as long for."""

    def __len__(self) -> int:
        return len(self._heads)

    def may_have(self, key: bytes) -> bool:
        """False when no row has the key; True is wrong of one key in 10^12."""
        head = int.from_bytes(key[:8], "big")
        at = bisect_left(self._sought, head)
        return at < len(self._sought) and self._sought[at] == head

    def in_order(self, keys: Sequence[bytes]) -> NDArray[Any]:
        """Places of the keys that a row may have, as their rows lie in the table."""
        import numpy as np

        if not len(self):
            return np.empty(0, dtype=np.intp)
        heads = _heads_of(keys)
        at = np.minimum(self._heads.searchsorted(heads), len(self) - 1)
        there = np.flatnonzero(self._heads[at] == heads)
        return there[np.argsort(self._row_ids[at[there]], kind="stable")]

    def rows_of(self, keys: Sequence[bytes]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Rows that may have these keys, those of one key behind those of the one before, the one that counts first; and
        how many there are of each key."""
        import numpy as np

        heads = _heads_of(keys)
        first, last = self._heads.searchsorted(heads), self._heads.searchsorted(heads, side="right")
        counts = last - first
        before = np.repeat(first - (counts.cumsum() - counts), counts)
        return self._row_ids[before + np.arange(len(before))], counts


def _heads_of(keys: Sequence[bytes]) -> NDArray[Any]:
    import numpy as np

    return np.frombuffer(b"".join([key[:8] for key in keys]), dtype=">u8").astype(np.uint64)


class StoredRecords(Generic[R]):
    """The records that a table held when the store was opened, and by query those that came later.

    `condition` is SQL that says which of them may be found. Of several with one key that of the highest `rank` counts
    (SQL as well), of equals the first. `columns` begin with the key.
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
        self._index: KeyIndex | None = None
        self.joins = 0
        """Queries for records so far."""

    @property
    def is_indexed(self) -> bool:
        """It is known which keys were there at the opening."""
        return self._index is not None or self._row_count == 0

    def may_have(self, key: bytes) -> bool:
        """False when no record of `key` was there at the opening. Once it `is_indexed`."""
        return self._index is not None and self._index.may_have(key)

    def _read_index(self) -> None:
        """Make it `is_indexed`; blocks. For one thread at a time."""
        if not self.is_indexed:
            self._index = self._index_where("rowid < ?")

    def _index_where(self, condition: str) -> KeyIndex:
        """Of the rows before or behind those that were there at the opening, whose number the condition reads."""
        found = self._database.arrays(
            f"""SELECT key[1:8]::BIT::UBIGINT AS head, ({self._rank})::TINYINT AS rank, rowid AS row
            FROM {self._table} WHERE {condition} AND {self._condition}""",
            [self._row_count],
        )
        return KeyIndex(found["head"], found["rank"], found["row"])

    def read(self, keys: Sequence[bytes], later: Sequence[bytes]) -> dict[bytes, R]:
        """Records of `keys`, and of `later` among what was written since. For one thread at a time; blocks."""
        self._read_index()
        records = self._indexed(self._index, keys) if self._index is not None else {}
        if later:
            records.update(self._written_since(later))
        return records

    def parts(self, keys: Sequence[bytes], *, are_later: bool) -> Iterator[KnownPart[R]]:
        """Records of `keys` as they lie in the table, `PART_KEYS` at a time, so that each block is read once however many
        they are. `are_later`: among what was written since the opening, too. For one thread at a time; blocks."""
        self._read_index()
        for index in (self._index, self._index_where("rowid >= ?") if are_later else None):
            order = [] if index is None else index.in_order(keys).tolist()
            for start in range(0, len(order), PART_KEYS):
                assert index is not None
                places = order[start : start + PART_KEYS]
                records = self._indexed(index, [keys[at] for at in places])
                known = [at for at in places if keys[at] in records]
                yield known, [records[keys[at]] for at in known]

    def _indexed(self, index: KeyIndex, keys: Sequence[bytes]) -> dict[bytes, R]:
        found, counts = index.rows_of(keys)
        if not len(found):
            return {}
        self.joins += 1
        wanted, of_these = found.tolist(), "WHERE rowid IN (SELECT unnest(?::BIGINT[]))"
        if counts.max() == 1:
            rows = self._database.read(f"SELECT {self._columns} FROM {self._table} {of_these}", [wanted])
            return {row[0]: self._make(*row) for row in rows}
        rows = self._database.read(f"SELECT rowid, {self._columns} FROM {self._table} {of_these}", [wanted])
        there = {row[0]: row[1:] for row in rows}
        records: dict[bytes, R] = {}
        places = iter(wanted)
        for key, count in zip(keys, counts.tolist(), strict=True):
            of_key = [row for row in map(there.__getitem__, islice(places, count)) if row[0] == key]
            if of_key:
                records[key] = self._make(*of_key[0])
        return records

    def _written_since(self, keys: Sequence[bytes]) -> Iterator[tuple[bytes, R]]:
        self.joins += 1
        rows = self._database.read(
            f"""SELECT {self._rank}, rowid, {self._columns} FROM {self._table}
            WHERE rowid >= ? AND {self._condition} AND key IN (SELECT unnest(?::BLOB[]))""",
            [self._row_count, list(keys)],
        )
        # Into a dict the last of a key goes in.
        rows.sort(key=lambda row: (row[0], -row[1]))
        return ((row[2], self._make(*row[2:])) for row in rows)


class Lookup(Generic[R]):
    """Records by their 16-byte key, those of this session included.

    A record put in this session stays in memory until it is durable, its key for the whole session. Keys that were
    never written are answered without a query.
    """

    def __init__(self, stored: StoredRecords[R], reader: Executor) -> None:
        self._stored = stored
        self._reader = reader
        self._unwritten: dict[bytes, R] = {}
        self._written = KeySet.empty()
        """Of this session. A key goes into the second before it leaves the first, and is sought in the first before the
        second: any thread finds it."""
        self._together = Together[list[bytes], dict[bytes, R]](
            self._read_together, most=GATHER_KEYS, turn_s=GATHER_SECONDS
        )

    def add(self, key: bytes, record: R) -> bool:
        """Remember a record that was just put; False when the session already has one for its key (the first counts)."""
        if key in self._unwritten or key in self._written:
            return False
        return self._unwritten.setdefault(key, record) is record

    def settle(self, keys: Sequence[bytes]) -> None:
        """The records of these keys are durable: their texts need not stay in memory."""
        self._written.update(keys)
        for key in keys:
            self._unwritten.pop(key, None)

    async def find(self, keys: Sequence[bytes]) -> dict[bytes, R]:
        """What is known for `keys`."""
        is_indexed = self._stored.is_indexed
        found: dict[bytes, R] = {}
        wanted: list[bytes] = []
        for key in keys:
            record = self._unwritten.get(key)
            if record is not None:
                found[key] = record
            elif not is_indexed or key in self._written or self._stored.may_have(key):
                wanted.append(key)
        if wanted:
            # As long as it is not known which keys are there, rows keep their places: what is not asks a model next.
            with in_the_store() if is_indexed else nullcontext():
                stored = await self._together.found(wanted, len(wanted))
            for key in wanted:
                if key in stored:
                    found[key] = stored[key]
        return found

    async def parts(self, keys: Sequence[bytes]) -> AsyncIterator[KnownPart[R]]:
        """What is known for `keys`, of which there may be a million, a part after another and as it lies in the table. A
        key that is known twice comes again, and its last record counts."""
        loop = asyncio.get_running_loop()
        parts = self._known_parts(keys)
        while (part := await loop.run_in_executor(self._reader, next, parts, None)) is not None:
            yield part

    def _known_parts(self, keys: Sequence[bytes]) -> Iterator[KnownPart[R]]:
        # First what is not written yet: what leaves these meanwhile is in the table.
        unwritten = self._unwritten
        known = [(at, record) for at, key in enumerate(keys) if (record := unwritten.get(key)) is not None]
        for start in range(0, len(known), PART_KEYS):
            part = known[start : start + PART_KEYS]
            yield [at for at, _ in part], [record for _, record in part]
        yield from self._stored.parts(keys, are_later=len(self._written) > 0)

    async def _read_together(self, asked: list[list[bytes]]) -> list[dict[bytes, R]]:
        loop = asyncio.get_running_loop()
        keys = list(dict.fromkeys(chain.from_iterable(asked)))
        found = await loop.run_in_executor(self._reader, self._read, keys)
        return [found] * len(asked)

    def _read(self, keys: list[bytes]) -> dict[bytes, R]:
        later = [key for key in keys if key in self._written]
        return self._stored.read(keys, later)
