"""The place where the parser cannot go on, with what stands around it."""

from __future__ import annotations

from mixwright_dsl.diagnostic import Diagnostic
from mixwright_dsl.grammar import CLOSERS, OPENERS
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.source import SourceFile, Span
from mixwright_dsl.tokens import Token

VALUE_STARTS = frozenset(
    (
        "NAME",
        "STRING",
        "QUANTITY",
        "HEREDOC",
        "TRUE",
        "FALSE",
        "NULL",
        "NOT",
        "SIGN",
        "LSQB",
        "LPAR",
        "LBRACE",
    )
)
VALUE_ENDS = frozenset(
    ("NAME", "STRING", "QUANTITY", "HEREDOC", "TRUE", "FALSE", "NULL", "RSQB", "RPAR", "RBRACE")
)
OPERATORS = frozenset(("AND", "OR", "NOT", "IN", "COMPARE", "SIGN", "SCALE"))
RESERVED = frozenset(("TRUE", "FALSE", "NULL", "NOT", "AND", "OR", "IN"))
DEEPEST = 40
"""Brackets within brackets: later stages walk the tree by recursion, and no person nests deeper."""


class Stuck(Exception):
    """The parser cannot take `tokens[index]` (the end of the file when past the last); it would take `accepts`."""

    def __init__(self, tokens: list[Token], index: int, accepts: frozenset[str]) -> None:
        super().__init__(index)
        self.tokens = tokens
        self.index = index
        self.accepts = accepts


class TooDeep(Exception):
    """Brackets nest more than DEEPEST levels; the argument is the token."""


@dataclass(frozen=True)
class Mistake:
    """A finding, and how to go on: `tokens[start:end]` become `replacement`; without one the line is dropped."""

    diagnostic: Diagnostic
    start: int = 0
    end: int = 0
    replacement: tuple[Token, ...] | None = None


class Place:
    """The token where the parser stuck, with its neighbours that mean something."""

    def __init__(self, source: SourceFile, stuck: Stuck) -> None:
        self.source = source
        self.tokens = stuck.tokens
        self.index = stuck.index
        self.accepts = stuck.accepts
        self.token = self._at(stuck.index)
        self.previous = self._at(stuck.index - 1)
        self.next = self._at(stuck.index + 1)
        self.after_next = self._at(stuck.index + 2)
        if self.token.type == "$END" and self.end_of_previous().end < len(source.text.rstrip()):
            self.token = Token("_NL", "")  # the end of a chunk, not of the file
        elif self.token.type == "_NL" and "\n" not in source.text[self.token.start_pos :]:
            self.token = Token("$END", "")  # the line end that the lexer added
        # At the end of the file there is no token to point at: the place just after the last one.
        is_end = self.token.type in ("$END", "_NL")
        self.span = self.end_of_previous() if is_end else self.span_of(self.token)

    def _at(self, index: int) -> Token:
        if 0 <= index < len(self.tokens):
            return self.tokens[index]
        return Token("$END", "")

    def span_of(self, token: Token) -> Span:
        return self.source.span(token.start_pos, token.end_pos)

    def end_of_previous(self) -> Span:
        """The empty span after the last token that is no line end."""
        index = self.index - 1
        while index > 0 and self.tokens[index].type == "_NL":
            index -= 1
        end = self.tokens[index].end_pos if 0 <= index < len(self.tokens) else 0
        return self.source.span(end, end)

    def new(self, kind: str, text: str, like: Token | None = None) -> Token:
        return (like or self.token).as_other(kind, text)

    def is_joined(self, left: Token, right: Token) -> bool:
        """Do the two touch?"""
        return left.end_pos == right.start_pos

    def enclosing(self) -> str:
        """The type of the bracket that the place is in; empty at the top level."""
        stack: list[str] = []
        for token in self.tokens[: self.index]:
            if token.type in OPENERS:
                stack.append(token.type)
            elif token.type in CLOSERS and stack:
                stack.pop()
        return stack[-1] if stack else ""

    def starts_statement(self) -> bool:
        """Is the token the first of a statement?"""
        return "NAME" in self.accepts and not {"STRING", "_EQUAL"} & self.accepts


def described(token: Token) -> str:
    """The token as a message names it."""
    if token.type == "_NL":
        return "end of line"
    if token.type == "$END":
        return "end of file"
    if token.type == "HEREDOC":
        return f"heredoc `{token.split()[0]}`"
    if token.type == "STRAY":
        return described_character(str(token))
    text = str(token).split("\n")[0]
    return f"`{text if len(text) <= 32 else text[:29] + '...'}`"


def described_character(character: str) -> str:
    """`§`, or U+00A0 with its name where the character cannot be seen."""
    if character.isprintable() and not character.isspace():
        return f"character `{character}`"
    import unicodedata

    name = unicodedata.name(character, "control character").lower()
    return f"character U+{ord(character):04X} ({name})"
