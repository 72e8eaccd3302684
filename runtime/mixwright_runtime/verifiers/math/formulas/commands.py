"""Commands in a formula: functions, fractions, roots, sums, integrals, limits, matrices, marks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import sympy

from mixwright_runtime.verifiers.math.formulas.tokens import OPENING, Token
from mixwright_runtime.verifiers.math.formulas.values import (
    DEGREE,
    Parts,
    Span,
    Unreadable,
    as_expression,
    as_factor,
    binomial_of,
)
from mixwright_runtime.verifiers.math.formulas.walker import Walker
from mixwright_runtime.verifiers.math.formulas.words import ACCENTS, GREEK, OPAQUE


class Commands(Walker):
    """What begins with a command."""

    @staticmethod
    def _is_atom(command: str) -> bool:
        name = command[1:]
        return (
            name in GREEK
            or name in ACCENTS
            or name in OPAQUE
            or name in _COMMANDS
            or name in _FUNCTIONS_OF
            or command.startswith("\\begin")
        )

    def _command(self, command: str) -> Any:
        name = command[1:]
        if name in GREEK:
            return self._symbol("\\" + name) if name != "pi" or self._peek() == "_" else sympy.pi
        if name in ACCENTS:
            return self._accented(ACCENTS[name])
        if command.startswith(r"\begin"):
            return self._matrix(command[len(r"\begin{") : -1])
        if name in _FUNCTIONS_OF:
            return self._function(name)
        if name in OPAQUE:
            return sympy.Function(name)(sympy.expand(as_expression(self._argument())))
        if name in _COMMANDS:
            return _COMMANDS[name](self)
        raise Unreadable(f"the command {command}")

    def _accented(self, accent: str) -> Any:
        tokens = self._group_tokens()
        content = "".join(token.text for token in tokens)
        if accent == "bar" and not any(t.kind in ("letter", "command") and t.text != "i" for t in tokens):
            if any(token.kind == "number" and "." in token.text for token in tokens):
                raise Unreadable("a bar over a decimal number")
            return sympy.conjugate(as_expression(self._inside(tokens)))
        if not content or any(token.text in OPENING or token.text in ("^", ",") for token in tokens):
            raise Unreadable(f"{accent} over more than a name")
        if accent == "bold":
            # Letters in bold are vectors; written without it they have the same name.
            self._vectors.add(content)
            if len(content) == 1 and content.isupper():
                self._marked.add(content)
            return self._symbol(content)
        name = f"{accent}{{{content}}}"
        # A hat marks a unit vector, among other things; only their product asks.
        if accent in ("vec", "hat"):
            self._vectors.add(name)
        return self._symbol(name)

    def _frac(self) -> Any:
        above, below = self._group_tokens(), self._group_tokens()
        derivative = self._derivative(above, below)
        if derivative is not None:
            return derivative
        if self._integrals and len(above) >= 2 and above[-2].text == "d" and above[-1].kind != "number":
            self._differential, above = above[-1:], above[:-2]
            top = self._inside(above) if above else sympy.Integer(1)
        else:
            top = self._inside(above)
        bottom = self._inside(below)
        if isinstance(bottom, sympy.MatrixBase):
            raise Unreadable("a matrix below a fraction")
        if bottom == 0:
            raise Unreadable("a division by zero")
        return as_factor(top) / as_expression(bottom)

    def _derivative(self, above: Sequence[Token], below: Sequence[Token]) -> Any:
        """`dy/dx`, `d^2y/dx^2`, `d/dx ...`, and the same with `\\partial`; None for another fraction."""
        sign = below[0].text if below else ""
        if sign not in ("d", r"\partial") or not above or above[0].text != sign or len(below) < 2:
            return None
        if below[1].kind == "number" or below[1].kind == "sign":
            return None
        variables = "".join(token.text for token in below).replace("{", "").replace("}", "")
        operand, order = above[1:], ""
        if operand and operand[0].text == "^":
            end = 2 if operand[1].text != "{" else [t.text for t in operand].index("}") + 1
            order = "".join(token.text for token in operand[1:end]).strip("{}")
            operand = operand[end:]
        value = self._product() if not operand else self._inside(operand)
        value = as_expression(value)
        names = {str(symbol) for symbol in value.free_symbols}
        single = "".join(token.text for token in below[1:])
        if names == {single} and not order and not value.has(sympy.Function):
            return sympy.diff(value, sympy.Symbol(single))
        return sympy.Symbol(f"{sign}{order} ({sympy.expand(value)})/{variables}")

    def _sqrt(self) -> Any:
        root: Any = 2
        if self._accept("["):
            root = as_expression(self._sum())
            self._expect("]")
        return sympy.root(as_expression(self._primary_without_index()), root)

    def _primary_without_index(self) -> Any:
        """A group, or one token: `\\sqrt2 x` is a root and a factor."""
        if self._kind() == "letter":
            return self._symbol(self._take(), has_tail=False)
        if self._kind() not in ("number", "command") and self._peek() not in ("{", "("):
            self._fail()
        return self._primary()

    def _binom(self) -> Any:
        above, below = self._group_tokens(), self._group_tokens()
        return binomial_of(self._inside(above), self._inside(below))

    def _infinity(self) -> Any:
        return sympy.oo

    def _partial(self) -> NoReturn:
        raise Unreadable("a differential by itself")

    def _between(self, closing: str, function: Callable[[Any], Any]) -> Any:
        value = self._sum()
        self._expect(closing)
        return function(as_expression(value))

    def _norm(self) -> Any:
        self._bars.append(r"\|")
        value = self._sum()
        self._expect(r"\|")
        self._bars.pop()
        return value.norm() if isinstance(value, sympy.MatrixBase) else sympy.Abs(as_expression(value))

    def _number_set(self) -> Any:
        letter = "".join(token.text for token in self._group_tokens())
        tail = ""
        if self._peek() == "^" and self._peek(1) in ("+", "-", "*"):
            tail = self._take() + self._take()
        if letter == "R" and not tail:
            return Span(-sympy.oo, sympy.oo, True, True)
        if letter == "R" and tail == "^+":
            return Span(sympy.Integer(0), sympy.oo, True, True)
        return self._symbol(f"set{{{letter}{tail}}}", has_tail=False)

    def _empty(self) -> Any:
        return Parts("set", ())

    def _angle(self, kind: str) -> Any:
        if self._peek() == "{":
            tokens = list(self._group_tokens())
        else:
            tokens = []
            while self._kind() == "letter" and len(tokens) < 4:
                tokens.append(self._tokens[self._at])
                self._at += 1
        if not tokens or any(token.kind != "letter" for token in tokens):
            self._fail()
        return sympy.Symbol(f"{kind} {''.join(token.text for token in tokens)}")

    # Functions, sums, integrals, limits.

    def _function(self, name: str) -> Any:
        function = _FUNCTIONS_OF[name]
        power: Any = None
        base: Any = None
        while self._peek() in ("^", "_"):
            if self._take() == "^":
                power = as_factor(self._exponent())
            elif self._kind() == "number" and len(self._peek()) > 1 and self._peek(1) != "(":
                # `\log_28` is the logarithm of 8 to base 2.
                digits = self._tokens[self._at]
                rest = [replace(digits, text=digits.text[1:]), *self._tokens[self._at + 1 :]]
                self._tokens = [*self._tokens[: self._at], *rest]
                base = sympy.Integer(digits.text[0])
            else:
                base = as_expression(self._inside(self._group_tokens()))
        if base is not None and name not in ("log", "lg"):
            raise Unreadable(f"an index at {name}")
        if power == -1:
            if name not in _INVERSES:
                raise Unreadable(f"the inverse of {name}")
            function, power = _INVERSES[name], None
        arguments = self._arguments() if name in ("max", "min", "gcd", "lcm") else [self._argument()]
        if name == "det" and isinstance(arguments[0], sympy.MatrixBase):
            return arguments[0].det()
        arguments = [as_expression(argument) for argument in arguments]
        if name in _ANGLES:
            arguments = [argument.subs(DEGREE, sympy.pi / 180) for argument in arguments]
        if base is not None:
            value = sympy.log(arguments[0], base)
        else:
            value = function(*arguments)
        return value if power is None else value**power

    def _arguments(self) -> list[Any]:
        value = self._primary()
        if isinstance(value, Span):
            return [value.low, value.high]
        if not isinstance(value, Parts):
            self._fail()
        return list(value.items)

    def _argument(self) -> Any:
        """What a function is applied to: a bracket, or the factors up to a sign or the next function."""
        if self._peek() in ("(", "[", "{"):
            return self._primary()
        value: Any = None
        while self._starts_factor() and not (
            self._kind() == "command" and self._peek()[1:] in (*_FUNCTIONS_OF, "sum", "int", "prod", "lim")
        ):
            if value is not None and (self._peek() in ("(", "[") or self._kind() == "number"):
                break
            factor = self._power()
            value = factor if value is None else as_factor(value) * as_factor(factor)
        if value is None and self._kind() == "command" and self._peek()[1:] in _FUNCTIONS_OF:
            return self._power()
        if value is None and self._accept("-"):
            return -as_factor(self._argument())
        return self._fail() if value is None else value

    def _bounds(self) -> tuple[Sequence[Token], Any]:
        """The tokens below and the value above a sum, integral or limit, in either order; None where one is missing."""
        below: Sequence[Token] = ()
        above = None
        while self._peek() in ("_", "^"):
            if self._take() == "_":
                below = self._group_tokens()
            else:
                above = as_expression(self._exponent())
        return below, above

    def _summed(self, kind: Any) -> Any:
        below, above = self._bounds()
        if len(below) < 3 or below[1].text != "=" or below[0].kind != "letter" or above is None:
            raise Unreadable("a sum without its bounds")
        start = as_expression(self._inside(below[2:]))
        self._bound.append(below[0].text)
        body = as_expression(self._product())
        letter = self._bound.pop()
        return kind(body, (sympy.Symbol(letter), start, above))

    def _integral(self) -> Any:
        below, above = self._bounds()
        self._integrals += 1
        self._differential = None
        body = sympy.Integer(1) if self._peek() == "d" else as_expression(self._sum())
        self._integrals -= 1
        if self._differential is not None:
            variable = self._inside(self._differential)
        elif self._accept("d"):
            variable = self._symbol(self._take()) if self._kind() == "letter" else self._primary()
        else:
            raise Unreadable("an integral without its variable")
        self._differential = None
        if not isinstance(variable, sympy.Symbol):
            raise Unreadable("an integral over no variable")
        if above is None and not below:
            return sympy.Function(f"integral {variable}")(sympy.expand(body))
        if above is None or not below:
            raise Unreadable("an integral with one bound")
        return sympy.Integral(body, (variable, as_expression(self._inside(below)), above))

    def _limit(self) -> Any:
        below, above = self._bounds()
        if above is not None or len(below) < 3 or below[1].text != r"\to" or below[0].kind != "letter":
            raise Unreadable("a limit without its point")
        direction, point = "+-", below[2:]
        if len(point) > 1 and point[-1].text in "+-" and point[-2].text == "^":
            direction, point = point[-1].text, point[:-2]
        self._bound.append(below[0].text)
        value = as_expression(self._product())
        self._bound.pop()
        return sympy.Limit(
            value,
            sympy.Symbol(below[0].text),
            as_expression(self._inside(point)),
            direction,
        )

    def _matrix(self, kind: str) -> Any:
        if kind not in ("matrix", "pmatrix", "bmatrix", "Bmatrix", "vmatrix", "smallmatrix", "array"):
            raise Unreadable(f"the environment {kind}")
        if kind == "array":
            self._group_tokens()
        rows: list[list[Any]] = [[]]
        while not self._peek().startswith(r"\end"):
            rows[-1].append(as_expression(self._sum()))
            if self._accept(r"\\"):
                if not self._peek().startswith(r"\end"):
                    rows.append([])
            elif not self._accept("&") and not self._peek().startswith(r"\end"):
                self._fail()
        if self._take() != rf"\end{{{kind}}}":
            raise Unreadable("environments that do not match")
        matrix = sympy.Matrix(rows)
        return matrix.det() if kind == "vmatrix" else matrix


def _whole(function: Any, name: str) -> Callable[..., Any]:
    """`gcd` and `lcm` of whole numbers; of anything else a function without a value."""

    def value(*arguments: Any) -> Any:
        if all(argument.is_Integer for argument in arguments):
            return sympy.Integer(function(*arguments))
        return sympy.Function(name)(*sorted(arguments, key=str))

    return value


def _made(names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(sympy, name) for name in names}


_ANGLES = frozenset(("sin", "cos", "tan", "cot", "sec", "csc"))
_FUNCTIONS_OF: dict[str, Any] = {
    **_made(("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "exp")),
    "ln": sympy.log,
    "log": lambda value: sympy.log(value, 10),
    "lg": lambda value: sympy.log(value, 10),
    **{f"arc{name}": getattr(sympy, f"a{name}") for name in (*_ANGLES, "sinh", "cosh", "tanh")},
    "max": sympy.Max,
    "min": sympy.Min,
    "gcd": _whole(sympy.igcd, "gcd"),
    "lcm": _whole(sympy.ilcm, "lcm"),
    "Re": sympy.re,
    "Im": sympy.im,
    "arg": sympy.arg,
    "det": sympy.Function("det"),
}
_INVERSES: dict[str, Any] = {name: getattr(sympy, f"a{name}") for name in (*_ANGLES, "sinh", "cosh", "tanh")}
_COMMANDS: dict[str, Callable[[Commands], Any]] = {
    "frac": Commands._frac,
    "sqrt": Commands._sqrt,
    "binom": Commands._binom,
    "infty": Commands._infinity,
    "partial": Commands._partial,
    "lfloor": lambda reader: reader._between(r"\rfloor", sympy.floor),
    "lceil": lambda reader: reader._between(r"\rceil", sympy.ceiling),
    "|": Commands._norm,
    "mathbb": Commands._number_set,
    "emptyset": Commands._empty,
    "angle": lambda reader: reader._angle("angle"),
    "triangle": lambda reader: reader._angle("triangle"),
    "sum": lambda reader: reader._summed(sympy.Sum),
    "prod": lambda reader: reader._summed(sympy.Product),
    "int": Commands._integral,
    "lim": Commands._limit,
}
