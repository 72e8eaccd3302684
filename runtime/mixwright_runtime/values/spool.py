"""Texts put aside in the order in which they come, and read again one by one: in memory while they are few, else on disk.

The file has no name, so nothing is left of it however the process ends.
"""

from __future__ import annotations

import json
import os
import threading
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from mixwright_runtime.errors import RunError
from mixwright_runtime.values.beside import go_on
from mixwright_runtime.values.json_encoding import encoder

MEMORY_BYTES = 16 * 1024 * 1024
"""Of texts that stay in memory. Chosen."""
_READ_BYTES = 1024 * 1024
"""Texts that stand one behind the other are read together, up to so much."""
_READ_ROWS = 64
"""Rows whose JSON is read in one go. Chosen."""

_encode = encoder(ensure_ascii=False, separators=(",", ":"))


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
        self._scratch = scratch
        # Not a SpooledTemporaryFile: to seek and read in it takes longer than to make a row of what is read.
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        """Where the texts are once they are too many for memory."""
        self._ends = array("q", [0])
        self._lock = threading.Lock()

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
                self._write(b"".join(texts), end)
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
                go_on()
                raw = self._read(start, self._ends[until])
                for number in range(first, until):
                    yield raw[self._ends[number] - start : self._ends[number + 1] - start]
                first = until

    def _write(self, raw: bytes, at: int) -> None:
        if self._file is None and at + len(raw) <= MEMORY_BYTES:
            self._memory += raw
            return
        if self._file is None:
            file = TemporaryFile(dir=self._scratch)  # noqa: SIM115
            weakref.finalize(self, file.close)
            file.write(self._memory)
            self._file, self._memory = file, bytearray()
        # At its place: what a full disk took of an earlier one is written over.
        self._file.seek(at)
        self._file.write(raw)
        self._file.flush()

    def _read(self, start: int, end: int) -> bytes:
        with self._lock:
            if self._file is None:
                return bytes(self._memory[start:end])
            return os.pread(self._file.fileno(), end - start, start)


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
        texts, names = self.read(numbers), self._names
        while part := b",".join(islice(texts, _READ_ROWS)):
            for ref, values in json.loads(b"[%b]" % part):
                yield dict(zip(names, values, strict=True)) if names else values, ref


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
