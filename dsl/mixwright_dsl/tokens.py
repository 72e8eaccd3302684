"""A token: a piece of a spec's text, its terminal, and where it stands."""

from __future__ import annotations


class Token(str):
    """Its text. `line` and `column` count from 1; a token that stands nowhere, as the end of a file, begins at 0."""

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
