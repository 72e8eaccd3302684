"""A token: a piece of a spec's text, its terminal, and where it stands."""

from __future__ import annotations


class Token(str):
    """Its text. A token that stands nowhere, as the end of a file, begins at 0.

    `line` and `column` count from 1. They are there once `number_lines` was asked for them: only mistakes need them.
    """

    __slots__ = ("column", "end_pos", "line", "start_pos", "type")

    type: str
    start_pos: int
    end_pos: int
    line: int
    column: int

    def __new__(
        cls, kind: str, text: str, start: int = 0, end: int = 0, line: int = 1, column: int = 1
    ) -> Token:
        token = super().__new__(cls, text)
        token.type = kind
        token.start_pos = start
        token.end_pos = end
        token.line = line
        token.column = column
        return token

    def __repr__(self) -> str:
        return f"Token({self.type!r}, {str(self)!r})"

    def as_other(self, kind: str, text: str) -> Token:
        """Another token in the same place."""
        return Token(kind, text, self.start_pos, self.end_pos, self.line, self.column)


def number_lines(tokens: list[Token]) -> list[Token]:
    """The tokens of a whole text, each with its line and column."""
    line, line_start = 1, 0
    for token in tokens:
        token.line, token.column = line, token.start_pos - line_start + 1
        if breaks := token.count("\n"):
            line += breaks
            line_start = token.start_pos + token.rindex("\n") + 1
    return tokens
