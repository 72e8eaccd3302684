"""Works out an arithmetic expression, exactly as far as it can; in a worker, for a text of a model may ask for anything.

The expression is read as a tree and only numbers, signs and the five operations are followed: nothing is executed.
"""

from __future__ import annotations

import ast
import math
import re
from fractions import Fraction

LONGEST = 1_000
"""Chosen: characters of an expression."""
LARGEST_BITS = 10_000
"""Chosen: bits of a numerator or denominator, about 3,000 digits. Squaring again and again would fill the memory."""
_SIGNS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "–": "-", "^": "^", "（": "(", "）": ")"})
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?:\D|$))")
_PERCENT = re.compile(r"(?<=[\d)])\s*%(?=\s*(?:[-+*/^)]|$))")


def worked_out(expression: str, digits: int) -> list[str]:
    """`["ok", "0.33"]`, rounded to `digits` after the point, halves away from zero; or `["error", why not]`."""
    try:
        return ["ok", rounded(value_of(expression), digits)]
    except ZeroDivisionError:
        return ["error", "division by zero"]
    except ValueError as error:
        return ["error", str(error)]
    except (RecursionError, MemoryError):
        return ["error", "the expression is nested too deeply"]


def value_of(expression: str) -> Fraction:
    """The value.

    Raises:
        ValueError: it is no arithmetic expression, or its value is too large.
        ZeroDivisionError: it divides by zero.
    """
    if len(expression) > LONGEST:
        raise ValueError(f"an expression has at most {LONGEST:,} characters, here {len(expression):,}")
    text = _PERCENT.sub("*(1/100)", _THOUSANDS.sub("", expression.translate(_SIGNS))).replace("^", "**")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except SyntaxError:
        raise ValueError(f"no arithmetic expression: {expression.strip()[:100]}") from None
    return _value(tree.body)


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=float() as value) if math.isinf(value):
            raise ValueError("the value is too large")
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            # By its digits: 0.1 is a tenth.
            return _bounded(Fraction(ast.unparse(node)) if isinstance(value, float) else Fraction(value))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _value(operand)
        case ast.BinOp(left=left, op=operator, right=right):
            return _bounded(_applied(operator, _value(left), _value(right)))
    raise ValueError(
        f"only numbers, + - * / ^ and brackets can be worked out, not `{ast.unparse(node)[:60]}`"
    )


def _applied(operator: ast.operator, left: Fraction, right: Fraction) -> Fraction:
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div():
            return left / right
        case ast.Pow():
            return _power(left, right)
    raise ValueError("only + - * / ^ can be worked out")


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        if base < 0:
            raise ValueError("a root of a negative number")
        try:
            return Fraction(float(base) ** float(exponent))
        except OverflowError:
            raise ValueError("the value is too large") from None
    if _bits(base) * abs(exponent.numerator) > LARGEST_BITS and abs(base) != 1 and base != 0:
        raise ValueError("the value is too large")
    return base ** int(exponent % 2 if abs(base) == 1 else exponent)


def _bits(value: Fraction) -> int:
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def _bounded(value: Fraction) -> Fraction:
    if _bits(value) > LARGEST_BITS:
        raise ValueError("the value is too large")
    return value


def rounded(value: Fraction, digits: int) -> str:
    """A number as it is written, without zeros at its end."""
    scaled = abs(value) * 10**digits
    whole = int(scaled + Fraction(1, 2))
    sign = "-" if value < 0 and whole else ""
    before, after = divmod(whole, 10**digits)
    decimals = f"{after:0{digits}d}".rstrip("0") if digits else ""
    return f"{sign}{before}{'.' if decimals else ''}{decimals}"
