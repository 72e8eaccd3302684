"""`as` and `band` of a verifier: its verdict as a column, and which rows go on by how many of their candidates pass."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from spec_runs import SpecRuns

import mixwright
from mixwright.commands.explain import rendered
from mixwright.commands.run import report_text
from mixwright_compiler.plan.diff import differences, first_changed_step
from mixwright_compiler.plan.plan import Plan, plan_from_json
from mixwright_runtime.engines.protocol import Answer, Finish
from mixwright_runtime.facts.row import row_facts
from mixwright_runtime.facts.run import run_facts
from mixwright_runtime.report.html import report_html
from mixwright_runtime.store.runs import run_numbered
from mixwright_runtime.verifiers.rates import pass_at_k, rates_of

SPEC = """
source sums inline { rows = [ROWS] }
template ask { user = "Problem {{ n }}" }
pipeline solved {
  from sums
  generate solution { prompt = ask, model = teacher, samples = 4, on_fail = drop }
  verify math { response = solution, answer = a, MORE }
  AFTER
}
"""


def spec(more: str = "pick = first", after: str = "", rows: int = 5) -> str:
    """Of four answers to problem n are n right."""
    numbers = ", ".join(f'{{ n = {n}, a = "1" }}' for n in range(rows))
    return SPEC.replace("ROWS", numbers).replace("MORE", more).replace("AFTER", after)


class Answers:
    """Of the answers to each problem the first n are right."""

    def __init__(self) -> None:
        self.given: Counter[int] = Counter()

    def __call__(self, text: str, _: int) -> Answer:
        n = int(text.split()[-1])
        self.given[n] += 1
        return Answer(r"\boxed{1}" if self.given[n] <= n else r"\boxed{0}", Finish.STOP)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    made = SpecRuns(tmp_path, str)
    made.engine.script = Answers()
    yield made
    made.store.close()


def kept(runs: SpecRuns) -> list[dict[str, Any]]:
    return [columns for status, _, columns in runs.rows() if status == "kept"]


def measured(runs: SpecRuns) -> int:
    return int(runs.store.sql("SELECT count(*) FROM score")[0][0])


BAND = "band = { min = 25%, max = 75% }, pick = first"


def test_rows_outside_the_band_are_dropped_whole_with_the_reason(runs: SpecRuns) -> None:
    runs.run(spec(BAND))
    assert sorted(columns["n"] for columns in kept(runs)) == [1, 2, 3]
    assert Counter(
        (columns["n"], reason) for status, reason, columns in runs.rows() if status == "dropped"
    ) == {
        (0, "math: rate below the band"): 4,
        (1, "math: wrong"): 3,
        (2, "math: wrong"): 2,
        (2, "math: not picked"): 1,
        (3, "math: wrong"): 1,
        (3, "math: not picked"): 2,
        (4, "math: rate above the band"): 4,
    }


def test_moving_the_band_asks_and_measures_nothing(runs: SpecRuns) -> None:
    runs.run(spec(BAND))
    requests, scores = len(runs.engine.requests), measured(runs)
    runs.run(spec("band = { max = 50% }, pick = first, as = right"))
    assert sorted(columns["n"] for columns in kept(runs)) == [1, 2]
    assert (len(runs.engine.requests), measured(runs)) == (requests, scores) == (20, 2)


def test_without_a_pick_the_passing_candidates_go_on_together(runs: SpecRuns) -> None:
    runs.run(
        spec("band = { min = 50%, max = 75% }", "verify truncation { response = solution, pick = first }")
    )
    assert sorted(columns["n"] for columns in kept(runs)) == [2, 3]


def test_the_verdict_is_a_column_with_the_rate_of_the_row(runs: SpecRuns) -> None:
    runs.run(spec("as = right, pick = first, on_fail = keep", "derive { share = right.rate }"))
    assert sorted((c["n"], c["right"]["score"], c["right"]["passes"], c["share"]) for c in kept(runs)) == [
        (0, 0.0, False, 0.0),
        (1, 1.0, True, 0.25),
        (2, 1.0, True, 0.5),
        (3, 1.0, True, 0.75),
        (4, 1.0, True, 1.0),
    ]


def test_a_verdict_on_each_by_itself_has_no_rate(runs: SpecRuns) -> None:
    runs.run(spec("as = right, on_fail = keep", 'derive { word = if(right.passes, "yes", "no") }', rows=2))
    assert Counter((c["n"], c["word"], tuple(c["right"])) for c in kept(runs)) == {
        (0, "no", ("score", "passes")): 4,
        (1, "yes", ("score", "passes")): 1,
        (1, "no", ("score", "passes")): 3,
    }


def test_a_verdict_that_another_request_reads_is_part_of_it(runs: SpecRuns) -> None:
    text = spec(
        "as = right, on_fail = keep, pick = first", "generate note { prompt = say, model = teacher }", rows=2
    )
    runs.engine.script = lambda prompt, _: Answer(r"\boxed{1}" if prompt == "Problem 1" else "x", Finish.STOP)
    runs.run(text + 'template say { user = "{% if right.passes %}Praise{% else %}Mend{% endif %} {{ n }}" }')
    assert sorted(prompt for prompt in runs.prompts if "Problem" not in prompt) == ["Mend 0", "Praise 1"]


def test_on_fail_keep_keeps_what_fails_inside_the_band_alone(runs: SpecRuns) -> None:
    runs.run(spec("band = { max = 25% }, pick = first, on_fail = keep, as = right"))
    assert sorted((c["n"], c["right"]["passes"]) for c in kept(runs)) == [(0, False), (1, True)]


def test_a_candidate_without_an_answer_does_not_pass(runs: SpecRuns) -> None:
    """Problem 2 gets two right answers and two that are cut off."""
    script = runs.engine.script

    def cut(text: str, before: int) -> Answer:
        answer = script(text, before)
        return Answer("It goes on", Finish.LENGTH) if "0" in answer.text else answer

    runs.engine.script = cut
    runs.run(spec("as = right, pick = first"))
    assert sorted((c["n"], c["right"]["rate"]) for c in kept(runs)) == [
        (1, 0.25),
        (2, 0.5),
        (3, 0.75),
        (4, 1.0),
    ]


def test_the_rate_is_that_of_the_first_answers(runs: SpecRuns) -> None:
    """What is asked again for problem 0 says nothing of how hard it is."""
    asked: Counter[str] = Counter()

    def script(text: str, _: int) -> Answer:
        asked[text] += 1
        return Answer(r"\boxed{1}" if asked[text] > 4 or text != "Problem 0" else r"\boxed{0}", Finish.STOP)

    runs.engine.script = script
    report = runs.run(spec("band = { max = 50% }, pick = first, on_fail = retry(1), as = right", rows=2))
    assert [(c["n"], c["right"]["passes"], c["right"]["rate"]) for c in kept(runs)] == [(0, True, 0.0)]
    assert report.summary["pipelines"]["solved"]["steps"]["verify_math"]["rated"]["pass_at"] == {
        "1": 0.5,
        "2": 0.5,
        "4": 0.5,
    }


def test_rows_that_a_condition_leaves_out_go_on_whatever_the_band(runs: SpecRuns) -> None:
    runs.run(spec(BAND + ", when = n != 2"))
    assert Counter(c["n"] for c in kept(runs)) == {1: 1, 2: 4, 3: 1}


def test_the_report_tells_pass_at_k(runs: SpecRuns) -> None:
    report = runs.run(spec())
    expected = {"rows": 5, "candidates": 4, "rate": 0.5, "pass_at": {"1": 0.5, "2": 0.666667, "4": 0.8}}
    assert report.summary["pipelines"]["solved"]["steps"]["verify_math"]["rated"] == expected
    assert (
        "solved.verify_math rated 5 rows of 4 candidates: pass@1 50.0%, pass@2 66.7%, pass@4 80.0%"
        in report_text(report)
    )
    run = run_numbered(runs.store, report.run_id)
    assert run is not None
    facts = run_facts(runs.store, plan_from_json(run.plan), report.run_id)
    assert facts.rates == {"solved.verify_math": expected}
    assert "Candidates that pass" in report_html(facts)


def test_pass_at_k_is_the_share_of_draws_with_a_right_one() -> None:
    from itertools import combinations

    def counted(right: int, of: int, k: int) -> float:
        draws = [any(i < right for i in draw) for draw in combinations(range(of), k)]
        return sum(draws) / len(draws)

    for right, k in ((0, 3), (1, 1), (2, 3), (5, 2), (8, 8)):
        assert pass_at_k({(right, 8): 1}, k) == pytest.approx(counted(right, 8, k))
    assert pass_at_k({(0, 2): 1, (2, 2): 3}, 1) == 0.75
    assert rates_of({(1, 1): 7}) is None


def test_explain_shows_the_verdict_and_why_the_row_is_gone(runs: SpecRuns) -> None:
    runs.run(spec(BAND + ", as = right", rows=1))
    (row_id,) = runs.store.sql("SELECT row_id FROM outcome WHERE candidate = 0")[0]
    text = rendered(row_facts(runs.store, bytes(row_id).hex()), limit=None)
    assert "dropped by step verify_math: math: rate below the band" in text
    assert "passing: 0" in text and "candidates: 4" in text
    assert f"right: {json.dumps({'score': 0.0, 'passes': False, 'rate': 0.0})}" in text


JUDGED = """edition 2026
model teacher openai { base_url = "http://localhost:1/v1", model = "tiny" }
source texts inline { rows = [{ n = 1 }] }
template ask { user = "{{ n }}" }
template easier { user = "Easier than {{ n }}" }
template harder { user = "Harder than {{ n }}" }
template mend { user = "Mend {{ solution }}WORD" }
pipeline p {
  from texts
  generate solution { prompt = PROMPT, model = teacher, samples = 4 }
  verify repetition { response = solution, MORE }
}
"""


def planned(directory: Path, more: str = "max = 0.5", *, prompt: str = "ask", word: str = "") -> Plan:
    path = directory / "judged.mix"
    text = JUDGED.replace("MORE", more).replace("PROMPT", prompt).replace("WORD", word)
    path.write_text(text, encoding="utf-8")
    return mixwright.plan(path)


STEP = "~ pipeline.p.verify_repetition"


@pytest.mark.parametrize(
    ("before", "after", "said", "first"),
    [
        ("max = 0.5", "max = 0.5, as = v", f"{STEP} (row: as none -> v)", "verify_repetition"),
        ("max = 0.5", "max = 0.6", f"{STEP} (set: max 0.5 -> 0.6)", None),
        ("max = 0.5, as = v", "max = 0.6, as = v", f"{STEP} (row: max 0.5 -> 0.6)", "verify_repetition"),
        (
            "max = 0.5, as = v, band { max = 75% }",
            "max = 0.5, as = v, band { max = 50% }",
            f"{STEP} (set: band.max 0.75 -> 0.5)",
            None,
        ),
    ],
)
def test_the_plan_tells_what_a_change_of_a_verdict_changes(
    tmp_path: Path, before: str, after: str, said: str, first: str | None
) -> None:
    old, new = planned(tmp_path, before), planned(tmp_path, after)
    assert [str(found) for found in differences(old, new)] == [said]
    assert first_changed_step(old, new, "p") == first
    assert old.pipelines["p"].steps[-1].fingerprint.row == new.pipelines["p"].steps[-1].fingerprint.row


def test_another_text_of_a_repair_changes_rows_from_its_verifier_on(tmp_path: Path) -> None:
    old, new = (planned(tmp_path, "max = 0.5, on_fail = repair(mend)", word=word) for word in ("", "!"))
    assert first_changed_step(old, new, "p") == "verify_repetition"


def test_rows_name_their_template_so_another_name_is_another_row(tmp_path: Path) -> None:
    one = planned(tmp_path, prompt="ask")
    listed = planned(tmp_path, prompt="[ask]")
    assert [str(found) for found in differences(one, listed)] == [
        "~ pipeline.p.generate_solution (row: prompt, choose none -> random)"
    ]
    turned = planned(tmp_path, prompt="[easier, harder]")
    assert (
        first_changed_step(turned, planned(tmp_path, prompt="[harder, easier]"), "p") == "generate_solution"
    )


def test_items_of_a_list_are_candidates_too(runs: SpecRuns) -> None:
    runs.run("""
    source lists inline {
      rows = [{ n = 1, of = ["1", "2"] }, { n = 2, of = ["2", "2", "3", "4"] }, { n = 3, of = ["1"] }]
    }
    pipeline p {
      from lists
      each x { of = of }
      verify where { expr = int(x) == n, response = x, band { max = 50% }, on_fail = keep, as = right }
    }""")
    found = Counter((c["n"], c["x"], c["right"]["passes"], c["right"]["rate"]) for c in kept(runs))
    assert found == {
        (1, "1", True, 0.5): 1,
        (1, "2", False, 0.5): 1,
        (2, "2", True, 0.5): 2,
        (2, "3", False, 0.5): 1,
        (2, "4", False, 0.5): 1,
        (3, "1", False, 0.0): 1,
    }
