"""Auto Evol-Instruct: failures of a method are counted by their rules, and the better of two methods is carried on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mixwright
from mixwright_runtime.engines.protocol import Answer, Finish, Request
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store

SPEC = """edition 2026
import "std:auto_evol" as auto
model small openai { base_url = "http://localhost:1/v1", model = "tiny" }
source tasks inline {
  rows = [
    { instruction = "same" }, { instruction = "leak" }, { instruction = "sorry" }, { instruction = "ask" },
    { instruction = "fine" },
  ]
}
source starts inline { rows = [{ method = "method 4" }] }
pipeline methods {
  from starts
  draw dev { from = tasks, column = instruction, count = 5 }
  use auto.tried { model = small }
  rounds improve {
    times = TIMES
    start = keep
    carry = { method = method, failure = failure }
    draw batch { from = tasks, column = instruction, count = 2 }
    use auto.improved_once { model = small, optimiser = small, most_words = 4 }
  }
}
"""


class Model:
    """Method N fails on so many of the tasks; `writes` are the methods that it comes by, one after another."""

    slots = 1

    def __init__(self, *writes: str) -> None:
        self.writes = list(writes)

    async def start(self) -> None:
        return

    async def close(self) -> None:
        return

    async def complete(self, request: Request) -> Answer:
        return Answer(self.said(str(request.messages[-1]["content"])), Finish.STOP)

    def said(self, text: str) -> str:
        if text.startswith("Here is a method"):
            failing = ["same", "leak", "sorry", "ask"][: int(text.split("method ", 2)[2].split("\n")[0])]
            task = text.strip().splitlines()[-1]
            if task not in failing:
                return "a much harder task"
            return {"same": task, "leak": "The rewritten task: sort."}.get(task, f"harder: {task}")
        if text.startswith("Somebody was to make a task harder."):
            return "FAILED: it says too little." if "\nsame\n" in text else "PASSED"
        if text.startswith("A method by which"):
            assert "- FAILED: it says too little." in text or "- PASSED" in text
            return self.writes.pop(0)
        return {"harder: sorry": "I'm sorry, no.", "harder: ask": "What is it about?"}.get(text, "Done.")


def search(directory: Path, *writes: str) -> tuple[list[tuple[str, float]], list[tuple[str, int]]]:
    """The methods that leave each round, with their failures; and what was dropped in rounds, by step."""
    path = directory / "spec.mix"
    path.write_text(SPEC.replace("TIMES", str(len(writes))))
    engines: dict[str, Any] = {"small": Model(*writes)}
    with Store.open(directory / "store") as store:
        run_plan(mixwright.plan(path), store=store, options=RunOptions(exports=False), engines=engines)
        rows = store.sql("SELECT columns FROM row_outcome WHERE status = 'kept'")
        dropped = store.sql(
            "SELECT step, count(*) FROM outcome WHERE status = 'dropped' GROUP BY 1 ORDER BY 1"
        )
    kept = sorted((json.loads(columns) for (columns,) in rows), key=lambda row: row["improve.round"])
    return [(row["method"], row["failure"]) for row in kept], dropped


def test_the_better_of_two_methods_is_carried_on(tmp_path: Path) -> None:
    kept, _ = search(tmp_path, "method 2", "method 3", "method 0")
    assert kept == [("method 4", 0.8), ("method 2", 0.4), ("method 2", 0.4), ("method 0", 0.0)]


def test_each_failure_stands_under_its_rule(tmp_path: Path) -> None:
    _, dropped = search(tmp_path, "method 0")
    assert dropped == [(f"tried.{rule}", 1) for rule in ("asks_back", "copied_words", "refused", "same_task")]


def test_a_method_that_is_none_is_not_tried(tmp_path: Path) -> None:
    kept, dropped = search(tmp_path, "Method 4 ", "method 0 of many words and more")
    assert kept == [("method 4", 0.8)]
    assert [step for step, _ in dropped if "improved" in step] == [
        "improved_once.long_method",
        "improved_once.same_method",
    ]
