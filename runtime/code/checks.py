"""Checks on what a candidate returned, made here, outside, on plain data of exact standard types.

A check is a small tree of JSON, so that it can be kept beside a test: `["==", ["got", 0], ["const", FORM]]`, where FORM
is the sandbox's typed form of a value. Every operation takes time linear in its operands; anything richer is
evaluated in a sandbox job without the candidate.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from runtime.code.literals import NotLiteral, literal_of
from runtime.sandbox.plain import NotPlain, form_of, value_of

CONSTANT_LIMIT_BYTES = 1024**2
Equality = Literal["python", "strict"]

_COMPARISONS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC: Mapping[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-"}
_NUMBERS = (int, float, complex, Decimal, Fraction)


def check_of(node: ast.expr, constants: Mapping[str, ast.expr]) -> list[Any] | None:
    """The check that an assertion's expression makes, or None when it is richer than a check.

    Args:
        node: the expression; what the candidate returned stands in it as names `_got0`, `_got1` ...
        constants: expressions that other names stand for.
    """
    try:
        return _tree(node, constants)
    except (NotLiteral, NotPlain, RecursionError):
        return None


def _tree(node: ast.expr, constants: Mapping[str, ast.expr]) -> list[Any]:
    match node:
        case ast.Name(id=name) if name.startswith("_got"):
            return ["got", int(name[4:])]
        case ast.Name(id=name) if name in constants:
            return _constant(constants[name])
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            sides = [_tree(side, constants) for side in (left, *comparators)]
            parts = []
            for i, op in enumerate(ops):
                if type(op) not in _COMPARISONS:
                    raise NotLiteral("another comparison")
                parts.append([_COMPARISONS[type(op)], sides[i], sides[i + 1]])
            return parts[0] if len(parts) == 1 else ["and", *parts]
        case ast.BoolOp(op=op, values=values):
            return [
                "and" if isinstance(op, ast.And) else "or",
                *(_tree(value, constants) for value in values),
            ]
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return ["not", _tree(operand, constants)]
        case ast.Call(func=ast.Name(id="abs" | "len" as name), args=[argument], keywords=[]):
            return [name, _tree(argument, constants)]
        case ast.Call(func=ast.Name(id="round"), args=[argument, places], keywords=[]):
            return ["round", _tree(argument, constants), _whole(literal_of(places))]
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="math"), attr="isclose"), args=[a, b], keywords=keywords
        ):
            given = {str(k.arg): literal_of(k.value) for k in keywords}
            if not set(given) <= {"rel_tol", "abs_tol"}:
                raise NotLiteral("isclose with other arguments")
            tolerances = [given.get("rel_tol", 1e-9), given.get("abs_tol", 0.0)]
            return ["isclose", _tree(a, constants), _tree(b, constants), *map(float, tolerances)]
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC and _has_got(node):
            return [_ARITHMETIC[type(op)], _tree(left, constants), _tree(right, constants)]
    return _constant(node)


def _constant(node: ast.expr) -> list[Any]:
    return ["const", form_of(literal_of(node), CONSTANT_LIMIT_BYTES)]


def _has_got(node: ast.expr) -> bool:
    return any(isinstance(n, ast.Name) and n.id.startswith("_got") for n in ast.walk(node))


def _whole(value: Any) -> int:
    if type(value) is not int or abs(value) > 100:
        raise NotLiteral("rounding to something else than a few decimals")
    return value


def holds(check: Sequence[Any], got: Sequence[Any], equality: Equality) -> bool:
    """Whether a check is true of what was returned. What Python would raise on is false."""
    try:
        return bool(_evaluate(check, got, equality))
    except (TypeError, ValueError, ArithmeticError, IndexError, RecursionError):
        return False


def _evaluate(check: Sequence[Any], got: Sequence[Any], equality: Equality) -> Any:
    match list(check):
        case ["got", index]:
            return got[index]
        case ["const", form]:
            return value_of(form)
        case ["and", *parts]:
            return all(_evaluate(part, got, equality) for part in parts)
        case ["or", *parts]:
            return any(_evaluate(part, got, equality) for part in parts)
        case ["not", part]:
            return not _evaluate(part, got, equality)
        case ["abs", part]:
            return abs(_number(_evaluate(part, got, equality)))
        case ["len", part]:
            return len(_evaluate(part, got, equality))
        case ["round", part, places]:
            return round(_number(_evaluate(part, got, equality)), places)
        case ["isclose", a, b, rel_tol, abs_tol]:
            left, right = (float(_number(_evaluate(side, got, equality))) for side in (a, b))
            return math.isclose(left, right, rel_tol=rel_tol, abs_tol=abs_tol)
        case [operation, a, b]:
            return _binary(operation, _evaluate(a, got, equality), _evaluate(b, got, equality), equality)
    raise ValueError(f"no check {check[0]!r}")


def _binary(operation: str, left: Any, right: Any, equality: Equality) -> Any:
    match operation:
        case "==":
            return is_same(left, right) if equality == "strict" else bool(left == right)
        case "!=":
            return not (is_same(left, right) if equality == "strict" else left == right)
        case "is":
            return _is_identical(left, right)
        case "is not":
            return not _is_identical(left, right)
        case "in":
            return left in right
        case "not in":
            return left not in right
        case "+":
            return _number(left) + _number(right)
        case "-":
            return _number(left) - _number(right)
    if operation in _ORDER:
        return _ORDER[operation](left, right)
    raise ValueError(f"no operation {operation}")


def _is_identical(left: Any, right: Any) -> bool:
    """`is`, for the values of which there is one: across processes there is no other identity."""
    if left is None or right is None or isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return type(left) is type(right) and bool(left == right)


def _number(value: Any) -> Any:
    if isinstance(value, _NUMBERS):
        return value
    raise TypeError("not a number")


def is_same(left: Any, right: Any) -> bool:
    """Equal, of the same type at every level: True is not 1, 1 is not 1.0, a tuple is no list; NaN is itself."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(is_same, left, right))
    if isinstance(left, dict):
        types = {key: type(key) for key in right}
        return len(left) == len(right) and all(
            key in right and types[key] is type(key) and is_same(value, right[key])
            for key, value in left.items()
        )
    if isinstance(left, set | frozenset):
        return left == right and sorted(map(_type_name, left)) == sorted(map(_type_name, right))
    return bool(left == right)


def is_equal_as_json(got: Any, expected: Any, tolerance: float = 0.0) -> bool:
    """Equal as JSON would say it: a tuple is a list, 1 is 1.0, but True is not 1; numbers within a relative tolerance."""
    if isinstance(expected, bool) or isinstance(got, bool):
        return got is expected
    if isinstance(expected, int | float) and isinstance(got, int | float):
        return got == expected or (
            tolerance > 0 and math.isclose(got, expected, rel_tol=tolerance, abs_tol=tolerance)
        )
    if isinstance(expected, list | tuple) and isinstance(got, list | tuple):
        return len(got) == len(expected) and all(
            is_equal_as_json(g, e, tolerance) for g, e in zip(got, expected, strict=True)
        )
    if isinstance(expected, dict) and isinstance(got, dict):
        # JSON's keys are texts; a candidate's may be numbers.
        named = {key if isinstance(key, str) else _json_key(key): value for key, value in got.items()}
        return named.keys() == expected.keys() and all(
            is_equal_as_json(named[key], value, tolerance) for key, value in expected.items()
        )
    return type(got) is type(expected) and bool(got == expected)


def _json_key(key: Any) -> str:
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    return str(key)


def _type_name(value: Any) -> str:
    return type(value).__name__
