"""A source that need not fit in memory: the identities of its rows, and their columns when they are wanted.

A row is 16 bytes of identity, and at most 8 that say where it is. Parquet files are read again, by numbers; what other
sources give is put aside as it comes (`spool.py`), since a second reading would cost as much as the first.
"""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mixwright_compiler.plan.plan import Expression, SourceSpec
from mixwright_runtime.errors import RunError
from mixwright_runtime.sources.parquet_rows import ParquetFiles
from mixwright_runtime.sources.reader import check_pin, open_source, read_rows
from mixwright_runtime.values.beside import go_on
from mixwright_runtime.values.rows import canonical_json, source_row_id, source_row_ids
from mixwright_runtime.values.spool import RowSpool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BATCH_ROWS = 512
READ_AHEAD = 4
LEAST_READ = 2_000
MOST_READ = 2_000_000
"""Of Parquet files so many rows are read in one pass at least and at most, and else so many times those read before: as
many passes as the logarithm of what is wanted, and no more than a part of it in vain. Chosen."""


class SourceEntry(NamedTuple):
    """A source's row with its identity and place."""

    row_id: bytes
    columns: dict[str, Any]
    ref: str


class SourcePages:
    """The rows of a source, numbered from 0 in its order."""

    def __init__(
        self,
        spec: SourceSpec,
        directory: Path,
        *,
        scratch: Path | None = None,
    ) -> None:
        """Read the source once; `ended_by` of `values/beside.py` can end it.

        Args:
            scratch: where rows are put aside that are too many for memory; a temporary folder when None.

        Raises:
            SourceChanged: the lock file pins other bytes.
            RunError: it cannot be read, or the disk is full.
        """
        self._ids = bytearray()
        self._names = tuple(spec.mapping or spec.columns)
        self._scratch = scratch
        self._what = f"source '{spec.name}'"
        self._numbers: array[int] | None = None
        """Of Parquet files of which rows are left out, the numbers of those that are not."""
        self.spool: RowSpool | None = None
        self.parquet = _parquet_of(spec, directory)
        if self.parquet is not None:
            try:
                self._identify(spec, self.parquet)
            except RunError:
                if spec.where is None:
                    raise
                # DuckDB does not take the condition; whatever else is wrong will be told again.
                self.parquet, self._ids = None, bytearray()
        if self.parquet is None:
            self._put_aside(spec, directory)
        self._tell_equals_apart()

    def __len__(self) -> int:
        return len(self._ids) // 16

    def row_id(self, number: int) -> bytes:
        """Identity of a row."""
        return bytes(self._ids[16 * number : 16 * number + 16])

    def row_ids(self, first: int = 0, last: int | None = None) -> Iterator[bytes]:
        """Identities from one row to another."""
        until = len(self) if last is None else last
        part = bytes(memoryview(self._ids)[16 * first : 16 * until])
        return (part[at : at + 16] for at in range(0, len(part), 16))

    def entries(self) -> Iterator[SourceEntry]:
        """Every row, in the order of the source."""
        return self._entries(range(len(self)))

    def in_order(self, order: Sequence[int]) -> OrderedRows:
        """Some rows in an order of one's own."""
        return OrderedRows(self, order, None if self.parquet is None else self._new_spool())

    def _entries(self, numbers: Iterable[int]) -> Iterator[SourceEntry]:
        """Rows by their numbers: of Parquet files these must ascend."""
        if self.spool is not None:
            for number, (columns, ref) in zip(numbers, self.spool.rows(numbers), strict=True):
                yield SourceEntry(self.row_id(number), columns, ref)
            return
        assert self.parquet is not None
        left = iter(numbers)
        while part := list(islice(left, LEAST_READ * 8)):
            rows = self.parquet.read(self.places(part))
            for number, (columns, ref) in zip(part, rows, strict=True):
                yield SourceEntry(self.row_id(number), columns, ref)

    def places(self, numbers: Sequence[int]) -> Sequence[int]:
        """Where rows are in their files."""
        return numbers if self._numbers is None else [self._numbers[number] for number in numbers]

    def let_in(self, where: Expression, holds: Callable[[Any], Any]) -> NDArray[np.bool_]:
        """Of each row, by its number, does a condition hold? DuckDB is asked where it reads what a row has.

        Args:
            holds: the same condition as a function of a row's columns.
        """
        import numpy as np

        if self.parquet is not None and self.parquet.takes(where):
            with contextlib.suppress(RunError):  # DuckDB does not take the condition
                return self._let_in_by_columns(self.parquet, where)
        return np.fromiter((holds(entry.columns) is True for entry in self.entries()), bool, count=len(self))

    def _let_in_by_columns(self, parquet: ParquetFiles, where: Expression) -> NDArray[np.bool_]:
        import numpy as np

        is_in = np.zeros(len(self), dtype=bool)
        for batch in parquet.numbers(where):
            numbers = np.asarray(batch, dtype=np.uint64)
            if self._numbers is not None:
                held = np.frombuffer(self._numbers, dtype=np.uint64)
                places = np.minimum(np.searchsorted(held, numbers), len(held) - 1)
                numbers = places[held[places] == numbers] if len(held) else numbers[:0]
            is_in[numbers[numbers < len(self)].astype(np.int64)] = True
        return is_in

    def _new_spool(self) -> RowSpool:
        return RowSpool(self._names, self._scratch, self._what)

    def _put_aside(self, spec: SourceSpec, directory: Path) -> None:
        self.spool = self._new_spool()
        rows = read_rows(spec, directory)
        while batch := list(islice(rows, BATCH_ROWS)):
            go_on()
            self._ids += source_row_ids(
                canonical_json(row.columns).encode("utf-8", "surrogatepass") for row in batch
            )
            self.spool.add_rows((row.columns, row.ref) for row in batch)

    def _identify(self, spec: SourceSpec, parquet: ParquetFiles) -> None:
        limit = spec.attributes.get("limit")
        if spec.where is not None:
            self._numbers = array("Q")
        for numbers, texts in parquet.canonical():
            go_on()
            if limit is not None:
                left = limit - len(self)
                numbers, texts = numbers[:left], texts[:left]
            self._ids += source_row_ids(texts)
            if self._numbers is not None:
                self._numbers.extend(numbers)
            if limit is not None and len(self) >= limit:
                return

    def _tell_equals_apart(self) -> None:
        """Give each but the first of equal rows its own identity."""
        import numpy as np

        heads = np.frombuffer(self._ids, dtype="<u8").reshape(-1, 2)[:, 0]
        lowest = np.frombuffer(self._ids, dtype=np.uint8)[::16]
        suspects: list[int] = []
        for part in range(16):  # so that what is sorted is a sixteenth of the table
            there = np.flatnonzero(lowest & 15 == part)
            order = np.argsort(heads[there])
            ordered = heads[there][order]
            same = ordered[1:] == ordered[:-1]
            is_suspect = np.zeros(len(there), dtype=bool)
            is_suspect[1:] |= same
            is_suspect[:-1] |= same
            suspects += there[order][is_suspect].tolist()
        del heads, lowest  # a view of the bytearray keeps it from growing
        times: dict[bytes, int] = {}
        repeated: dict[int, int] = {}
        for number in sorted(suspects):
            row_id = self.row_id(number)
            occurrence = times.get(row_id, 0)
            times[row_id] = occurrence + 1
            if occurrence:
                repeated[number] = occurrence
        for (number, occurrence), entry in zip(repeated.items(), self._entries(list(repeated)), strict=True):
            self._ids[16 * number : 16 * number + 16] = source_row_id(entry.columns, occurrence)


class OrderedRows:
    """Rows of a source in an order of one's own, read when they are wanted."""

    def __init__(self, pages: SourcePages, order: Sequence[int], ahead: RowSpool | None) -> None:
        """
        Args:
            ahead: of Parquet files, which are read in their own order: what was read and not yet wanted.
        """
        self._pages = pages
        self._order = order
        self._ahead = ahead
        self._slots = array("q")

    def __len__(self) -> int:
        return len(self._order)

    def entries(self, first: int, last: int) -> Iterator[SourceEntry]:
        """The rows from one place in the order to another."""
        numbers = [int(number) for number in self._order[first:last]]
        if self._ahead is None:
            yield from self._pages._entries(numbers)
            return
        self._read_until(last)
        for number, (columns, ref) in zip(numbers, self._ahead.rows(self._slots[first:last]), strict=True):
            yield SourceEntry(self._pages.row_id(number), columns, ref)

    def _read_until(self, last: int) -> None:
        import numpy as np

        assert self._ahead is not None and self._pages.parquet is not None
        while (there := len(self._slots)) < last:
            count = min(
                max(last - there, READ_AHEAD * there, LEAST_READ), MOST_READ, len(self._order) - there
            )
            numbers = np.asarray(self._order[there : there + count], dtype=np.int64)
            by_number = np.argsort(numbers, kind="stable")
            slots = np.empty(count, dtype=np.int64)
            slots[by_number] = np.arange(there, there + count)
            rows = self._pages.parquet.read(self._pages.places(numbers[by_number].tolist()))
            while batch := list(islice(rows, BATCH_ROWS)):
                self._ahead.add_rows(batch)
            self._slots.extend(slots.tolist())


def _parquet_of(spec: SourceSpec, directory: Path) -> ParquetFiles | None:
    """The Parquet files that are the whole source and can be read by columns, checked against the lock."""
    source = open_source(spec, directory)
    files = getattr(source, "parquet_files", ())
    if not files:
        return None
    check_pin(spec, source)
    parquet = ParquetFiles(spec, files)
    return parquet if parquet.is_plain else None
