"""Operators and functions of row expressions on single values, with the meaning they have in DuckDB's SQL.

None of them sees null: `mixwright_runtime/values/expressions.py` answers null before it calls. A value that a
function cannot take makes it raise TypeError or ValueError, or return None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Any

from mixwright_compiler.catalog.text_patterns import WORD, only_stop_words
from mixwright_runtime.values.regex import compile_regex

INT_MIN, INT_MAX = -(2**63), 2**63 - 1
SPACE = " \t\n\v\f\r"
"""White space that `trim`, `int` and `float` remove: ASCII's."""

_WORD = re.compile(r"[^ \t\n\f\r\v]+")
_INT_TEXT = re.compile(r"[+-]?[0-9]+\Z")
_FLOAT_TEXT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")

BUCKET_DIGITS = 15
"""Hexadecimal digits of the hash that `bucket` goes by: the most that 64 bits with a sign hold."""

# Numbers.


def _in_range(value: int) -> int | None:
    return value if INT_MIN <= value <= INT_MAX else None


def _as_number(value: object) -> int | float:
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
    def compute(a: object, b: object) -> int | float | None:
        a, b = _as_number(a), _as_number(b)
        if isinstance(a, int) and isinstance(b, int):
            return _in_range(whole(a, b))
        return floating(float(a), float(b))

    return compute


def _add(a: object, b: object) -> Any:
    if isinstance(a, str) or isinstance(b, str):
        return as_text(a) + as_text(b)
    return _sum(a, b)


_sum = _arithmetic(lambda a, b: a + b, lambda a, b: a + b)


def _divide(a: object, b: object) -> float | None:
    divisor = float(_as_number(b))
    return None if divisor == 0.0 else float(_as_number(a)) / divisor


def _negate(a: object) -> Any:
    number = _as_number(a)
    return _in_range(-number) if isinstance(number, int) else -number


def _absolute(a: object) -> Any:
    number = _as_number(a)
    return _in_range(abs(number)) if isinstance(number, int) else abs(number)


def int_of(value: object) -> int | None:
    """`int(x)`: digits with a sign, a float cut towards zero, or 0 and 1 for false and true; else null."""
    if isinstance(value, str):
        stripped = value.strip(SPACE)
        # 64 bits have at most 19 digits; longer ones are checked only after leading zeros.
        return _in_range(int(stripped)) if _INT_TEXT.match(stripped) and len(stripped) < 4000 else None
    if isinstance(value, float):
        return _in_range(math.trunc(value)) if math.isfinite(value) else None
    return int(value) if isinstance(value, int) else None


def float_of(value: object) -> float | None:
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


def as_text(value: object) -> str:
    """A text; of another value (from a `json` column) its JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        from mixwright_runtime.values.rows import canonical_json

        return canonical_json(value)
    return text_of(value)


def text_of(value: object) -> str:
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


def _length(value: object) -> int:
    return len(value) if isinstance(value, str | list) else len(as_text(value))


def _contains(whole: object, part: object) -> bool | None:
    if isinstance(whole, list):
        return _is_in(part, whole)
    return as_text(part) in as_text(whole)


def _replace(text: object, old: object, new: object) -> str:
    # With an empty `old` Python would insert `new` everywhere.
    return as_text(text).replace(as_text(old), as_text(new)) if old else as_text(text)


def _split(text: Any, separator: Any) -> list[str]:
    text = as_text(text)
    return text.split(separator) if separator else list(text) or [""]


def _join(items: list[Any], separator: str) -> str | None:
    texts = [as_text(item) for item in items if item is not None]
    return separator.join(texts) if texts or not items else None


def _capitalize(text: object) -> str:
    text = as_text(text)
    return _upper(text[:1]) + text[1:]


def _lines(text: object) -> list[str]:
    lines = as_text(text).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def _words(text: object) -> int:
    return len(compile_regex(WORD).extract_all(as_text(text), 0))


def _bucket(value: object, count: int) -> int | None:
    if count < 1:
        return None
    hashed = sha256(as_text(value).encode("utf-8", "surrogatepass")).hexdigest()
    return int(hashed[:BUCKET_DIGITS], 16) % count


def _concat(*parts: object) -> str:
    return "".join(map(as_text, parts))


# Comparison.


def compare(a: object, b: object) -> int:
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


def _compare_nullable(a: object, b: object) -> int:
    if a is None or b is None:
        return int(a is None) - int(b is None)
    return compare(a, b)


def _is_in(item: object, items: list[Any]) -> bool:
    for other in items:
        try:
            if other is not None and compare(item, other) == 0:
                return True
        except TypeError:
            continue
    return False


def _extreme(sign: int) -> Callable[[Any, Any], Any]:
    def choose(a: object, b: object) -> Any:
        if isinstance(a, float) is not isinstance(b, float) and not isinstance(a, str):
            a, b = float(_as_number(a)), float(_as_number(b))
        return a if compare(a, b) * sign >= 0 else b

    return choose


# Lists and structs.


def unified(items: list[Any]) -> list[Any]:
    """Items of a list literal: whole numbers beside a float become floats."""
    if any(isinstance(item, float) for item in items):
        return [float(i) if isinstance(i, int) and not isinstance(i, bool) else i for i in items]
    return items


def _item(items: object, index: int) -> Any:
    return items[index] if isinstance(items, list) and -len(items) <= index < len(items) else None


def _slice(value: Any, start: int, end: int) -> Any:
    return value[start:end] if isinstance(value, list) else as_text(value)[start:end]


def _merge(*lists: object) -> list[Any]:
    if not all(isinstance(items, list) for items in lists):
        raise TypeError("not a list")
    return unified([item for items in lists if isinstance(items, list) for item in items])


def _append(history: object, role: object, text: object) -> list[Any]:
    if not isinstance(history, list) or not all(isinstance(message, dict) for message in history):
        raise TypeError("not a conversation")
    return [*history, {"role": as_text(role), "content": as_text(text)}]


def _field(struct: object, name: str) -> Any:
    return struct.get(name) if isinstance(struct, dict) else None


UNARY: dict[str, Callable[..., Any]] = {
    "not": lambda a: None if not isinstance(a, bool) else not a,
    "-": _negate,
}
BINARY: dict[str, Callable[..., Any]] = {
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
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "len": _length,
    "lower": lambda text: _lower(as_text(text)),
    "upper": lambda text: _upper(as_text(text)),
    "trim": lambda text: as_text(text).strip(SPACE),
    "contains": _contains,
    "starts_with": lambda text, start: as_text(text).startswith(as_text(start)),
    "ends_with": lambda text, end: as_text(text).endswith(as_text(end)),
    "replace": _replace,
    "split": _split,
    "join": _join,
    "lines": _lines,
    "capitalize": _capitalize,
    "words": _words,
    "only_stop_words": lambda text: compile_regex(only_stop_words()).matches(as_text(text)),
    "bucket": _bucket,
    "slice": _slice,
    "merge": _merge,
    "append": _append,
    "word_count": lambda text: sum(1 for _ in _WORD.finditer(as_text(text))),
    "int": int_of,
    "float": float_of,
    "text": as_text,
    "round": _round,
    "abs": _absolute,
    "min": _extreme(-1),
    "max": _extreme(1),
    "concat": _concat,
    "item": _item,
    "field": _field,
}
