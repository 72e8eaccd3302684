"""JSON in a model's answer: where it is looked for, and what the schema verifier makes of hostile texts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from made import built, row

from mixwright_runtime.errors import RunError
from mixwright_runtime.steps.generate import Generate
from mixwright_runtime.values.json_in_text import ParseFailed, after_reasoning, last_json

OBJECT = {"type": "object"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('First {"a": 0}.\n```json\n{"a": 1}\n```\nThat {"is": "all"}.', {"a": 1}),
        ('Not {"a": 0} but {"a": {"b": [1, {"c": 2}]}}, as [1] says.', {"a": {"b": [1, {"c": 2}]}}),
        ('<think>maybe {"a": 0}</think>{"a": 1}', {"a": 1}),
        ('<think>first</think> no: <think>{"a": 0}</think>\nSo {"a": 1}', {"a": 1}),
        ("[ ( { } " * 3_000 + '{"a": 1} done }', {"a": 1}),
        ('a "quoted { brace" then {"a": "}"}', {"a": "}"}),
    ],
)
def test_the_last_object_is_found(text: str, value: Any) -> None:
    assert last_json(text, OBJECT) == value


@pytest.mark.parametrize(
    "text",
    [
        '<think>it is {"a": 1}',
        'list of one: [{"a": 1}]',
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": ' + "9" * 5_000 + "}",
        'So: {"a": {"b": 1}, ',
        'So: {"a": {"b": 1}, "c": "cut o',
        "",
    ],
)
def test_what_is_not_an_answer_is_not_taken_for_one(text: str) -> None:
    with pytest.raises(ParseFailed):
        last_json(text, OBJECT)


def test_reasoning_ends_at_its_last_mark() -> None:
    assert after_reasoning("a</think>b</THINK> c") == "c"
    assert after_reasoning("no thoughts") == "no thoughts"


@pytest.mark.parametrize(
    "text",
    ["{" * 1_000_000, '["' * 500_000, "[1," * 300_000, '{"a":' * 200_000, "```\n" * 250_000, "[]," * 300_000],
)
def test_a_million_hostile_characters_do_not_hang(text: str) -> None:
    """Each takes under a second; looking at every bracket anew would take hours."""
    try:
        last_json(text, OBJECT)
    except ParseFailed as failed:
        assert "JSON" in str(failed)


def test_generate_fetches_no_schema_either() -> None:
    step = object.__new__(Generate)
    step._schema, step._node = {"$ref": "http://127.0.0.1:9/x.json"}, "p.generate_x"
    with pytest.raises(RunError, match=r"step 'p\.generate_x': schema: .*refused"):
        asyncio.run(step.prepare())


def test_a_pattern_that_cannot_be_decided_is_too_hard_and_no_verdict() -> None:
    schema = {"type": "string", "pattern": "^(?:(a|aa)+)+(?!b)$"}
    step = built("verify.schema", response="out", schema=schema, parse_json=False)
    found = asyncio.run(step.measure(row(out='"' + "a" * 3_000 + '!"')))
    assert (found.outcome, found.evidence["reason"]) == ("unmeasurable", "too hard")


def test_formats_are_checked_on_request() -> None:
    schema = {"type": "string", "format": "date"}

    def score(**attributes: Any) -> float | None:
        step = built("verify.schema", response="out", schema=schema, **attributes)
        return asyncio.run(step.measure(row(out='"31.12.2025"'))).score  # type: ignore[no-any-return]

    assert (score(), score(formats=True)) == (1.0, 0.0)


def test_surrogates_and_numbers_beyond_64_bits_are_values_like_others() -> None:
    step = built("verify.schema", response="out", schema=OBJECT)
    for text in ('{"a": "\\ud800"}', '{"a": 123456789012345678901234567890}'):
        assert asyncio.run(step.measure(row(out=text))).score == 1.0
