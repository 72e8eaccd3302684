"""Places in a text as editors count them: lines from 0, and columns in UTF-16 code units."""

from __future__ import annotations

from bisect import bisect_right

from lsprotocol import types as lsp

from mixwright_dsl.source import SourceFile, Span


def offset_of(source: SourceFile, position: lsp.Position) -> int:
    """The offset in the text; a place past the end of a line or of the text is that end."""
    line = min(max(position.line, 0), len(source.line_starts) - 1)
    text = source.line_text(line + 1)
    if text.isascii():
        return source.line_starts[line] + min(max(position.character, 0), len(text))
    units = at = 0
    while at < len(text) and units < position.character:
        units += _units(text[at])
        at += 1
    return source.line_starts[line] + at


def position_of(source: SourceFile, offset: int) -> lsp.Position:
    offset = max(0, min(offset, len(source.text)))
    line = bisect_right(source.line_starts, offset) - 1
    return lsp.Position(line, width_of(source.text[source.line_starts[line] : offset]))


def range_of(span: Span) -> lsp.Range:
    return lsp.Range(position_of(span.source, span.start), position_of(span.source, span.end))


def width_of(text: str) -> int:
    """Columns that a text takes."""
    return len(text) if text.isascii() else sum(map(_units, text))


def _units(character: str) -> int:
    return 2 if ord(character) > 0xFFFF else 1
