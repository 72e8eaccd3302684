"""Row expressions as Python functions, for rows that stream.

The plan holds an expression twice, as DuckDB SQL and as a tree; this is the tree's meaning, and a property test
holds it to that of the SQL. Null (None) goes through every operator and function except `is_null`, `coalesce`, `if`,
`and` and `or`. A value of the wrong type, which only columns of type `json` and `any` can hold, gives null.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from compiler.plan import Expression
from runtime.plugin import RunError
from runtime.regex import compile_regex

Columns = Mapping[str, Any]
Evaluate = Callable[[Columns], Any]

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
SPACE = " \t\n\v\f\r"
"""White space that `trim`, `int` and `float` remove: ASCII's."""

_WORD = re.compile(r"[^ \t\n\f\r\v]+")
_INT_TEXT = re.compile(r"[+-]?[0-9]+\Z")
_FLOAT_TEXT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")


def compile_expression(expression: Expression | Mapping[str, Any]) -> Evaluate:
    """A function from a row's columns to the expression's value, None for null.

    Args:
        expression: of the plan, or its JSON form as it stands in a step's attributes.

    Raises:
        RunError: the tree holds an operator or function that this version does not know.
    """
    if isinstance(expression, Mapping):
        tree, type = expression["tree"], expression.get("type", "any")
    else:
        tree, type = expression.tree, expression.type
    evaluate = _compiled(tree)
    if type != "float":
        return evaluate

    def as_float(columns: Columns) -> Any:
        value = evaluate(columns)
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    return as_float


def _compiled(tree: Sequence[Any]) -> Evaluate:
    kind, *rest = tree
    match kind:
        case "lit":
            value = rest[0]
            return lambda columns: value
        case "col":
            name = rest[0]
            return lambda columns: columns.get(name)
        case "list":
            items = [_compiled(item) for item in rest]
            return lambda columns: _unified([item(columns) for item in items])
        case "op":
            return _operator(rest[0], [_compiled(part) for part in rest[1:]])
        case "call":
            return _call(rest[0], rest[1:])
        case _:
            raise RunError(f"this version of mixwright has no expression {kind!r}")


def _operator(operator: str, parts: list[Evaluate]) -> Evaluate:
    if operator == "and":
        return _and(*parts)
    if operator == "or":
        return _or(*parts)
    function = _UNARY.get(operator) if len(parts) == 1 else _BINARY.get(operator)
    if function is None:
        raise RunError(f"this version of mixwright has no operator '{operator}'")
    return _strict(function, parts)


def _call(name: str, arguments: Sequence[Any]) -> Evaluate:
    parts = [_compiled(argument) for argument in arguments]
    match name:
        case "if":
            condition, then, otherwise = parts
            return lambda columns: then(columns) if condition(columns) is True else otherwise(columns)
        case "coalesce":
            return _coalesce(parts)
        case "is_null":
            (part,) = parts
            return lambda columns: part(columns) is None
        case "matches" | "extract" | "extract_all":
            return _regex_call(name, parts[0], arguments)
        case _:
            function = _FUNCTIONS.get(name)
            if function is None:
                raise RunError(f"this version of mixwright has no function '{name}'")
            return _strict(function, parts)


def _strict(function: Callable[..., Any], parts: list[Evaluate]) -> Evaluate:
    """The function on the parts' values; null when one of them is, or when the function cannot take them."""

    def evaluate(columns: Columns) -> Any:
        values = []
        for part in parts:
            value = part(columns)
            if value is None:
                return None
            values.append(value)
        try:
            return function(*values)
        except (TypeError, ValueError, AttributeError, OverflowError):
            return None

    return evaluate


def _and(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(columns: Columns) -> bool | None:
        a = left(columns)
        if a is False:
            return False
        b = right(columns)
        return False if b is False else None if a is None or b is None else True

    return evaluate


def _or(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(columns: Columns) -> bool | None:
        a = left(columns)
        if a is True:
            return True
        b = right(columns)
        return True if b is True else None if a is None or b is None else False

    return evaluate


def _coalesce(parts: list[Evaluate]) -> Evaluate:
    def evaluate(columns: Columns) -> Any:
        for part in parts:
            value = part(columns)
            if value is not None:
                return value
        return None

    return evaluate


def _regex_call(name: str, text: Evaluate, arguments: Sequence[Any]) -> Evaluate:
    try:
        regex = compile_regex(arguments[1][1])
    except ValueError as error:
        raise RunError(f"{name}({arguments[1][1]!r}): {error}") from None
    if name == "matches":
        return _strict(lambda value: regex.matches(_as_text(value)), [text])
    group = int(arguments[2][1]) if len(arguments) > 2 else min(1, regex.groups)
    if name == "extract":
        return _strict(lambda value: regex.extract(_as_text(value), group), [text])
    return _strict(lambda value: regex.extract_all(_as_text(value), group), [text])


# Numbers.


def _in_range(value: int) -> int | None:
    return value if INT_MIN <= value <= INT_MAX else None


def _as_number(value: Any) -> int | float:
    """A number; of a text (from a `json` column) the number it says.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        number = float_of(value) if isinstance(value, str) else None
        if number is None:
            raise TypeError("not a number")
        return number
    return value


def _arithmetic(
    whole: Callable[[int, int], int], floating: Callable[[float, float], float]
) -> Callable[..., Any]:
    def compute(a: Any, b: Any) -> int | float | None:
        a, b = _as_number(a), _as_number(b)
        if isinstance(a, int) and isinstance(b, int):
            return _in_range(whole(a, b))
        return floating(float(a), float(b))

    return compute


def _add(a: Any, b: Any) -> Any:
    if isinstance(a, str) or isinstance(b, str):
        return _as_text(a) + _as_text(b)
    return _sum(a, b)


_sum = _arithmetic(lambda a, b: a + b, lambda a, b: a + b)


def _divide(a: Any, b: Any) -> float | None:
    divisor = float(_as_number(b))
    return None if divisor == 0.0 else float(_as_number(a)) / divisor


def _negate(a: Any) -> Any:
    number = _as_number(a)
    return _in_range(-number) if isinstance(number, int) else -number


def _absolute(a: Any) -> Any:
    number = _as_number(a)
    return _in_range(abs(number)) if isinstance(number, int) else abs(number)


def int_of(value: Any) -> int | None:
    """`int(x)`: digits with a sign, a float cut towards zero, or 0 and 1 for false and true; else null."""
    if isinstance(value, str):
        stripped = value.strip(SPACE)
        # 64 bits have at most 19 digits; longer ones are checked only after leading zeros.
        return _in_range(int(stripped)) if _INT_TEXT.match(stripped) and len(stripped) < 4000 else None
    if isinstance(value, float):
        return _in_range(math.trunc(value)) if math.isfinite(value) else None
    return int(value) if isinstance(value, int) else None


def float_of(value: Any) -> float | None:
    """`float(x)`: a number as it is written in decimal digits; else null."""
    if isinstance(value, str):
        stripped = value.strip(SPACE)
        return float(stripped) if _FLOAT_TEXT.match(stripped) else None
    return float(value) if isinstance(value, int | float) else None


def _round(value: Any, digits: Any) -> float:
    """Half away from zero, computed as DuckDB does: scaled, rounded and scaled back in floating point."""
    number = float(_as_number(value))
    try:
        scale = math.pow(10.0, abs(int(digits)))
    except OverflowError:
        scale = math.inf
    if digits < 0:
        rounded = _half_away(number / scale) * scale
        return rounded if math.isfinite(rounded) else 0.0
    scaled = number * scale
    rounded = _half_away(scaled) / scale if math.isfinite(scaled) else math.nan
    return rounded if math.isfinite(rounded) else number


def _half_away(number: float) -> float:
    whole = math.trunc(number)
    step = math.copysign(1.0, number) if abs(number - whole) >= 0.5 else 0.0
    return math.copysign(whole + step, number)


# Texts.


def _as_text(value: Any) -> str:
    """A text; of another value (from a `json` column) its JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        from runtime.rows import canonical_json

        return canonical_json(value)
    return text_of(value)


def text_of(value: Any) -> str:
    """`text(x)`: numbers and truth values as DuckDB prints them, which for floats is Python's shortest form."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


@lru_cache(maxsize=16384)
def _upper_char(c: str) -> str:
    """One character's upper case as one character: Unicode's simple mapping, where Python's may give several."""
    upper = c.upper()
    if len(upper) == 1:
        return upper
    title = c.title()
    return "\u1e9e" if c == "\u00df" else title if len(title) == 1 else c


@lru_cache(maxsize=16384)
def _lower_char(c: str) -> str:
    return c.lower()[0]


def _upper(text: str) -> str:
    return text.upper() if text.isascii() else "".join(map(_upper_char, text))


def _lower(text: str) -> str:
    return text.lower() if text.isascii() else "".join(map(_lower_char, text))


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str | list) else len(_as_text(value))


def _contains(whole: Any, part: Any) -> bool | None:
    if isinstance(whole, list):
        return _is_in(part, whole)
    return _as_text(part) in _as_text(whole)


def _replace(text: Any, old: Any, new: Any) -> str:
    # With an empty `old` Python would insert `new` everywhere.
    return _as_text(text).replace(_as_text(old), _as_text(new)) if old else _as_text(text)


def _split(text: Any, separator: Any) -> list[str]:
    text = _as_text(text)
    return text.split(separator) if separator else list(text) or [""]


def _join(items: list[Any], separator: str) -> str | None:
    texts = [_as_text(item) for item in items if item is not None]
    return separator.join(texts) if texts or not items else None


def _concat(*parts: Any) -> str:
    return "".join(map(_as_text, parts))


# Comparison.


def compare(a: Any, b: Any) -> int:
    """-1, 0 or 1 as DuckDB orders values that are not null; inside lists and structs null comes last.

    Raises:
        TypeError: the values have no common type.
    """
    if isinstance(a, str) and isinstance(b, str):
        return (a > b) - (a < b)
    if isinstance(a, bool) and isinstance(b, bool):
        return int(a) - int(b)
    if isinstance(a, list) and isinstance(b, list):
        for x, y in zip(a, b, strict=False):
            order = _compare_nullable(x, y)
            if order:
                return order
        return (len(a) > len(b)) - (len(a) < len(b))
    if isinstance(a, dict) and isinstance(b, dict):
        for name in (*a, *(n for n in b if n not in a)):
            order = _compare_nullable(a.get(name), b.get(name))
            if order:
                return order
        return 0
    x, y = _as_number(a), _as_number(b)
    if type(x) is not type(y):
        x, y = float(x), float(y)
    # NaN equals itself and is the largest number.
    if isinstance(x, float) and isinstance(y, float) and (math.isnan(x) or math.isnan(y)):
        return int(math.isnan(x)) - int(math.isnan(y))
    return int(x > y) - int(x < y)


def _compare_nullable(a: Any, b: Any) -> int:
    if a is None or b is None:
        return int(a is None) - int(b is None)
    return compare(a, b)


def _is_in(item: Any, items: list[Any]) -> bool:
    for other in items:
        try:
            if other is not None and compare(item, other) == 0:
                return True
        except TypeError:
            continue
    return False


def _extreme(sign: int) -> Callable[[Any, Any], Any]:
    def choose(a: Any, b: Any) -> Any:
        if isinstance(a, float) is not isinstance(b, float) and not isinstance(a, str):
            a, b = float(_as_number(a)), float(_as_number(b))
        return a if compare(a, b) * sign >= 0 else b

    return choose


# Lists and structs.


def _unified(items: list[Any]) -> list[Any]:
    """Items of a list literal: whole numbers beside a float become floats."""
    if any(isinstance(item, float) for item in items):
        return [float(i) if isinstance(i, int) and not isinstance(i, bool) else i for i in items]
    return items


def _item(items: Any, index: int) -> Any:
    return items[index] if isinstance(items, list) and -len(items) <= index < len(items) else None


def _field(struct: Any, name: str) -> Any:
    return struct.get(name) if isinstance(struct, dict) else None


_UNARY: dict[str, Callable[..., Any]] = {
    "not": lambda a: None if not isinstance(a, bool) else not a,
    "-": _negate,
}
_BINARY: dict[str, Callable[..., Any]] = {
    "+": _add,
    "-": _arithmetic(lambda a, b: a - b, lambda a, b: a - b),
    "*": _arithmetic(lambda a, b: a * b, lambda a, b: a * b),
    "/": _divide,
    "==": lambda a, b: compare(a, b) == 0,
    "!=": lambda a, b: compare(a, b) != 0,
    "<": lambda a, b: compare(a, b) < 0,
    "<=": lambda a, b: compare(a, b) <= 0,
    ">": lambda a, b: compare(a, b) > 0,
    ">=": lambda a, b: compare(a, b) >= 0,
    "in": lambda a, b: _is_in(a, b) if isinstance(b, list) else None,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": _length,
    "lower": lambda text: _lower(_as_text(text)),
    "upper": lambda text: _upper(_as_text(text)),
    "trim": lambda text: _as_text(text).strip(SPACE),
    "contains": _contains,
    "starts_with": lambda text, start: _as_text(text).startswith(_as_text(start)),
    "ends_with": lambda text, end: _as_text(text).endswith(_as_text(end)),
    "replace": _replace,
    "split": _split,
    "join": _join,
    "word_count": lambda text: sum(1 for _ in _WORD.finditer(_as_text(text))),
    "int": int_of,
    "float": float_of,
    "text": _as_text,
    "round": _round,
    "abs": _absolute,
    "min": _extreme(-1),
    "max": _extreme(1),
    "concat": _concat,
    "item": _item,
    "field": _field,
}
