"""What a formula may be read as: SymPy's expressions and matrices, and what those have no place for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import sympy

FACTORIAL_LIMIT = 10_000

DEGREE = sympy.Symbol("°")


class Unreadable(Exception):
    """The text says something that has no place in an expression; the message is what."""


@dataclass(frozen=True)
class Relation:
    """`a < b <= c`: one more term than signs. Signs: `=`, `<`, `<=`, `>`, `>=`, `!=`, `in`."""

    terms: tuple[Any, ...]
    signs: tuple[str, ...]

    def __str__(self) -> str:
        following = [f" {sign} {term}" for sign, term in zip(self.signs, self.terms[1:], strict=True)]
        return f"{self.terms[0]}{''.join(following)}"


@dataclass(frozen=True)
class Span:
    """The numbers between two ends; `is_pair` where the text may as well be a point (`(1, 2)`)."""

    low: Any
    high: Any
    is_low_open: bool
    is_high_open: bool
    is_pair: bool = False

    def __str__(self) -> str:
        return f"{'(' if self.is_low_open else '['}{self.low}, {self.high}{')' if self.is_high_open else ']'}"


@dataclass(frozen=True)
class Combined:
    """Sets joined by `or` (`\\cup`), `and` (`\\cap`), `without` (`\\setminus`), or inequalities with a comma between."""

    by: Literal["or", "and", "without", ","]
    parts: tuple[Any, ...]

    def __str__(self) -> str:
        return f" {self.by} ".join(map(str, self.parts))


@dataclass(frozen=True)
class Parts:
    """Several values: a tuple has an order, a set and a list without brackets have none."""

    kind: Literal["tuple", "set", "list"]
    items: tuple[Any, ...]

    def __str__(self) -> str:
        opening, closing = {"tuple": "()", "set": "{}", "list": ("", "")}[self.kind]
        return f"{opening}{', '.join(map(str, self.items))}{closing}"


@dataclass(frozen=True)
class Residue:
    """`a \\pmod m`, and with `of` the congruence `x \\equiv a \\pmod m`."""

    value: Any
    modulus: Any
    of: Any = None

    def __str__(self) -> str:
        return f"{'' if self.of is None else f'{self.of} = '}{self.value} mod {self.modulus}"


@dataclass(frozen=True)
class Reading:
    """value: an expression, a matrix, or one of the classes above. ordered: names whose products have an order."""

    value: Any
    ordered: frozenset[str]
    is_percent: bool


def as_expression(value: object) -> Any:
    """The value, which must be a number or a formula for one."""
    if not isinstance(value, sympy.Expr):
        raise Unreadable("more than a number where a number must stand")
    if value.has(sympy.nan, sympy.zoo):
        raise Unreadable("no number")
    return value


def small(value: Any, limit: int) -> Any:
    """The value, unless it is a number so large that what is made of it would fill the memory."""
    if value.is_number and value.is_real and abs(value) > limit:
        raise Unreadable("a number too large to compute")
    return value


def binomial_of(above: object, below: object) -> Any:
    return sympy.binomial(small(as_expression(above), FACTORIAL_LIMIT), as_expression(below))


def as_factor(value: object) -> Any:
    return value if isinstance(value, sympy.MatrixBase) else as_expression(value)


def inverse_of(value: Any) -> Any:
    """The inverse of what does not commute: that of a product turns round."""
    if value.is_Mul:
        return sympy.Mul(*(inverse_of(part) for part in reversed(value.args)))
    return value**-1
