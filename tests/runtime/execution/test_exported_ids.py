"""Every exported row has an id of its own, and rows made of one row say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from spec_runs import SpecRuns

import mixwright
from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.exporters.files import example_of
from mixwright_runtime.facts.row import UnknownRow, row_facts
from mixwright_runtime.mixture.record import mixture_rows

SPEC = """
source topics inline { license = "mit", rows = [{ q = "one" }, { q = "two" }, { q = "three" }] }
template ask { user = "{{ q }}" }
pipeline base { from topics
  generate a { prompt = ask, model = teacher } }
pipeline short { from base
  chat { user = q, assistant = a } }
pipeline long { from base
  chat { user = a, assistant = q } }
mixture inner { seed = 1
  short = all }
mixture main { seed = 1
  inner = all
  long = take(6, repeat = 2) }
"""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    made = SpecRuns(tmp_path, lambda prompt: f"on {prompt}")
    yield made
    made.store.close()


def exported(runs: SpecRuns, spec: str = SPEC) -> list[dict[str, object]]:
    report = runs.run(spec)
    path = runs.directory / "spec.mix"
    plan: Plan = mixwright.plan(path)
    return [example_of(row) for row in mixture_rows(runs.store, plan, report.run_id, "main")]


def test_ids_are_unique_and_lineages_are_shared(runs: SpecRuns) -> None:
    rows = exported(runs)
    assert len(rows) == len({row["id"] for row in rows}) == 9
    assert len({row["lineage"] for row in rows}) == 3


def test_ids_stay_when_the_mixture_grows(runs: SpecRuns) -> None:
    few = exported(runs, SPEC.replace("take(6, repeat = 2)", "2"))
    assert {row["id"] for row in few} < {row["id"] for row in exported(runs)}


def test_explain_takes_both(runs: SpecRuns) -> None:
    row = exported(runs)[0]
    by_id, by_lineage = (row_facts(runs.store, str(row[name])) for name in ("id", "lineage"))
    assert by_id == by_lineage
    assert by_id.row_id == row["lineage"]
    assert row["id"] in [place.id for place in by_id.mixtures]
    assert row_facts(runs.store, str(row["id"])[:12]).row_id == row["lineage"]
    with pytest.raises(UnknownRow, match="no row"):
        row_facts(runs.store, "0" * 31)
