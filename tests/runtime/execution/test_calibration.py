"""`calibrate`: a verifier is held against labelled rows before the pipeline starts."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import plans
import pytest
from spec_runs import SpecRuns

import mixwright
from mixwright.commands.run import report_text
from mixwright_runtime.errors import CalibrationFailed, RunError
from mixwright_runtime.facts.run import run_facts
from mixwright_runtime.plugins.protocol import Measurement
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.report.html import report_html
from mixwright_runtime.run.calibration import calibrated
from mixwright_runtime.store.store import Store
from mixwright_runtime.stream.measuring import Measuring
from mixwright_runtime.stream.nodes import Node
from mixwright_runtime.stream.outcomes import Tally
from mixwright_runtime.values.rows import Row
from mixwright_runtime.verifiers.calibrate import area_under_curve
from mixwright_runtime.verifiers.verdicts import Selection

# Six rows that should pass, of which math passes five; four that should not, of which it passes one.
LABELLED = [
    *({"solution": f"so {n}", "answer": str(n), "ok": True} for n in range(5)),
    {"solution": "so eight", "answer": "8", "ok": True},
    *({"solution": f"so {n}", "answer": str(n + 1), "ok": False} for n in range(3)),
    {"solution": "by luck 4", "answer": "4", "ok": False},
]

SPEC = """
source labelled jsonl { path = "labelled.jsonl" }
source sums inline { rows = [{ problem = "2 + 2", answer = "4" }] }
template solve { user = "Solve {{ problem }}" }
pipeline solved {
  from sums
  generate solution { prompt = solve, model = teacher }
  verify math { response = solution, answer = answer, calibrate { rows = labelled, label = ok BLOCK } }
}
"""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    made = SpecRuns(tmp_path, lambda prompt: "so 4")
    label(made, LABELLED)
    yield made
    made.store.close()


def label(runs: SpecRuns, rows: list[dict[str, Any]]) -> None:
    (runs.directory / "labelled.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def spec(block: str = "") -> str:
    return SPEC.replace("BLOCK", block)


def test_the_figures_are_in_the_report(runs: SpecRuns) -> None:
    report = runs.run(spec(", precision = 80%, recall = 80%"))
    assert report.summary["calibrations"]["solved.verify_math"] == {
        "rows": "labelled",
        "precision": 5 / 6,
        "recall": 5 / 6,
        "f1": 10 / 12,
        "auc": pytest.approx((5 * 3.5 + 0) / 24),
        "matrix": {"right_passes": 5, "wrong_passes": 1, "right_fails": 1, "wrong_fails": 3},
        "unmeasurable": 1,
        "faults": 0,
        "demands": {"precision": 0.8, "recall": 0.8},
        "missed": [],
        "better": None,
    }
    assert """\
calibration solved.verify_math on 10 rows of labelled: precision 83.3%, recall 83.3%, f1 83.3%, auc 72.9%
           right   wrong
  passes       5       1
  fails        1       3
  1 of these hold nothing to measure
""" in report_text(report)


def test_a_verifier_below_its_demand_fails_the_run_before_any_row_is_started(runs: SpecRuns) -> None:
    with pytest.raises(CalibrationFailed) as failed:
        runs.run(spec(", precision = 95%"))
    assert str(failed.value) == (
        "verifier 'solved.verify_math' is not as good as `calibrate` demands: precision 83.3% of 95% on 10 rows of "
        "'labelled'; of 6 right ones 5 pass, of 4 wrong ones 1; no row was started. Change the verifier, its threshold "
        "or the demand: 'mixwright run' measures only what is new"
    )
    assert failed.value.exit_code == 1
    assert runs.prompts == [] and runs.rows() == []
    assert runs.store.last_run().status == "failed"


def test_the_page_shows_the_matrix_of_a_failed_run_too(runs: SpecRuns) -> None:
    with pytest.raises(CalibrationFailed):
        runs.run(spec(", recall = 99%"))
    plan = mixwright.plan(runs.directory / "spec.mix")
    page = report_html(run_facts(runs.store, plan, 1))
    assert "Below what is demanded: recall 83.3% of 99%" in page
    assert "<td>passes</td><td>5</td><td>1</td>" in page.replace(' class="n"', "")


def test_labelled_rows_are_measured_once(runs: SpecRuns) -> None:
    """And the pipeline's row not at all: it equals one of them."""
    runs.run(spec())
    measured = runs.store.sql("SELECT count(*) FROM score")
    runs.run(spec(", recall = 50%"))
    assert runs.store.sql("SELECT count(*) FROM score") == measured == [(10,)]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"solution": "1", "answer": "1"}], "row 1 of 'labelled' has no column 'ok'"),
        ([{"solution": "1", "ok": True}], "row 1 of 'labelled' has no column 'answer'"),
        ([{"solution": "1", "answer": "1", "ok": None}], "has no label: 'ok' is null"),
        (
            [{"solution": "1", "answer": "1", "ok": True}],
            "do not tell right from wrong: every row should pass by `ok`; `good` is true, labels there: true",
        ),
        (
            [{"solution": str(n), "answer": "1", "ok": word} for n, word in enumerate(["yes", "no", "yes"])],
            'every row should fail by `ok`; `good` is true, labels there: "yes", "no"',
        ),
        ([], "do not tell right from wrong: there is none by `ok`"),
    ],
)
def test_rows_that_cannot_calibrate_say_why(runs: SpecRuns, rows: list[dict[str, Any]], message: str) -> None:
    label(runs, rows)
    with pytest.raises(RunError) as failed:
        runs.run(spec())
    assert message in str(failed.value)
    assert runs.prompts == [] and runs.store.sql("SELECT count(*) FROM score") == [(0,)]


def test_labels_may_be_words(runs: SpecRuns) -> None:
    label(runs, [{**row, "ok": "right" if row["ok"] else "wrong"} for row in LABELLED])
    report = runs.run(spec(', good = "right"'))
    assert report.summary["calibrations"]["solved.verify_math"]["matrix"]["right_passes"] == 5


def test_candidates_are_compared_within_their_group(runs: SpecRuns) -> None:
    rows = [("a", "4", True), ("a", "4", True), ("a", "5", False), ("b", "7", False), ("b", "8", False)]
    label(runs, [{"question": q, "solution": s, "ok": ok} for q, s, ok in rows])
    report = runs.run("""
        source labelled jsonl { path = "labelled.jsonl" }
        source sums inline { rows = [{ problem = "2 + 2" }] }
        template solve { user = "Solve {{ problem }}" }
        pipeline solved {
          from sums
          generate solution { prompt = solve, model = teacher, samples = 3 }
          verify agreement {
            response = solution
            pick = all
            calibrate { rows = labelled, label = ok, group = question }
          }
        }""")
    found = report.summary["calibrations"]["solved.verify_agreement"]
    assert found["matrix"] == {"right_passes": 2, "wrong_passes": 0, "right_fails": 0, "wrong_fails": 3}


def test_faults_of_the_verifier_are_left_out_and_have_their_budget(
    runs: SpecRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Any, row: Any) -> Any:
        raise OSError("no disk")

    monkeypatch.setattr("mixwright_runtime.verifiers.verify_math.MathVerifier.measure", fail)
    with pytest.raises(RunError, match=r"'solved.verify_math.calibrate' failed on 10 of 10 rows.*no disk"):
        runs.run(spec())
    assert runs.prompts == []


def test_a_threshold_that_would_do_is_named(tmp_path: Path) -> None:
    """Scores are 0.0 to 0.9, the threshold lets all pass, and those from 0.6 on should."""

    class Verifier(Measure):
        selection = Selection("v", "polite", low=0.0)

        async def measure(self, row: Row) -> Measurement:
            return Measurement("measured", row.columns["score"])

    step = plans.step("verify.polite", id="v", reads=("score",), min=0.0)
    with Store.open(tmp_path / "store") as store:
        verifier = Verifier(step, None)  # type: ignore[arg-type]
        measuring = Measuring(step, verifier, store, run_id=1, node="p.v", compares=False)
        node = Node(step, verifier, Tally("v"), measuring=measuring)
        rows = [
            Row(bytes([n]), {"score": n / 10, "ok": n >= 6}, bytes([n]), n)
            for n in random.Random(1).sample(range(10), 10)
        ]
        block = {"rows": "labelled", "label": "ok", "precision": 0.9, "recall": 0.9}
        found = asyncio.run(calibrated(node, rows, block))
    assert found.missed == ["precision 40% of 90%"]
    assert found.better == {"min": 0.6, "precision": 1.0, "recall": 1.0}
    assert found.auc == 1.0


def test_a_max_that_would_do_is_named_where_lower_is_better(runs: SpecRuns) -> None:
    rows = [{"t": f"This is answer number {n}, and it says one thing.", "ok": True} for n in range(3)]
    rows += [{"t": "I like it. " * (10 * n), "ok": False} for n in range(1, 4)]
    label(runs, rows)
    text = """
source labelled jsonl { path = "labelled.jsonl" }
source texts inline { rows = [{ t = "A text." }] }
pipeline checked {
  from texts
  verify repetition { response = t, max = 1.0, calibrate { rows = labelled, label = ok, precision = 90% } }
}
"""
    with pytest.raises(CalibrationFailed, match=r"`max = 0` would meet it on these rows: precision 100%"):
        runs.run(text)


def test_a_translation_is_calibrated_and_no_min_is_named_where_parts_decide(runs: SpecRuns) -> None:
    """A `min` on the mean would not let a row pass that fails by one of its parts."""
    pytest.importorskip("fasttext")
    pairs = [
        ("The ferry leaves at 7:15 every morning.", "Die Fähre fährt jeden Morgen um 7:15 Uhr ab.", True),
        ("My neighbour has 3 goats.", "Mein Nachbar hat 4 Ziegen.", False),
        ("The museum shows 120 paintings.", "Das Museum zeigt 120 Bilder.", True),
        ("The shop sells 8 kinds of bread.", "Der Laden verkauft 8 Sorten Brot.", False),
    ]
    label(runs, [{"en": en, "de": de, "ok": ok} for en, de, ok in pairs])
    text = """
source labelled jsonl { path = "labelled.jsonl" }
source texts inline { rows = [{ en = "A text.", de = "Ein Text." }] }
pipeline checked {
  from texts
  verify translation {
    source = en, response = de, from = "en", to = "de"
    calibrate { rows = labelled, label = ok, precision = PRECISION }
  }
}
"""
    figures = runs.run(text.replace("PRECISION", "60%")).summary["calibrations"]["checked.verify_translation"]
    assert figures["matrix"] == {"right_passes": 2, "wrong_passes": 1, "right_fails": 0, "wrong_fails": 1}
    with pytest.raises(CalibrationFailed, match=r"precision 66\.6% of 90%") as failed:
        runs.run(text.replace("PRECISION", "90%"))
    assert "would meet" not in str(failed.value)


def test_area_under_the_curve_counts_pairs() -> None:
    chance = random.Random(7)
    right = [chance.choice([0.1, 0.4, 0.4, 0.9]) for _ in range(40)]
    wrong = [chance.choice([0.1, 0.2, 0.4, 0.5]) for _ in range(30)]
    pairs = [(a > b) + (a == b) / 2 for a in right for b in wrong]
    assert area_under_curve(right, wrong) == pytest.approx(sum(pairs) / len(pairs))
    assert area_under_curve([1.0], []) is None


def test_where_max_bounds_the_score_lower_is_better(runs: SpecRuns) -> None:
    rows = [{"t": f"This is answer number {n}, and it says one thing.", "ok": True} for n in range(3)]
    rows += [{"t": "I like it. " * (10 * n), "ok": False} for n in range(1, 4)]
    label(runs, rows)
    text = """
source labelled jsonl { path = "labelled.jsonl" }
source texts inline { rows = [{ t = "A text." }] }
pipeline checked {
  from texts
  verify repetition { response = t, calibrate { rows = labelled, label = ok, auc = 100% } }
}
"""
    assert runs.run(text).summary["calibrations"]["checked.verify_repetition"]["auc"] == 1.0
