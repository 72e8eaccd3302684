"""`rounds` takes each row several times through a body: every round is a row of its own, with a parent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from spec_runs import SpecRuns

from mixwright.commands.explain import rendered
from mixwright_runtime.facts.row import row_facts

WORDS = """
source words inline { rows = [{ text = "a" }, { text = "b" }] }
template grow { user = "{{ text }}" }
"""


class Model:
    """Answers with the prompt and one sign more; refuses what `refuses` names as often as it says."""

    def __init__(self) -> None:
        self.refuses: dict[str, int] = {}

    def __call__(self, prompt: str) -> str:
        if self.refuses.get(prompt, 0) > 0:
            self.refuses[prompt] -= 1
            return "no"
        return prompt + "+"


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def runs(tmp_path: Path, model: Model) -> SpecRuns:
    return SpecRuns(tmp_path, model)


def loop(attributes: str, body: str = 'filter { where = grown != "no", id = refused }') -> str:
    return f"""{WORDS}pipeline p {{ from words
      rounds grow {{
        carry = {{ text = grown }}
        {attributes}
        generate grown {{ prompt = grow, model = teacher }}
        {body}
      }} }}"""


def kept(runs: SpecRuns, *names: str) -> list[tuple[Any, ...]]:
    return sorted(
        tuple(columns.get(name) for name in names) for status, _, columns in runs.rows() if status == "kept"
    )


def lineage(runs: SpecRuns) -> dict[str, list[tuple[str, str]]]:
    """Of each row that was kept: (status, column `grown`) of it, of its parent, of that one's parent …"""
    rows = {
        row_id: (status, json.loads(columns), parents)
        for row_id, status, columns, parents in runs.store.sql(
            "SELECT row_id, status, columns, parents FROM row_outcome WHERE run_id = (SELECT max(run_id) FROM run)"
        )
    }
    found = {}
    for status, columns, parents in rows.values():
        if status == "kept":
            chain = [(status, columns["grown"])]
            while parents and parents[0] in rows:
                before, there, parents = rows[parents[0]]
                chain.append((before, there["grown"]))
            found[columns["grown"]] = chain
    return found


def test_each_round_starts_from_what_the_last_one_made(runs: SpecRuns) -> None:
    runs.run(loop("times = 3"))
    assert kept(runs, "grow.round", "text", "grown") == [
        (1, "a", "a+"),
        (1, "b", "b+"),
        (2, "a+", "a++"),
        (2, "b+", "b++"),
        (3, "a++", "a+++"),
        (3, "b++", "b+++"),
    ]
    assert lineage(runs)["a+++"] == [("kept", "a+++"), ("kept", "a++"), ("kept", "a+")]
    runs.store.check_accounting(1, complete=True)


def test_every_round_is_another_row_of_the_same_origin(runs: SpecRuns) -> None:
    runs.run(loop("times = 3"))
    [(rows, origins)] = runs.store.sql(
        "SELECT count(DISTINCT row_id), count(DISTINCT origin_id) FROM outcome"
    )
    assert (rows, origins) == (6, 2)


def test_a_failed_row_enters_again_unchanged_and_gets_another_answer(runs: SpecRuns, model: Model) -> None:
    model.refuses = {"a": 1}
    runs.run(loop("times = 3"))
    assert kept(runs, "grow.round", "grown") == [
        (1, "b+"),
        (2, "a+"),
        (2, "b++"),
        (3, "a++"),
        (3, "b+++"),
    ]
    # The request is the same, and was sent twice: each round asks for itself.
    assert runs.prompts.count("a") == 2
    assert len({request.seed for request in runs.engine.requests}) == 6
    assert lineage(runs)["a+"] == [("kept", "a+"), ("dropped", "no")]
    runs.store.check_accounting(1, complete=True)


def test_a_failed_row_may_end_its_loop(runs: SpecRuns, model: Model) -> None:
    model.refuses = {"a+": 1}
    runs.run(loop("times = 3, failed = end"))
    assert kept(runs, "grow.round", "grown") == [(1, "a+"), (1, "b+"), (2, "b++"), (3, "b+++")]
    runs.store.check_accounting(1, complete=True)


def test_the_row_itself_leaves_as_round_0(runs: SpecRuns) -> None:
    runs.run(loop("times = 1, start = keep"))
    assert kept(runs, "grow.round", "text", "grown") == [
        (0, "a", "a"),
        (0, "b", "b"),
        (1, "a", "a+"),
        (1, "b", "b+"),
    ]


def test_the_last_alone(runs: SpecRuns, model: Model) -> None:
    model.refuses = {"a+": 1}
    runs.run(loop("times = 3, emit = last, failed = end"))
    assert kept(runs, "grow.round", "grown") == [(1, "a+"), (3, "b+++")]
    # What did not leave the loop is nobody's parent.
    assert lineage(runs)["b+++"] == [("kept", "b+++")]
    [(calls,)] = runs.store.sql("SELECT len(calls) FROM row_outcome WHERE columns LIKE '%b+++%'")
    assert calls == 3, "all three answers are in it"


def test_a_row_that_is_done_goes_no_further(runs: SpecRuns, model: Model) -> None:
    model.refuses = {"a": 1}
    runs.run(loop("times = 3, emit = last, until = len(grown) == 3"))
    assert kept(runs, "grow.round", "grown") == [(2, "b++"), (3, "a++")]


def test_a_row_that_is_never_done_is_dropped(runs: SpecRuns, model: Model) -> None:
    model.refuses = {"a": 9}
    runs.run(loop("times = 3, emit = last, until = len(grown) == 2"))
    assert kept(runs, "grown") == [("b+",)]
    reasons = sorted(reason for status, reason, _ in runs.rows() if status == "dropped")
    assert reasons == ["filter", "filter", "filter", "rounds: not reached"]
    runs.store.check_accounting(1, complete=True)


def test_more_rounds_ask_nothing_again(runs: SpecRuns) -> None:
    runs.run(loop("times = 2"))
    before = len(runs.prompts)
    runs.run(loop("times = 4"))
    assert sorted(runs.prompts[before:]) == ["a++", "a+++", "b++", "b+++"]
    assert len(kept(runs, "grown")) == 8


def test_draws_differ_from_round_to_round(runs: SpecRuns) -> None:
    values = ", ".join(map(str, range(1000)))
    runs.run(
        f"""{WORDS}pipeline p {{ from words
          rounds again {{ times = 4, draw chosen {{ values = [{values}] }} }} }}"""
    )
    drawn = [number for (number,) in kept(runs, "chosen")]
    assert len(set(drawn)) == 8


def test_candidates_are_closed_in_a_round(runs: SpecRuns) -> None:
    runs.run(
        f"""{WORDS}pipeline p {{ from words
          rounds grow {{ times = 2, carry = {{ text = grown }}
            generate grown {{ prompt = grow, model = teacher, samples = 3 }}
            verify where {{ expr = len(grown) > 1, pick = first }} }} }}"""
    )
    assert kept(runs, "grow.round", "grown") == [(1, "a+"), (1, "b+"), (2, "a++"), (2, "b++")]
    runs.store.check_accounting(1, complete=True)


def test_loops_nest(runs: SpecRuns) -> None:
    runs.run(
        f"""{WORDS}pipeline p {{ from words
          rounds outer {{ times = 2, carry = {{ text = grown }}, failed = end
            rounds inner {{ times = 2, emit = last, failed = end, carry = {{ text = grown }}
              generate grown {{ prompt = grow, model = teacher }} }} }} }}"""
    )
    assert kept(runs, "outer.round", "inner.round", "grown") == [
        (1, 2, "a++"),
        (1, 2, "b++"),
        (2, 2, "a++++"),
        (2, 2, "b++++"),
    ]
    runs.store.check_accounting(1, complete=True)


def test_each_row_of_a_list_has_rounds_of_its_own(runs: SpecRuns) -> None:
    runs.run(
        """source lists inline { rows = [{ texts = ["a", "b"] }] }
        template grow { user = "{{ text }}" }
        pipeline p { from lists
          each text { of = texts }
          rounds grow { times = 2, carry = { text = grown }
            generate grown { prompt = grow, model = teacher } }
          fold { all = list(grown), n = count(), made = count(all) } }"""
    )
    assert kept(runs, "all", "n", "made") == [(["a+", "a++", "b+", "b++"], 4, 2)]


def test_rows_that_when_leaves_out_pass_by(runs: SpecRuns) -> None:
    runs.run(loop('times = 2, when = text == "a"'))
    assert kept(runs, "text", "grown") == [("a", "a+"), ("a+", "a++"), ("b", None)]


def test_what_follows_a_loop_is_asked_once_for_equal_texts(runs: SpecRuns, model: Model) -> None:
    runs.run(
        f"""{WORDS}template same {{ user = "same" }}
        pipeline p {{ from words
          rounds grow {{ times = 2, carry = {{ text = grown }}
            generate grown {{ prompt = grow, model = teacher }} }}
          generate said {{ prompt = same, model = teacher }} }}"""
    )
    assert runs.prompts.count("same") == 1


def test_explain_shows_each_round_back_to_the_row_that_came_to_the_loop(runs: SpecRuns, model: Model) -> None:
    model.refuses = {"a": 1}
    runs.run(loop("times = 3"))
    [(row_id,)] = runs.store.sql("SELECT hex(row_id) FROM row_outcome WHERE columns LIKE '%a++%'")
    facts = row_facts(runs.store, row_id.lower())
    assert [(found.place, found.status, found.step) for found in facts.lineage] == [
        ("round 3 of grow", "kept", ""),
        ("round 2 of grow", "kept", ""),
        ("round 1 of grow", "dropped", "refused"),
    ]
    text = rendered(facts, limit=None)
    assert "└ made of" in text and "round 1 of grow  dropped by refused: filter" in text
    assert "words at" in text
