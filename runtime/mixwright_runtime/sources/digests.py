"""Digests of files: each file is read once, and several at a time where what is coming is known."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from threading import Event
from types import TracebackType

from mixwright_runtime.values.beside import go_on

CHUNK_BYTES = 1024 * 1024

Key = tuple[str, int, int]
"""Path, size and time of the last change: a file that is written to is another one."""

_under_way: dict[Key, Future[str]] = {}


def digest_of_files(files: Sequence[Path]) -> str:
    """sha256 (hex) of a file's bytes; of several, sha256 of the lines `<sha256>  <name>` that `sha256sum` prints."""
    digests = [_digest_of_file(*_key(file)) for file in files]
    if len(files) == 1:
        return digests[0]
    lines = "".join(f"{digest}  {file.name}\n" for digest, file in zip(digests, files, strict=True))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


class DigestsAhead:
    """Computes the digests of files in the background, as many at a time as there are cores, in their order.

    `digest_of_files` waits for those that are under way. To be used with `with`: at its end what is not done is given up.
    """

    def __init__(self, files: Sequence[Path], told: Callable[[int], None] = lambda _: None) -> None:
        """
        Args:
            told: called with the number of bytes that were read since the last call, from any thread.
        """
        self._files = files
        self._told = told
        self._stopped = Event()
        self._keys: list[Key] = []

    def __enter__(self) -> DigestsAhead:
        self._threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="digest")
        for file in self._files:
            try:
                key = _key(file)
            except OSError:
                continue  # who reads it tells what is wrong with it
            if key not in _under_way:
                self._keys.append(key)
                _under_way[key] = self._threads.submit(self._digest, key[0])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._threads.shutdown(cancel_futures=True)
        for key in self._keys:
            del _under_way[key]

    def _digest(self, path: str) -> str:
        def told(count: int) -> None:
            self._told(count)
            if self._stopped.is_set():
                raise InterruptedError

        return _read(path, told)


def _key(file: Path) -> Key:
    stat = file.stat()
    return str(file), stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=1024)
def _digest_of_file(path: str, size: int, mtime_ns: int) -> str:
    future = _under_way.get((path, size, mtime_ns))
    return _read(path, lambda _: go_on()) if future is None else future.result()


def _read(path: str, told: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            told(len(chunk))
    return digest.hexdigest()
