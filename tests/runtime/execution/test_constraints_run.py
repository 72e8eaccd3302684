"""A run in which rows get constraints of their own, a model is asked for them, and its answers are checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from spec_runs import SpecRuns

import mixwright

SPEC = """
source tasks inline {
  rows = [{ task = "Describe a river." }, { task = "Describe a town." }, { task = "Describe a tree." }]
}

template ask {
  user = <<~JINJA
    {{ task }}
    {% for constraint in wanted %}{{ constraint.sentence }}
    {% endfor %}
    JINJA
}

pipeline precise {
  from tasks
  draw wanted { from = constraints("punctuation:no_comma", "startend:quotation"), count = 2 }
  generate answer { prompt = ask, model = teacher, samples = 2 }
  verify constraints { response = answer, constraints = wanted, MIN pick = best }
}
"""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    """A model that follows both for rivers, one for towns, none for trees."""
    answers = {
        "river": '"It runs to the sea."',
        "town": '"It is old, and small."',
        "tree": "It is old, and tall.",
    }
    made = SpecRuns(tmp_path, lambda prompt: next(text for word, text in answers.items() if word in prompt))
    yield made
    made.store.close()


def test_the_model_is_asked_for_what_is_checked(runs: SpecRuns) -> None:
    runs.run(SPEC.replace("MIN", ""))
    assert all("Do not use any commas." in p and "double quotation marks" in p for p in runs.prompts)
    kept = [columns for status, _, columns in runs.rows() if status == "kept"]
    assert [columns["task"] for columns in kept] == ["Describe a river."]
    assert sorted(c["id"] for c in kept[0]["wanted"]) == ["punctuation:no_comma", "startend:quotation"]
    broken = [
        score["verify_constraints"]["evidence"] for score in runs.scores() if "verify_constraints" in score
    ]
    assert {found["followed"] for found in broken} == {0, 1, 2}


def test_a_lower_min_measures_and_asks_nothing_again(runs: SpecRuns) -> None:
    runs.run(SPEC.replace("MIN", ""))
    asked = len(runs.prompts)
    report = runs.run(SPEC.replace("MIN", "min = 0.5,"))
    assert len(runs.prompts) == asked
    kept = [columns["task"] for status, _, columns in runs.rows() if status == "kept"]
    assert sorted(kept) == ["Describe a river.", "Describe a town."]
    assert report is not None


def test_the_shipped_method_compiles() -> None:
    plan = mixwright.plan(Path(__file__).parents[3] / "specs" / "methods" / "precise_if.mix")
    drawn = {name: pipeline.steps[0].attributes["from"] for name, pipeline in plan.pipelines.items()}
    assert drawn["persona_if"] == {"call": "constraints", "args": ["ifeval"], "keywords": {"least": 1}}
    assert {p.steps[-2].operation for p in plan.pipelines.values()} == {"verify.constraints"}
