"""Steps in a fragment make the rows that they make where they are written out: nothing is asked or drawn anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from spec_runs import HEAD, SpecRuns

import mixwright
from mixwright_compiler.plan.diff import differences
from mixwright_compiler.plan.fingerprint import pipeline_row_hashes
from mixwright_compiler.plan.plan import Plan

SOURCE = """
source topics inline { rows = [{ n = 1 }, { n = 2 }, { n = 3 }, { n = 4 }, { n = 5 }] }
template ask { user = "{{ n }} {{ tone }}" }
template other { user = "{{ tone }} {{ n }}" }
"""
STEPS = """
  draw tone { values = ["dry", "warm", "loud", "soft"] }
  render task { templates = [ask, other], choose = random }
  generate answer { prompt = ask, model = teacher, samples = 2 }
  draw mood { values = [1, 2, 3, 4, 5, 6, 7, 8] }
"""
WRITTEN_OUT = SOURCE + f"pipeline essays {{ from topics {STEPS} }}"
PARTS = """
  needs { n = int }
  makes { tone = text, task = text, task_template = text, answer = text, mood = int }
"""
IN_A_FRAGMENT = f"""{SOURCE}
fragment essay {{ {PARTS} {STEPS} }}
pipeline essays {{
  from topics
  use essay
}}
"""
IN_ANOTHER = IN_A_FRAGMENT.replace("use essay", "\n\n  use told {\n    id = t\n  }\n").replace(
    "fragment essay", "# Tells something.\nfragment told"
)
"""Under other names, and with other space."""
NESTED = (
    IN_A_FRAGMENT.replace("use essay", "use more { id = m }")
    + f"""
fragment more {{ {PARTS}
  use essay
}}
"""
)
UNSTATED = IN_A_FRAGMENT.replace("tone = text, task = text, task_template = text, ", "").replace(
    "mood = int", ""
)
"""It keeps most columns to itself."""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    made = SpecRuns(tmp_path, lambda prompt: f"on {prompt}")
    yield made
    made.store.close()


def made(runs: SpecRuns, spec: str) -> tuple[list[tuple[Any, ...]], int]:
    """Every row of a run (identity, calls, columns), and how many requests were sent for them."""
    report = runs.run(spec)
    rows: list[tuple[Any, ...]] = runs.store.sql(
        "SELECT row_id, parents, calls, columns FROM row_outcome WHERE run_id = (SELECT max(run_id) FROM run) "
        "ORDER BY position, candidate"
    )
    return rows, report.summary["requests"]


def plan_of(directory: Path, spec: str) -> Plan:
    path = directory / "spec.mix"
    path.write_text(HEAD + spec, encoding="utf-8")
    return mixwright.plan(path)


@pytest.mark.parametrize("spec", [IN_A_FRAGMENT, IN_ANOTHER, NESTED], ids=["wrapped", "renamed", "nested"])
def test_steps_in_a_fragment_ask_and_draw_nothing_anew(runs: SpecRuns, spec: str) -> None:
    rows, requests = made(runs, WRITTEN_OUT)
    assert (len(rows), requests) == (10, 10)
    assert made(runs, spec) == (rows, 0)


def test_a_plan_says_of_steps_in_a_fragment_that_they_are_called_otherwise(tmp_path: Path) -> None:
    before, after = plan_of(tmp_path, WRITTEN_OUT), plan_of(tmp_path, IN_A_FRAGMENT)
    assert pipeline_row_hashes(before) == pipeline_row_hashes(after)
    assert [str(difference) for difference in differences(before, after)] == [
        "~ pipeline.essays.essay.draw_tone (meta: id draw_tone -> essay.draw_tone)",
        "~ pipeline.essays.essay.render_task (meta: id render_task -> essay.render_task)",
        "~ pipeline.essays.essay.generate_answer (meta: id generate_answer -> essay.generate_answer)",
        "~ pipeline.essays.essay.draw_mood (meta: id draw_mood -> essay.draw_mood)",
    ]


def test_columns_that_a_fragment_keeps_to_itself_are_drawn_as_before(runs: SpecRuns) -> None:
    """Their names are those of the use, which change no draw and no request."""
    before, _ = made(runs, WRITTEN_OUT)
    after, requests = made(runs, UNSTATED)
    assert requests == 0
    own = {"tone", "task", "task_template", "mood"}
    named = [
        {(f"essay.{name}" if name in own else name): value for name, value in json.loads(columns).items()}
        for *_, columns in before
    ]
    assert [json.loads(columns) for *_, columns in after] == named
    assert [identity for *identity, _ in after] == [identity for *identity, _ in before]


def test_a_second_use_draws_for_itself(runs: SpecRuns) -> None:
    spec = """
    source topics inline { rows = [{ n = 1 }, { n = 2 }, { n = 3 }, { n = 4 }, { n = 5 }, { n = 6 }] }
    fragment drawn { draw tone { values = [1, 2, 3, 4, 5, 6, 7, 8] } }
    pipeline essays { from topics, use drawn { id = a }, use drawn { id = b } }
    """
    steps = plan_of(runs.directory, spec).pipelines["essays"].steps
    assert [(step.id, step.identity) for step in steps] == [
        ("a.draw_tone", "draw_tone"),
        ("b.draw_tone", "draw_tone_2"),
    ]
    runs.run(spec)
    drawn = [(columns["a.tone"], columns["b.tone"]) for *_, columns in runs.rows()]
    assert any(one != other for one, other in drawn)


RENAMED = """
source topics inline { rows = [{ n = 1, m = 7 }, { n = 2, m = 8 }] }
template ask { user = "{{ of }} {{ half }}" }
fragment told {
  params { of { type = column }, by { type = template, default = ask } }
  makes { answer = text }
  derive { half = of / 2 }
  generate answer { prompt = by, model = teacher }
}
template mine { user = "{{ m }} of {{ of }}: {{ half }}" }
pipeline essays { from topics
  use told { of = n } }
"""


def test_a_template_reads_the_columns_that_its_names_stand_for(runs: SpecRuns) -> None:
    runs.run(RENAMED)
    assert [columns["answer"] for *_, columns in runs.rows()] == ["on 1 0.5", "on 2 1.0"]
    runs.run(RENAMED.replace("of = n", "of = n, by = mine"))
    assert [columns["answer"] for *_, columns in runs.rows()] == ["on 7 of 1: 0.5", "on 8 of 2: 1.0"]


def test_another_column_for_a_param_that_templates_read_is_another_step(runs: SpecRuns) -> None:
    plans = [
        plan_of(runs.directory, RENAMED.replace("half = of / 2", "half = 1").replace("of = n", f"of = {c}"))
        for c in "nm"
    ]
    one, other = ({s.id: s.fingerprint.row for s in plan.pipelines["essays"].steps} for plan in plans)
    assert [id for id in one if one[id] != other[id]] == ["told.generate_answer"]


OPERATORS = """
source topics inline { rows = [%s] }
template deeper { user = "deeper {{ n }}" }
template wider { user = "wider {{ n }}" }
operator down depth { prompt = deeper, guard = n > 20%s }
operator out breadth { prompt = wider, guard = len(result) > 0 }
pipeline essays {
  from topics
  generate answer { prompt = [down, out], model = teacher, when = n != 7 }
}
"""
TOPICS = ", ".join(f"{{ n = {n} }}" for n in range(40))


def test_a_guard_judges_the_rows_that_took_its_operator(runs: SpecRuns) -> None:
    runs.run(OPERATORS % (TOPICS, ""))
    rows = runs.rows()
    assert len(rows) == 40
    for status, reason, columns in rows:
        if columns["n"] == 7:
            assert (status, columns.get("answer"), columns.get("answer_template")) == ("kept", None, None)
            continue
        taken = columns["answer_template"]
        assert columns["answer"] == f"on {'deeper' if taken == 'down' else 'wider'} {columns['n']}"
        kept = taken == "out" or columns["n"] > 20
        assert (status, reason) == (("kept", "") if kept else ("dropped", "filter"))
    steps = {columns["answer_template"] for status, _, columns in rows if status == "dropped"}
    assert steps == {"down"}


def test_an_operator_is_taken_as_often_as_its_weight_says(runs: SpecRuns) -> None:
    runs.run(OPERATORS % (TOPICS, ", weight = 9"))
    taken = [columns.get("answer_template") for *_, columns in runs.rows()]
    assert taken.count("down") > 3 * taken.count("out") > 0
