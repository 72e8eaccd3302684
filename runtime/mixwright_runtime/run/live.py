"""A block of lines at the bottom of a terminal that renews itself, while messages go on above it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

from mixwright_dsl.visible import cell, printable, width

LINE_EVERY_S, LATER_EVERY_S = 10.0, 60.0
COLUMNS, ROWS = 80, 24
"""Of a terminal that does not say how large it is."""


def is_live(stream: TextIO) -> bool:
    """Can lines on `stream` renew themselves: a terminal that is no CI's, unless NO_COLOR is set or TERM is dumb."""
    if os.environ.get("NO_COLOR") or os.environ.get("CI") or os.environ.get("TERM", "") in ("", "dumb"):
        return False
    return stream.isatty()


class Intervals:
    """When a log gets its next line: every ten seconds, later every minute. A night's log is read in the morning."""

    def __init__(self) -> None:
        self._next_s = LINE_EVERY_S

    def is_time(self, elapsed_s: float) -> bool:
        """Is a line due so many seconds after the begin? It is then taken to be written."""
        if elapsed_s < self._next_s:
            return False
        self._next_s = elapsed_s + max(LINE_EVERY_S, min(LATER_EVERY_S, elapsed_s / 30))
        return True


def size_of(stream: TextIO) -> tuple[int, int]:
    """Columns and rows of the terminal behind a stream, now."""
    try:
        columns, rows = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError, AttributeError):
        columns, rows = 0, 0
    return columns or COLUMNS, rows or ROWS


def one_line(text: str) -> str:
    """Text that others wrote as part of a line: every control character as its code, white space as one space."""
    return " ".join(printable(text).split())


def clipped(text: str, columns: int) -> str:
    """As much of a line as fits into so many columns; `…` at its end where something is left out."""
    if width(text) <= columns:
        return text
    kept = ""
    for character in text:
        if width(kept + character) >= columns:
            break
        kept += character
    return kept + "…" if columns > 0 else ""


class LiveBlock:
    """The block. The cursor always stands below it at the start of a line, and is never hidden: wherever the program
    ends, even by a kill, the prompt comes on a line of its own.

    Whatever is written to `sys.stdout` and `sys.stderr` meanwhile stands above the block, which comes back with the next
    `show`. Streams that are no terminal are left alone.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        # The block moves the cursor itself, by sequences that a guard of the stream would not let through.
        self._raw = getattr(stream, "unguarded", stream)
        self._drawn: list[int] = []
        """Columns of each line that stands on the terminal."""
        self._replaced: dict[str, Any] = {}
        self._is_midline = False
        """Another's line stands unfinished where the block has to begin."""

    def size(self) -> tuple[int, int]:
        """Columns and rows that a block may have: the last column would wrap, the last row has the cursor."""
        columns, rows = size_of(self._stream)
        return max(1, columns - 1), max(1, rows - 1)

    def show(self, lines: Sequence[str]) -> None:
        """Put these lines in the place of those before; they are cut to the terminal's size."""
        self._begin()
        columns, rows = self.size()
        shown = [clipped("".join(map(cell, line)), columns) for line in lines[:rows]]
        begin = "\n" if self._is_midline else self._to_begin()
        self._is_midline = False
        self._raw.write(begin + "".join(f"{line}\x1b[K\n" for line in shown) + "\x1b[J")
        self._raw.flush()
        self._drawn = [width(line) for line in shown]

    def erase(self) -> None:
        """Take the block away; what is written next stands in its place."""
        if self._drawn:
            self._raw.write(self._to_begin() + "\x1b[J")
            self._raw.flush()
            self._drawn = []

    def end(self) -> None:
        """Take the block away and give back the streams."""
        self.erase()
        for name, stream in self._replaced.items():
            if isinstance(getattr(sys, name), _Above):
                setattr(sys, name, stream)
        self._replaced = {}

    def wrote(self, text: str) -> None:
        """Another wrote this."""
        if text:
            self._is_midline = not text.endswith("\n")

    def _begin(self) -> None:
        if self._replaced:
            return
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name)
            if stream is not None and stream.isatty():
                self._replaced[name] = stream
                setattr(sys, name, _Above(stream, self))

    def _to_begin(self) -> str:
        """What moves the cursor to where the block begins. A terminal that was made narrower has wrapped its lines."""
        columns = size_of(self._stream)[0]
        up = sum(max(1, -(-drawn // columns)) for drawn in self._drawn)
        return f"\r\x1b[{up}A" if up else ""


class _Above:
    """A stream whose text stands above a block."""

    def __init__(self, stream: Any, block: LiveBlock) -> None:
        self._stream = stream
        self._block = block

    def write(self, text: str) -> int:
        self._block.erase()
        written: int = self._stream.write(text)
        self._block.wrote(text)
        return written

    def writelines(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
