"""Walks along the tokens of a formula: where a reader stands, and what it has met on its way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, NoReturn

from mixwright_runtime.verifiers.math.formulas.tokens import Token
from mixwright_runtime.verifiers.math.formulas.values import Unreadable


class Walker(ABC):
    """The place in the tokens; each method of a reader reads one kind of thing from there and stands behind it."""

    def __init__(self, tokens: Sequence[Token], ordered: frozenset[str], sign: int) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._sign = sign
        self._ordered = ordered
        self._marked: set[str] = set()
        self._vectors: set[str] = set()
        self._bound: list[str] = []
        self._integrals = 0
        self._differential: Any = None
        self._bars: list[str] = []
        self._is_percent = False

    # Where it stands.

    def _peek(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at].text if at < len(self._tokens) else ""

    def _kind(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at].kind if at < len(self._tokens) else ""

    def _take(self) -> str:
        text = self._peek()
        self._at += 1
        return text

    def _accept(self, *texts: str) -> str:
        return self._take() if self._peek() in texts and self._at < len(self._tokens) else ""

    def _expect(self, *texts: str) -> str:
        return self._accept(*texts) or self._fail()

    def _fail(self) -> NoReturn:
        raise Unreadable(
            f"{self._peek()!r} stands where it has no meaning" if self._peek() else "it ends early"
        )

    def _inside(self, tokens: Sequence[Token]) -> Any:
        """What a part of the tokens says by itself."""
        here = self._tokens, self._at
        self._tokens, self._at = tokens, 0
        value = self._sum()
        if self._at < len(tokens):
            self._fail()
        self._tokens, self._at = here
        return value

    def _group_tokens(self) -> Sequence[Token]:
        """The tokens in the braces that open here, or the one token; stands behind them."""
        if self._peek() != "{":
            self._at += 1
            if self._at > len(self._tokens):
                self._fail()
            return self._tokens[self._at - 1 : self._at]
        start, depth = self._at + 1, 0
        while self._at < len(self._tokens):
            text = self._take()
            depth += (text == "{") - (text == "}")
            if depth == 0:
                return self._tokens[start : self._at - 1]
        return self._fail()

    # What the reader of one kind of thing asks of that of another.

    @abstractmethod
    def _listed(self, kind: Literal["tuple", "set", "list"]) -> Any: ...

    @abstractmethod
    def _sum(self) -> Any: ...

    @abstractmethod
    def _product(self) -> Any: ...

    @abstractmethod
    def _power(self) -> Any: ...

    @abstractmethod
    def _exponent(self) -> Any: ...

    @abstractmethod
    def _primary(self) -> Any: ...

    @abstractmethod
    def _symbol(self, name: str, *, has_tail: bool = True) -> Any: ...

    @abstractmethod
    def _starts_factor(self) -> bool: ...
