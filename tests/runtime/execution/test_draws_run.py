"""Draws in a run: the same whatever the quota and the waves, and counted where there is too little."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mixwright.cli import main
from mixwright_runtime.store.store import Store

HEAD = """edition 2026
source people inline { license = "mit", rows = [PEOPLE] }
source solved inline { license = "mit", rows = [SOLVED] }
"""


TOPICS = ("codes", "sums")


def person(n: int) -> str:
    tags = ", ".join(f'"t{m}"' for m in range(n % 4))
    return f'{{ name = "n{n}", topic = "{TOPICS[n % 2]}", tags = [{tags}] }}'


PEOPLE = ", ".join(map(person, range(24)))
SOLVED = ", ".join(f'{{ problem = "p{n}", topic = "{TOPICS[n % 3 > 0]}" }}' for n in range(12))


class Spec:
    def __init__(self, directory: Path) -> None:
        (directory / ".mixwright").mkdir()
        self.path = directory / "draws.mix"

    def rows(self, steps: str, count: int = 24, head: str = "") -> dict[str, Any]:
        """Columns of the rows that were kept, by name."""
        text = HEAD + head
        text = text.replace("PEOPLE", PEOPLE).replace("SOLVED", SOLVED)
        text += f"pipeline p {{ from people\n  {steps}\n  derive {{ said = text(name) }}\n"
        text += "  chat { user = said, assistant = said } }\n"
        text += f"mixture main {{ seed = 1\n  p = {count}\n  shortfall = warn\n}}\n"
        self.path.write_text(text)
        assert main(["run", str(self.path)]) == 0
        with Store.open(self.path.parent / ".mixwright", read_only=True) as store:
            found = store.sql(
                "SELECT columns FROM row_outcome WHERE run_id = (SELECT max(run_id) FROM run) AND status = 'kept'"
            )
        return {row["name"]: row for row in (json.loads(columns) for (columns,) in found)}


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return Spec(tmp_path)


def test_what_is_drawn_suits_the_row(spec: Spec) -> None:
    rows = spec.rows("draw shot { from = solved, where = drawn.topic == topic }")
    assert len(rows) == 24
    assert all(row["shot"]["topic"] == row["topic"] for row in rows.values())


def test_turns_are_the_same_in_a_smaller_run(spec: Spec) -> None:
    steps = (
        'filter { where = topic == "sums" }\n  draw shot { from = solved, spread = even, column = problem }'
    )
    few, many = spec.rows(steps, 1), spec.rows(steps, 12)
    assert 0 < len(few) < len(many) == 12, "the wave for one row does not start all"
    assert {name: row["shot"] for name, row in few.items()}.items() <= {
        name: row["shot"] for name, row in many.items()
    }.items()


def test_nobody_draws_itself_and_everybody_draws_another(spec: Spec) -> None:
    rows = spec.rows("draw others { from = people, except = self, count = 23, column = name }")
    assert all(set(row["others"]) == set(rows) - {name} for name, row in rows.items())


def test_a_row_with_too_little_is_dropped_and_counted(spec: Spec, capsys: pytest.CaptureFixture[str]) -> None:
    rows = spec.rows("draw two { of = tags, count = 2, fewer = drop }", 24)
    assert len(rows) == 12
    assert "12 draw: too few" in capsys.readouterr().out


def test_how_many_are_drawn_is_said_by_the_row(spec: Spec) -> None:
    rows = spec.rows("draw shots { from = solved, count = 4 - len(tags) }")
    assert all(len(row["shots"]) == 4 - len(row["tags"]) for row in rows.values())


def test_too_little_ends_the_run_and_says_what_can_be_done(
    spec: Spec, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError):
        spec.rows("draw two { of = tags, count = 2 }")
    assert "`fewer = drop` drops such rows" in capsys.readouterr().err


def test_plan_says_which_draws_change(spec: Spec, capsys: pytest.CaptureFixture[str]) -> None:
    spec.rows("draw shots { from = solved, count = 4 - len(tags), where = drawn.topic == topic, fewer = ok }")
    text = spec.path.read_text()
    spec.path.write_text(
        text.replace("count = 4 - len", "count = 5 - len").replace("drawn.topic ==", "drawn.topic !=")
    )
    capsys.readouterr()
    assert main(["plan", str(spec.path)]) == 0
    printed = capsys.readouterr().out
    assert "count" in printed
    assert "where" in printed


@pytest.mark.train
def test_of_what_is_drawn_stays_what_fits_and_no_model_is_started(spec: Spec) -> None:
    model = Path(__file__).parents[3] / "specs/tiny/model"
    shutil.copytree(model, spec.path.parent / "model")
    head = 'model base transformers { path = "model" }\ntemplate shot { user = "{{ problem }}, {{ problem }}" }\n'
    draw = "draw shots { from = solved, column = problem, count = 6"
    plain = spec.rows(draw + " }")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)

    def tokens_of(shot: str) -> int:
        return len(tokenizer(f"{shot}, {shot}", add_special_tokens=False)["input_ids"])

    rows = spec.rows(draw + ", tokens = 23, tokenizer = base, with = shot, fewer = ok }", head=head)
    lengths = set()
    for name, row in rows.items():
        kept, drawn = row["shots"], plain[name]["shots"]
        lengths.add(len(kept))
        assert kept == drawn[: len(kept)], "the first ones of what is drawn without a limit"
        assert sum(map(tokens_of, kept)) <= 23 < sum(map(tokens_of, drawn[: len(kept) + 1]))
    assert 0 < max(lengths) < 6
    with Store.open(spec.path.parent / ".mixwright", read_only=True) as store:
        assert store.sql("SELECT count(*) FROM call") == [(0,)]


@pytest.mark.train
def test_a_tokenizer_that_is_not_there_is_not_fetched(spec: Spec, capsys: pytest.CaptureFixture[str]) -> None:
    draw = (
        "draw shots { from = solved, column = problem, count = 2, tokens = 9, tokenizer = base, fewer = ok }"
    )
    with pytest.raises(AssertionError):
        spec.rows(draw, head='model base transformers { repo = "nobody/nothing" }\n')
    assert "'hf download nobody/nothing' fetches it" in capsys.readouterr().err
