"""Verifiers that ask a model, in an evaluation: real reward model, nothing asked twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import mixwright
from mixwright_runtime.errors import RunError
from mixwright_runtime.store.store import Store
from mixwright_runtime.training.grading import graded
from tests.reward_models import LIMIT

pytestmark = pytest.mark.train

SPEC = """edition 2026
model rater transformers { path = "rater", task = reward, context = 256 }
source numbers inline { rows = [{ q = "1+1", a = "2" }] }
source exam inline { rows = [{ problem = "1+1" }] }
template as_it_is { user = "{{ problem }}" }
pipeline sums {
  from numbers
  chat { user = q, assistant = a }
}
mixture m {
  seed = 1
  sums = all
  decontaminate ngram { against = [exam] }
}
train t on m {
  base = "model"
  output = "out"
  evaluate exam {
    on = exam
    prompt = as_it_is
    verify reward { model = rater, request = problem, response = reply, min = 0.0, id = liked }
  }
}
"""


def test_a_reward_model_grades_replies_and_is_asked_once(
    reward_models: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "t.mix").write_text(SPEC)
    shutil.copytree(reward_models["outcome"], tmp_path / "rater")
    plan = mixwright.plan(tmp_path / "t.mix")
    [evaluation] = plan.trains["t"].evaluations
    sums = [(a, b) for a in range(LIMIT) for b in range(LIMIT)]
    rows = [{"problem": f"{a}+{b}", "reply": str(c)} for a, b in sums for c in (a + b, (a + b + 3) % 7)]
    grades = graded(plan, evaluation.steps, rows, kept=tmp_path / "calls")["liked"]
    assert [grade.verdict for grade in grades] == ["right", "wrong"] * len(sums)
    again = graded(plan, evaluation.steps, rows, kept=tmp_path / "calls")["liked"]
    assert [g.measurement.score for g in again] == [g.measurement.score for g in grades]
    with Store.open(tmp_path / "calls", read_only=True) as store:
        assert store.sql("SELECT count(DISTINCT run_id), count(*) FROM call") == [(1, len(rows))]


def test_a_model_that_is_not_there_ends_the_evaluation(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "rater").mkdir()
    (tmp_path / "t.mix").write_text(SPEC)
    plan = mixwright.plan(tmp_path / "t.mix")
    [evaluation] = plan.trains["t"].evaluations
    with pytest.raises(RunError, match="rater"):
        graded(plan, evaluation.steps, [{"problem": "1+1", "reply": "2"}], kept=tmp_path / "calls")
