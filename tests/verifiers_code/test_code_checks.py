"""When a value is equal to another: as Python says, of the same type, or as JSON."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixwright_runtime.verifiers.code.checks import holds, is_equal_as_json, is_same
from mixwright_runtime.verifiers.code.records import equal_records, judged, records_in
from mixwright_runtime.verifiers.code.streams import is_same_output

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
    assert found[2] == {"raised": "printed something that is no value"}


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


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        ({1: "x", "1": "a"}, {"1": "a"}),
        ({"1": "a"}, {1: "x", "1": "a"}),
        ({None: 1, "null": 1}, {"null": 1}),
        ({True: 1, "true": 1}, {"true": 1}),
        ({1.5: 1, "1.5": 1}, {"1.5": 1}),
        ({(1, 2): 1}, {"(1, 2)": 1}),
        ({b"a": 1}, {"b'a'": 1}),
        ({10**5000: 1}, {"1": 1}),
        (10**400, 10**400 + 1),
        (10**400, 1.0),
        (10**12, 10**12 + 1),
        (NAN, NAN),
        ({1, 2}, [1, 2]),
        (frozenset([1]), {1}),
        (b"a", "a"),
        (bytearray(b"a"), b"a"),
        (Decimal("1.5"), 1.5),
        (Fraction(1, 2), 0.5),
        (1 + 0j, 1),
        (range(3), [0, 1, 2]),
    ],
)
def test_what_json_cannot_tell_apart_is_not_equal(got: Any, expected: Any) -> None:
    assert not is_equal_as_json(got, expected, 1e-9)
    assert not is_equal_as_json([got], (expected,), 1e-9)


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        ({1: "a"}, {"1": "a"}),
        ({None: 1, True: 2}, {"null": 1, "true": 2}),
        (-0.0, 0),
        (2.0, 2),
        ([(1,)], [[1]]),
    ],
)
def test_what_json_says_the_same_way_is_equal(got: Any, expected: Any) -> None:
    assert is_equal_as_json(got, expected, 1e-9)


POISONED = [
    '{"map":[5]}',
    '{"map":[[1]]}',
    '{"map":[[1,2,3]]}',
    '{"map":["ab"]}',
    '{"map":[null]}',
    '{"map":5}',
    '{"set":[{"map":[7]}]}',
    '{"set":{"a":1}}',
    '{"integer":"x"}',
    '{"integer":5}',
    '{"number":"nan"}',
    '{"number":7}',
    '{"map":[["a",1],["a",1]]}',
    '{"raised":{"a":1}}',
    "[" * 100_000,
    "[" * 400 + "]" * 400,
    '{"map":[' * 300,
    "1" * 5_000,
    '{"integer":"' + "9" * 3_999 + '"}',
    "1e999",
    "NaN",
    "",
]


@pytest.mark.parametrize("language", ["javascript", "cpp", "bash"])
@pytest.mark.parametrize("payload", POISONED)
def test_a_poisoned_record_is_a_failed_test(payload: str, language: str) -> None:
    expected = {"stdout": record(0, '{"map":[["a",1],["b",1]]}').decode()}
    (result,) = judged(language, record(0, payload).decode(), expected, ["a test"], False)
    assert result and result[0] in ("wrong", "raised")


def test_keys_of_printed_maps_keep_their_kind() -> None:
    one, text, infinite = ('{"map":[[1,"a"]]}', '{"map":[["1","a"]]}', '{"set":[{"number":"inf"}]}')
    for got, expected in [(one, text), (infinite, '{"set":["inf"]}'), ('{"map":[[true,"a"]]}', one)]:
        (result,) = judged(
            "cpp", record(0, got).decode(), {"stdout": record(0, expected).decode()}, ["t"], False
        )
        assert result


@given(st.binary(max_size=300), st.lists(st.tuples(st.integers(0, 3), st.text(max_size=20)), max_size=4))
def test_any_output_gives_a_result_for_each_test(noise: bytes, records: list[tuple[int, str]]) -> None:
    stdout = noise + b"".join(record(number, payload) for number, payload in records)
    for language in ("javascript", "cpp", "bash"):
        results = judged(language, stdout.decode("latin-1"), {"values": [1, "a"]}, ["one", "two"], True)
        assert len(results) == 2 and all(isinstance(result, list) for result in results)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["map", "set", "number", "integer", "raised", "a"]), inner, max_size=2
        )
    ),
    max_leaves=8,
)


@given(JSON_VALUES, JSON_VALUES)
def test_any_value_that_is_printed_is_compared(got: Any, expected: Any) -> None:
    outputs = [record(0, json.dumps(value)).decode("latin-1") for value in (got, expected)]
    for language in ("javascript", "cpp"):
        (result,) = judged(language, outputs[0], {"stdout": outputs[1]}, ["t"], False)
        assert isinstance(result, list)


class Counted(bytes):
    """Bytes that count how many of them are searched through."""

    searched = 0

    def find(self, sub: Any, start: Any = 0, end: Any = None) -> int:
        at = super().find(sub, start)
        Counted.searched += (len(self) if at < 0 else at) - start + 1
        return at


@pytest.mark.parametrize(
    "piece",
    [b"\x1e1\x1f", b"\x1e", b"\x1e1", b"\x1e1\x1f\x1e", b"\x1e1\x1fx\x1d", b"\x1d", b"\x1e123456789\x1f"],
)
def test_records_are_found_in_linear_time(piece: bytes) -> None:
    stdout = Counted(piece * 5_000)
    Counted.searched = 0
    records_in(stdout, is_text=True)
    assert Counted.searched <= 3 * len(stdout) + 10
