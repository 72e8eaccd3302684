"""`profile` counts values where it stands, and compares them with shares and with another place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from spec_runs import SpecRuns

import mixwright
from mixwright_runtime.facts.run import run_facts
from mixwright_runtime.report.html import report_html
from mixwright_runtime.steps import profile

ROWS = """
source pool duckdb {
  sql = "SELECT i, CASE WHEN i < 30 THEN 'a' WHEN i < 36 THEN 'b' END AS topic, ['x', 'x'] AS tags FROM range(40) AS t(i)"
}
"""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    made = SpecRuns(tmp_path, lambda prompt: "")
    yield made
    made.store.close()


def reports(runs: SpecRuns, steps: str) -> dict[str, Any]:
    report = runs.run(f"{ROWS}pipeline p {{ from pool\n {steps} }}")
    found: dict[str, Any] = report.summary["pipelines"]["p"]["reports"]
    return found


def test_values_are_counted_and_every_row_goes_on(runs: SpecRuns) -> None:
    found = reports(runs, "profile { of = topic, id = seen }")["seen"]
    assert found["counts"] == {"a": [30, 0.75], "b": [6, 0.15], "null": [4, 0.1]}
    assert found["uneven"] == {"chi_square": pytest.approx((900 + 36 + 16) * 3 / 40 - 40), "freedom": 2}
    assert len(runs.rows()) == 40


def test_of_a_list_each_different_item_counts(runs: SpecRuns) -> None:
    assert reports(runs, "profile { of = tags, id = seen }")["seen"]["counts"] == {"x": [40, 1.0]}


def test_shares_are_what_is_wanted(runs: SpecRuns) -> None:
    found = reports(runs, "profile { of = topic, id = seen, shares = { a = 50%, b = 40%, c = 10% } }")[
        "seen"
    ]["shares"]
    assert found["values"]["a"] == {"wanted": 0.5, "found": 0.75}
    assert found["values"]["c"] == {"wanted": 0.1, "found": 0.0}
    assert (found["outside"], found["l1"]) == (4, pytest.approx(0.25 + 0.25 + 0.1 + 0.1))
    assert found["chi_square"] == pytest.approx(144 / 18 + 8.4**2 / 14.4 + 3.6) and found["freedom"] == 2


def test_a_balanced_pool_is_less_uneven_and_told_from_what_it_was(runs: SpecRuns) -> None:
    steps = "profile { of = topic, id = before }\n balance { by = topic, most = 6 }\n"
    found = reports(runs, steps + "profile { of = topic, id = after, against = before }")
    assert found["after"]["uneven"]["chi_square"] < found["before"]["uneven"]["chi_square"]
    against = found["after"]["against"]
    assert against["step"] == "before" and against["freedom"] == 2
    assert against["l1"] == pytest.approx((0.75 - 0.375) + (0.375 - 0.15) + (0.25 - 0.1))
    plan = mixwright.plan(runs.directory / "spec.mix")
    page = report_html(run_facts(runs.store, plan, 1))
    assert "What p.after reports" in page and "&#34;chi_square&#34;" in page


def test_a_filter_behind_it_is_not_moved_ahead(runs: SpecRuns) -> None:
    found = reports(runs, 'profile { of = topic, id = seen }\n filter { where = topic == "a" }')
    assert found["seen"]["rows"] == 40


def test_values_without_number_are_counted_within_bounds(
    runs: SpecRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile, "MOST", 3)
    found = reports(runs, "profile { of = i, id = seen }")["seen"]
    assert sum(count for count, _ in found["counts"].values()) == 40
    assert found["values"] == 4 and found["counts"]["(others)"][0] == 37
    assert json.dumps(found)
