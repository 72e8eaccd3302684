"""Held-out accuracy: greedy answers of the small model, graded as `verify math` grades."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.plan import Origin, Plan, SourceSpec, TemplateMessage, TemplateSpec
from runtime.plugin import RunError
from runtime.training.evaluate import accuracy_of, held_out_problems

pytestmark = pytest.mark.train

SMALL_MODEL = Path(__file__).parents[2] / "specs" / "tiny" / "model"
ORIGIN = Origin(file="t.mix", line=1, column=1)
WANTED = {
    "on": "held_out",
    "prompt": "as_it_is",
    "answer": "answer",
    "by": "kind",
    "limit": 3,
    "max_tokens": 60,
}


@pytest.fixture
def plan_with_problems(plan: Plan) -> Plan:
    problem = "A pilot has 55 boxes. The pilot sells 32. How many boxes are there now?"
    rows = [
        {"problem": problem, "answer": "23", "kind": "right"},
        {"problem": problem, "answer": "24", "kind": "wrong"},
        {"problem": problem, "answer": "\\frac{46}{2}", "kind": "right"},
        {"problem": problem, "answer": "never asked", "kind": "right"},
    ]
    source = SourceSpec(
        name="held_out",
        kind="inline",
        attributes={"rows": rows},
        columns={"problem": "text", "answer": "text", "kind": "text"},
        origin=ORIGIN,
    )
    template = TemplateSpec(
        name="as_it_is",
        messages=(TemplateMessage(role="user", text="{{ problem }}"),),
        inputs=("problem",),
        origin=ORIGIN,
    )
    return plan.model_copy(update={"sources": {"held_out": source}, "templates": {"as_it_is": template}})


def test_answers_are_compared_as_mathematics_and_told_by_kind(plan_with_problems: Plan) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("math_verify")
    found = accuracy_of(
        SMALL_MODEL, held_out_problems(plan_with_problems, WANTED), context=256, max_tokens=60
    )
    assert (found.asked, found.right, found.unanswered) == (3, 2, 0)
    assert found.by_kind == {"right": 1.0, "wrong": 0.0}
    assert [(w["reply"], w["gold"]) for w in found.wrong] == [("55-32: 5-2=3, 5-3-0=2\n#### 23", "24")]


def test_a_prompt_that_does_not_fit_is_unanswered(plan_with_problems: Plan) -> None:
    pytest.importorskip("torch")
    found = accuracy_of(SMALL_MODEL, held_out_problems(plan_with_problems, WANTED), context=12, max_tokens=60)
    assert (found.right, found.unanswered) == (0, 3)


def test_a_missing_column_is_an_error(plan_with_problems: Plan) -> None:
    with pytest.raises(RunError, match="has no column `gold`"):
        held_out_problems(plan_with_problems, {**WANTED, "answer": "gold"})
