"""`id = name` says what a step is called, never what it makes: rows, draws and requests stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

import pytest
from spec_runs import HEAD, SpecRuns

import mixwright
from mixwright_compiler.plan.diff import differences
from mixwright_compiler.plan.fingerprint import pipeline_row_hashes
from mixwright_compiler.plan.plan import Plan

SPEC = """
source topics inline { rows = [{ n = 1 }, { n = 2 }, { n = 3 }, { n = 4 }, { n = 5 }] }
template ask { user = "{{ n }} {{ tone }}" }
template other { user = "{{ tone }} {{ n }}" }
pipeline essays {
  from topics
  draw tone { values = ["dry", "warm", "loud", "soft"]%s }
  render task { templates = [ask, other], choose = random%s }
  generate answer { prompt = ask, model = teacher, samples = 2%s }
  draw mood { values = [1, 2, 3, 4, 5, 6, 7, 8]%s }
}
"""
UNNAMED = SPEC % ("", "", "", "")
NAMED = SPEC % (", id = a", ", id = b", ", id = c", ", id = d")
OTHERWISE = SPEC % (", id = generate_answer", ", id = draw_mood", ", id = render_task", ", id = x")


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    made = SpecRuns(tmp_path, lambda prompt: f"on {prompt}")
    yield made
    made.store.close()


def made(runs: SpecRuns, spec: str) -> tuple[list[tuple[object, ...]], int]:
    """Every row of a run (identity, calls, columns), and how many requests were sent for them."""
    report = runs.run(spec)
    rows = runs.store.sql(
        "SELECT row_id, parents, calls, columns FROM row_outcome WHERE run_id = (SELECT max(run_id) FROM run) "
        "ORDER BY position, candidate"
    )
    return rows, report.summary["requests"]


def plan_of(directory: Path, spec: str) -> Plan:
    path = directory / "spec.mix"
    path.write_text(HEAD + spec, encoding="utf-8")
    return mixwright.plan(path)


def test_rows_draws_and_requests_are_the_same_whatever_a_step_is_called(runs: SpecRuns) -> None:
    rows, requests = made(runs, UNNAMED)
    assert (len(rows), requests) == (10, 10)
    for spec in (NAMED, OTHERWISE):
        assert made(runs, spec) == (rows, 0)


def test_the_rows_of_steps_without_names_are_pinned(runs: SpecRuns) -> None:
    """An upgrade must not draw anew. Change it only with the version in a digest's domain."""
    rows, _ = made(runs, UNNAMED)
    assert blake2b(repr(rows).encode(), digest_size=8).hexdigest() == "5e89576876d4a11d"


def test_a_plan_says_of_a_new_name_that_nothing_changes_in_the_data(tmp_path: Path) -> None:
    before, after = plan_of(tmp_path, UNNAMED), plan_of(tmp_path, NAMED)
    assert pipeline_row_hashes(before) == pipeline_row_hashes(after)
    assert [str(difference) for difference in differences(before, after)] == [
        "~ pipeline.essays.a (meta: id draw_tone -> a)",
        "~ pipeline.essays.b (meta: id render_task -> b)",
        "~ pipeline.essays.c (meta: id generate_answer -> c)",
        "~ pipeline.essays.d (meta: id draw_mood -> d)",
    ]


def test_a_second_step_of_one_kind_and_label_draws_for_itself(runs: SpecRuns) -> None:
    """They differ by their order, named or not."""
    spec = """
    source topics inline { rows = [{ n = 1 }, { n = 2 }, { n = 3 }, { n = 4 }, { n = 5 }, { n = 6 }] }
    pipeline essays {
      from topics { repeat = 2 }
      draw tone { values = [1, 2, 3, 4, 5, 6, 7, 8], when = n < 4%s }
      draw tone { values = [1, 2, 3, 4, 5, 6, 7, 8], when = n >= 4%s }
    }
    """
    plans = [plan_of(runs.directory, spec % ids) for ids in (("", ""), (", id = low", ", id = high"))]
    assert [[s.identity for s in p.pipelines["essays"].steps] for p in plans] == [
        ["draw_tone", "draw_tone_2"]
    ] * 2
    assert made(runs, spec % ("", "")) == made(runs, spec % (", id = low", ", id = high"))


def test_salt_draws_anew_and_the_fingerprint_says_so(runs: SpecRuns) -> None:
    def tones(salt: str) -> list[object]:
        spec = SPEC % (salt, "", "", "")
        runs.run(spec)
        return [columns["tone"] for _, _, columns in runs.rows()]

    salted = [tones(salt) for salt in ("", ', salt = "one"', ', salt = "two"')]
    assert salted[0] != salted[1] != salted[2] != salted[0]
    plans = [plan_of(runs.directory, SPEC % (salt, "", "", "")) for salt in ("", ', salt = "one"')]
    steps = [plan.pipelines["essays"].steps for plan in plans]
    assert [a.fingerprint.row == b.fingerprint.row for a, b in zip(*steps, strict=True)] == [
        False,
        True,
        True,
        True,
    ]


def test_salt_chooses_templates_anew(runs: SpecRuns) -> None:
    def chosen(salt: str) -> list[object]:
        runs.run((SPEC % ("", salt, "", "")).replace("[{ n = 1 }", "[" + "{ n = 0 }, " * 20 + "{ n = 1 }"))
        return [columns["task_template"] for _, _, columns in runs.rows()]

    assert chosen("") != chosen(', salt = "one"')
