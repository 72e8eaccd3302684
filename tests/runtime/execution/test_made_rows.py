"""`each` makes rows of a list, `fold` brings them together again; every row is told of once, and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from spec_runs import SpecRuns

PEOPLE = """
source people inline { rows = [
  { name = "Ada", topics = ["sums", "sets", "sums"] },
  { name = "Alan", topics = ["tests"] },
  { name = "Emmy", topics = [] },
] }
template ask { user = "{{ topic }} for {{ name }}" }
"""


def answers(prompt: str) -> str:
    return f"<{prompt}>"


@pytest.fixture
def runs(tmp_path: Path) -> SpecRuns:
    return SpecRuns(tmp_path, answers)


def outcomes(runs: SpecRuns) -> list[tuple[str, str]]:
    return [(status, reason) for status, reason, _ in runs.rows()]


def kept(runs: SpecRuns, *names: str) -> list[tuple[Any, ...]]:
    return sorted(
        tuple(columns.get(name) for name in names) for status, _, columns in runs.rows() if status == "kept"
    )


def test_each_item_becomes_a_row(runs: SpecRuns) -> None:
    runs.run(PEOPLE + "pipeline p { from people\n each topic { of = topics }\n derive { at = topic.index } }")
    assert kept(runs, "name", "topic", "at") == [
        ("Ada", "sets", 1),
        ("Ada", "sums", 0),
        ("Ada", "sums", 2),
        ("Alan", "tests", 0),
    ]
    # A row without items would otherwise be nowhere.
    assert ("dropped", "no items") in outcomes(runs)


def test_equal_items_are_rows_of_their_own_with_one_parent(runs: SpecRuns) -> None:
    runs.run(PEOPLE + "pipeline p { from people\n each topic { of = topics } }")
    made = runs.store.sql(
        "SELECT parents[1], count(*), count(DISTINCT row_id) FROM outcome WHERE status = 'kept' GROUP BY 1 ORDER BY 2"
    )
    assert [(rows, ids) for _, rows, ids in made] == [(1, 1), (3, 3)]


def test_items_are_bounded_on_both_sides(runs: SpecRuns) -> None:
    runs.run(PEOPLE + "pipeline p { from people\n each topic { of = topics, most = 2, least = 1 } }")
    assert [topic for _, topic in kept(runs, "name", "topic")] == ["sets", "sums", "tests"]
    assert ("dropped", "each: too few") in outcomes(runs)


def test_more_items_behind_change_no_request_before(runs: SpecRuns) -> None:
    spec = PEOPLE + "pipeline p { from people\n each topic { of = topics, most = 1 }\n " + ASK + " }"
    runs.run(spec)
    first = list(runs.prompts)
    runs.run(spec.replace(", most = 1", ""))
    # The third item of Ada's is the same request as her first, of another row.
    assert runs.prompts[len(first) :] == ["sets for Ada"]


ASK = "generate said { prompt = ask, model = teacher }"


def test_fold_goes_on_with_the_row_that_the_others_were_made_of(runs: SpecRuns) -> None:
    runs.run(
        PEOPLE
        + f"""pipeline p {{ from people
          each topic {{ of = topics }}
          {ASK}
          filter {{ where = topic != "sets" }}
          fold {{
            all = list(said), n = count(), made = count(all), longest = max(len(said)), shortest = min(len(said))
            sums = share(topic == "sums"), one = first(topic), mean = mean(len(topic)), len = sum(len(topic))
            some = any(topic == "sums"), each = all(topic == "sums")
          }} }}"""
    )
    assert kept(runs, "name", "all", "n", "made", "sums", "one", "mean", "len", "some", "each") == [
        ("Ada", ["<sums for Ada>", "<sums for Ada>"], 2, 3, 1.0, "sums", 4.0, 8, True, True),
        ("Alan", ["<tests for Alan>"], 1, 1, 0.0, "tests", 5.0, 5, False, False),
    ]
    [(ids, columns)] = runs.store.sql(
        "SELECT bool_and(row_id = origin_id), list(columns) FROM row_outcome WHERE status = 'kept'"
    )
    assert ids is True
    assert not any('"topic"' in text for text in columns), "the items' own columns are theirs"
    runs.store.check_accounting(1, complete=True)


def test_a_row_of_which_nothing_is_left_is_dropped_or_counts_none(runs: SpecRuns) -> None:
    spec = (
        PEOPLE
        + """pipeline p { from people
          each topic { of = topics }
          filter { where = topic == "sets" }
          fold { n = count(), made = count(all), all = list(topic), mean = mean(len(topic)) } }"""
    )
    runs.run(spec)
    assert kept(runs, "name", "n", "made") == [("Ada", 1, 3)]
    assert outcomes(runs).count(("dropped", "fold: too few")) == 2
    runs.run(spec.replace("fold {", "fold { least = 0,"))
    assert kept(runs, "name", "n", "made", "all", "mean") == [
        ("Ada", 1, 3, ["sets"], 4.0),
        ("Alan", 0, 1, [], None),
        ("Emmy", 0, 0, [], None),
    ]
    runs.store.check_accounting(2, complete=True)


def test_fold_takes_the_samples_of_a_row_together(runs: SpecRuns) -> None:
    runs.run(
        PEOPLE
        + """pipeline p { from people
          generate said { prompt = name_only, model = teacher, samples = 3 }
          fold { said = list(said), made = count(all) } }
        template name_only { user = "{{ name }}" }"""
    )
    assert kept(runs, "name", "said", "made") == [
        (name, [f"<{name}>"] * 3, 3) for name in ("Ada", "Alan", "Emmy")
    ]
    [(calls,)] = runs.store.sql("SELECT DISTINCT len(calls) FROM outcome")
    assert calls == 3, "what it was worked out from is the row's, too"


def test_groups_nest(runs: SpecRuns) -> None:
    runs.run(
        PEOPLE
        + """pipeline p { from people
          each topic { of = topics }
          generate said { prompt = ask, model = teacher, samples = 2 }
          fold { pair = list(said) }
          fold { all = list(pair), n = count() } }"""
    )
    assert kept(runs, "name", "all", "n") == [
        ("Ada", [["<sums for Ada>"] * 2, ["<sets for Ada>"] * 2, ["<sums for Ada>"] * 2], 3),
        ("Alan", [["<tests for Alan>"] * 2], 1),
    ]


def test_a_verifier_picks_among_the_items_of_a_row(runs: SpecRuns) -> None:
    runs.run(
        PEOPLE
        + """pipeline p { from people
          each topic { of = topics }
          verify where { expr = topic != "sums", pick = first } }"""
    )
    assert kept(runs, "name", "topic") == [("Ada", "sets"), ("Alan", "tests")]


def test_rows_stay_in_the_order_of_their_items(runs: SpecRuns) -> None:
    numbers = ", ".join(f'"t{n}"' for n in range(12))
    runs.run(
        f"""source one inline {{ rows = [{{ name = "Ada", topics = [{numbers}] }}] }}
        template ask {{ user = "{{{{ topic }}}}" }}
        pipeline p {{ from one
          each topic {{ of = topics }}
          {ASK}
          dedup exact {{ on = topic }} }}
        mixture m {{ seed = 1
          p = take(3) }}"""
    )
    chosen = runs.store.sql("SELECT count(*) FROM outcome WHERE status = 'kept' AND pipeline = 'p'")
    assert chosen == [(12,)]


def test_what_stands_before_a_fold_is_not_moved_out_of_it(runs: SpecRuns) -> None:
    """A filter that looks at the row alone would drop the row itself, and `count(all)` would not be told."""
    runs.run(
        PEOPLE
        + """pipeline p { from people
          generate said { prompt = name_only, model = teacher, samples = 2 }
          filter { where = name == "Ada" }
          fold { least = 0, n = count() } }
        template name_only { user = "{{ name }}" }"""
    )
    assert kept(runs, "name", "n") == [("Ada", 2), ("Alan", 0), ("Emmy", 0)]


def test_a_list_that_is_none_costs_its_row(runs: SpecRuns) -> None:
    runs.run(
        """source raw inline { rows = [{ found = "[1, 2]" }, { found = "{}" }] }
        template ask { user = "{{ found }}" }
        pipeline p { from raw
          generate tags { prompt = ask, model = teacher, parse = json() }
          each tag { of = tags } }""".replace("<", "")
    )
    assert [status for status, _ in outcomes(runs)].count("quarantined") >= 1
