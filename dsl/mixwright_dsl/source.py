"""Source text with positions: the unit that every span points into."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from pathlib import Path

from mixwright_dsl.lazy_dataclass import dataclass, field


@dataclass(frozen=True)
class Position:
    """A place in a file as people count it: line and column start at 1, columns are code points."""

    line: int
    column: int


@dataclass(frozen=True)
class SourceFile:
    """One `.mix` file. `name` is what messages print; `text` is decoded UTF-8 with `\\n` line ends."""

    name: str
    text: str = field(repr=False)
    path: Path | None = None

    @cached_property
    def line_starts(self) -> tuple[int, ...]:
        """Offset of the first character of every line."""
        starts = [0]
        starts.extend(i + 1 for i, c in enumerate(self.text) if c == "\n")
        return tuple(starts)

    def position(self, offset: int) -> Position:
        """Line and column of an offset; offsets past the end clamp to the end."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self.line_starts, offset)
        return Position(line, offset - self.line_starts[line - 1] + 1)

    def line_text(self, line: int) -> str:
        """Text of a 1-based line without its line end; empty past the last line."""
        if not 1 <= line <= len(self.line_starts):
            return ""
        start = self.line_starts[line - 1]
        end = self.text.find("\n", start)
        return self.text[start:] if end < 0 else self.text[start:end]

    def span(self, start: int, end: int) -> Span:
        return Span(self, start, end)


@dataclass(frozen=True, eq=True)
class Span:
    """A half-open range of offsets in one file."""

    source: SourceFile = field(repr=False)
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.end]

    @property
    def position(self) -> Position:
        return self.source.position(self.start)

    def to(self, other: Span) -> Span:
        """The range from this span's start to the other's end."""
        return Span(self.source, self.start, max(self.end, other.end))

    def __str__(self) -> str:
        at = self.position
        return f"{self.source.name}:{at.line}:{at.column}"


def read_source(path: Path, name: str | None = None) -> SourceFile:
    """Read a `.mix` file.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: the file is not UTF-8.
    """
    return source_of(path.read_bytes(), name or str(path), path)


def source_of(content: bytes, name: str, path: Path) -> SourceFile:
    """The text in the bytes of a file; raises UnicodeDecodeError when they are not UTF-8."""
    return SourceFile(name, content.decode("utf-8-sig").replace("\r\n", "\n"), path)
