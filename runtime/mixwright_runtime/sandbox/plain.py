"""Typed plain data as JSON text, both ways: what crosses the wall between the sandbox and its caller.

Exact standard types only. A subclass is refused, so nothing that arrives has a method that the other side wrote: an
`int` whose `__eq__` is always true stays behind. Values keep their type (True is not 1, a tuple is not a list) and every
bit (floats in hexadecimal, lone surrogates in text).

The same file runs inside the box, where the code around it may have been tampered with by what it measures: `loads`
trusts nothing about its input, and `dumps`'s promises hold only outside. Imports nothing but the standard library.

The form: None, true, false and text are themselves; all else is an array whose first item is the type's letter.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

DEPTH_LIMIT = 40
FRACTION_HEX_DIGITS = 4_000
"""Reducing a fraction takes time quadratic in its digits."""
SAME_HASH_LIMIT = 64
"""Keys of one set or dict with the same hash: more would make building it quadratic (integer hashes are no secret)."""


class NotPlain(ValueError):
    """A value, or a text, is not plain data. The message names the type or the cap."""


def dumps(value: object, limit_bytes: int) -> str:
    """`value` as ASCII JSON text of at most about `limit_bytes`.

    Raises:
        NotPlain: a type that is not in the list, more than 40 levels, or too large.
    """
    text = json.dumps(_form_of(value, DEPTH_LIMIT, [limit_bytes]), separators=(",", ":"))
    if len(text) > limit_bytes:
        raise NotPlain(f"larger than {limit_bytes} bytes")
    return text


def loads(text: str | bytes) -> Any:
    """The value of `dumps`'s text, of exact standard types. A defaultdict arrives without its factory.

    Raises:
        NotPlain: the text is anything else.
    """
    try:
        form = json.loads(text)
    except (ValueError, RecursionError):
        raise NotPlain("not JSON") from None
    return value_of(form)


def value_of(form: object) -> Any:
    """As `loads`, from parsed JSON."""
    try:
        return _value_of(form, DEPTH_LIMIT)
    except NotPlain:
        raise
    except (ValueError, TypeError, ArithmeticError, IndexError, AttributeError):
        raise NotPlain("not the form of any plain type") from None


def form_of(value: object, limit_bytes: int) -> Any:
    """As `dumps`, before it is made JSON text; the size is an estimate from below."""
    return _form_of(value, DEPTH_LIMIT, [limit_bytes])


def _form_of(value: Any, depth: int, left: list[int]) -> Any:
    """`left[0]` counts down the bytes, so that a huge value is refused before it is copied."""
    kind = type(value)
    if depth < 0:
        raise NotPlain(f"more than {DEPTH_LIMIT} levels deep")
    left[0] -= 2
    if value is None or kind is bool:
        return value
    if kind is str:
        left[0] -= len(value)
        form: Any = value
    elif kind is int:
        left[0] -= value.bit_length() // 4
        form = ["i", format(value, "x")] if left[0] > 0 else None
    elif kind is float:
        left[0] -= 10
        form = ["f", value.hex()]
    elif kind is bytes or kind is bytearray:
        left[0] -= 2 * len(value)
        form = ["b" if kind is bytes else "B", value.hex()] if left[0] > 0 else None
    elif kind in _SEQUENCES:
        form = [_SEQUENCES[kind]]
        for item in value:
            form.append(_form_of(item, depth - 1, left))
            if left[0] < 0:
                break
    elif kind in _MAPPINGS:
        form = [_MAPPINGS[kind]]
        for key, item in value.items():
            form.append(_form_of(key, depth - 1, left))
            form.append(_form_of(item, depth - 1, left))
            if left[0] < 0:
                break
    elif kind is complex:
        form = ["c", value.real.hex(), value.imag.hex()]
    elif kind is range:
        form = ["r", *(format(n, "x") for n in (value.start, value.stop, value.step))]
    elif kind is Fraction:
        form = ["q", format(value.numerator, "x"), format(value.denominator, "x")]
        if max(map(len, form)) > FRACTION_HEX_DIGITS:
            raise NotPlain("a fraction of too many digits")
    elif kind is Decimal:
        form = ["D", str(value)]
    else:
        raise NotPlain(f"{_name_of(kind)} is not plain data")
    if left[0] < 0:
        raise NotPlain("too large")
    return form


def _name_of(kind: type) -> str:
    name = type.__dict__["__qualname__"].__get__(kind)
    return str(name)[:100]


_SEQUENCES: dict[type, str] = {list: "l", tuple: "t", set: "s", frozenset: "z", deque: "k"}
_MAPPINGS: dict[type, str] = {dict: "d", Counter: "C", defaultdict: "e", OrderedDict: "o"}
_HASHED: dict[str, Any] = {"s": set, "z": frozenset}
_ORDERED: dict[str, Any] = {"l": list, "t": tuple, "k": deque}


def _value_of(form: object, depth: int) -> Any:
    if form is None or form is True or form is False or type(form) is str:
        return form
    if depth < 0:
        raise NotPlain(f"more than {DEPTH_LIMIT} levels deep")
    if type(form) is not list or not form or type(form[0]) is not str:
        raise NotPlain("not the form of any plain type")
    letter, items = form[0], form[1:]
    if letter in _ORDERED:
        return _ORDERED[letter](_value_of(item, depth - 1) for item in items)
    if letter in _HASHED:
        return _HASHED[letter](_keys(items, depth))
    if letter in "dCeo":
        if len(items) % 2:
            raise NotPlain("a key without a value")
        return _mapping(letter, _keys(items[::2], depth), [_value_of(v, depth - 1) for v in items[1::2]])
    if not all(type(item) is str for item in items):
        raise NotPlain("not the form of any plain type")
    return _scalar(letter, items)


def _keys(forms: list[Any], depth: int) -> list[Any]:
    keys = [_value_of(form, depth - 1) for form in forms]
    if len(keys) > SAME_HASH_LIMIT and max(Counter(map(hash, keys)).values()) > SAME_HASH_LIMIT:
        raise NotPlain("keys chosen to have the same hash")
    return keys


def _mapping(letter: str, keys: list[Any], values: list[Any]) -> Any:
    plain = dict(zip(keys, values, strict=True))
    if letter == "d":
        return plain
    if letter == "o":
        return OrderedDict(plain)
    if letter == "e":
        return defaultdict(None, plain)
    counted: Counter[Any] = Counter()
    # Not through the constructor: it adds numbers up, and these values may be anything.
    dict.update(counted, plain)
    return counted


def _scalar(letter: str, items: list[str]) -> Any:
    if letter == "i":
        return int(items[0], 16)
    if letter == "f":
        return float.fromhex(items[0])
    if letter == "b":
        return bytes.fromhex(items[0])
    if letter == "B":
        return bytearray.fromhex(items[0])
    if letter == "c":
        return complex(float.fromhex(items[0]), float.fromhex(items[1]))
    if letter == "r":
        start, stop, step = (int(item, 16) for item in items)
        return range(start, stop, step)
    if letter == "q":
        if max(map(len, items)) > FRACTION_HEX_DIGITS:
            raise NotPlain("a fraction of too many digits")
        return Fraction(int(items[0], 16), int(items[1], 16))
    if letter == "D":
        return Decimal(items[0])
    raise NotPlain("not the form of any plain type")
