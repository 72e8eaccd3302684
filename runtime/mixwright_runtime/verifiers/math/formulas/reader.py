"""Reads an answer as mathematics, and reads all of it or nothing.

What an answer shows has a trace in what is read: letters keep their case, marks (`\\hat x`, `A^T`, `f'`) are part of a
name, a derivative keeps its variable, a bound letter its index, a vector product its order. A command, word or sign
that is not known here makes the answer unreadable; nothing is skipped. Nothing is evaluated as a program.

Numbers are exact: a decimal is the fraction that it writes. SymPy is imported here, so this module is for workers.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, Literal

import sympy

from mixwright_runtime.verifiers.math.formulas.commands import Commands
from mixwright_runtime.verifiers.math.formulas.tokens import CLOSING, OPENING, tokens_of
from mixwright_runtime.verifiers.math.formulas.values import (
    DEGREE,
    FACTORIAL_LIMIT,
    Combined,
    Parts,
    Reading,
    Relation,
    Residue,
    Span,
    Unreadable,
    as_expression,
    as_factor,
    binomial_of,
    inverse_of,
    small,
)
from mixwright_runtime.verifiers.math.formulas.words import SIGNS

_JOINS: dict[str, Literal["or", "and", ","]] = {"or": "or", "and": "and", ",": ",", ";": ","}
DEPTH_LIMIT, DIGITS_LIMIT, MATRIX_POWER_LIMIT = 60, 100_000, 100


def read(text: str, ordered: frozenset[str] = frozenset()) -> Reading:
    """The answer that a folded text writes. ordered: names that are not numbers but matrices or operators.

    Raises:
        Unreadable: it says more than can be kept.
    """
    tokens = tokens_of(text)
    readings = []
    signs = (1, -1) if any(token.text in (r"\pm", r"\mp") for token in tokens) else (1,)
    for sign in signs:
        reader = _Reader(tokens, ordered, sign)
        try:
            readings.append(reader.answer())
        except (RecursionError, Unreadable):
            raise
        except (ArithmeticError, AttributeError, NotImplementedError, TypeError, ValueError) as error:
            raise Unreadable(f"no mathematics: {error}") from error
    if len(readings) == 1:
        return readings[0]
    if not all(isinstance(reading.value, sympy.Expr) for reading in readings):
        raise Unreadable("plus or minus in more than a number")
    return replace(readings[0], value=Parts("list", tuple(reading.value for reading in readings)))


class _Reader(Commands):
    """From the loosest kind of thing, relations with commas between, to the tightest."""

    def answer(self) -> Reading:
        value = self._listed("list")
        if self._at < len(self._tokens):
            self._fail()
        return Reading(value, frozenset(self._marked), self._is_percent)

    def _listed(self, kind: Literal["tuple", "set", "list"]) -> Any:
        """Relations with `,`, `;`, `and` or `or` between them."""
        items = [self._relation()]
        joins: set[Literal["or", "and", ","]] = set()
        while join := self._accept(",", ";", "and", "or"):
            if join in ",;":
                self._accept("and", "or")
            joins.add(_JOINS[join])
            items.append(self._relation())
        if len(items) == 1:
            return items[0]
        if all(isinstance(item, Relation) and "=" not in item.signs for item in items):
            if len(joins) > 1:
                raise Unreadable("and, or and commas between inequalities")
            return Combined(joins.pop(), tuple(items))
        return Parts(kind, tuple(items))

    def _relation(self) -> Any:
        terms, signs = [self._sets()], []
        if self._accept(r"\equiv"):
            residue = self._sets()
            if not isinstance(residue, Residue):
                raise Unreadable("a congruence without its modulus")
            return replace(residue, of=terms[0])
        while self._peek() in SIGNS:
            signs.append(SIGNS[self._take()])
            terms.append(self._sets())
        return Relation(tuple(terms), tuple(signs)) if signs else terms[0]

    def _sets(self) -> Any:
        value = self._sum()
        if self._accept(r"\choose"):
            value = binomial_of(value, self._sum())
        while sign := self._accept(r"\cup", r"\cap", r"\setminus"):
            by: Any = {r"\cup": "or", r"\cap": "and", r"\setminus": "without"}[sign]
            value = Combined(by, (value, self._sum()))
        if self._accept(r"\pmod"):
            value = Residue(as_expression(value), as_expression(self._inside(self._group_tokens())))
        elif self._peek() == "(" and self._peek(1) == r"\mod":
            self._at += 2
            value = Residue(as_expression(value), as_expression(self._sum()))
            self._expect(")")
        return value

    def _sum(self) -> Any:
        self._depth += 1
        if self._depth > DEPTH_LIMIT:
            raise Unreadable("too deeply nested")
        value = self._signed()
        while sign := self._accept("+", "-", r"\pm", r"\mp"):
            other = -as_factor(self._product()) if self._accept("-") else self._product()
            value = (
                as_factor(value) + as_factor(other)
                if self._is_plus(sign)
                else as_factor(value) - as_factor(other)
            )
        self._depth -= 1
        return value

    def _signed(self) -> Any:
        sign = self._accept("+", "-", r"\pm", r"\mp")
        value = self._product()
        return value if not sign or self._is_plus(sign) else -as_factor(value)

    def _is_plus(self, sign: str) -> bool:
        return sign == "+" or (sign == r"\pm" and self._sign > 0) or (sign == r"\mp" and self._sign < 0)

    def _product(self) -> Any:
        is_literal = self._kind() == "number"
        value = self._power()
        while True:
            if self._accept(r"\times"):
                value, is_literal = self._times(value, self._second_of_times(value)), False
            elif self._accept("*", r"\cdot"):
                value, is_literal = as_factor(value) * as_factor(self._factor()), False
            elif self._accept("/", r"\div", ":"):
                is_literal = is_literal and self._kind() == "number" and self._peek(1) not in ("^", "!", "_")
                value = as_factor(value) / as_factor(self._factor())
                if self._starts_factor() and not (is_literal and self._tokens[self._at].is_spaced):
                    raise Unreadable("a denominator that may end in two places")
            elif self._accept(r"\mod"):
                modulus = as_expression(self._factor())
                if value.is_Integer and modulus.is_Integer and 0 <= value < modulus:
                    # There is nothing to compute: it names all numbers that leave this remainder.
                    return Residue(value, modulus)
                value = sympy.Mod(as_expression(value), modulus)
            elif self._starts_factor():
                # `x 2` may be a power, an index or a product; `n! 2` is a product.
                if self._kind() == "number" and self._tokens[self._at - 1].text != "!":
                    raise Unreadable("a number behind a factor")
                is_mixed = is_literal and self._peek() == r"\frac"
                other = self._power()
                if is_mixed and value.is_Integer and other.is_Rational and 0 < other < 1:
                    value = value + other
                else:
                    value = as_factor(value) * as_factor(other)
                is_literal = False
            else:
                return value

    def _factor(self) -> Any:
        """A factor behind a sign, with a sign of its own at most."""
        return -as_factor(self._power()) if self._accept("-") else self._power()

    def _starts_factor(self) -> bool:
        text, kind = self._peek(), self._kind()
        if self._integrals and text == "d" and self._kind(1) in ("letter", "command"):
            return False
        if kind in ("number", "letter"):
            return True
        if text in ("|", r"\|"):
            return text not in self._bars
        # `3 (mod 5)`
        if text == "(":
            return self._peek(1) != r"\mod"
        return text in ("[", "{", r"\{") or (kind == "command" and self._is_atom(text))

    def _second_of_times(self, first: object) -> Any:
        """The factor behind `\\times`; behind a vector all up to the next one: `r \\times m v`."""
        value = self._factor()
        while self._is_vector(first) and not self._is_vector(value) and self._starts_factor():
            value = as_factor(value) * as_factor(self._power())
        return value

    def _times(self, first: object, second: object) -> Any:
        if not (self._is_vector(first) or self._is_vector(second)):
            return as_factor(first) * as_factor(second)
        # What is no vector goes out of the product, and its order turns with a sign.
        (size, a), (other_size, b) = self._size_and_vector(first), self._size_and_vector(second)
        size *= other_size
        if str(a) > str(b):
            a, b, size = b, a, -size
        product = sympy.Integer(0) if a == b else sympy.Function("cross")(a, b)
        self._vectors.add(str(product))
        return size * product

    def _size_and_vector(self, value: object) -> tuple[Any, Any]:
        parts = sympy.Mul.make_args(as_expression(value))
        vectors = [part for part in parts if self._is_vector(part)]
        if not vectors:
            size, rest = as_expression(value).as_coeff_Mul()
            return size, rest
        return sympy.Mul(*(part for part in parts if part not in vectors)), sympy.Mul(*vectors)

    def _is_vector(self, value: object) -> bool:
        if not isinstance(value, sympy.Expr):
            return False
        return any(str(part) in self._vectors for part in sympy.preorder_traversal(value))

    def _power(self) -> Any:
        is_paired = self._peek() in ("(", "[", "{", "|")
        value = self._behind(self._primary())
        if self._peek() != "^":
            return value
        self._at += 1
        mark = self._mark()
        if mark:
            if mark in ("T", "†") and isinstance(value, sympy.MatrixBase):
                return self._behind(value.T if mark == "T" else value.H)
            if not isinstance(value, sympy.Expr) or not value.free_symbols:
                raise Unreadable(f"the mark {mark} on a number")
            return self._behind(self._turned(value, mark))
        exponent = as_factor(self._exponent())
        if isinstance(value, sympy.MatrixBase):
            return value ** small(exponent, MATRIX_POWER_LIMIT)
        if self._peek() == "^":
            raise Unreadable("two exponents")
        value = as_factor(value)
        if value.is_Rational and exponent.is_Rational:
            digits = max(abs(value.p), value.q).bit_length() * 0.3
            small(exponent, int(DIGITS_LIMIT / digits))
        if exponent == -1 and value.is_Symbol and str(value)[:1].isupper() and not is_paired:
            self._marked.add("")
        return self._behind(
            inverse_of(value) if exponent == -1 and not value.is_commutative else value**exponent
        )

    def _exponent(self) -> Any:
        if self._peek() in ("{", "("):
            return self._primary()
        if self._accept("-"):
            return -as_factor(self._exponent())
        self._accept("+")
        return self._primary() if self._kind() != "letter" else self._symbol(self._take(), has_tail=False)

    def _mark(self) -> str:
        """A mark that stands as an exponent, taken; empty for an exponent. `^\\circ` is left to `_behind`."""
        here = self._at
        tokens = "".join(token.text for token in self._group_tokens())
        marks = {r"\top": "T", "T": "T", r"\dagger": "†", "*": "*", r"\ast": "*", "+": "+", "-": "-"}
        if tokens in marks and not (tokens in "+-" and self._starts_factor()):
            base = self._tokens[here - 2].text if here > 1 else ""
            # `2^T` and `e^T` are powers.
            if tokens != "T" or (base not in ("e",) and not base[:1].isdigit()):
                return marks[tokens]
        self._at = here
        return ""

    def _turned(self, value: Any, mark: str) -> Any:
        """Transposed, adjoint, or marked otherwise. The first two turn a product round."""
        self._marked |= {str(symbol) for symbol in value.free_symbols}
        if value.is_Add and mark in ("T", "†"):
            return sympy.Add(*(self._turned(part, mark) for part in value.args))
        if value.is_Mul and mark in ("T", "†"):
            turned = [self._turned(part, mark) if part.free_symbols else part for part in value.args]
            return sympy.Mul(*reversed(turned))
        if value.is_Symbol:
            name = str(value)
            if mark in ("T", "†") and name.endswith(f"^{mark}"):
                return self._named(name.removesuffix(f"^{mark}"))
            return self._named(f"{name}^{mark}")
        return sympy.Function(f"^{mark}", commutative=value.is_commutative)(value)

    def _behind(self, value: object) -> Any:
        """Factorials, degrees and percent signs behind a value."""
        while True:
            if self._peek() == "!":
                count = 0
                while self._accept("!"):
                    count += 1
                if count > 2:
                    raise Unreadable("three factorials")
                value = small(as_expression(value), FACTORIAL_LIMIT)
                value = sympy.factorial2(value) if count == 2 else sympy.factorial(value)
            elif self._peek() == "^" and self._peek(1) == r"\circ":
                self._at += 2
                if isinstance(value, sympy.Symbol) and str(value).isupper():
                    value = self._named(f"{value}^°")
                    continue
                value = as_expression(value) * DEGREE
            elif self._accept("%"):
                self._is_percent = True
                value = as_expression(value) / 100
            else:
                return value

    def _primary(self) -> Any:
        kind, text = self._kind(), self._peek()
        if kind == "number":
            self._at += 1
            return self._number(text)
        if kind == "letter":
            self._at += 1
            return self._letter(text)
        if text in ("(", "[", "]"):
            return self._bracketed()
        if text == "{":
            self._at += 1
            return self._braced()
        if text == r"\{":
            self._at += 1
            value = self._listed("set")
            self._expect(r"\}")
            return value if isinstance(value, Parts) else Parts("set", (value,))
        if text == "|":
            return self._absolute()
        if kind == "command":
            self._at += 1
            return self._command(text)
        return self._fail()

    def _number(self, text: str) -> Any:
        if self._peek() == "_":
            self._at += 1
            base = "".join(token.text for token in self._group_tokens())
            if not (text.isdigit() and base.isdigit() and 2 <= int(base) <= 36):
                raise Unreadable("a number with an index that is no base")
            return sympy.Integer(int(text, int(base)))
        if re.search(r"[eE][+-]?\d{4}", text):
            raise Unreadable("a number too large to compute")
        return sympy.Rational(text)

    # Names.

    def _letter(self, letter: str) -> Any:
        if letter == "d" and self._peek(1) == "/" and self._kind() == "letter" and self._peek(2) == "d":
            name, _, _ = self._take(), self._take(), self._take()
            return sympy.Symbol(f"d {name}/d {self._take()}")
        return self._symbol(letter)

    def _symbol(self, name: str, *, has_tail: bool = True) -> Any:
        """The symbol of a name with its primes and index, or the function of that name where it is applied."""
        base = name
        while has_tail and self._peek():
            if self._accept("'"):
                name += "'"
            elif self._peek() == "^" and (mark := self._primes() or self._order(base)):
                name += mark
            elif self._peek() == "_":
                self._at += 1
                index = self._group_tokens()
                if any(token.text in self._bound for token in index):
                    return sympy.Function(f"{name}_")(sympy.expand(as_expression(self._inside(index))))
                name += "_" + "".join(token.text for token in index)
            else:
                break
        if has_tail and self._peek() == "(" and (applied := self._applied(base, name)) is not None:
            return applied
        if name == "i" and "i" not in self._bound:
            return sympy.I
        if name == "e":
            return sympy.E
        return self._named(name)

    def _primes(self) -> str:
        here = self._at
        self._at += 1
        primes = [token.text for token in self._group_tokens()]
        if primes and all(text in (r"\prime", "'") for text in primes):
            return "'" * len(primes)
        self._at = here
        return ""

    def _order(self, base: str) -> str:
        """The exponent of a function that is applied (`f^{-1}(x)`), or in brackets a derivative's order or a number."""
        here = self._at
        self._at += 1
        tokens = [token.text for token in self._group_tokens()]
        is_order = tokens[:1] == ["("] and tokens[-1:] == [")"] and base in ("f", "g", "h", "y")
        # `x^{(n)}` is the nth of them.
        is_order |= len(tokens) == 3 and tokens[0] == "(" and tokens[1].isalpha() and base != "e"
        if is_order or (base in ("f", "g", "h") and self._peek() == "("):
            return f"^{''.join(tokens)}"
        self._at = here
        return ""

    def _named(self, name: str) -> Any:
        is_ordered = bool(self._ordered) and (
            name in self._ordered or name.partition("^")[0] in self._ordered or name[:1].isupper()
        )
        return sympy.Symbol(name, commutative=not is_ordered)

    def _applied(self, base: str, name: str) -> Any:
        """`f(x)`; None where a bracket is a factor (`x(x + 1)`, `P(1 + r)`)."""
        inside, depth = [], 0
        for at in range(self._at, len(self._tokens)):
            text = self._tokens[at].text
            depth += (text in OPENING) - (text in CLOSING)
            if depth == 0:
                break
            inside.append(text)
        else:
            self._fail()
        inside = inside[1:]
        is_function = base in ("f", "g", "h") or (name.startswith(f"{base}'") and base.isupper())
        is_single = (base.isupper() or base in ("y", "u")) and len(inside) == 1
        has_bar = base.isupper() and any(text in ("|", r"\mid", r"\cap", r"\cup", ",") for text in inside)
        if not (is_function or is_single or has_bar or "," in inside):
            return None
        if has_bar and "," not in inside:
            self._at = at + 1
            return sympy.Symbol(f"{name}({''.join(inside)})")
        self._at += 1
        value = self._listed("tuple")
        self._expect(")")
        arguments = value.items if isinstance(value, Parts) else (value,)
        return sympy.Function(name)(*(sympy.expand(as_expression(argument)) for argument in arguments))

    # Brackets.

    def _bracketed(self) -> Any:
        opening = self._take()
        bars, self._bars = self._bars, []
        value = self._listed("tuple")
        self._bars = bars
        closing = self._expect(")", "]", "[") if opening in "([" else self._expect("[", "]")
        is_pair = isinstance(value, Parts) and value.kind == "tuple" and len(value.items) == 2
        if is_pair and all(isinstance(item, sympy.Expr) for item in value.items):
            (low, high), is_pair = value.items, opening + closing in ("()", "[]")
            return Span(low, high, opening in "(]", closing in ")[", is_pair)
        if opening + closing not in ("()", "[]"):
            raise Unreadable("brackets that do not match")
        return value

    def _braced(self) -> Any:
        if self._accept("}"):
            raise Unreadable("empty braces")
        value = self._listed("set")
        self._expect("}")
        if isinstance(value, sympy.Symbol) and self._peek() in ("_", "'"):
            return self._symbol(str(value))
        return value

    def _absolute(self) -> Any:
        self._expect("|")
        self._bars.append("|")
        value = self._sum()
        self._bars.pop()
        self._expect("|")
        return value.det() if isinstance(value, sympy.MatrixBase) else sympy.Abs(as_expression(value))
