"""Agreement by classes: JSON, expressions, and the majority that is asked for when nothing else is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from made import built, candidates, expression

from mixwright_runtime.plugins.protocol import Measurement
from mixwright_runtime.values.rows import Row

LETTER = ["call", "upper", ["call", "extract", ["col", "out"], ["lit", r"\(?([A-Da-d])\)"], ["lit", 1]]]


def verdicts(values: list[Any], **attributes: Any) -> tuple[list[Measurement], list[str]]:
    step = built("verify.agreement", response="out", **{"equal": "exact", "pick": "all", **attributes})
    rows = candidates("out", values)
    measured = asyncio.run(step.measure_group(rows))
    return measured, ["passes" if isinstance(v, Row) else v.reason for v in step.decide(rows, measured)]


def test_json_is_compared_as_json() -> None:
    texts = ['{"a": 1, "b": [2]}', 'So:\n```json\n{"b": [2], "a": 1}\n```', '{"a": 2}', "no idea"]
    measured, shown = verdicts(texts, equal="json", agree=2)
    assert [m.score for m in measured] == [2.0, 2.0, 1.0, None]
    assert measured[1].evidence == {"found": '{"a":1,"b":[2]}', "of": 4, "class": 0}
    assert shown == ["passes", "passes", "agreement: minority", "agreement: no answer"]


def test_a_key_says_what_must_be_equal() -> None:
    texts = ["It is (b), I think.", "(B)", "(C)", "Hard to say.", None]
    _, shown = verdicts(texts, key=expression(LETTER), agree=2)
    assert shown == [
        "passes",
        "passes",
        "agreement: minority",
        "agreement: no answer",
        "agreement: no answer",
    ]


@pytest.mark.parametrize(
    ("values", "passing"),
    [(["x", "x", "y"], 2), (["x", "x", "y", "y"], 0), (["x", "x", None, ""], 0), (["x"], 1), ([None], 0)],
)
def test_by_default_more_than_half_must_agree(values: list[Any], passing: int) -> None:
    _, shown = verdicts(values)
    assert shown.count("passes") == passing


def test_a_thousand_different_candidates_are_sorted_at_once() -> None:
    measured, _ = verdicts([f"answer {n}" * 1_000 for n in range(1_024)])
    assert {m.score for m in measured} == {1.0}
