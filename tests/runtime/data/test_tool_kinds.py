"""What tools give, and what is said of calls that are none."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import pytest

from mixwright_compiler.load.mcp_record import RecordFault, record_of
from mixwright_runtime.tools.arguments import ArgumentFault, fitted
from mixwright_runtime.tools.bm25_index import Bm25Index
from mixwright_runtime.tools.calculation import value_of, worked_out
from mixwright_runtime.tools.calling import Written, calls_in


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("2 + 3 * 4", "14"),
        ("(2 + 3) * 4", "20"),
        ("-2 ^ 2", "-4"),
        ("2 ** 10", "1024"),
        ("1/3", "0.33"),
        ("2/3", "0.67"),
        ("1/8", "0.13"),  # half away from zero, of the exact value
        ("-1/8", "-0.13"),
        ("0.1 + 0.2", "0.3"),
        ("48/2", "24"),
        ("1,200 * 3", "3600"),
        ("10% * 50", "5"),
        ("200 - 15%", "199.85"),
        ("3 × 4 ÷ 2", "6"),
        ("2 ^ 0.5", "1.41"),
        ("1 ^ 999999999999", "1"),
        ("-0.001", "0"),
    ],
)
def test_a_calculator_works_out_what_it_is_given(expression: str, value: str) -> None:
    assert worked_out(expression, 2) == ["ok", value]


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("1/0", "division by zero"),
        ("__import__('os').system('true')", "only numbers"),
        ("(1).__class__", "only numbers"),
        ("9 ** 9 ** 9", "too large"),
        ("2 ** 100000", "too large"),
        ("1e999999999", "too large"),
        ("[0] * 9", "only numbers"),
        ("'a' * 9", "only numbers"),
        ("True + 1", "only numbers"),
        ("2 +", "no arithmetic expression"),
        ("", "no arithmetic expression"),
        ("(" * 400 + "1" + ")" * 400, ""),
        ("1+" * 600 + "1", "at most 1,000 characters"),
        ("(-8) ^ 0.5", "root of a negative"),
    ],
)
def test_a_calculator_says_what_it_cannot_work_out(expression: str, why: str) -> None:
    kind, text = worked_out(expression, 2)
    assert kind == "error" and why in text


def test_a_calculator_is_exact() -> None:
    assert value_of("0.1 * 3 - 0.3") == 0
    assert value_of("1/3 + 1/3 + 1/3") == Fraction(1)


WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}


def test_arguments_that_fit_are_taken() -> None:
    assert fitted({"city": "Oslo", "days": 2}, WEATHER) == {"city": "Oslo", "days": 2}
    assert fitted("Oslo", WEATHER) == {"city": "Oslo"}
    assert fitted("", {"type": "object", "properties": {}}) == {}
    assert fitted("3", {"properties": {"n": {"type": "integer"}}, "required": ["n"]}) == {"n": 3}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "`city` is missing"),
        ({"city": 3}, "`city` must be a string"),
        ({"city": "Oslo", "days": "two"}, "`days` must be an integer"),
        ({"city": "Oslo", "days": True}, "`days` must be an integer"),
        ({"city": "Oslo", "unit": "C"}, "no parameter `unit`; it takes `city`, `days`"),
    ],
)
def test_arguments_that_do_not_fit_say_so(arguments: dict[str, object], why: str) -> None:
    with pytest.raises(ArgumentFault, match=why):
        fitted(arguments, WEATHER)


@pytest.mark.parametrize(
    ("call", "read"),
    [
        ("calculator(2 * (3 + 4))", Written("call_0", "calculator", "2 * (3 + 4)")),
        (
            {"id": "a", "function": {"name": "f", "arguments": '{"x": 1}'}},
            Written("a", "f", {"x": 1}),
        ),
        ({"function": {"name": "f", "arguments": {"x": 1}}}, Written("call_0", "f", {"x": 1})),
        ({"function": {"name": "f"}}, Written("call_0", "f", {})),
        ({"id": "a", "function": {"name": "f", "arguments": "{"}}, "no JSON"),
        ({"id": "a", "function": {"name": "f", "arguments": "[1]"}}, "no JSON object"),
        ({"id": "a", "function": {"name": "f", "arguments": "[" * 100_000}}, "no JSON"),
        ({"id": "a", "function": {"name": 3}}, "names no function"),
        ({"id": "a"}, "names no function"),
        ("just words", "is no call"),
        (7, "names no function"),
    ],
)
def test_calls_are_read_as_models_write_them(call: object, read: Written | str) -> None:
    [found] = calls_in([call])
    assert (found == read) if isinstance(read, Written) else read in found.fault


def test_no_calls_are_none_and_ids_of_rounds_differ() -> None:
    assert calls_in(None) == calls_in([]) == calls_in("") == []
    ids = [call.id for number in (1, 2) for call in calls_in(["f(1)", "f(2)"], (number,))]
    assert len(set(ids)) == 4


TEXTS = [
    "Oslo is the capital of Norway.",
    "Paris is the capital of France, and the largest city of France.",
    "A baker bakes bread.",
    "面包师每天早上烤面包。",
]


def test_a_search_ranks_by_bm25() -> None:
    index = Bm25Index(TEXTS)
    try:
        assert [hit.place for hit in index.search("capital of Norway", 2)] == [0, 1]
        assert [hit.place for hit in index.search("面包", 5)] == [3]
        assert index.search("giraffe", 3) == [] and index.search("", 3) == []
        # By hand: N = 4, one text has the term once, of 4 words where the mean is 8.
        [hit] = index.search("bread", 1)
        lengths = [6, 12, 4, 10]
        idf = math.log(1 + (4 - 1 + 0.5) / (1 + 0.5))
        mean = sum(lengths) / 4
        assert hit.score == pytest.approx(idf * 2.2 / (1 + 1.2 * (0.25 + 0.75 * 4 / mean)), abs=1e-8)
    finally:
        index.close()


def test_an_index_is_named_by_what_is_in_it() -> None:
    made = [Bm25Index(texts) for texts in (TEXTS, TEXTS, TEXTS[:3], ["ab"], ["a", "b"])]
    first, again, *others = [index.digest for index in made]
    for index in made:
        index.close()
    assert first == again and len({first, *others}) == 4


def lines(*messages: dict[str, object]) -> bytes:
    return "\n".join(json.dumps({"jsonrpc": "2.0", **message}) for message in messages).encode()


LIST: list[dict[str, object]] = [
    {"id": 1, "method": "tools/list"},
    {"id": 1, "result": {"tools": [{"name": "forecast", "description": "The weather."}]}},
]


def test_a_recording_gives_what_was_listed_and_answered() -> None:
    found = record_of(
        lines(
            {"id": 0, "method": "initialize"},
            {"id": 0, "result": {}},
            {"method": "notifications/initialized"},
            *LIST,
            {
                "id": "a",
                "method": "tools/call",
                "params": {"name": "forecast", "arguments": {"c": 1, "b": 2}},
            },
            {"id": 9, "method": "sampling/createMessage"},
            {"id": "b", "method": "tools/call", "params": {"name": "forecast"}},
            {"id": "b", "error": {"code": -32602, "message": "no city"}},
            {"id": "a", "result": {"content": [{"type": "text", "text": "-3"}, {"type": "image"}]}},
        )
    )
    assert [function["name"] for function in found.functions] == ["forecast"]
    assert found.results == {
        ("forecast", '{"b":2,"c":1}'): ("-3\n[image]", False),
        ("forecast", "{}"): ("no city", True),
    }


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "nothing in it answers"),
        (b"hello", "line 1: no JSON"),
        (b"\xff\xfe", "line 1: no JSON"),
        (b'{"id": 1}', "no JSON-RPC message"),
        (lines(*LIST[:1], {"id": 1, "result": {"tools": 3}}), "line 2: the answer"),
        (lines(*LIST[:1], {"id": 1, "result": {"tools": [{}]}}), "line 2: a tool without a name"),
        (lines(*LIST[:1], {"id": 1, "result": {"tools": []}}), "lists 0 tools"),
    ],
)
def test_what_is_no_recording_says_where(content: bytes, why: str) -> None:
    with pytest.raises(RecordFault, match=why):
        record_of(content)
