"""Demands of tags and policies that only a run can tell: they end it with status 1, and report and card say why."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from spec_runs import SpecRuns

from mixwright.commands.run import report_text
from mixwright_runtime.exporters.card import CardFacts, dataset_card
from mixwright_runtime.facts.mixture import mixture_facts
from mixwright_runtime.facts.run import run_facts
from mixwright_runtime.report.html import report_html

SPEC = """
source few duckdb { sql = "SELECT 'q' || i AS q FROM range(4) AS t(i)", license = "mit" }
source many duckdb { sql = "SELECT 'r' || i AS q FROM range(16) AS t(i)", license = "mit" }
source scraped inline { rows = [{ q = "s" }], license = "mit" }
pipeline a { from few, REVIEW chat { user = q, assistant = q } }
pipeline b { from many, chat { user = q, assistant = q } }
mixture m { seed = 1
  a = all
  b = all
  tag rare { rows = [a], LIMITS }
}
policy release { exclude scraped { because = "its publisher <withdrew> it" } POLICY }
"""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    made = SpecRuns(tmp_path, lambda prompt: prompt)
    yield made
    made.store.close()


def spec(limits: str = "", policy: str = "", review: str = "") -> str:
    return SPEC.replace("LIMITS", limits).replace("POLICY", policy).replace("REVIEW", review)


def card(runs: SpecRuns, run_id: int) -> str:
    return dataset_card(CardFacts("t", mixture_facts(runs.store, runs.plan, run_id, "m"), "d"))


def page(runs: SpecRuns, run_id: int) -> str:
    return report_html(run_facts(runs.store, runs.plan, run_id))


@pytest.mark.parametrize(
    ("limits", "demand"),
    [
        ("least = 25%", "at least 25% of the mixture"),
        ("least = 5", "at least 5 rows"),
        ("most = 10%", "at most 10% of the mixture"),
        ("most = 3", "at most 3 rows"),
    ],
)
def test_a_limit_that_a_run_breaks_ends_it_with_a_finding(runs: SpecRuns, limits: str, demand: str) -> None:
    report = runs.run(spec(limits))
    assert report.exit_code == 1
    assert report.summary["violations"] == [
        {"kind": "tag", "mixture": "m", "of": "rare", "demand": demand, "found": "it has 4 of 20 rows"}
    ]
    assert f"mixture 'm': tag 'rare' demands {demand}; it has 4 of 20 rows" in report.messages
    assert f"rare demands {demand}: it has 4 of 20 rows." in page(runs, 1)
    assert f"**Not met:** mixture 'm': tag 'rare' demands {demand}" in card(runs, 1)


def test_limits_that_are_kept_say_nothing(runs: SpecRuns) -> None:
    report = runs.run(spec("least = 20%, most = 4"))
    assert (report.exit_code, report.summary["violations"]) == (0, [])
    assert "Not met" not in card(runs, 1)


def test_a_run_that_is_cut_short_breaks_no_limit(runs: SpecRuns) -> None:
    assert runs.run(spec("least = 4"), limit=1).exit_code == 0


def test_what_is_excluded_is_told_with_its_reason_in_plan_report_and_card(runs: SpecRuns) -> None:
    report = runs.run(spec("least = 1"))
    assert report.exit_code == 0 and "scraped" not in report_text(report)
    assert "No row of scraped, excluded because: its publisher &lt;withdrew&gt; it." in page(runs, 1)
    assert "| scraped | its publisher &lt;withdrew> it |" in card(runs, 1)


def test_people_must_find_as_much_good_as_the_policy_says(runs: SpecRuns) -> None:
    text = spec("least = 1", ", reviewed = 75%", 'review seen { of = q, out = "seen.csv" },')
    [unread] = runs.run(text).summary["violations"]
    assert unread["found"] == "nobody has judged the rows of 'a.review_seen'"
    sheet = runs.directory / "seen.csv"
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))

    def judged(good: int) -> None:
        with sheet.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(lines[0]))
            writer.writeheader()
            writer.writerows(
                {**line, "verdict": "yes" if at < good else "no"} for at, line in enumerate(lines)
            )

    judged(2)
    report = runs.run(text)
    assert report.exit_code == 1
    assert (
        "mixture 'm': policy 'release' demands that people find 75% of what models write good; of 'a.review_seen' they "
        "find 50%" in report.messages
    )
    judged(3)
    assert runs.run(text).exit_code == 0
