"""Reasoning traces: what is apart, what is cut apart, and what each rule drops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import mixwright
from mixwright_runtime.engines.protocol import Answer, Finish, Request
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store

SPEC = """edition 2026
import "std:traces" as traces
model small openai { base_url = "http://localhost:1/v1", model = "tiny" }
source asked inline { rows = [{ problem = "What is 6 times 7?" }] }
pipeline solved {
  from asked
  use traces.reasoned { model = small, max_tokens = 2_000 }
  use traces.sound { least_words = 5, most_words = 60 }
  chat { user = problem, reasoning = trace, assistant = reply }
}
"""
THOUGHT = "Six times seven is six sevens, which is seven and seven and so on, so it comes to 42 in the end."


class Model:
    """Says the same to everything."""

    slots = 1

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    async def start(self) -> None:
        return

    async def close(self) -> None:
        return

    async def complete(self, request: Request) -> Answer:
        return self.answer


def outcome(directory: Path, answer: Answer) -> tuple[str, str, dict[str, Any]]:
    path = directory / "spec.mix"
    path.write_text(SPEC)
    engines: dict[str, Any] = {"small": Model(answer)}
    with Store.open(directory / "store") as store:
        run_plan(mixwright.plan(path), store=store, options=RunOptions(exports=False), engines=engines)
        [(status, step, columns)] = store.sql("SELECT status, step, columns FROM row_outcome")
    return status, step, json.loads(columns)


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (Answer("Answer: 42", Finish.STOP, reasoning=THOUGHT), "Answer: 42"),
        (Answer(f"<think>\n{THOUGHT}\n</think>\n\nIt is \\boxed{{42}}.", Finish.STOP), "It is \\boxed{42}."),
        (Answer(f"{THOUGHT}\nAnswer: 42", Finish.STOP), "Answer: 42"),
        (Answer(f"{THOUGHT}\n答案：42。", Finish.STOP), "答案：42。"),
        (Answer(f"{THOUGHT}\n#### 42", Finish.STOP), "#### 42"),
    ],
    ids=["the engine tells", "marks", "a line", "a Chinese line", "hashes"],
)
def test_reasoning_is_apart_from_the_answer(tmp_path: Path, answer: Answer, reply: str) -> None:
    status, _, columns = outcome(tmp_path, answer)
    assert (status, columns["trace"], columns["reply"]) == ("kept", THOUGHT, reply)
    assert columns["messages"][-1] == {"role": "assistant", "content": reply, "reasoning_content": THOUGHT}


@pytest.mark.parametrize(
    ("answer", "step"),
    [
        (Answer(f"{THOUGHT}\nAnswer: 42", Finish.LENGTH), "unfinished"),
        (Answer("It is 42.\nAnswer: 42", Finish.STOP), "short"),
        (Answer(f"{THOUGHT} {THOUGHT} {THOUGHT}\nAnswer: 42", Finish.STOP), "long"),
        (Answer(f"{THOUGHT}\n{THOUGHT}\nAnswer: 42", Finish.STOP), "repetition"),
        (Answer(f"{THOUGHT} 所以是四十二。\nAnswer: 42", Finish.STOP), "other_script"),
        (
            Answer(
                "Sechs mal sieben ist sechsmal die Sieben, und das ergibt zusammen 42.\nAnswer: 42",
                Finish.STOP,
            ),
            "other_language",
        ),
        (Answer(THOUGHT, Finish.STOP), "no_answer"),
        (Answer(f"Answer: 42? {THOUGHT}\nI hope that this was of use.", Finish.STOP), "no_answer"),
        (Answer(f"{THOUGHT}\nAnswer: 48", Finish.STOP), "unreached"),
    ],
)
def test_each_rule_drops_what_it_is_for(tmp_path: Path, answer: Answer, step: str) -> None:
    status, dropped_by, _ = outcome(tmp_path, answer)
    assert (status, dropped_by) == ("dropped", f"sound.{step}")
