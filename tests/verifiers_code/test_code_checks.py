"""When a value is equal to another: as Python says, of the same type, or as JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from runtime.code.checks import holds, is_equal_as_json, is_same
from runtime.code.records import equal_records, records_in
from runtime.code.streams import is_same_output

NAN = float("nan")


@pytest.mark.parametrize(
    ("left", "right"),
    [(True, 1), (1, 1.0), ([1], (1,)), ({1: True}, {1: 1}), ({1}, frozenset({1})), ([[True]], [[1]]),
     (Counter(a=1), {"a": 1}), ({True: 0}, {1: 0}), ({1.0}, {1})],
)  # fmt: skip
def test_strict_equality_wants_the_same_types_where_python_does_not(left: Any, right: Any) -> None:
    assert not is_same(left, right)
    assert is_same(left, left) and is_same(right, right)


def test_not_a_number_is_itself_only_in_strict_equality() -> None:
    assert is_same([NAN], [NAN])
    check = ["==", ["got", 0], ["const", ["f", "nan"]]]
    assert not holds(check, [NAN], "python") and holds(check, [NAN], "strict")


@pytest.mark.parametrize(
    ("got", "expected", "is_equal"),
    [
        ((1, 2), [1, 2], True),
        (1, 1.0, True),
        (True, 1, False),
        (1, True, False),
        (0.1 + 0.2, 0.3, True),
        (1_000_000, 1_000_001, False),
        ({1: "a"}, {"1": "a"}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        (None, None, True),
        ("1", 1, False),
        ({1, 2}, [1, 2], False),
    ],
)
def test_calls_as_data_are_compared_as_json(got: Any, expected: Any, is_equal: bool) -> None:
    assert is_equal_as_json(got, expected, 1e-9) is is_equal


@pytest.mark.parametrize(
    ("got", "expected", "rules"),
    [
        ("1 2\n3\n", "1 2\n3", {"lines", "tokens"}),
        ("1 2 \r\n3\n\n\n", "1 2\n3\n", {"lines", "tokens"}),
        ("1  2\n3\n", "1 2\n3\n", {"tokens"}),
        ("0.3333333", "0.33333334", {"tokens"}),
        ("1000000", "1000001", set()),
        ("1\n2\n", "1\n2\n", {"lines", "tokens", "exact"}),
        ("", "0", set()),
        ("yes", "YES", set()),
    ],
)
def test_output_of_programs(got: str, expected: str, rules: set[str]) -> None:
    assert {rule for rule in ("lines", "tokens", "exact") if is_same_output(got, expected, rule)} == rules  # type: ignore[arg-type]


def record(number: int, payload: str) -> bytes:
    return f"\x1e{number}\x1f{payload}\x1d\n".encode()


def test_records_among_other_output() -> None:
    stdout = (
        b"debug\n" + record(0, "[1,2]") + b"more \x1e" + record(1, '{"map":[["a",1]]}') + record(2, "oops")
    )
    found = records_in(stdout, is_text=False)
    assert found[0] == [1, 2]
    assert equal_records("cpp", found[1], records_in(record(1, '{"map":[["a",1.0]]}'), is_text=False)[1])
    assert found[2] == {"raised": "not JSON"}


def test_a_program_that_prints_two_values_for_one_test_fails_it() -> None:
    found = records_in(record(0, "1") + record(0, "2"), is_text=False)
    assert not equal_records("cpp", found[0], 1) and not equal_records("cpp", found[0], 2)


@pytest.mark.parametrize(
    ("got", "expected", "is_equal"),
    [("1", 1, True), (True, 1, True), (None, None, True), (None, 0, False), ("", 0, True), ("a", 0, False),
     ([1], ["1"], True)],
)  # fmt: skip
def test_javascripts_deep_equal_is_loose(got: Any, expected: Any, is_equal: bool) -> None:
    assert equal_records("javascript", got, expected) is is_equal
    assert equal_records("cpp", got, expected) is (
        is_equal and got == expected and type(got) is type(expected)
    )
