"""Texts put aside in the order in which they come, and read again one by one: in memory while they are few, else on disk.

The file has no name, so nothing is left of it however the process ends.
"""

from __future__ import annotations

import json
import threading
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

from mixwright_runtime.errors import RunError

MEMORY_BYTES = 16 * 1024 * 1024
"""Of texts that stay in memory. Chosen."""
_READ_BYTES = 1024 * 1024
"""Texts that stand one behind the other are read together, up to so much."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


def json_bytes(value: object) -> bytes:
    """JSON of which `json.loads` makes the same value, also where a store would not take it: NaN, lone surrogates."""
    return _encode(value).encode("utf-8", "surrogatepass")


class Spool:
    """Texts by their number, 0, 1, 2 …: 8 bytes of memory each. All methods may be called from any thread."""

    def __init__(self, scratch: Path | None, what: str) -> None:
        """
        Args:
            scratch: where the file lies; a temporary folder when None.
            what: whose rows they are, for messages.
        """
        self._what = what
        folder = None if scratch is None else str(scratch)
        self._file = SpooledTemporaryFile(max_size=MEMORY_BYTES, dir=folder)  # noqa: SIM115
        self._ends = array("q", [0])
        self._lock = threading.Lock()
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, texts: Iterable[bytes]) -> None:
        """Put texts behind those that are there.

        Raises:
            RunError: the disk is full.
        """
        texts = list(texts)
        with self._lock:
            end = self._ends[-1]
            try:
                self._file.seek(end)
                self._file.write(b"".join(texts))
            except OSError as error:
                raise RunError(f"{self._what}: its rows cannot be put aside: {error.strerror}") from None
            for text in texts:
                end += len(text)
                self._ends.append(end)

    def read(self, numbers: Iterable[int]) -> Iterator[bytes]:
        """Texts by their numbers, in the order of these."""
        for first, last in stretches(numbers):
            while first <= last:
                start, until = self._ends[first], first + 1
                while until <= last and self._ends[until + 1] - start <= _READ_BYTES:
                    until += 1
                with self._lock:
                    self._file.seek(start)
                    raw = self._file.read(self._ends[until] - start)
                for number in range(first, until):
                    yield raw[self._ends[number] - start : self._ends[number + 1] - start]
                first = until


class RowSpool(Spool):
    """A source's rows put aside: their columns, and where each is in the source."""

    def __init__(self, names: Sequence[str], scratch: Path | None, what: str) -> None:
        """`names`: the columns that every row has, in their order; empty when rows differ."""
        super().__init__(scratch, what)
        self._names = tuple(names)

    def add_rows(self, rows: Iterable[tuple[dict[str, Any], str]]) -> None:
        """Put rows behind those that are there: columns and place; raises as `add`."""
        names = self._names
        self.add(
            json_bytes([ref, [columns[name] for name in names] if names else columns])
            for columns, ref in rows
        )

    def rows(self, numbers: Iterable[int]) -> Iterator[tuple[dict[str, Any], str]]:
        """Rows by their numbers, in the order of these."""
        for text in self.read(numbers):
            ref, values = json.loads(text)
            yield dict(zip(self._names, values, strict=True)) if self._names else values, ref


def stretches(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """First and last of each stretch of consecutive numbers."""
    first = last = -2
    for number in numbers:
        if number != last + 1:
            if first >= 0:
                yield first, last
            first = number
        last = number
    if first >= 0:
        yield first, last
