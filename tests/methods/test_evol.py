"""Evol-Instruct: operators are drawn evenly, each rule drops what it is for, and what a run costs is told before it."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import mixwright
from mixwright.cli import main
from mixwright_runtime.engines.protocol import Answer, Finish, Request
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store
from tests.checkout import ROOT

OPERATORS = ("constrain", "deepen", "concretize", "reason", "complicate_input", "rarer")

SPEC = """edition 2026
import "std:evol" as evol
model small openai { base_url = "http://localhost:1/v1", model = "tiny" }
source tasks duckdb { sql = "SELECT 'Task ' || i AS instruction FROM range(ROWS) AS t(i)" }
pipeline evolved {
  from tasks
  rounds evolve {
    times = TIMES
    carry = { instruction = evolved }
    use evol.evolved_once { model = small, judge = small }
  }
}
"""


class Model:
    """Rewrites by adding a sign; `says` is what it says instead, by what it is asked for."""

    slots = 64

    def __init__(self, **says: str) -> None:
        self.says = says
        self.requests = 0

    async def start(self) -> None:
        return

    async def close(self) -> None:
        return

    async def complete(self, request: Request) -> Answer:
        self.requests += 1
        text = str(request.messages[-1]["content"])
        if text.startswith("First task:"):
            return Answer(self.says.get("verdict", "Not equal"), Finish.STOP)
        if text.startswith("Below is a task."):
            task = text.rpartition("Task:\n")[2].strip()
            return Answer(self.says.get("evolved", task + " more"), Finish.STOP)
        return Answer(self.says.get("response", "A long and useful answer."), Finish.STOP)


def run(directory: Path, engine: Model, *, rows: int, times: int = 1) -> Store:
    path = directory / "spec.mix"
    path.write_text(SPEC.replace("ROWS", str(rows)).replace("TIMES", str(times)))
    store = Store.open(directory / "store")
    plan = mixwright.plan(path)
    engines: dict[str, Any] = {"small": engine}
    run_plan(plan, store=store, options=RunOptions(exports=False), engines=engines)
    return store


@pytest.mark.parametrize(
    ("says", "step"),
    [
        ({"evolved": "The rewritten task: name a bird."}, "copied_words"),
        ({"verdict": "Equal."}, "no_gain"),
        ({"response": "Sorry, I can't."}, "excuse"),
        ({"response": "It is the ... and so on!"}, "stop_words"),
    ],
)
def test_each_rule_drops_what_it_is_for(tmp_path: Path, says: dict[str, str], step: str) -> None:
    with run(tmp_path, Model(**says), rows=1) as store:
        outcomes = store.sql("SELECT status, step FROM outcome")
    assert outcomes == [("dropped", f"evolved_once.{step}")]


def test_a_task_that_speaks_of_it_may_be_answered_with_sorry(tmp_path: Path) -> None:
    path = tmp_path / "spec.mix"
    path.write_text(SPEC.replace("ROWS", "1").replace("TIMES", "1").replace("'Task '", "'Why say sorry? '"))
    with Store.open(tmp_path / "store") as store:
        engines: dict[str, Any] = {"small": Model(response="Sorry mends what went wrong.")}
        run_plan(mixwright.plan(path), store=store, options=RunOptions(exports=False), engines=engines)
        assert store.sql("SELECT status FROM outcome") == [("kept",)]


def test_operators_are_drawn_evenly(tmp_path: Path) -> None:
    """Chi-squared of 10,000 draws over six operators: below 20.5 in 999 of 1,000 cases."""
    drawn: Counter[str] = Counter()
    with run(tmp_path, Model(), rows=2_500, times=4) as store:
        for columns, count in store.sql(
            "SELECT columns->>'evolved_template', count(*) FROM row_outcome WHERE status = 'kept' GROUP BY 1"
        ):
            drawn[columns] += count
        [(children, parents)] = store.sql(
            "SELECT count(DISTINCT row_id), count(DISTINCT parents) FROM outcome"
        )
    assert sorted(drawn) == sorted(OPERATORS) and drawn.total() == 10_000
    even = drawn.total() / len(OPERATORS)
    assert math.fsum((n - even) ** 2 / even for n in drawn.values()) < 20.5
    assert (children, parents) == (10_000, 10_000)


def test_what_the_published_size_costs_is_told_before(tmp_path: Path) -> None:
    path = tmp_path / "spec.mix"
    (tmp_path / "tasks.jsonl").write_text('{"instruction": "x"}\n' * 52_002)
    text = SPEC.replace("TIMES", "4")
    source = 'source tasks jsonl { path = "tasks.jsonl" }'
    path.write_text("\n".join(source if line.startswith("source") else line for line in text.splitlines()))
    assert main(["lock", str(path)]) == 0
    plan = mixwright.plan(path)
    assert sum(estimate.requests or 0 for estimate in plan.estimates) == 52_002 * 4 * 3 == 624_024


def test_a_row_that_failed_is_asked_anew(tmp_path: Path) -> None:
    engine = Model(verdict="equal")
    with run(tmp_path, engine, rows=1, times=3) as store:
        dropped = store.sql("SELECT count(*), count(DISTINCT row_id) FROM outcome WHERE status = 'dropped'")
    assert dropped == [(3, 3)]
    assert engine.requests == 6, "a rewriting and a judgement in each round"


def test_prompts_of_the_library_read_what_they_evolve() -> None:
    text = (ROOT / "specs" / "lib" / "evol.mix").read_text(encoding="utf-8")
    assert text.count("{{ instruction }}") >= 2 * len(OPERATORS) - 1
