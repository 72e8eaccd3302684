"""Rows put aside in the order in which they come, and read again one by one: in memory while they are few, else on disk.

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
"""Of rows as JSON that stay in memory. Chosen."""
_READ_BYTES = 1024 * 1024
"""Rows that stand one behind the other are read together, up to so much."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


class Spool:
    """Rows by their number, 0, 1, 2 …: 8 bytes of memory each. All methods may be called from any thread."""

    def __init__(self, names: Sequence[str], scratch: Path | None, what: str) -> None:
        """
        Args:
            names: the columns that every row has, in their order; empty when rows differ.
            scratch: where the file lies; a temporary folder when None.
        """
        self._names = tuple(names)
        self._what = what
        folder = None if scratch is None else str(scratch)
        self._file = SpooledTemporaryFile(max_size=MEMORY_BYTES, dir=folder)  # noqa: SIM115
        self._ends = array("q", [0])
        self._lock = threading.Lock()
        weakref.finalize(self, self._file.close)

    def __len__(self) -> int:
        return len(self._ends) - 1

    def add(self, rows: Iterable[tuple[dict[str, Any], str]]) -> None:
        """Put rows behind those that are there: columns and place.

        Raises:
            RunError: the disk is full.
        """
        end = self._ends[-1]
        texts, ends = [], []
        for columns, ref in rows:
            values = [columns[name] for name in self._names] if self._names else columns
            text = _encode([ref, values]).encode("utf-8", "surrogatepass")
            end += len(text)
            texts.append(text)
            ends.append(end)
        with self._lock:
            try:
                self._file.seek(self._ends[-1])
                self._file.write(b"".join(texts))
            except OSError as error:
                raise RunError(f"{self._what}: its rows cannot be put aside: {error.strerror}") from None
            self._ends.extend(ends)

    def read(self, numbers: Iterable[int]) -> Iterator[tuple[dict[str, Any], str]]:
        """Rows by their numbers, in the order of these."""
        for first, last in _runs(numbers):
            while first <= last:
                start, until = self._ends[first], first + 1
                while until <= last and self._ends[until + 1] - start <= _READ_BYTES:
                    until += 1
                with self._lock:
                    self._file.seek(start)
                    text = self._file.read(self._ends[until] - start)
                for number in range(first, until):
                    own = text[self._ends[number] - start : self._ends[number + 1] - start]
                    ref, values = json.loads(own.decode("utf-8", "surrogatepass"))
                    yield dict(zip(self._names, values, strict=True)) if self._names else values, ref
                first = until


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
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
