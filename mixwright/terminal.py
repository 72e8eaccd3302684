"""Text for terminals: what a model or a stranger wrote must not move the cursor, and numbers must be readable."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from mixwright_dsl.visible import Painted, printable

__all__ = [
    "GuardedStream",
    "Painted",
    "duration",
    "guard_streams",
    "guarded_streams",
    "number_of",
    "printable",
    "table",
]


class GuardedStream:
    """A text stream that writes no control character but tabs and newlines, unless in text that is `Painted`.

    is_written: whether anything was.
    """

    def __init__(self, stream: TextIO) -> None:
        self.unguarded = stream
        self.is_written = False

    def write(self, text: str) -> int:
        """Write the text with everything that would move a cursor as its code; returns its length."""
        self.is_written = True
        self.unguarded.write(text if isinstance(text, Painted) else printable(text))
        return len(text)

    def writelines(self, lines: Sequence[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unguarded, name)


def guard_streams() -> None:
    """Guard everything that is printed from here to the end of the process, which may be a traceback."""
    sys.stdout, sys.stderr = GuardedStream(sys.stdout), GuardedStream(sys.stderr)


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Everything that is printed meanwhile goes through a guard: messages, warnings, logs and tracebacks alike.

    The one door to the terminal, so that no command has to know which of its texts a server, a model or a file gave it.
    """
    before = sys.stdout, sys.stderr
    guard_streams()
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def number_of(count: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def duration(seconds: float) -> str:
    """`45 s`, `2 min 5 s`, `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if seconds >= 10 or whole == seconds else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), indent: str = "  ") -> str:
    """Rows in aligned columns, the first row being the headings; columns numbered in `right` end flush."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)
