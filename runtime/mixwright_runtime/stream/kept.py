"""The rows that a pipeline has kept: their identities in memory, all else put aside until somebody reads them."""

from __future__ import annotations

import json
import marshal
import threading
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mixwright_runtime.stream.outcomes import Start, Whence
from mixwright_runtime.values.row_ids import ID_BYTES, RowIds
from mixwright_runtime.values.rows import Row
from mixwright_runtime.values.spool import Spool, json_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOGETHER = 256
"""Rows that are put aside in one go. Chosen."""


class RowsInOrder(Protocol):
    """Rows of a source, a pipeline or a mixture in the order in which they are taken, each read when it is come to."""

    def __len__(self) -> int: ...

    def at(self, places: Iterable[int]) -> Iterator[Start]:
        """The rows at these places."""

    def names(self, first: int, last: int) -> Iterable[tuple[bytes, str, int]]:
        """Of the rows from one place to another the identity, and `Start.leaf` and `Start.repeat`."""


class Keeper(Protocol):
    """Takes the rows that survive a pipeline."""

    def add(self, rows: Sequence[tuple[Start, str | None]]) -> None:
        """Keep rows of the wave under way, each with its columns as JSON; None where JSON would lose some of them."""


class StartSpool:
    """Rows by their number, 0, 1, 2 …, put aside: 8 bytes of memory each. They are read in any thread."""

    def __init__(self, scratch: Path | None, what: str) -> None:
        """
        Args:
            scratch: where rows are put aside that are too many for memory; a temporary folder when None.
            what: whose rows they are, for messages.
        """
        self._spool = Spool(scratch, what)
        self._pending: list[bytes] = []
        self._as_they_are: dict[int, Start] = {}
        """Rows with values that JSON has no form for."""
        self._count = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._count

    def add(self, rows: Iterable[tuple[Start, str | None]]) -> None:
        """Put rows behind those that are there.

        Args:
            rows: each with its columns as JSON, None where they are to be written as such first.

        Raises:
            RunError: the disk is full.
        """
        for start, columns in rows:
            try:
                text = _text_of(start, columns)
            except (TypeError, ValueError):
                text = b""
            with self._lock:  # a reader takes what is pending, in its own thread
                if not text:
                    self._as_they_are[self._count] = start
                self._count += 1
                self._pending.append(text)
        if len(self._pending) >= TOGETHER:
            self._write()

    def at(self, numbers: Iterable[int]) -> Iterator[Start]:
        """Rows by their numbers, in the order of these."""
        for number, text in self._texts(numbers):
            yield _start_of(text) if text else self._as_they_are[number]

    def whence(self, numbers: Iterable[int]) -> Iterator[Whence]:
        """Where rows come from, by their numbers, in the order of these."""
        for number, text in self._texts(numbers):
            if text:
                source, ref, *_ = marshal.loads(text)
                yield Whence(source, ref)
            else:
                yield self._as_they_are[number].whence

    def _texts(self, numbers: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Rows' numbers, in the order of these, and their texts, which are empty where they stay as they are."""
        self._write()
        left = iter(numbers)
        while part := list(islice(left, TOGETHER)):
            yield from zip(part, self._spool.read(part), strict=True)

    def _write(self) -> None:
        with self._lock:
            self._spool.add(self._pending)
            self._pending = []


class KeptRows:
    """Rows in start order, those of one start by item and round and then by their identity: 32 bytes of memory each.

    A wave's rows come in the order in which they finish; `settle` puts them in order behind those of earlier waves. What
    is settled never changes.
    """

    def __init__(self, scratch: Path | None, what: str) -> None:
        """As `StartSpool`."""
        self._rows = StartSpool(scratch, what)
        self._ids = RowIds()
        self._numbers = array("q")
        """Of each settled row, which one it was in the order in which they came."""
        self._fresh = RowIds()
        self._positions = array("q")
        self._paths: dict[int, tuple[int, ...]] = {}
        """Of the wave under way: identities and positions, and the places of rows that were made of others."""

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[Start]:
        return self.at(range(len(self)))

    @property
    def unsettled(self) -> int:
        """Rows of the wave under way."""
        return len(self._fresh)

    def add(self, rows: Sequence[tuple[Start, str | None]]) -> None:
        """Keep rows of the wave under way; as `StartSpool.add`."""
        kept = [start.row for start, _ in rows]
        for row in kept:
            if row.path:
                self._paths[len(self._positions)] = row.path
            self._positions.append(row.position)
        self._fresh.extend([row.row_id for row in kept])
        self._rows.add(rows)

    def settle(self) -> None:
        """The wave is over: its rows stand behind all that there were."""
        import numpy as np

        if not self._positions:
            return
        order = self._order()
        self._ids.extend((np.frombuffer(self._fresh.raw, dtype=f"V{ID_BYTES}")[order].tobytes(),))
        self._numbers.frombytes((order + len(self._numbers)).tobytes())
        self._fresh, self._positions, self._paths = RowIds(), array("q"), {}

    def at(self, places: Iterable[int]) -> Iterator[Start]:
        """The settled rows at these places."""
        return self._rows.at(self._numbers[place] for place in places)

    def names(self, first: int, last: int) -> Iterator[tuple[bytes, str, int]]:
        """Identities of settled rows, from one place to another; leaf and repeat are a nested mixture's."""
        return ((row_id, "", 0) for row_id in self._ids[first:last])

    def _order(self) -> NDArray[np.int64]:
        """Of the wave's rows, which comes first, which next."""
        import numpy as np

        positions, paths, ids = self._positions, self._paths, self._fresh
        order = np.argsort(np.frombuffer(positions, dtype=np.int64), kind="stable").astype(np.int64)
        if (np.diff(np.frombuffer(positions, dtype=np.int64)[order]) == 0).any():
            tied = sorted(order.tolist(), key=lambda at: (positions[at], paths.get(at, ()), ids[at]))
            order = np.array(tied, dtype=np.int64)
        return order


def _text_of(start: Start, columns: str | None) -> bytes:
    # Names and numbers as Python has them, which takes a quarter of the time of JSON; the file is this process's alone.
    # `int`: of what only behaves as one, marshal would write the bytes. What rows and verifiers hold is JSON.
    row = start.row
    return marshal.dumps(
        (
            start.source,
            start.ref,
            start.leaf,
            int(start.repeat),
            row.row_id,
            row.origin_id,
            int(row.position),
            int(row.replica),
            int(row.candidate),
            row.parents,
            row.calls,
            json_bytes(row.scores) if row.scores else b"",
            tuple(map(int, row.path)),
            tuple(map(int, row.rounds)),
            json_bytes(row.columns) if columns is None else columns,
        ),
        2,  # without a look for values that stand there twice
    )


def _start_of(text: bytes) -> Start:
    source, ref, leaf, repeat, *of_row, scores, path, rounds, columns = marshal.loads(text)
    row_id, origin_id, position, replica, candidate, parents, calls = of_row
    row = Row(
        row_id,
        json.loads(columns),
        origin_id,
        position,
        replica,
        candidate,
        parents,
        calls,
        json.loads(scores) if scores else {},
        path,
        rounds,
    )
    return Start(row, source, ref, leaf, repeat)
