"""OLMo 3's three stages out of one set of answers: the later two ask for nothing that the first has asked for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import mixwright
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store
from tests.checkout import ROOT

pytestmark = [pytest.mark.train, pytest.mark.slow]
pytest.importorskip("transformers")


def lines_of(folder: Path) -> list[dict[str, Any]]:
    files = (folder / "data").glob("*.jsonl")
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def test_pairs_and_problems_come_of_the_answers_that_are_there(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "specs", tmp_path / "specs", ignore=shutil.ignore_patterns("out", ".mixwright"))
    (tmp_path / "pyproject.toml").touch()
    plan = mixwright.plan(tmp_path / "specs" / "recipes" / "olmo3.mix")
    made = {}
    for name in ("sft", "pairs", "rl"):
        with Store.open(tmp_path / "store") as store:
            made[name] = run_plan(plan, store=store, options=RunOptions(mixtures=(name,))).summary
    rows = {name: summary["mixtures"][name]["rows"] for name, summary in made.items()}
    assert rows["sft"] == 24 and rows["pairs"] == 20 and rows["rl"] >= 20
    assert made["sft"]["requests"] == 8 * 64 and made["sft"]["reused"] == 0
    # The pairs ask the weak model alone, a request a row; the problems ask nobody.
    assert made["pairs"]["requests"] == made["pairs"]["pipelines"]["compared"]["started"] >= 20
    assert made["pairs"]["reused"] == 8 * made["pairs"]["pipelines"]["answered"]["started"]
    assert (made["rl"]["requests"], made["rl"]["reused"]) == (0, 8 * 64)
    out = tmp_path / "out" / "recipes" / "olmo3"
    answers = {row["messages"][0]["content"]: row["messages"][-1]["content"] for row in lines_of(out / "sft")}
    pairs, problems = lines_of(out / "pairs"), lines_of(out / "rl")
    assert len(pairs) == 20 and all(pair["chosen"][-1] != pair["rejected"][-1] for pair in pairs)
    asked_twice = [pair for pair in pairs if pair["chosen"][0]["content"] in answers]
    assert asked_twice
    for pair in asked_twice:
        # One generation is in both.
        assert pair["chosen"][-1]["content"] == answers[pair["chosen"][0]["content"]]
    assert {row["dataset"] for row in problems} == {"math"} and all(row["ground_truth"] for row in problems)
    # What more than five of eight got right is in no problem.
    with Store.open(tmp_path / "store", read_only=True) as store:
        dropped = store.sql(
            "SELECT columns FROM row_outcome WHERE pipeline = 'banded' AND step = 'easy' AND run_id = 3"
        )
    easy = {json.loads(columns)["problem"] for (columns,) in dropped}
    assert easy and not easy & {row["messages"][0]["content"] for row in problems}
