"""`prompt = [one, other]`: each row is asked with one template of the list, the same one in every run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from spec_runs import SpecRuns

from mixwright.commands.explain import rendered
from mixwright_runtime.facts.row import row_facts

SPEC = """
source names inline { rows = [ROWS] }
template short { user = "Name {{ name }}" }
template long { user = "Tell about {{ name }}" }
template wide { user = "Widen {{ name }}" }
pipeline asked {
  from names { repeat = REPEAT }
  STEPS
}
"""
GENERATE = "generate answer { prompt = [short, long], model = teacher MORE }"
OF_TEMPLATE = {"Name": "short", "Tell": "long", "Widen": "wide"}


def spec(more: str = "", *, rows: int = 40, repeat: int = 1, steps: str = GENERATE) -> str:
    names = ", ".join(
        f'{{ name = "n{i}", kind = "{["short", "long", "none"][i % 3]}" }}' for i in range(rows)
    )
    text = SPEC.replace("ROWS", names).replace("REPEAT", str(repeat))
    return text.replace("STEPS", steps).replace("MORE", f", {more}" if more else "")


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[SpecRuns]:
    """A model that says what it was asked."""
    made = SpecRuns(tmp_path, lambda prompt: prompt)
    yield made
    made.store.close()


def chosen(runs: SpecRuns) -> dict[str, str]:
    """Name -> the template that its answer was asked with, which the column names."""
    found = {}
    for status, _, columns in runs.rows():
        if status == "kept":
            assert columns["answer_template"] == OF_TEMPLATE[columns["answer"].split()[0]]
            found[columns["name"]] = columns["answer_template"]
    return found


def test_a_row_has_the_same_template_however_many_there_are_and_whatever_the_run(runs: SpecRuns) -> None:
    runs.run(spec(rows=40))
    forty = chosen(runs)
    assert set(forty.values()) == {"short", "long"}
    runs.run(spec(rows=10, repeat=2))
    assert len(runs.prompts) == 40 + 10  # the second time a row is started is another row
    runs.run(spec(rows=10))
    assert chosen(runs) == {name: forty[name] for name in chosen(runs)}
    assert len(runs.prompts) == 50


def test_a_further_template_at_the_end_asks_only_the_rows_that_it_takes(runs: SpecRuns) -> None:
    runs.run(spec())
    before = chosen(runs)
    runs.run(spec(steps=GENERATE.replace("long]", "long, wide]")))
    after = chosen(runs)
    moved = [name for name in after if after[name] != before[name]]
    assert {after[name] for name in moved} == {"wide"}
    assert 5 <= len(moved) <= 22
    assert len(runs.prompts) == 40 + len(moved)


def test_another_salt_draws_anew_and_turns_follow_the_start(runs: SpecRuns) -> None:
    runs.run(spec())
    before = chosen(runs)
    runs.run(spec('salt = "2"'))
    assert chosen(runs) != before
    runs.run(spec("choose = cycle"))
    assert [columns["answer_template"] for _, _, columns in runs.rows()] == ["short", "long"] * 20


def test_weights_say_how_often(runs: SpecRuns) -> None:
    runs.run(spec("weights = [0, 1]", rows=20))
    assert Counter(chosen(runs).values()) == {"long": 20}


def test_a_column_names_the_template_or_the_row_is_quarantined(runs: SpecRuns) -> None:
    runs.run(spec("choose = column, by = kind", rows=6))
    assert chosen(runs) == {"n0": "short", "n1": "long", "n3": "short", "n4": "long"}
    lost = [(status, reason) for status, reason, columns in runs.rows() if columns["kind"] == "none"]
    assert lost == [("quarantined", "row error")] * 2
    (detail,) = runs.store.sql("SELECT DISTINCT detail FROM outcome WHERE status = 'quarantined'")[0]
    assert "column 'kind' names no template of the list, but 'none': short, long" in detail


def test_all_candidates_and_further_answers_of_a_row_are_asked_with_one_template(runs: SpecRuns) -> None:
    """The first answers are refused by the filter of `verify where`: each candidate is asked again, by the same."""
    steps = GENERATE.replace("MORE", ", samples = 3") + (
        "\n verify where { expr = answer != answer, response = answer, pick = first, on_fail = retry(2) }"
    )
    runs.run(spec(rows=8, steps=steps))
    of_name: dict[str, set[str]] = {}
    for prompt in runs.prompts:
        of_name.setdefault(prompt.split()[-1], set()).add(prompt)
    assert len(runs.prompts) == 8 * 3 * 3
    assert all(len(prompts) == 1 for prompts in of_name.values())


def test_explain_shows_the_template_of_a_row_that_got_no_answer(tmp_path: Path) -> None:
    runs = SpecRuns(tmp_path, lambda prompt: "nothing of the kind")
    runs.run(spec('parse = after("Answer:")', rows=1))
    (row_id,) = runs.store.sql("SELECT row_id FROM outcome")[0]
    text = rendered(row_facts(runs.store, bytes(row_id).hex()), limit=None)
    runs.store.close()
    assert "asked: dropped by step generate_answer: parse" in text
    assert "answer_template: " in text


def test_each_round_of_a_loop_draws_for_itself(runs: SpecRuns) -> None:
    loop = """rounds grow {
    carry = { name = answer }
    times = 6
    generate answer { prompt = [short, long], model = teacher }
  }"""
    runs.run(spec(rows=10, steps=loop))
    by_row: dict[str, set[str]] = {}
    for status, _, columns in runs.rows():
        if status == "kept":
            by_row.setdefault(columns["answer"].rpartition(" ")[2], set()).add(columns["answer_template"])
    asked = len(runs.prompts)
    assert [len(templates) for templates in by_row.values()].count(2) >= 8
    runs.run(spec(rows=10, steps=loop))
    assert len(runs.prompts) == asked == 60
