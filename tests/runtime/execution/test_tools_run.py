"""Tools are really run, once, and what they give is a call in the store like any other."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from spec_runs import SpecRuns

from mixwright_runtime.store.counts import model_calls

ENDING = "\nmixture main { seed = 1, told = all }\n"


@pytest.fixture
def runs(tmp_path: Path) -> SpecRuns:
    return SpecRuns(tmp_path, lambda prompt: f"answer to {prompt}")


def told(asked: list[Any], *tools: str, names: str, more: str = "", **columns: Any) -> str:
    more_columns = "".join(f", {name} = {json.dumps(value)}" for name, value in columns.items())
    row = f'{{ task = "t", asked = {json.dumps(asked)}{more_columns} }}'
    source = f'source tasks inline {{ rows = [{row}], license = "cc0-1.0" }}\n'
    tool = "\n".join(tools)
    return f"""{source}{tool}
pipeline told {{
  from tasks
  call observed {{ calls = asked, tools = [{names}], said = task{more} }}
  derive {{ failed = observed.failed }}
  chat {{ user = task, assistant = task }}
}}{ENDING}"""


def results(runs: SpecRuns) -> list[str]:
    [(status, reason, columns)] = runs.rows()
    assert status == "kept", reason
    return [message["content"] for message in columns["observed"][1:]]


NONCE = 'tool nonce python { code = "import os\\ndef nonce(n: int):\\n  return os.urandom(8).hex()" }'


def test_a_call_is_made_once_and_found_by_the_next_run(runs: SpecRuns) -> None:
    spec = told(["nonce(1)", "nonce(2)", "nonce(1)"], NONCE, names="nonce")
    runs.run(spec)
    first, second, again = results(runs)
    # A number that nobody could know beforehand: it really ran, in a process of its own, and the third was the first.
    assert len(first) == 16 and first == again != second
    runs.run(spec)
    assert results(runs) == [first, second, again]
    assert runs.store.sql("SELECT model, count(*) FROM call GROUP BY model") == [("tool nonce", 2)]
    # Models were asked nothing, and a tool is none.
    assert model_calls(runs.store, 1) == []


def test_code_of_a_tool_reaches_nothing(runs: SpecRuns, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    code = (
        "import socket\\ndef out(n: int):\\n"
        f"  try:\\n    return open('{tmp_path}/secret').read()\\n"
        "  except OSError as error:\\n    first = type(error).__name__\\n"
        "  try:\\n    socket.create_connection(('127.0.0.1', 1))\\n"
        "  except OSError as error:\\n    return first + ' ' + type(error).__name__"
    )
    runs.run(told(["out(1)"], f'tool out python {{ code = "{code}" }}', names="out"))
    [found] = results(runs)
    assert found.startswith("FileNotFoundError ") and "secret" not in found


def test_what_is_wrong_with_a_call_is_its_result(runs: SpecRuns) -> None:
    code = {
        "boom": "def boom():\\n  raise ValueError('no')",
        "endless": "def endless():\\n  while True: pass",
        "loud": "def loud():\\n  return 'x' * 100_000",
        "odd": "def odd():\\n  return object()",
        "bell": "def bell():\\n  return 'a\\\\x07b'",
        "pair": "def pair(a: int, b: int = 2) -> int:\\n  return {'sum': a + b}",
    }
    tools = [f'tool {name} python {{ time_limit = 0.5s, code = "{text}" }}' for name, text in code.items()]
    asked = ["boom()", "endless()", "loud()", "odd()", "bell()", "pair(3)", "nobody(1)", "pair(x)", "what"]
    runs.run(told(asked, *tools, names=", ".join(code)))
    found = results(runs)
    assert found[0] == "error: ValueError: no"
    assert found[1] == "error: it took longer than 0.5 s"
    assert len(found[2]) < 33_000 and found[2].endswith("(100,000 characters in all)")
    assert "no plain data" in found[3] and "control character" in found[4]
    assert found[5] == '{"sum": 5}'
    assert found[6].startswith("error: there is no tool `nobody`; there are: boom")
    assert "must be an integer" in found[7] and "is no call" in found[8]
    [(_, _, columns)] = runs.rows()
    assert columns["failed"] == 7


def test_messages_keep_the_order_of_the_calls_and_have_their_ids(runs: SpecRuns) -> None:
    tools = ["tool calculator arithmetic { }", "tool calendar date { column = day }"]
    asked = ["calculator(1 + 1)", "Calendar()", "calculator(1/0)"]
    runs.run(told(asked, *tools, names="calculator, calendar", day="2024-03-05T10:00"))
    [(_, _, columns)] = runs.rows()
    said, *messages = columns["observed"]
    assert said["role"] == "assistant" and [c["id"] for c in said["tool_calls"]] == [
        m["tool_call_id"] for m in messages
    ]
    assert [c["function"]["arguments"] for c in said["tool_calls"]] == [
        '{"expression": "1 + 1"}',
        "{}",
        '{"expression": "1/0"}',
    ]
    assert [(m["role"], m["name"], m["content"]) for m in messages] == [
        ("tool", "calculator", "2"),
        ("tool", "calendar", "Today is Tuesday, March 5, 2024."),
        ("tool", "calculator", "error: division by zero"),
    ]


def test_a_search_and_a_model_are_tools(runs: SpecRuns) -> None:
    tools = [
        'source snippets inline { rows = [{ text = "Oslo is in Norway." }, { text = "Bread is baked." }] }',
        "tool search bm25 { over = snippets, on = text, cut = 4 }",
        'template knows { user = "Say of {{ what }}" }',
        "tool expert model { model = teacher, prompt = knows }",
    ]
    runs.run(told(["search(bread)", "search(giraffe)", "expert(bread)"], *tools, names="search, expert"))
    assert results(runs) == ["Brea", "nothing found", "answer to Say of bread"]
    assert runs.prompts == ["Say of bread"]
    assert [call.model for call in model_calls(runs.store, 1)] == ["teacher"]


def test_a_recorded_server_answers_what_it_answered(runs: SpecRuns, tmp_path: Path) -> None:
    listed = [
        {"name": "forecast", "inputSchema": {"properties": {"city": {"type": "string"}}}},
        {"name": "hour"},
    ]
    session = [
        {"id": 1, "method": "tools/list"},
        {"id": 1, "result": {"tools": listed}},
        {"id": 2, "method": "tools/call", "params": {"name": "forecast", "arguments": {"city": "Oslo"}}},
        {"id": 2, "result": {"content": [{"type": "text", "text": "-3 degrees"}]}},
    ]
    lines = "\n".join(json.dumps({"jsonrpc": "2.0", **message}) for message in session)
    (tmp_path / "weather.jsonl").write_text(lines)
    spec = told(
        ["forecast(Oslo)", "forecast(Rome)", "hour()"],
        'tool weather mcp { record = "weather.jsonl" }',
        names="weather",
    )
    runs.run(spec)
    found = results(runs)
    assert found[0] == "-3 degrees"
    assert found[1] == "error: this call was not recorded (there are 1 of forecast in the recording)"
    assert found[2] == "error: this call was not recorded (there are 0 of hour in the recording)"
    [function, _] = runs.plan.tools["weather"].functions
    assert function.parameters == listed[0]["inputSchema"]


def test_another_tool_another_result(runs: SpecRuns) -> None:
    runs.run(told(["calculator(1/3)"], "tool calculator arithmetic { }", names="calculator"))
    assert results(runs) == ["0.33"]
    runs.run(told(["calculator(1/3)"], "tool calculator arithmetic { digits = 4 }", names="calculator"))
    assert results(runs) == ["0.3333"]
    # What models are told of it is no part of what it gives.
    doc = 'tool calculator arithmetic { digits = 4, doc = "Adds up." }'
    runs.run(told(["calculator(1/3)"], doc, names="calculator"))
    assert runs.store.sql("SELECT count(*) FROM call") == [(2,)]


def test_the_limit_of_a_step_is_a_fault_and_nothing_is_kept(runs: SpecRuns) -> None:
    slow = 'tool slow python { time_limit = 20s, code = "import time\\ndef slow():\\n  time.sleep(15)" }'
    runs.run(told(["slow()"], slow, names="slow", more=", time_limit = 0.3s"))
    [(status, reason, _)] = runs.rows()
    assert (status, reason) == ("quarantined", "row error")
    assert runs.store.sql("SELECT count(*) FROM call") == [(0,)]


def test_arguments_that_are_huge_are_refused(runs: SpecRuns) -> None:
    spec = told([f"calculator({'1' * 70_000})"], "tool calculator arithmetic { }", names="calculator")
    runs.run(spec)
    assert results(runs) == ["error: the arguments are longer than 64,000 characters"]
    assert asyncio.run(runs.store.find_calls([b""])) == {}
