"""Verifiers: what they measure, and what they decide from it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from made import built, candidates, row

from mixwright_runtime.errors import MissingExtra, RunError
from mixwright_runtime.plugins.protocol import Measurement
from mixwright_runtime.values.rows import Dropped, Row
from mixwright_runtime.verifiers import verify_math
from mixwright_runtime.workers.pool import WorkerDied, WorkerError, WorkerTimeout


class Workers:
    """A pool that answers as told, for tests without processes."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[list[str]] = []

    size = 1

    async def run(self, function: str, args: list[str], timeout_s: float) -> Any:
        self.asked.append(args[:2])
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"outcome": self.answer}


def measured(step: Any, rows: Sequence[Row]) -> list[Measurement]:
    async def main() -> list[Measurement]:
        return [await step.measure(one) for one in rows]

    return asyncio.run(main())


def measured_together(step: Any, rows: Sequence[Row]) -> list[Measurement]:
    """As a run measures the candidates of a row where the verifier compares them."""
    return list(asyncio.run(step.measure_group(rows)))


def shown(verdicts: Sequence[Row | Dropped]) -> list[str]:
    return ["passes" if isinstance(v, Row) else v.reason for v in verdicts]


def test_math_tells_right_from_wrong_from_no_answer() -> None:
    step = built("verify.math", response="solution", answer="answer")
    rows = candidates("solution", ["#### 72", "#### 71", "no idea", None], answer="so it is\n#### 72")
    found = measured(step, rows)
    assert [(m.outcome, m.score) for m in found] == [
        ("measured", 1.0),
        ("measured", 0.0),
        ("unmeasurable", None),
        ("unmeasurable", None),
    ]
    assert found[1].evidence == {"gold": "72", "found": "71", "by": "number"}
    assert shown(step.decide(rows, found)) == ["passes", "math: wrong", "math: no answer", "math: no answer"]


def test_math_takes_numbers_as_right_answers() -> None:
    step = built("verify.math", response="solution", answer="answer")
    assert measured(step, [row(solution=r"\boxed{4}", answer=4)])[0].score == 1.0


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("equal", "measured"),
        ("unparsable", "unmeasurable"),
        (WorkerTimeout("late"), "unmeasurable"),
        (WorkerError("MemoryError: out of memory"), "unmeasurable"),
        (WorkerDied("signal 11"), "error"),
        (WorkerError("bug"), "error"),
    ],
)
def test_a_fault_of_the_verifier_is_no_verdict(answer: Any, outcome: str) -> None:
    workers = Workers(answer)
    step = built("verify.math", response="solution", answer="answer", workers=workers)
    assert measured(step, [row(solution=r"\boxed{x+1}", answer="1+x")])[0].outcome == outcome
    assert workers.asked == [["1+x", "x+1"]]


def test_the_right_answer_is_always_given_first_and_asked_once() -> None:
    workers = Workers("different")
    step = built("verify.math", response="solution", answer="answer", workers=workers)
    measured(step, [row(n, solution=r"\boxed{x+3}", answer="3+x") for n in range(3)])
    assert workers.asked == [["3+x", "x+3"]]


def test_pick_first_lets_one_candidate_go_on() -> None:
    step = built("verify.math", response="solution", answer="answer", pick="first")
    rows = candidates("solution", ["1", "2", "2"], answer="2")
    verdicts = step.decide(rows, measured(step, rows))
    assert shown(verdicts) == ["math: wrong", "passes", "math: not picked"]


@pytest.mark.parametrize(
    ("agree", "expected"),
    [
        (None, ["passes", "math: minority", "passes", "math: no answer", "passes"]),
        (3, ["passes", "math: minority", "passes", "math: no answer", "passes"]),
        (4, ["math: no agreement"] * 3 + ["math: no answer", "math: no agreement"]),
    ],
)
def test_without_an_answer_the_majority_passes(agree: int | None, expected: list[str]) -> None:
    step = built("verify.math", response="solution", agree=agree)
    rows = candidates("solution", ["The answer is 7.", "8", r"\boxed{7.0}", "none", "#### 7"])
    found = measured_together(step, rows)
    assert [m.score for m in found] == [3.0, 1.0, 3.0, None, 3.0]
    assert found[0].evidence == {"found": "7", "of": 5, "class": 0}
    assert shown(step.decide(rows, found)) == expected


def test_a_tie_goes_to_the_first_candidate() -> None:
    step = built("verify.math", response="solution", agree=2)
    rows = candidates("solution", ["1", "2", "2", "1"])
    verdicts = shown(step.decide(rows, measured_together(step, rows)))
    assert verdicts == ["passes", "math: minority", "math: minority", "passes"]


def test_a_missing_extra_is_told_before_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_math.importlib.util, "find_spec", lambda name: None)
    step = built("verify.math", response="solution", answer="answer")
    with pytest.raises(MissingExtra, match=r"pip install 'mixwright\[math\]'"):
        asyncio.run(step.prepare())


def test_reasons_tell_wrong_from_unreadable_from_missing() -> None:
    step = built("verify.math", response="solution", answer="answer")
    rows = candidates(
        "solution", [r"\boxed{5}", r"\boxed{6}", r"\boxed{between 3 and 5}", "none"], answer="5"
    )
    found = measured(step, rows)
    assert [m.outcome for m in found] == ["measured", "measured", "unmeasurable", "unmeasurable"]
    assert found[2].evidence == {
        "reason": "unparsable",
        "gold": "5",
        "found": "between 3 and 5",
        "by": "parts",
    }
    assert shown(step.decide(rows, found)) == ["passes", "math: wrong", "math: unparsable", "math: no answer"]
    nothing = candidates("solution", ["5"], answer=" ")
    assert shown(step.decide(nothing, measured(step, nothing))) == ["math: no right answer"]


def test_agreement_is_by_equal_answers_however_written() -> None:
    step = built("verify.math", response="solution", agree=3)
    rows = candidates(
        "solution", ["#### 1/2", r"\boxed{0.5}", "答案是二分之一。", "#### 2", r"\boxed{\frac{2}{4}}"]
    )
    verdicts = shown(step.decide(rows, measured_together(step, rows)))
    assert verdicts == ["passes", "passes", "passes", "math: minority", "passes"]


# Agreement.


def test_agreement_overlooks_case_width_and_space() -> None:
    step = built("verify.agreement", response="label", agree=2)
    rows = candidates("label", ["Yes", "no", " ＹＥＳ\n", None])
    verdicts = step.decide(rows, measured_together(step, rows))
    assert shown(verdicts) == [
        "passes",
        "agreement: minority",
        "agreement: not picked",
        "agreement: no answer",
    ]


def test_agreement_as_mathematics_and_all() -> None:
    step = built("verify.agreement", response="label", agree=2, equal="math", pick="all")
    rows = candidates("label", ["The answer is 1/2", "0.5", "3"])
    verdicts = step.decide(rows, measured_together(step, rows))
    assert shown(verdicts) == ["passes", "passes", "agreement: minority"]


# JSON schemas.

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
}


def schema_step(**attributes: Any) -> Any:
    return built("verify.schema", response="out", **{"schema": SCHEMA, **attributes})


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ('{"name": "A"}', 1.0),
        ('Thinking {"name": 1} ... so:\n```json\n{"name": "A", "age": 3}\n```\nDone.', 1.0),
        ('I first thought {"name": 1}, but it is {"name": "A"} [1]', 1.0),
        ('{"name": "A", "age": -1}', 0.0),
        ({"name": "A"}, 1.0),
        ("[" * 5_000, None),
        ("{" * 5_000, None),
        ("no JSON here", None),
        (None, None),
    ],
)
def test_json_is_found_and_checked(text: Any, score: float | None) -> None:
    found = measured(schema_step(), [row(out=text)])[0]
    assert (found.score, found.outcome) == (score, "unmeasurable" if score is None else "measured")


def test_violations_say_where() -> None:
    found = measured(schema_step(), [row(out='{"age": "x"}')])[0]
    paths = sorted(violation["path"] for violation in found.evidence["violations"])
    assert paths == ["/", "/age"]


def test_without_parse_json_the_text_must_be_json() -> None:
    step = schema_step(parse_json=False)
    rows = [row(out='so: {"name": "A"}'), row(out='{"name": "A"}')]
    assert shown(step.decide(rows, measured(step, rows))) == ["schema: no JSON", "passes"]


@pytest.mark.parametrize(
    "schema", [{"$ref": "http://127.0.0.1:9/x.json"}, {"$ref": "file:///etc/passwd"}, {"type": "objct"}]
)
def test_a_schema_that_cannot_be_used_stops_the_run(schema: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="step 'step': schema: "):
        asyncio.run(schema_step(schema=schema).prepare())


def test_a_hostile_pattern_does_not_hang() -> None:
    step = schema_step(schema={"type": "string", "pattern": "^(a+)+$"}, parse_json=False)
    assert measured(step, [row(out='"' + "a" * 40 + '!"')])[0].score == 0.0
