"""Table steps decide on many rows, ask models as they do, and make rows of several; every row is told of and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from spec_runs import SpecRuns

import mixwright
from mixwright.plan_text import plan_text
from mixwright.recorded import Recorded

NUMBERS = (
    "source numbers inline { rows = [{ n = 3 }, { n = 9 }, { n = null }, { n = 7 }, { n = 9 }, { n = 1 }] }\n"
)


@pytest.fixture
def runs(tmp_path: Path) -> SpecRuns:
    return SpecRuns(tmp_path, lambda prompt: f"<{prompt}>")


def kept(runs: SpecRuns, *names: str) -> list[Any]:
    found = [tuple(columns.get(n) for n in names) for status, _, columns in runs.rows() if status == "kept"]
    return sorted(one[0] for one in found) if len(names) == 1 else sorted(found)


def dropped(runs: SpecRuns) -> list[str]:
    return sorted(reason for status, reason, _ in runs.rows() if status == "dropped")


def test_the_rows_with_the_largest_numbers_are_kept(runs: SpecRuns) -> None:
    runs.run(NUMBERS + "pipeline p { from numbers\n select top { by = n, count = 3 } }")
    assert kept(runs, "n") == [7, 9, 9]
    assert dropped(runs) == ["no value", "not selected", "not selected"]
    runs.store.check_accounting(1, complete=True)


def test_a_share_is_of_all_rows_that_come(runs: SpecRuns) -> None:
    runs.run(NUMBERS + "pipeline p { from numbers\n select top { by = 0 - n, top = 50% } }")
    assert kept(runs, "n") == [1, 3, 7]
    runs.run(NUMBERS + "pipeline p { from numbers\n select top { by = n, count = 100 } }")
    assert kept(runs, "n") == [1, 3, 7, 9, 9]  # one has no value, and there are no more


MANY = 'source many duckdb { sql = "SELECT i FROM range(200) AS t(i) ORDER BY i" }\n'


def test_more_rows_drawn_at_random_are_the_same_and_others(runs: SpecRuns) -> None:
    def drawn(how: str) -> set[int]:
        runs.run(MANY + f"pipeline p {{ from many\n select random {{ {how} }} }}")
        return set(kept(runs, "i"))

    few, more, other = drawn("count = 20"), drawn("top = 30%"), drawn("count = 20, seed = 7")
    assert len(few) == len(other) == 20 and len(more) == 60
    assert few < more and few != other


def test_what_is_drawn_is_not_what_starts_first(runs: SpecRuns) -> None:
    """Rows start by the same seed; were they drawn by it too, a mixture's first rows would be no sample."""
    runs.run(MANY + "pipeline p { from many\n select random { count = 20 } }")
    [(first,)] = runs.store.sql("SELECT count(*) FROM outcome WHERE status = 'kept' AND position < 20")
    assert first < 10


def test_all_rows_start_however_few_are_wanted(runs: SpecRuns) -> None:
    runs.run(
        MANY
        + """pipeline p { from many
          select top { by = i, count = 5 } }
        mixture m { seed = 1
          p = take(2) }"""
    )
    assert kept(runs, "i") == [195, 196, 197, 198, 199]
    runs.store.check_accounting(1, complete=True)


def test_a_plan_says_that_all_rows_start(tmp_path: Path) -> None:
    spec = tmp_path / "spec.mix"
    spec.write_text(
        """edition 2026
        source numbers inline { rows = [{ n = 1 }, { n = 2 }, { n = 3 }, { n = 4 }] }
        pipeline p { from numbers
          select top { by = n, count = 3 }
          filter { where = n > 0 } }
        mixture m { seed = 1
          p = take(1) }"""
    )
    plan = mixwright.plan(spec)
    rows = {e.node: (e.rows_in, e.rows_out) for e in plan.estimates}
    assert rows == {"p.from": (4, 4), "p.select_top": (4, 3), "p.filter": (3, 3), "m.p": (3, 1)}
    assert "select top decides once: all rows start" in plan_text(plan, Recorded())
