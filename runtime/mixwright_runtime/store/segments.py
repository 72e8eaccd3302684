"""Sealed copies of calls: Parquet files that are written once, so that no damage to the store costs answers twice."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixwright_runtime.store.database import quoted

SEGMENT_DIRECTORY = "segments"
SEAL_CALLS = 20_000
"""Calls that are sealed together during a run: about 40 MB of text, a second of work."""
SEAL_AT_CLOSE = 500
"""Fewer unsealed calls than this wait for a later session, or tiny runs would leave a tiny file each."""

_NAME = re.compile(r"calls-(\d{10})-(\d{10})-([0-9a-f]{32})\.parquet")


@dataclass(frozen=True)
class Segment:
    """A sealed file with the calls of batches `first` to `last` of one store.

    `digest` (BLAKE2b, 16 bytes, hex) is in its name: Parquet as DuckDB writes it notices no flipped bit.
    """

    path: Path
    first: int
    last: int
    digest: str

    def is_intact(self) -> bool:
        """Whether the file is what was sealed; reads it whole."""
        try:
            return _digest_of(self.path) == self.digest
        except OSError:
            return False


def segments_of(directory: Path, store_id: str = "*") -> list[Segment]:
    """The sealed files of a store, or of every store that was in this directory, in order.

    Files still being written have another name.
    """
    found = []
    for path in (directory / SEGMENT_DIRECTORY).glob(f"{store_id}/calls-*.parquet"):
        if match := _NAME.fullmatch(path.name):
            found.append(Segment(path, int(match.group(1)), int(match.group(2)), match.group(3)))
    return sorted(found, key=lambda segment: (segment.path.parent.name, segment.first))


def sealed_up_to(segments: list[Segment]) -> int:
    """The last batch before the first gap; 0 when there is nothing sealed from batch 1 on."""
    last = 0
    for segment in segments:
        if segment.first > last + 1:
            break
        last = max(last, segment.last)
    return last


class Sealer:
    """Writes the calls of committed batches to segments. Used by the writer's thread alone."""

    def __init__(self, directory: Path, store_id: str, read: Callable[..., list[tuple[Any, ...]]]) -> None:
        """`read`: a query over the store's committed rows."""
        self._directory = directory / SEGMENT_DIRECTORY / store_id
        self._sealed = sealed_up_to(segments_of(directory, store_id))
        self._unsealed_calls = int(
            read("SELECT coalesce(sum(call), 0)::BIGINT FROM batch WHERE batch > ?", [self._sealed])[0][0]
        )

    def committed(self, calls: int, batch: int, connection: Any) -> None:
        """Note a committed batch with this many calls; seal when there are enough."""
        self._unsealed_calls += calls
        if self._unsealed_calls >= SEAL_CALLS:
            self._seal(batch, connection)

    def closing(self, batch: int, connection: Any) -> None:
        """Seal what is left before the store is closed, unless it is little."""
        if self._unsealed_calls >= SEAL_AT_CLOSE:
            self._seal(batch, connection)

    def _seal(self, last: int, connection: Any) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        span = f"calls-{self._sealed + 1:010d}-{last:010d}"
        fresh = self._directory / f".{span}.{os.getpid()}"
        try:
            # In batch order as they are in the table; no ORDER BY, which would sort all the text.
            connection.execute(
                f"COPY (SELECT * FROM call WHERE batch > {self._sealed} AND batch <= {last}) "
                f"TO {quoted(str(fresh))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 16384)"
            )
            _sync(fresh)
            os.rename(fresh, self._directory / f"{span}-{_digest_of(fresh)}.parquet")
            _sync(self._directory)
        finally:
            fresh.unlink(missing_ok=True)
        self._sealed = last
        self._unsealed_calls = 0


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
