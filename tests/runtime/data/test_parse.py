"""What is taken of a model's answer."""

from __future__ import annotations

from typing import Any

import pytest

from mixwright_runtime.values.json_in_text import ParseFailed
from mixwright_runtime.values.parse import compile_parse


def call(name: str, *args: str) -> dict[str, Any]:
    return {"call": name, "args": list(args), "keywords": {}}


@pytest.mark.parametrize(
    ("parse", "answer", "taken"),
    [
        (None, "  all of it \n", "all of it"),
        (call("after", "Problem:"), "Sure!\nProblem: 1+1? Problem: no", "1+1? Problem: no"),
        (call("before", "---"), "keep --- drop --- drop", "keep"),
        (call("between", "<a>", "</a>"), "x <a> y </a> z </a>", "y"),
        (call("regex", r"Score: (\d+)"), "Score: 4 Score: 5", "4"),
        (call("regex", r"[A-D]\)"), "I say B) and C)", "B)"),
        (call("json"), '{"a": [1, null]}', {"a": [1, None]}),
        (call("json"), '```json\n{"a": 1}\n```', {"a": 1}),
        (call("json", "a"), '{"a": " x "}', "x"),
        (call("json", "a.b"), '{"a": {"b": 2}}', 2),
        (call("last_line"), "one\ntwo\n\n", "two"),
    ],
)
def test_a_match(parse: dict[str, Any] | None, answer: str, taken: Any) -> None:
    assert compile_parse(parse)(answer) == taken


@pytest.mark.parametrize(
    ("parse", "answer", "problem"),
    [
        (None, " \n", "an empty answer"),
        (call("after", "Problem:"), "1+1?", "no 'Problem:' in the answer"),
        (call("after", "Problem:"), "Problem:  ", "nothing after 'Problem:'"),
        (call("between", "<a>", "</a>"), "<a> y", "no '</a>' in the answer"),
        (call("regex", r"Score: (\d+)"), "no score", "no match"),
        (call("json"), "{'a': 1}", "not JSON"),
        (call("json"), '{"a": NaN}', "NaN is not a JSON number"),
        (call("json"), "[" * 100_000, "nested deeper"),
        (call("json"), "[" * 65 + "]" * 65, "nested deeper"),
        (call("json", "b"), '{"a": 1}', "no field 'b'"),
        (call("json", "b"), "[1]", "no field 'b'"),
        (call("last_line"), "\n \n", "no line with text"),
    ],
)
def test_no_match_fails_with_what_was_missing(
    parse: dict[str, Any] | None, answer: str, problem: str
) -> None:
    with pytest.raises(ParseFailed, match=problem):
        compile_parse(parse)(answer)


@pytest.mark.parametrize("parse", [call("nope"), call("after"), call("regex", "(")])
def test_what_cannot_be_compiled(parse: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unknown parse call|not a regular expression"):
        compile_parse(parse)
