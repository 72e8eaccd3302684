"""What the making of a lock shows while it goes on: how many rows were read, and how much of the files is digested."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from mixwright.terminal import duration
from mixwright_runtime.run.live import Intervals, LiveBlock, is_live

SHOW_EVERY_S = 0.5


class LockProgress:
    """Counts what is read, and tells it: on a terminal in a line that renews itself, elsewhere in a line at intervals."""

    def __init__(self, stream: TextIO | None = None, *, is_quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._is_quiet = is_quiet
        self._lock = threading.Lock()
        self._sources = self._begun = 0
        self._name = ""
        self._rows = 0
        self._digested = self._bytes = 0

    def begin(self, name: str) -> None:
        """A source's turn has come."""
        if name != self._name:
            self._name, self._rows = name, 0
            self._begun = min(self._begun + 1, self._sources)

    def read(self, rows: int) -> None:
        """So many rows more were read of the source."""
        self._rows += rows

    def digested(self, count: int) -> None:
        """So many bytes more were digested; may be called from any thread."""
        with self._lock:
            self._digested += count

    def line(self, elapsed_s: float) -> str:
        """How far it is: `source 2 of 5, web: 1,234,000 rows · 2.3 of 8.1 GB digested · 45 s so far`."""
        parts = [f"source {self._begun} of {self._sources}, {self._name}: {self._rows:,} rows"]
        if self._bytes:
            parts.append(f"{self._digested / 1e9:.1f} of {self._bytes / 1e9:.1f} GB digested")
        return " · ".join([*parts, f"{duration(round(elapsed_s))} so far"])

    @contextmanager
    def of(self, sources: int, files: Sequence[Path]) -> Iterator[LockProgress]:
        """Tell of the reading of so many sources and their files, which goes on inside."""
        self._sources = sources
        self._bytes = sum(file.stat().st_size for file in files if file.exists())
        if self._is_quiet or not sources:
            yield self
            return
        ended = threading.Event()
        thread = threading.Thread(target=self._tell, args=(ended,), name="progress", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()

    def _tell(self, ended: threading.Event) -> None:
        began = time.monotonic()
        block = LiveBlock(self._stream) if is_live(self._stream) else None
        intervals = Intervals()
        while not ended.wait(SHOW_EVERY_S):
            elapsed = time.monotonic() - began
            if not self._name:
                continue
            if block is not None:
                block.show([self.line(elapsed)])
            elif intervals.is_time(elapsed):
                print(self.line(elapsed), file=self._stream, flush=True)
        if block is not None:
            block.end()
