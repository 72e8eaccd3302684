"""Plain data crosses the wall with its type and every bit; nothing else crosses."""

from __future__ import annotations

import json
import math
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixwright_runtime.sandbox.plain import NotPlain, dumps, loads

MEBIBYTE = 1024**2

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec=None))
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.fractions()
    | st.decimals(allow_nan=False)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.lists(inner, max_size=4).map(deque)
        | st.dictionaries(scalars, inner, max_size=4)
        | st.dictionaries(scalars, inner, max_size=4).map(OrderedDict)
        | st.sets(scalars, max_size=4)
        | st.frozensets(scalars, max_size=4)
    ),
    max_leaves=20,
)


def shape(value: Any) -> Any:
    """The value with the types of all its parts, so that True and 1, or (1,) and [1], differ."""
    if isinstance(value, dict):
        return type(value), [(shape(k), shape(v)) for k, v in value.items()]
    if isinstance(value, list | tuple | deque):
        return type(value), [shape(item) for item in value]
    if isinstance(value, set | frozenset):
        return type(value), {shape(item) for item in value}
    return type(value), value


@given(values)
def test_values_cross_with_their_types(value: Any) -> None:
    assert shape(loads(dumps(value, MEBIBYTE))) == shape(value)


@pytest.mark.parametrize(
    "value",
    [
        -0.0,
        math.inf,
        2**100_000,
        "\ud800 lone",
        range(3, -7, -2),
        bytearray(b"\0\xff"),
        Counter({"a": 2, "b": -1}),
        Counter({"a": "not a number"}),
        OrderedDict([("b", 1), ("a", 2)]),
        Fraction(1, 3),
        Decimal("1E+999999"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_rare_values_cross(value: Any) -> None:
    back = loads(dumps(value, MEBIBYTE))
    assert type(back) is type(value)
    assert back == value
    if value == 0.0:
        assert math.copysign(1, back) == -1


def test_nan_crosses() -> None:
    assert math.isnan(loads(dumps(float("nan"), 100)))


def test_a_defaultdict_arrives_without_its_factory() -> None:
    back = loads(dumps(defaultdict(list, a=[1]), 1000))
    assert (type(back), back, back.default_factory) == (defaultdict, {"a": [1]}, None)


class Liar(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


def deep(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Liar(3), "Liar is not plain data"),
        ([1, {"a": Liar(3)}], "Liar is not plain data"),
        (object(), "object is not plain data"),
        (len, "builtin_function_or_method is not plain data"),
        (deep(41), "more than 40 levels deep"),
        (deep(100_000), "more than 40 levels deep"),
        ("x" * 2_000, "too large"),
        (list(range(1000)), "too large"),
        ([2**100_000], "too large"),
        (["\n" * 900], "larger than 1000 bytes"),
    ],
    ids=lambda value: value if type(value) is str and len(value) < 50 else type(value).__name__,
)
def test_all_else_is_refused(value: Any, message: str) -> None:
    with pytest.raises(NotPlain, match=message):
        dumps(value, 1000)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "{}",
        "[]",
        '["x"]',
        '["i"]',
        '["i", 5]',
        '["i", "zz"]',
        '["f", "one"]',
        '["b", "0"]',
        '["d", "key"]',
        '["s", ["l"]]',
        '["d", ["l"], null]',
        '["q", "1", "0"]',
        '["r", "0", "1", "0"]',
        '["D", "ten"]',
        '["c", "0x1p0"]',
        "[" * 100_000,
        '["l",' * 100 + '["l"]' + "]" * 100,
    ],
    ids=lambda text: text[:20],
)
def test_forged_text_is_refused(text: str) -> None:
    with pytest.raises(NotPlain):
        loads(text)


def test_a_set_of_equal_hashes_is_refused_at_once() -> None:
    # Integers that are equal modulo 2**61 - 1 have one hash: a set of 40,000 takes minutes to build.
    forged = json.dumps(["s", *(["i", format(k * (2**61 - 1), "x")] for k in range(40_000))])
    with pytest.raises(NotPlain, match="same hash"):
        loads(forged)


def test_a_fraction_of_many_digits_is_refused() -> None:
    with pytest.raises(NotPlain, match="too many digits"):
        loads(json.dumps(["q", "f" * 100_000, "7" * 99_999]))
