"""Checks on what a candidate returned, made here, outside, on plain data of exact standard types.

A check is a small tree of JSON, so that it can be kept beside a test: `["==", ["got", 0], ["const", FORM]]`, where FORM
is the sandbox's typed form of a value. Anything richer is evaluated in a sandbox job without the candidate.

`checked` and `compared` run in a worker, under a deadline: `"x" in range(10**18)` is a value that a candidate can give.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from mixwright_runtime.sandbox.plain import NotPlain, form_of, value_of
from mixwright_runtime.verifiers.code.literals import NotLiteral, literal_of
from mixwright_runtime.verifiers.code.verdict import shown_value

CONSTANT_LIMIT_BYTES = 1024**2
JSON_TOLERANCE = 1e-9
"""Of a float, relative: a sum in another order of the same numbers is the same."""
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


def _whole(value: object) -> int:
    if type(value) is not int or abs(value) > 100:
        raise NotLiteral("rounding to something else than a few decimals")
    return value


def checked(tests: Sequence[tuple[Sequence[Any], Sequence[Any]]], equality: Equality) -> list[list[Any]]:
    """Of each test, a check and the forms of what was returned, `[does it hold, what was expected, what came]`."""
    results: list[list[Any]] = []
    for check, forms in tests:
        got = [value_of(form) for form in forms]
        if holds(check, got, equality):
            results.append([True, "", ""])
        else:
            results.append([False, _expected(check), ", ".join(map(shown_value, got))])
    return results


def compared(tests: Sequence[tuple[Any, Any, bool]]) -> list[list[Any]]:
    """Of each call given as data, the forms of what came and of what should, `[are they equal, expected, got]`.

    With the third of a test, APPS's, an expected list of one value may be that value.
    """
    results: list[list[Any]] = []
    for form, expected_form, may_be_wrapped in tests:
        got, expected = value_of(form), value_of(expected_form)
        is_right = is_equal_as_json(got, expected, JSON_TOLERANCE)
        if not is_right and may_be_wrapped and isinstance(expected, list) and len(expected) == 1:
            is_right = is_equal_as_json(got, expected[0], JSON_TOLERANCE)
        results.append([is_right, shown_value(expected), shown_value(got)])
    return results


def _expected(check: Sequence[Any]) -> str:
    """The constant that a plain comparison asks for; empty for other checks, whose text says it all."""
    if len(check) == 3 and check[0] in ("==", "is", "in"):
        for side in check[1:]:
            if side[0] == "const":
                try:
                    return shown_value(value_of(side[1]))
                except NotPlain:
                    return ""
    return ""


def holds(check: Sequence[object], got: Sequence[object], equality: Equality) -> bool:
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


def _is_identical(left: object, right: object) -> bool:
    """`is`, for the values of which there is one: across processes there is no other identity."""
    if left is None or right is None or isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return type(left) is type(right) and bool(left == right)


def _number(value: object) -> Any:
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


def is_equal_as_json(got: object, expected: object, tolerance: float = 0.0) -> bool:
    """Equal as JSON would say it.

    A tuple is a list, 1 is 1.0 and -0.0 is 0, but True is not 1. Whole numbers are exact; where one side is a float, a
    relative tolerance counts. NaN is equal to nothing. A dict's keys are texts: 1, 1.0, True and None are "1", "1.0",
    "true" and "null", any other key has no text, and two keys of one text make a dict equal to nothing. What JSON has
    not (sets, bytes, Decimal, Fraction, complex) is equal only to the same of its own type.
    """
    if isinstance(expected, bool) or isinstance(got, bool):
        return got is expected
    if isinstance(expected, int | float) and isinstance(got, int | float):
        return got == expected or (
            isinstance(got, float) | isinstance(expected, float) and _is_close(got, expected, tolerance)
        )
    if isinstance(expected, list | tuple) and isinstance(got, list | tuple):
        return len(got) == len(expected) and all(
            is_equal_as_json(g, e, tolerance) for g, e in zip(got, expected, strict=True)
        )
    if isinstance(expected, dict) and isinstance(got, dict):
        named, wanted = _by_text(got), _by_text(expected)
        return (
            named is not None
            and wanted is not None
            and named.keys() == wanted.keys()
            and all(is_equal_as_json(named[key], value, tolerance) for key, value in wanted.items())
        )
    return type(got) is type(expected) and bool(got == expected)


def _is_close(got: float, expected: float, tolerance: float) -> bool:
    try:
        return tolerance > 0 and math.isclose(got, expected, rel_tol=tolerance, abs_tol=tolerance)
    except OverflowError:
        return False  # a whole number beyond every float


def _by_text(mapping: Mapping[Any, Any]) -> dict[str, Any] | None:
    """A dict by its keys' texts; None where a key has none, or two have the same."""
    named = {_json_key(key): value for key, value in mapping.items()}
    return None if None in named or len(named) != len(mapping) else {str(k): v for k, v in named.items()}


def _json_key(key: object) -> str | None:
    match key:
        case str():
            return key
        case None | True | False:
            return {None: "null", True: "true", False: "false"}[key]
        case int() | float():
            try:
                return str(key)
            except ValueError:
                return None  # thousands of digits
    return None


def _type_name(value: object) -> str:
    return type(value).__name__
