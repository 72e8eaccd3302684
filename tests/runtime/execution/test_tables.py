"""Table steps decide on many rows, ask models as they do, and make rows of several; every row is told of and counted."""

from __future__ import annotations

import json
import math
import signal
from pathlib import Path
from typing import Any

import pytest
from compass import Compass
from spec_runs import SpecRuns

import mixwright
from mixwright.plan_text import plan_text
from mixwright.recorded import Recorded
from mixwright_runtime.facts.row import row_facts
from mixwright_runtime.store.store import Store
from tests.killing import killing

NUMBERS = (
    "source numbers inline { rows = [{ n = 3 }, { n = 9 }, { n = null }, { n = 7 }, { n = 9 }, { n = 1 }] }\n"
)


EMBEDDER = 'model embedder openai { base_url = "http://localhost:1/v1", model = "e", task = embed }\n'


def directions(*texts: str | None) -> str:
    rows = ", ".join(f"{{ t = {json.dumps(text)} }}" for text in texts)
    return EMBEDDER + f"source ways inline {{ rows = [{rows}] }}\n"


@pytest.fixture
def ways(tmp_path: Path) -> SpecRuns:
    found = SpecRuns(tmp_path, lambda prompt: "")
    found.engine = Compass()
    return found


def report_of(runs: SpecRuns, step: str) -> dict[str, Any]:
    [(summary,)] = runs.store.sql("SELECT summary FROM run_end ORDER BY run_id DESC LIMIT 1")
    found: dict[str, Any] = json.loads(summary)["pipelines"]["p"]["reports"][step]
    return found


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


DEDUP = "pipeline p { from ways\n dedup semantic { on = t, model = embedder } }"


def test_of_texts_that_mean_nearly_the_same_the_first_is_kept(ways: SpecRuns) -> None:
    ways.run(directions("north 0", "nearly north 10", "east 90", "north 0", None, "south 180") + DEDUP)
    found = {columns["t"]: status for status, _, columns in ways.rows()}
    one_of_two = {found.pop("north 0", ""), found.pop("nearly north 10")}
    assert one_of_two == {"kept", "dropped"} or one_of_two == {"dropped"}  # by which of them started first
    assert found == {"east 90": "kept", None: "kept", "south 180": "kept"}
    assert dropped(ways) == ["too similar", "too similar"]
    assert sorted(ways.engine.embedded) == ["east 90", "nearly north 10", "north 0", "south 180"]
    ways.store.check_accounting(1, complete=True)


def test_the_evidence_is_the_row_that_was_kept_and_how_far_it_is(ways: SpecRuns) -> None:
    ways.run(directions("a 0", "b 10") + DEDUP)
    [(detail, kept_id)] = ways.store.sql(
        "SELECT o.detail, lower(hex(k.row_id)) FROM outcome o, outcome k WHERE o.status = 'dropped' AND k.status = 'kept'"
    )
    assert json.loads(detail) == {"of": kept_id, "distance": round(1 - math.cos(math.radians(10)), 6)}


def test_a_moved_distance_asks_nothing_again(ways: SpecRuns) -> None:
    spec = directions("a 0", "b 10", "c 30") + DEDUP
    ways.run(spec)
    assert len(kept(ways, "t")) == 2
    asked = len(ways.engine.embedded)
    ways.run(spec.replace("model = embedder }", "model = embedder, distance = 0.001 }"))
    assert len(kept(ways, "t")) == 3
    # A squared length is twice the distance of the cosine: of 30 degrees that is 0.134, of 20 it is 0.06.
    ways.run(spec.replace("model = embedder }", "model = embedder, metric = l2, distance = 0.1 }"))
    assert len(kept(ways, "t")) == 2
    assert len(ways.engine.embedded) == asked


def test_a_text_without_a_vector_is_quarantined_alone(ways: SpecRuns) -> None:
    report = ways.run(directions("a 0", "unreadable", "b 90") + DEDUP)
    assert report.exit_code == 1
    assert [(status, reason) for status, reason, _ in ways.rows() if status != "kept"] == [
        ("quarantined", "no vector")
    ]


CLUSTER = """pipeline p { from ways
  cluster group { on = t, model = embedder, min = 0.9 }
"""
CHAIN = ("a 0", "b 20", "c 40", "d 200", "e 200.5", "f 300")


def groups_of(runs: SpecRuns) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for _, _, columns in runs.rows():
        found.setdefault(columns["group"], []).append(columns["t"])
        assert columns["group.size"] == sum(c["group"] == columns["group"] for _, _, c in runs.rows())
    return sorted(sorted(group) for group in found.values())


def test_groups_grow_along_chains_or_around_their_first(ways: SpecRuns) -> None:
    ways.run(directions(*CHAIN) + CLUSTER.replace("0.9", "0.9, link = any") + "}")
    assert groups_of(ways) == [["a 0", "b 20", "c 40"], ["d 200", "e 200.5"], ["f 300"]]
    ways.run(directions(*CHAIN) + CLUSTER + "}")
    around = groups_of(ways)
    # a and c are 40 degrees apart: together only where b, which is near both, is the first of them.
    first = next(columns["t"] for _, _, columns in ways.rows() if columns["t"] in CHAIN[:3])
    assert (["a 0", "b 20", "c 40"] in around) is (first == "b 20")
    assert report_of(ways, "cluster_group") == {
        "rows": 6,
        "groups": len(around),
        "alone": sum(len(g) == 1 for g in around),
        "largest": max(map(len, around)),
        "compared": report_of(ways, "cluster_group")["compared"],
    }


FOLD = CLUSTER + "fold { by = group, members = list(t), n = count() } }"


def test_a_row_made_of_several_has_them_all_as_parents(ways: SpecRuns) -> None:
    ways.run(directions("a 0", "b 5", "east 90", None) + FOLD)
    made = {columns["n"]: columns["members"] for _, _, columns in ways.rows()}
    assert sorted(made[2]) == ["a 0", "b 5"] and sorted(kept(ways, "n")) == [1, 1, 2]
    [(row_id, parents)] = ways.store.sql(
        "SELECT lower(hex(row_id)), parents FROM outcome WHERE len(parents) = 2"
    )
    facts = row_facts(ways.store, row_id)
    assert sorted(facts.parents) == sorted(parent.hex() for parent in parents)
    assert [(a.row_id, a.depth) for a in facts.lineage] == [(row_id, 0), *((p.hex(), 1) for p in parents)]
    # One that has gone into another row is found by it.
    assert row_facts(ways.store, parents[1].hex()).row_id == row_id


def test_what_was_merged_adds_up(ways: SpecRuns) -> None:
    ways.run(directions("a 0", "b 5", "c 6", "east 90", "f 95", None) + FOLD)
    tally = ways.store.sql(
        "SELECT step, rows_in, rows_out, dropped, forked, unfinished FROM current_tally ORDER BY ordinal"
    )
    assert tally == [("cluster_group", 6, 6, 0, 0, 0), ("fold", 6, 3, 0, -3, 0)]
    assert report_of(ways, "fold") == {"rows": 6, "groups": 3, "merged": 5}
    ways.store.check_accounting(1, complete=True)


def test_the_order_in_which_rows_come_does_not_name_what_is_made_of_them(ways: SpecRuns) -> None:
    def merged_ids(*texts: str) -> set[bytes]:
        ways.run(directions(*texts) + FOLD)
        return {row for (row,) in ways.store.sql("SELECT row_id FROM outcome WHERE len(parents) = 2")}

    assert merged_ids("a 0", "b 5") == merged_ids("b 5", "a 0")


def test_small_groups_are_dropped_whole(ways: SpecRuns) -> None:
    ways.run(directions("a 0", "b 5", "east 90") + FOLD.replace("by = group", "by = group, least = 2"))
    assert kept(ways, "n") == [2] and dropped(ways) == ["fold: too few"]
    ways.store.check_accounting(1, complete=True)


def test_behind_a_fold_by_a_model_may_be_asked_about_the_group(runs: SpecRuns) -> None:
    runs.engine = Compass()
    runs.run(
        directions("a 0", "b 5", "east 90")
        + FOLD.replace(" } }", " }\n generate one { prompt = ask, model = teacher, when = n > 1 } }")
        + "\ntemplate ask { user = \"{{ members | join('+') }}\" }"
    )
    assert sorted(runs.prompts) in (["a 0+b 5"], ["b 5+a 0"])
    runs.store.check_accounting(1, complete=True)


def test_repeated_rows_are_counted_and_go_on(ways: SpecRuns) -> None:
    ways.run(
        """source classes inline { rows = [{ c = "a", n = 1 }, { c = "a", n = 2 }, { c = "a", n = 3 },
          { c = "b", n = 4 }] }
        pipeline p { from classes
          balance { by = c, to = equal, up = repeat }
          filter { where = n > 0 } }"""
    )
    assert kept(ways, "c") == ["a", "a", "b", "b"]
    [(rows, ids)] = ways.store.sql(
        "SELECT count(*), count(DISTINCT row_id) FROM outcome WHERE status = 'kept'"
    )
    assert rows == ids == 4
    ways.store.check_accounting(1, complete=True)


def test_a_run_that_was_killed_as_a_table_was_decided_makes_the_same_rows(tmp_path: Path) -> None:
    """600 texts are ten requests for vectors; each run goes on behind what the one before had stored."""
    spec = tmp_path / "spec.mix"
    ways = directions(*(f"way {n} {n * 0.6:.1f}" for n in range(600)))
    folds = (
        "cluster group { on = t, model = embedder, min = 0.9995 }\n fold { by = group, members = list(t) }"
    )
    spec.write_text(
        f"edition 2026\n{ways}pipeline p {{ from ways\n {folds}\n select top {{ by = len(members), count = 40 }} }}"
    )
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    with killing("compass", "run_until", Path(__file__).parent) as run_until:
        assert run_until(spec, whole, 0) == 0
        for until in (1, 3, 2, 4):
            assert run_until(spec, killed, until) == -signal.SIGKILL
        assert run_until(spec, killed, 0) == 0

    def rows_of(store: Path) -> list[tuple[Any, ...]]:
        with Store.open(store, read_only=True) as opened:
            opened.check_accounting(opened.sql("SELECT max(run_id) FROM run")[0][0], complete=True)
            return opened.sql(
                "SELECT row_id, status, parents, columns FROM row_outcome WHERE run_id = (SELECT max(run_id) FROM run) "
                "ORDER BY ALL"
            )

    found = rows_of(whole)
    assert len(found) > 40 and rows_of(killed) == found
