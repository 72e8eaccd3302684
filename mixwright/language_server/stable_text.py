"""The declarations of a text at places that they keep while others are written: what was made of one stays right.

A keystroke moves all that stands behind it, and with it every place in its trees. So each declaration stands in another
text as well, to which one that was changed is added at the end, and in which nothing ever moves. What is found there is
told of the places in the text as it is.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mixwright.language_server.part import Declaration
from mixwright_dsl.grammar import lex
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.nodes import File
from mixwright_dsl.parser import ParseResult, parse
from mixwright_dsl.source import SourceFile, Span

MOST_CHARACTERS = 300_000
"""Chosen: characters of declarations that are no longer there, after which the text begins anew. Until the whole text is
read their trees are kept, 250 bytes a character."""


class _Growing(SourceFile):
    """A text to which more is added. It is known by its identity: its hash stays what it was."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def add(self, text: str) -> int:
        """Where it begins."""
        start = len(self.text)
        vars(self)["text"] = f"{self.text}{text}\n"
        vars(self).pop("line_starts", None)
        return start


@dataclass(eq=False)
class Piece:
    """A declaration with its tree. start: in the growing text. made: what others made of it, to find it again."""

    start: int
    text: str
    tree: ParseResult
    made: Any = None


class Moves:
    """Where the declarations of a text stand in the stable one, and back."""

    def __init__(self, source: SourceFile, stable: SourceFile, pieces: Sequence[tuple[int, Piece]]) -> None:
        """pieces: with where each stands in the text, in their order."""
        self.source, self.stable, self.pieces = source, stable, pieces
        self._there = [(here, piece.start, len(piece.text)) for here, piece in pieces]
        self._here = sorted((there, here, length) for here, there, length in self._there)

    def there(self, offset: int) -> int:
        """The place in the stable text of one in the text; -1 where nothing is kept of it."""
        return _moved(self._there, offset)

    def here(self, offset: int) -> int:
        """The other way round."""
        return _moved(self._here, offset)

    def real(self, span: Span) -> Span:
        """A place in the text for one in the stable text; others stay."""
        if span.source is not self.stable:
            return span
        start = self.here(span.start)
        return Span(self.source, start, start + span.end - span.start)


def _moved(pairs: list[tuple[int, int, int]], offset: int) -> int:
    at = bisect_right(pairs, (offset, float("inf"))) - 1
    if at < 0:
        return -1
    start, other, length = pairs[at]
    return other + offset - start if offset <= start + length else -1


class StableText:
    """One file while it is written."""

    def __init__(self, path: Path, size: int) -> None:
        """size: characters that the file has now."""
        self.source = _Growing(str(path), "", path)
        self._most = 4 * size + MOST_CHARACTERS
        self._kept: dict[tuple[str, int], Piece] = {}

    @property
    def is_full(self) -> bool:
        return len(self.source.text) > self._most

    def read(
        self, source: SourceFile, declarations: Iterable[Declaration], *, is_whole: bool
    ) -> tuple[ParseResult, Moves]:
        """The tree of declarations of a text, in their order, and where they stand. is_whole: there are no others."""
        seen: Counter[str] = Counter()
        pieces: list[tuple[int, Piece]] = []
        read: dict[tuple[str, int], Piece] = {}
        for declaration in declarations:
            key = declaration.text, seen[declaration.text]
            seen[declaration.text] += 1
            read[key] = self._kept.get(key) or self._parsed(declaration.text)
            pieces.append((declaration.start, read[key]))
        self._kept = read if is_whole else self._kept | read
        body = tuple(statement for _, piece in pieces for statement in piece.tree.file.body)
        findings = tuple(finding for _, piece in pieces for finding in piece.tree.diagnostics)
        return ParseResult(File(self.source, body), findings), Moves(source, self.source, pieces)

    def _parsed(self, text: str) -> Piece:
        start = self.source.add(text)
        tokens = lex(text)
        for token in tokens:
            token.start_pos += start
            token.end_pos += start
        return Piece(start, text, parse(self.source, tokens))
