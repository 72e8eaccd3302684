"""Held-out accuracy: greedy answers of the small model, graded by the verifiers of an `evaluate` block."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mixwright.compiling import plan_of_file
from mixwright_compiler.plan.plan import Evaluation, Plan
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.protocol import Measurement
from mixwright_runtime.store.store import Store
from mixwright_runtime.training.evaluate import GreedyModel, held_out_problems, measured
from mixwright_runtime.training.grading import graded
from mixwright_runtime.values.opinions import wilson
from mixwright_runtime.values.rows import Row

pytestmark = pytest.mark.train

SMALL_MODEL = Path(__file__).parents[2] / "specs" / "tiny" / "model"
PROBLEM = "A pilot has 55 boxes. The pilot sells 32. How many boxes are there now?"
REPLY = "55-32: 5-2=3, 5-3-0=2\n#### 23"
"""What the small model answers."""


def plan_with(tmp_path: Path, evaluations: str, rows: list[dict[str, Any]]) -> Plan:
    """A plan whose train block has these evaluations, on a source `exam` of these rows."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "exam.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = tmp_path / "t.mix"
    spec.write_text(
        "edition 2026\n"
        'source numbers inline { rows = [{ q = "1+1", a = "2" }] }\n'
        'source exam jsonl { path = "exam.jsonl" }\n'
        'template as_it_is { user = "{{ problem }}" }\n'
        "pipeline sums { from numbers\n chat { user = q, assistant = a } }\n"
        "mixture m { seed = 1\n sums = all\n decontaminate ngram { against = [exam] } }\n"
        f'train student on m {{ base = "model", output = "out"\n{evaluations} }}\n'
    )
    plan = plan_of_file(spec)
    assert plan is not None
    return plan


def evaluations_of(plan: Plan) -> tuple[Evaluation, ...]:
    return plan.trains["student"].evaluations


def accuracies(plan: Plan, kept: Path, context: int = 256) -> dict[str, dict[str, Any]]:
    return measured(plan, evaluations_of(plan), SMALL_MODEL, context=context, kept=kept, moment="after")


SHORT_FORM = (
    "evaluate { on = exam, prompt = as_it_is, answer = answer, by = kind, limit = 3, max_tokens = 60 }"
)
SUMS = [
    {"problem": PROBLEM, "answer": "23", "kind": "right"},
    {"problem": PROBLEM, "answer": "24", "kind": "wrong"},
    {"problem": PROBLEM, "answer": "\\frac{46}{2}", "kind": "right"},
    {"problem": PROBLEM, "answer": "never asked", "kind": "right"},
]


def test_answers_are_compared_as_mathematics_and_told_by_kind(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sympy")
    [(name, found)] = accuracies(plan_with(tmp_path, SHORT_FORM, SUMS), tmp_path).items()
    assert (name, found["asked"], found["right"], found["verdicts"]) == ("exam", 3, 2, "101")
    assert found["by_kind"] == {"right": 1.0, "wrong": 0.0}
    assert [wrong["reply"] for wrong in found["wrong"]] == [REPLY]
    assert (found["low"], found["high"]) == wilson(2, 3)


def test_replies_are_kept_and_another_verifier_asks_nothing_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    accuracies(plan_with(tmp_path, SHORT_FORM, SUMS), tmp_path)
    monkeypatch.setattr(GreedyModel, "__init__", lambda *_, **__: pytest.fail("the model is asked again"))
    other = SHORT_FORM.replace("answer = answer", "verify where { expr = reply == answer }")
    assert accuracies(plan_with(tmp_path, other, SUMS), tmp_path)["exam"]["verdicts"] == "000"


def test_a_prompt_that_does_not_fit_is_unanswered(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found = accuracies(plan_with(tmp_path, SHORT_FORM, SUMS), tmp_path, context=12)["exam"]
    assert (found["right"], found["unanswered"], found["verdicts"]) == (0, 3, "uuu")


def test_a_missing_column_is_an_error(tmp_path: Path) -> None:
    plan = plan_with(tmp_path, SHORT_FORM, SUMS)
    (tmp_path / "exam.jsonl").write_text(json.dumps({"problem": PROBLEM, "kind": "a"}) + "\n")
    with pytest.raises(RunError, match="has no column `answer`"):
        held_out_problems(plan, evaluations_of(plan)[0])


IFEVAL = """
evaluate ifeval {
  on = exam
  prompt = as_it_is
  verify constraints { response = reply, constraints = instruction_id_list, kwargs = kwargs, id = strict }
  verify constraints {
    response = reply, constraints = instruction_id_list, kwargs = kwargs, mode = loose, id = loose
  }
}
"""
LOWER_NO_COMMA = {
    "problem": "Say hello.",
    "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_sentences"],
    "kwargs": [{}, {"relation": "less than", "num_sentences": 2}],
}


def grades_of(plan: Plan, replies: list[str]) -> dict[str, list[str]]:
    [evaluation] = evaluations_of(plan)
    problems = held_out_problems(plan, evaluation)
    rows = [{**p.columns, "reply": r} for p, r in zip(problems, replies, strict=True)]
    return {name: [g.verdict for g in of] for name, of in graded(plan, evaluation.steps, rows).items()}


def test_ifeval_form_is_graded_strictly_and_loosely_at_once(tmp_path: Path) -> None:
    plan = plan_with(tmp_path, IFEVAL, [LOWER_NO_COMMA] * 4)
    replies = ["Hello there.", "Sure, here it is:\nHello there.", "Hello, you. And you.", ""]
    assert grades_of(plan, replies) == {
        "strict": ["right", "wrong", "wrong", "unanswered"],
        "loose": ["right", "right", "wrong", "unanswered"],
    }


def test_single_constraints_are_counted_as_ifeval_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_with(tmp_path, IFEVAL, [LOWER_NO_COMMA] * 2)
    monkeypatch.setattr(GreedyModel, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(GreedyModel, "replies", lambda *_, **__: ["Hello there, you.", ""])
    found = accuracies(plan, tmp_path)
    assert {name: (of["accuracy"], of["followed"]) for name, of in found.items()} == {
        "ifeval.strict": (0.0, 0.25),
        "ifeval.loose": (0.0, 0.25),
    }


def test_a_verifier_that_fails_says_nothing_of_a_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {**LOWER_NO_COMMA, "kwargs": [{}]}
    plan = plan_with(tmp_path, IFEVAL, [broken, *[LOWER_NO_COMMA] * 19])
    monkeypatch.setattr(GreedyModel, "__init__", lambda *_, **__: None)
    monkeypatch.setattr(GreedyModel, "replies", lambda _, problems, **__: ["Hi."] * len(problems))
    found = accuracies(plan, tmp_path)["ifeval.strict"]
    assert (found["asked"], found["right"], found["failed"], found["accuracy"]) == (20, 19, 1, 1.0)
    assert found["failures"] == ["2 constraints, and kwargs for another number"]
    plan = plan_with(tmp_path, IFEVAL, [broken, LOWER_NO_COMMA])
    with pytest.raises(
        RunError, match=r"strict failed on 1 of 2 replies, which says nothing about them; the first: 2 co"
    ):
        accuracies(plan, tmp_path)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """An entry for every measurement that is taken from here on."""
    from mixwright_runtime.verifiers.verify_constraints import ConstraintsVerifier

    taken: list[bool] = []
    sound = ConstraintsVerifier.measure

    async def measure(verifier: ConstraintsVerifier, row: Row) -> Measurement:
        taken.append(True)
        return await sound(verifier, row)

    monkeypatch.setattr(ConstraintsVerifier, "measure", measure)
    return taken


def test_what_was_measured_is_kept_and_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, taken = plan_with(tmp_path, IFEVAL, [LOWER_NO_COMMA]), counted(monkeypatch)
    [evaluation] = evaluations_of(plan)
    rows = [{**LOWER_NO_COMMA, "reply": reply} for reply in ("Hello there.", "Hello, you. And you.")]
    first = graded(plan, evaluation.steps, rows, kept=tmp_path / "kept")
    assert (len(taken), [grade.verdict for grade in first["strict"]]) == (4, ["right", "wrong"])
    more = [*rows, {**LOWER_NO_COMMA, "reply": "Hello, there."}]
    again = graded(plan, evaluation.steps, more, kept=tmp_path / "kept")
    assert (len(taken), again["strict"][:2]) == (4 + 2, first["strict"])
    with Store.open(tmp_path / "kept", read_only=True) as store:
        assert store.sql("SELECT node, count(*) FROM score GROUP BY ALL ORDER BY ALL") == [
            ("evaluate.loose", 3),
            ("evaluate.strict", 3),
        ]
    lenient = IFEVAL.replace("id = strict", "min = 0.0, id = strict")
    [evaluation] = evaluations_of(plan_with(tmp_path, lenient, [LOWER_NO_COMMA]))
    decided = graded(plan, evaluation.steps, more, kept=tmp_path / "kept")
    assert (len(taken), [grade.verdict for grade in decided["strict"]]) == (6, ["right", "right", "right"])


def test_a_verifier_that_fails_too_often_is_asked_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, taken = plan_with(tmp_path, IFEVAL, [LOWER_NO_COMMA]), counted(monkeypatch)
    [evaluation] = evaluations_of(plan)
    broken = {**LOWER_NO_COMMA, "kwargs": [{}]}
    rows = [{**broken, "reply": f"reply {n}"} for n in range(500)]
    with pytest.raises(RunError, match=r"verifier 'evaluate.strict' failed on 10 of 10 rows, more than 1%"):
        graded(plan, evaluation.steps, rows, kept=tmp_path / "kept")
    assert len(taken) < 500


def test_when_asks_a_verifier_about_its_rows_alone(tmp_path: Path) -> None:
    block = """evaluate { on = exam, prompt = as_it_is
      verify where { expr = contains(reply, "#"), response = reply, when = kind == "right", id = hash } }"""
    plan = plan_with(tmp_path, block, SUMS)
    assert grades_of(plan, ["#", "#", "no", "no"]) == {"hash": ["right", "not asked", "wrong", "wrong"]}


def test_code_is_run_in_the_sandbox(tmp_path: Path) -> None:
    block = """evaluate { on = exam, prompt = as_it_is
      verify code { response = reply, tests = tests } }"""
    rows = [{"problem": "Add.", "tests": "assert add(1, 2) == 3"}] * 2
    plan = plan_with(tmp_path, block, rows)
    try:
        found = grades_of(plan, ["def add(a, b):\n    return a + b", "def add(a, b):\n    return a - b"])
    except RunError as refused:
        pytest.skip(f"no sandbox here: {refused}")
    assert found == {"verify_code": ["right", "wrong"]}


@pytest.mark.parametrize(
    ("right", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)],
)
def test_the_interval_is_wilson_s(right: int, of: int, low: float, high: float) -> None:
    # Newcombe 1998, method 3, gives these for 10 trials.
    assert wilson(right, of) == pytest.approx((low, high), abs=5e-5)
