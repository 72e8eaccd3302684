"""Thresholds are applied to stored scores: in SQL, by another run, and by `mixwright plan`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from spec_runs import SpecRuns

from mixwright.cli import main

SPEC = """
source numbers inline { rows = ROWS }
template ask { user = "{{ n }}" }
pipeline essays {
  from numbers
  generate text { prompt = ask, model = teacher }
  verify repetition { response = text, id = fresh, BOUNDS }
  verify schema { response = text, id = json, schema = { type = "object" }, on_fail = keep }
}
"""
ROWS = "[" + ", ".join(f"{{ n = {n} }}" for n in range(30)) + "]"


def spec(bounds: str) -> str:
    return SPEC.replace("ROWS", ROWS).replace("BOUNDS", bounds)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    """Texts of 30 words, of which the first so many are the same sentence again; some are JSON, some nothing."""

    def text(prompt: str) -> str:
        n = int(prompt)
        if n % 10 == 9:
            return "{}"
        return "the same again and again. " * n + " ".join(f"word{i}" for i in range(40 - n))

    made = SpecRuns(tmp_path, text)
    yield made
    made.store.close()


def test_the_view_says_what_the_run_decided(runs: SpecRuns) -> None:
    runs.run(spec("max = 0.4"))
    decided = dict(
        runs.store.sql(
            "SELECT row_id, status = 'kept' OR step <> 'fresh' FROM outcome WHERE status <> 'quarantined'"
        )
    )
    in_sql = dict(runs.store.sql("SELECT row_id, passes FROM verdict WHERE step = 'fresh'"))
    assert in_sql == decided
    assert set(in_sql.values()) == {True, False}


def test_another_threshold_measures_and_asks_nothing(runs: SpecRuns) -> None:
    """What SQL says that it would keep is what the next run keeps."""
    runs.run(spec("max = 0.4"))
    ((would_keep,),) = runs.store.sql("SELECT count(*) FROM verdict WHERE step = 'fresh' AND score <= 0.7")
    asked = len(runs.prompts)
    measured = runs.store.sql("SELECT key, score FROM score WHERE node = 'essays.fresh'")
    report = runs.run(spec("max = 0.7"))
    assert (
        report.summary["rows"]["kept"]
        == would_keep
        > runs.store.sql("SELECT count(*) FROM verdict WHERE run_id = 1 AND step = 'fresh' AND passes")[0][0]
    )
    assert len(runs.prompts) == asked
    assert runs.store.sql("SELECT key, score FROM score WHERE node = 'essays.fresh'") == measured


def test_thresholds_of_every_verifier_are_kept_with_the_run(runs: SpecRuns) -> None:
    runs.run(spec("max = 0.4, pick = best"))
    assert sorted(runs.store.sql("SELECT * FROM threshold")) == [
        (1, "essays", "fresh", None, 0.4, "best"),
        (1, "essays", "json", 1.0, None, "all"),
    ]


def test_a_verifier_that_compares_candidates_has_no_threshold_in_sql(runs: SpecRuns) -> None:
    agreement = spec("agree = 2").replace("verify repetition", "verify agreement")
    runs.run(agreement.replace("model = teacher", "model = teacher, samples = 2"))
    assert runs.store.sql("SELECT DISTINCT passes FROM verdict WHERE step = 'fresh'") == [(None,)]


def test_a_store_of_an_earlier_version_gets_the_views(tmp_path: Path) -> None:
    import duckdb

    from mixwright_runtime.store.store import Store

    Store.open(tmp_path / "store").close()
    with duckdb.connect(str(tmp_path / "store" / "store.duckdb")) as old:
        old.execute("DROP VIEW verdict; DROP VIEW threshold; DROP VIEW measurement")
    with Store.open(tmp_path / "store") as store:
        assert store.sql("SELECT * FROM verdict") == []


def test_plan_tells_what_a_moved_threshold_would_pass(
    runs: SpecRuns, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.run(spec("max = 0.4"))
    ((before, now),) = runs.store.sql(
        "SELECT count(*) FILTER (score <= 0.4), count(*) FILTER (score <= 0.7) FROM verdict WHERE step = 'fresh'"
    )
    runs.store.close()
    moved = runs.directory / "spec.mix"
    moved.write_text(moved.read_text().replace("max = 0.4", "max = 0.7"))
    assert main(["plan", str(moved), "--store", str(runs.directory / "store")]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert 0 < before < now < 30
    assert (
        f"threshold essays.fresh: max 0.4 -> 0.7; {now} of 30 stored scores pass, {before} before; none is measured again"
        in shown
    )
