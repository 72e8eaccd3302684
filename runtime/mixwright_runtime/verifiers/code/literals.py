"""The value of a constant expression in a test, without executing anything."""

from __future__ import annotations

import ast
import operator
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

ITEMS_LIMIT = 100_000
"""Items or characters of a literal that is multiplied out: `[0] * 1000`."""
BITS_LIMIT = 8_192

_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "set": set,
    "frozenset": frozenset,
    "list": list,
    "tuple": tuple,
    "dict": dict,
    "float": float,
    "complex": complex,
    "bytes": bytes,
    "Counter": Counter,
    "OrderedDict": OrderedDict,
    "deque": deque,
    "Decimal": Decimal,
    "Fraction": Fraction,
}
_OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}


class NotLiteral(ValueError):
    """The expression is no constant, or would be too large."""


def literal_of(node: ast.expr) -> Any:
    """The value of literals, displays, arithmetic on numbers, and constructors of plain types around them.

    Raises:
        NotLiteral: it is anything else.
    """
    try:
        return _value(node)
    except NotLiteral:
        raise
    except (TypeError, ValueError, ArithmeticError, InvalidOperation, RecursionError, KeyError) as error:
        raise NotLiteral(f"{type(error).__name__}: {error}") from None


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value) if value is not Ellipsis:
            return value
        case ast.List(elts=elements):
            return [_value(element) for element in elements]
        case ast.Tuple(elts=elements):
            return tuple(_value(element) for element in elements)
        case ast.Set(elts=elements):
            return {_value(element) for element in elements}
        case ast.Dict(keys=keys, values=values):
            if any(key is None for key in keys):
                raise NotLiteral("unpacks a dict")
            return {
                _value(key): _value(value) for key, value in zip(keys, values, strict=True) if key is not None
            }
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return +_number(operand)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand)
        case ast.BinOp(left=left, op=op, right=right):
            return _combined(type(op), _value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if (
            name in _FUNCTIONS and len(args) <= 2
        ):
            values = [_value(arg) for arg in args]
            if name == "bytes" and values and isinstance(values[0], int):
                raise NotLiteral("bytes of a number")
            return _FUNCTIONS[name](*values)
    raise NotLiteral(f"{type(node).__name__} is not a literal")


def _number(node: ast.expr) -> Any:
    value = _value(node)
    if isinstance(value, int | float | complex | Decimal | Fraction):
        return value
    raise NotLiteral("a sign before something that is no number")


def _combined(op: type[ast.operator], left: object, right: object) -> Any:
    if op not in _OPERATORS:
        raise NotLiteral("an operator that is not arithmetic")
    is_number = isinstance(left, int | float | complex) and isinstance(right, int | float | complex)
    if not is_number:
        size = _repeated_size(op, left, right)
        if size is None or size > ITEMS_LIMIT:
            raise NotLiteral("an operator between other things than numbers")
    elif op is ast.Pow:
        bits = (
            abs(right) * max(left.bit_length() if isinstance(left, int) else 1, 1)
            if isinstance(right, int)
            else 0
        )
        if bits > BITS_LIMIT:
            raise NotLiteral("a power that is too large")
    elif any(isinstance(n, int) and n.bit_length() > BITS_LIMIT for n in (left, right)):
        raise NotLiteral("a number that is too large")
    return _OPERATORS[op](left, right)


def _repeated_size(op: type[ast.operator], left: object, right: object) -> int | None:
    """Items of `sequence * n`, `n * sequence` and `sequence + sequence`; None for anything else."""
    sequences = (list, tuple, str, bytes)
    if op is ast.Mult and isinstance(left, sequences) and isinstance(right, int):
        return len(left) * max(right, 0)
    if op is ast.Mult and isinstance(right, sequences) and isinstance(left, int):
        return len(right) * max(left, 0)
    if op is ast.Add and isinstance(left, sequences) and type(left) is type(right):
        return len(left) + len(right)
    return None
