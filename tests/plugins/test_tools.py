"""The tool of docs/language/plugins.md: it runs for real, in a worker, and what it gives is kept as a call."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from projects import HEAD, files_of_page, typed, write

import mixwright
from mixwright_runtime.store.store import Store

FILES = {name: text for name, text in files_of_page("plugins.md").items() if "stamps" in name}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, FILES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def edited(path: str, old: str, new: str) -> None:
    text = Path(path).read_text(encoding="utf-8")
    assert old in text
    Path(path).write_text(text.replace(old, new), encoding="utf-8")


def heard() -> dict[str, str]:
    """Question -> what the tool said, of the last run."""
    with Store.open(Path(".mixwright"), read_only=True) as store:
        rows = store.sql("SELECT columns FROM row_outcome WHERE run_id = (SELECT max(run_id) FROM run)")
    found = [json.loads(columns) for (columns,) in rows]
    return {row["question"]: row["observed"][0]["content"] for row in found}


def calls() -> list[tuple[Any, ...]]:
    with Store.open(Path(".mixwright"), read_only=True) as store:
        return store.sql("SELECT model, text FROM call ORDER BY text")


def test_it_runs_in_a_worker_and_its_results_are_calls(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed("check", "stamps.mix") == typed("fmt", "--check", "stamps.mix") == 0
    assert typed("run", "stamps.mix") == typed("run", "stamps.mix") == 0
    wrong = "error: ValueError: a letter has a page at least"
    assert heard() == {"What do nine pages cost?": "4.50", "And no page at all?": wrong}
    assert calls() == [("tool stamps", "4.50"), ("tool stamps", wrong)], "made once"
    assert typed("explain", "tool.stamps", "--spec", "stamps.mix") == 0
    assert "The postage of a letter of so many pages." in capsys.readouterr().out


def test_an_edited_plugin_makes_its_results_anew(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("run", "stamps.mix") == 0
    edited("plugins/stamps.py", "// 4)", "// 2)")
    assert typed("plan", "stamps.mix") == 0
    assert "~ tool.stamps (row: plugin sha256:" in capsys.readouterr().out
    assert typed("run", "stamps.mix") == 0
    assert heard()["What do nine pages cost?"] == "7.50" and len(calls()) == 4
    edited("stamps.mix", "rate = 1.5", "rate = 2")
    assert typed("run", "stamps.mix") == 0
    assert heard()["What do nine pages cost?"] == "10.00"


def test_what_it_takes_has_types_that_calls_are_held_to(project: Path) -> None:
    edited("plugins/stamps.py", '{"pages": "int"}', '{"pages": "int", "abroad": "bool"}')
    plan = mixwright.plan("stamps.mix")
    [function] = plan.tools["stamps"].functions
    assert function.parameters["properties"] == {"pages": {"type": "integer"}, "abroad": {"type": "boolean"}}
    assert function.parameters["required"] == ["pages", "abroad"]
    assert function.description == "Tells what a letter costs."
    assert typed("run", "stamps.mix") == 0
    assert set(heard().values()) == {"error: it takes 2 arguments: pages, abroad"}
    edited("plugins/stamps.py", ', "abroad": "bool"', "")
    edited("stamps.mix", "stamps(9)", "stamps(nine)")
    assert typed("run", "stamps.mix") == 0
    assert heard()["What do nine pages cost?"] == "error: `pages` must be an integer, not 'nine'"


def test_a_bug_of_it_costs_the_row_which_keeps_the_line(project: Path) -> None:
    edited("plugins/stamps.py", 'asked = [call.arguments["pages"]', 'asked = [call.arguments["sheets"]')
    assert typed("run", "stamps.mix") != 0
    line = 1 + FILES["plugins/stamps.py"].split("\n").index(
        '        asked = [call.arguments["pages"], self.spec.attributes["rate"]]'
    )
    with Store.open(Path(".mixwright"), read_only=True) as store:
        rows = store.sql("SELECT status, detail->>'$' FROM outcome")
    assert {status for status, _ in rows} == {"quarantined"} and not calls()
    assert all(f'plugins/stamps.py", line {line}' in detail and "'sheets'" in detail for _, detail in rows)


ORACLE = (
    HEAD
    + """
@declare("tool", "oracle", takes={"question": "text"}, asks=(Asks("model", max_tokens="longest"),), attributes=(
    attribute("model", "ref:model", "who is asked", default=REQUIRED),
    attribute("longest", "count", "longest answer, in tokens", default=5),
    attribute("doc", "text", "what models are told of it", default="Knows."),
))
class Oracle(Tool):
    async def run(self, call):
        asked = ({"role": "user", "content": call.arguments["question"]},)
        said = await call.ask(self.spec.attributes["model"], asked, {"max_tokens": 5})
        return said.text + "!"


@declare("model", "echo")
class Echo:
    slots = 4

    def __init__(self, model, environment): ...
    async def start(self): ...
    async def complete(self, request):
        return Answer(request.messages[-1]["content"], Finish.STOP)

    async def close(self): ...
"""
)

ASKING = """edition 2026

import python "plugins/oracle.py"

model parrot echo {}
tool oracle oracle { model = parrot }
source asked inline { rows = [{ question = "Where?", calls = ["oracle(There)"] }] }
pipeline priced {
  from asked
  call observed { calls = calls, tools = [oracle] }
}
mixture m { seed = 1, priced = all }
"""


def test_a_tool_that_asks_a_model_is_planned_and_counted(project: Path) -> None:
    write(project, {"plugins/oracle.py": ORACLE, "oracle.mix": ASKING})
    plan = mixwright.plan("oracle.mix")
    assert [e.requests for e in plan.estimates if e.node == "priced.call_observed"] == [8]
    assert typed("run", "oracle.mix") == 0
    assert heard() == {"Where?": "There!"}
    assert [text for _, text in calls()] == ["There", "There!"]
