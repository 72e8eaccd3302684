"""Sealed copies of calls: Parquet files that are written once, so that no damage to the store costs answers twice."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.store.database import quoted

SEGMENT_DIRECTORY = "segments"
SEAL_CALLS = 20_000
"""Calls that are sealed together during a run: about 40 MB of text, a second of work."""
SEAL_AT_CLOSE = 500
"""Fewer unsealed calls than this wait for a later session, or tiny runs would leave a tiny file each."""

_NAME = re.compile(r"calls-(\d{10})-(\d{10})\.parquet")


@dataclass(frozen=True)
class Segment:
    """A sealed file with the calls of batches `first` to `last`."""

    path: Path
    first: int
    last: int


def segments_of(directory: Path) -> list[Segment]:
    """The sealed files of a store directory, in order. Files still being written have another name."""
    found = []
    for path in (directory / SEGMENT_DIRECTORY).glob("calls-*.parquet"):
        if match := _NAME.fullmatch(path.name):
            found.append(Segment(path, int(match.group(1)), int(match.group(2))))
    return sorted(found, key=lambda segment: segment.first)


class Sealer:
    """Writes the calls of committed batches to segments. Used by the writer's thread alone."""

    def __init__(self, directory: Path, read: Callable[..., list[tuple[Any, ...]]]) -> None:
        """`read`: a query over the store's committed rows."""
        self._directory = directory
        sealed = segments_of(directory)
        self._sealed = max((segment.last for segment in sealed), default=0)
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
        directory = self._directory / SEGMENT_DIRECTORY
        directory.mkdir(exist_ok=True)
        path = directory / f"calls-{self._sealed + 1:010d}-{last:010d}.parquet"
        fresh = directory / f".{path.name}.{os.getpid()}"
        try:
            # In batch order as they are in the table; no ORDER BY, which would sort all the text.
            connection.execute(
                f"COPY (SELECT * FROM call WHERE batch > {self._sealed} AND batch <= {last}) "
                f"TO {quoted(str(fresh))} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 16384)"
            )
            _sync(fresh)
            os.rename(fresh, path)
            _sync(directory)
        finally:
            fresh.unlink(missing_ok=True)
        self._sealed = last
        self._unsealed_calls = 0


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
