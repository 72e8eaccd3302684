"""The journal: answers between their arrival and the transaction that commits them, so that a kill loses none.

A transaction is 250 ms of answers, and a SIGKILL takes what is not in one. So every call is first written here, with
one unbuffered `write` before `put_call` returns: what the kernel took, it keeps when the process dies. Nothing is
synced, which would cost milliseconds a call: a power failure may take the journal, and only a committed transaction
survives it.

There are two files. Calls go to one; when the writer takes a batch they go to the other, and the first is emptied
once its last call is committed. So the journal holds about two batches, however long the run, and nothing after a
clean end. The next opening for writing puts what it finds through the writer, before anything is looked up.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from operator import attrgetter
from pathlib import Path
from typing import Any

from mixwright_runtime.store.database import Database
from mixwright_runtime.store.records import CallRecord

FILE_NAMES = ("store.journal", "store.journal2")
DAMAGED_SUFFIX = ".damaged"
"""Added to the name of a journal that could not be read whole, when it is kept aside."""

_MAGIC, _FORMER_MAGIC = b"MWJ2", b"MWJ1"
_HEAD = struct.Struct("<4s16sII")
"""Magic, store id, bytes of the body, CRC-32 of the body; behind it the CRC-32 of these, so that a damaged length
is not taken for the torn tail of a kill."""
_CHECK = struct.Struct("<I")
_HEAD_BYTES = _HEAD.size + _CHECK.size

_COUNTS, _TIMES = ("run_id", "prompt_tokens", "output_tokens", "attempt", "seed"), ("started", "ended")
_NUMBERED = ("key", *_COUNTS, *_TIMES)
_TEXTS = tuple(name for name in CallRecord._fields if name not in _NUMBERED)
_NUMBERS = struct.Struct(f"<16s{len(_COUNTS)}q{len(_TIMES)}d{len(_TEXTS)}I")
"""What a body begins with: `_NUMBERED`, and how many characters each of the texts has, which stand behind it as one.
As JSON an entry took four times as long, most of it for two floats and for looking through the texts."""
_numbers_of, _texts_of = attrgetter(*_NUMBERED), attrgetter(*_TEXTS)
_LEAST, _MOST = -(2**63), 2**63 - 1

_FORMER_TEXTS = ("request", "text", "reasoning")
_FORMER_SHORT = tuple(name for name in CallRecord._fields if name not in ("key", *_FORMER_TEXTS))


@dataclass(frozen=True)
class JournalContent:
    """What one journal file holds, up to the first record that is torn or damaged."""

    records: tuple[CallRecord, ...]
    damage: str = ""
    """Why reading stopped before the end; empty when it did not, or at a record torn by the kill itself."""


class Journal:
    """The journal of a store that is open for writing. The caller's lock makes its methods take turns.

    A journal that cannot be written does not stop a run: the transaction that follows decides, as if there were
    none, and tells of a full disk. `failure` says why a kill would cost answers meanwhile.
    """

    def __init__(self, directory: Path, store_id: str) -> None:
        """Open both files; call it when what they held is committed, for they are emptied."""
        self.failure = ""
        """Why the last call is not in the journal; empty when it is."""
        self._store_id = store_id.encode()
        self._paths = [directory / name for name in FILE_NAMES]
        self._files: list[int] = []
        self._sizes = [0, 0]
        self._last = [0, 0]
        """Per file, the number of its last record in the order in which the writer got them."""
        self._active = 0
        try:
            for path in self._paths:
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC
                self._files.append(os.open(path, flags, 0o600))
        except OSError as error:
            self._give_up(error)

    def entry(self, record: CallRecord) -> bytes:
        """`record` as it is written; needs no lock."""
        return _entry(record, self._store_id)

    def append(self, entry: bytes, number: int) -> None:
        """Write an entry, the record that the writer gets as its `number`-th."""
        if not self._files:
            return
        file, size = self._files[self._active], self._sizes[self._active]
        try:
            written = os.write(file, entry)
            if written != len(entry):
                os.ftruncate(file, size)  # or whatever follows could not be read
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(file, size)
            self.failure = f"the journal {self._paths[self._active]} cannot be written: {error.strerror}"
            return
        if written != len(entry):
            self.failure = f"the journal {self._paths[self._active]} cannot be written: no space left"
            return
        self.failure = ""
        self._sizes[self._active] = size + written
        self._last[self._active] = number

    def turn(self) -> None:
        """The writer takes a batch: let what comes next go to the other file, if that one is empty."""
        if self._sizes[self._active] and not self._sizes[1 - self._active]:
            self._active = 1 - self._active

    def committed(self, number: int) -> None:
        """The writer's first `number` records are committed: empty each file that holds no later one."""
        for which, size in enumerate(self._sizes):
            if size and self._last[which] <= number:
                try:
                    os.ftruncate(self._files[which], 0)
                except OSError as error:  # it only grows: what it holds twice is left out when it is read
                    self.failure = f"the journal {self._paths[which]} cannot be emptied: {error.strerror}"
                else:
                    self._sizes[which] = 0

    def close(self) -> None:
        """Close the files, and remove those in which nothing is left to commit. Safe to call twice."""
        files, self._files = self._files, []
        for file, path, size in zip(files, self._paths, self._sizes, strict=False):
            os.close(file)
            if not size:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)

    def _give_up(self, error: OSError) -> None:
        for file in self._files:
            os.close(file)
        self._files = []
        self.failure = f"the journal {error.filename} cannot be written: {error.strerror}"


def journal_files(directory: Path) -> list[Path]:
    """The journal files in a store directory that hold anything."""
    paths = [directory / name for name in FILE_NAMES]
    return [path for path in paths if path.exists() and path.stat().st_size]


def read_journal(path: Path, store_id: str | None) -> JournalContent:
    """The calls in a journal file in the order in which they were put; `store_id` None takes any store's."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return JournalContent((), f"{path} cannot be read: {error.strerror}")
    records: list[CallRecord] = []
    wanted = None if store_id is None else store_id.encode()
    at = 0
    while at + _HEAD_BYTES <= len(content):
        head = content[at : at + _HEAD.size]
        magic, written_for, length, check = _HEAD.unpack(head)
        (head_check,) = _CHECK.unpack_from(content, at + _HEAD.size)
        if magic not in _READ or zlib.crc32(head) != head_check:
            return JournalContent(tuple(records), f"{path} is damaged at byte {at}")
        if wanted is not None and written_for != wanted:
            return JournalContent(tuple(records), f"{path} belongs to another store from byte {at} on")
        end = at + _HEAD_BYTES + length
        if end > len(content):
            break
        body = content[at + _HEAD_BYTES : end]
        if zlib.crc32(body) != check or (record := _record(magic, body)) is None:
            return JournalContent(tuple(records), f"{path} is damaged at byte {at}")
        records.append(record)
        at = end
    return JournalContent(tuple(records))


def uncommitted(database: Database) -> tuple[list[CallRecord], list[tuple[Path, str]]]:
    """The journal's calls that the store does not have, in order, and which file is damaged and how.

    A good call is had when there is a good answer for its key, a failed one when this very attempt is there.
    """
    found: list[CallRecord] = []
    damages: list[tuple[Path, str]] = []
    for path in journal_files(database.directory):
        content = read_journal(path, database.store_id)
        found += content.records
        if content.damage:
            damages.append((path, content.damage))
    if not found:
        return [], damages
    rows = database.read(
        "SELECT key, status, started FROM call WHERE key IN (SELECT unnest(?::BLOB[]))",
        [[record.key for record in found]],
    )
    return list(_missing(found, rows)), damages


def _missing(records: Sequence[CallRecord], rows: Sequence[tuple[Any, ...]]) -> Iterator[CallRecord]:
    had = {_name_of(bytes(key), status, started) for key, status, started in rows}
    for record in records:
        name = _name_of(record.key, record.status, record.started)
        if name not in had:
            had.add(name)
            yield record


def _name_of(key: bytes, status: str, started: float) -> tuple[bytes, float | None]:
    return key, None if status == "ok" else started


def _entry(call: CallRecord, store_id: bytes) -> bytes:
    numbers, texts = _numbers_of(call), _texts_of(call)
    try:
        begun = _NUMBERS.pack(*numbers, *map(len, texts))
    except struct.error:  # a count that an engine made up, which the store holds to less
        key, *counts = numbers[: -len(_TIMES)]
        held = (max(_LEAST, min(int(count), _MOST)) for count in counts)
        begun = _NUMBERS.pack(key, *held, *numbers[-len(_TIMES) :], *map(len, texts))
    body = begun + "".join(texts).encode("utf-8", "surrogatepass")
    head = _HEAD.pack(_MAGIC, store_id, len(body), zlib.crc32(body))
    return b"".join((head, _CHECK.pack(zlib.crc32(head)), body))


def _columns_in(body: bytes) -> dict[str, Any]:
    numbers = _NUMBERS.unpack_from(body)
    sizes = numbers[len(_NUMBERED) :]
    together = body[_NUMBERS.size :].decode("utf-8", "surrogatepass")
    if sum(sizes) != len(together):
        raise ValueError("the texts are longer or shorter than they were")
    texts = (together[end - size : end] for size, end in zip(sizes, accumulate(sizes), strict=True))
    return dict(zip((*_NUMBERED, *_TEXTS), (*numbers[: len(_NUMBERED)], *texts), strict=True))


def _former_columns_in(body: bytes) -> dict[str, Any]:
    """Of an entry of an earlier version: a line of JSON, and behind it the long texts."""
    first, _, rest = body.partition(b"\n")
    key, *values = json.loads(first)
    lengths, short = values[: len(_FORMER_TEXTS)], values[len(_FORMER_TEXTS) :]
    texts = []
    for length in lengths:
        texts.append(rest[:length].decode("utf-8", "surrogatepass"))
        rest = rest[length + 1 :]
    return dict(
        zip(("key", *_FORMER_SHORT, *_FORMER_TEXTS), (bytes.fromhex(key), *short, *texts), strict=True)
    )


_READ: Mapping[bytes, Callable[[bytes], dict[str, Any]]] = {
    _MAGIC: _columns_in,
    _FORMER_MAGIC: _former_columns_in,
}


def _record(magic: bytes, body: bytes) -> CallRecord | None:
    """The record of a body that is as it was written; None when this version does not understand it."""
    try:
        return CallRecord(**_READ[magic](body))
    except (ValueError, TypeError, struct.error):
        return None
