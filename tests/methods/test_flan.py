"""FLAN's spec: each row by one template, options in some, exemplars before some, and never the row itself among them."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from typing import Any

import pytest

import mixwright
from mixwright_runtime.store.store import Store
from tests.checkout import ROOT

pytestmark = [pytest.mark.train, pytest.mark.slow]
pytest.importorskip("transformers")

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Pipeline -> the columns of the rows that it kept, in start order."""
    place = tmp_path_factory.mktemp("flan")
    (place / "pyproject.toml").touch()
    shutil.copytree(ROOT / "specs", place / "specs", ignore=shutil.ignore_patterns("out", ".mixwright"))
    mixwright.run(place / "specs/methods/flan.mix", store=place / "store")
    found: Rows = {}
    with Store.open(place / "store", read_only=True) as store:
        for pipeline, columns in store.sql(
            "SELECT pipeline, columns FROM row_outcome WHERE status = 'kept' ORDER BY pipeline, position"
        ):
            found.setdefault(pipeline, []).append(json.loads(columns))
        found["dropped"] = [
            {"reason": r} for (r,) in store.sql("SELECT reason FROM outcome WHERE status = 'dropped'")
        ]
    return found


def test_templates_take_turns(rows: Rows) -> None:
    counts = Counter(row["task_template"] for row in rows["niv2_told"])
    assert max(counts.values()) - min(counts.values()) <= 1 and len(counts) == 3


def test_no_option_is_listed_in_rows_without_options(rows: Rows) -> None:
    forms = Counter(row["form"] for row in rows["nli"])
    assert set(forms) == {"options", "no_options"} and min(forms.values()) > 25
    for row in rows["nli"]:
        if row["form"] == "no_options":
            assert row["options_"] == "" and row["target"] == row["answer"]
        elif row["task_template"] not in ("nli_9", "nli_10"):
            assert row["options_"].strip() in row["task"] and row["task_target"] == row["target"]
    assert {row["reason"] for row in rows["dropped"]} == {"options: gold is none of them"}


def test_exemplars_are_other_rows_and_stand_before_the_task(rows: Rows) -> None:
    few = [row for row in rows["nli_told"] if row["shot_style"] == "few_shot"]
    assert 0 < len(few) < len(rows["nli_told"])
    for row in few:
        shots = row["f.shots"]
        assert 1 <= len(shots) <= 5
        assert all((shot["premise"], shot["answer"]) != (row["premise"], row["answer"]) for shot in shots)
        assert row["prompt"].endswith(f"\n\n\n{row['task']}")
        assert row["prompt"].startswith(f"{shots[0]['task']}\n\n{shots[0]['task_target']}")
    assert all(row["prompt"] == row["task"] for row in rows["nli_told"] if row["shot_style"] == "zero_shot")


def test_some_reasoning_is_turned_round(rows: Rows) -> None:
    ways = Counter(row["direction"] for row in rows["cot_told"])
    assert ways["forward"] > ways["inverted"] > 0
    for row in rows["cot_told"]:
        assert row["task_template"].startswith("cot_inverted") == (row["direction"] == "inverted")
