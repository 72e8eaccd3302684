"""Models that call tools through an OpenAI-compatible server, round after round, until they answer.

The server works out what it calls from what it is sent: the last message, and the tools that are offered with it. It has
no answers of its own to a task.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from picky_server import PickyServer, Reply, Seen, completion

import mixwright
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store
from mixwright_runtime.training.said import texts_of

SUM = re.compile(r"\d+ *[-+*/] *\d+")


def call(number: int, name: str, arguments: Any) -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": f"c{number}", "type": "function", "function": {"name": name, "arguments": text}}


def answered(text: str | None, calls: list[dict[str, Any]], finish: str = "tool_calls") -> Reply:
    message = {"role": "assistant", "content": text, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return Reply(completion(choices=[choice]))


def offered(seen: Seen) -> list[str]:
    """The tools that a request offers; `add` alone is what a run asks of a server before its first row."""
    return [tool["function"]["name"] for tool in seen.body.get("tools", [])]


def agent(seen: Seen) -> Reply:
    """Calls the calculator for every sum of the last message, where it is offered, and reads what tools gave it."""
    messages, names = seen.body["messages"], offered(seen)
    last = messages[-1]
    if "add" in names:
        return answered(None, [call(0, "add", {"a": 2, "b": 3})])
    if last["role"] == "tool":
        results = []
        for message in reversed(messages):
            if message["role"] != "tool":
                break
            results.insert(0, message["content"])
        return Reply(completion(f"It is {' and '.join(results)}."))
    sums = SUM.findall(last["content"])
    if sums and "calculator" in names:
        return answered(None, [call(n, "calculator", {"expression": s}) for n, s in enumerate(sums)])
    return Reply(completion("No tool of mine does that."))


HEAD = """edition 2026
import "std:agents" as agents
tool calculator arithmetic { }
tool calendar date { day = "2024-03-05" }
source tasks inline { rows = [{ task = "TASK" }], license = "cc0-1.0" }
"""

LOOP = """
pipeline solved {
  from tasks
  derive { talk = append([], "user", task) }
  rounds step {
    times = 3
    emit = last
    failed = end
    carry = { talk = talk_so_far }
    until = is_null(said.calls)
    use agents.turn { talk = talk, offered = [calculator, calendar], model = teacher, id = turn }
  }
  filter { where = is_null(said.calls), id = unanswered }
  derive { offered = observed.tools }
  chat { turns = talk_so_far, tools = offered }
}
mixture main { seed = 1, solved = all }
"""


class Runs:
    def __init__(self, directory: Path, rules: Any) -> None:
        self.directory = directory
        self.rules = rules
        self.server: PickyServer

    def run(self, spec: str) -> list[tuple[str, str, dict[str, Any]]]:
        with PickyServer(self.rules) as self.server:
            path = self.directory / "spec.mix"
            model = f'model teacher openai {{ base_url = "{self.server.url}", model = "fake" }}\n'
            path.write_text(spec.replace("edition 2026\n", f"edition 2026\n{model}", 1), encoding="utf-8")
            plan = mixwright.plan(path)
            with Store.open(self.directory / "store") as store:
                run_plan(plan, store=store, options=RunOptions(exports=False))
                found = store.sql(
                    "SELECT status, step, columns FROM row_outcome WHERE run_id = (SELECT max(run_id) FROM run)"
                )
                self.calls = store.sql("SELECT model, count(*) FROM call GROUP BY model ORDER BY model")
        return [(status, step, json.loads(columns or "{}")) for status, step, columns in found]


def spec(task: str, pipeline: str = LOOP) -> str:
    return HEAD.replace("TASK", task) + pipeline


def test_an_agent_calls_reads_and_answers(tmp_path: Path) -> None:
    runs = Runs(tmp_path, agent)
    [(status, _, row)] = runs.run(spec("What is 17 * 4, and what is 9 - 12?"))
    assert status == "kept"
    user, acted, first, second, last = row["messages"]
    assert user == {"role": "user", "content": "What is 17 * 4, and what is 9 - 12?"}
    assert acted["content"] == "" and [c["function"]["arguments"] for c in acted["tool_calls"]] == [
        '{"expression": "17 * 4"}',
        '{"expression": "9 - 12"}',
    ]
    # Both at once, in the order of the calls, each under its call's id.
    assert [(m["role"], m["tool_call_id"], m["content"]) for m in (first, second)] == [
        ("tool", "c0", "68"),
        ("tool", "c1", "-3"),
    ]
    assert last == {"role": "assistant", "content": "It is 68 and -3."}
    # The tools go along with every request, and into the training example.
    sent = [seen.body for seen in runs.server.seen if offered(seen) != ["add"]]
    assert [len(body["tools"]) for body in sent] == [2, 2] and row["tools"] == sent[0]["tools"]
    assert sent[1]["messages"][1:] == [acted, first, second]
    assert "It is 68 and -3." in list(texts_of(row["messages"], row["tools"]))


def test_a_run_that_goes_on_asks_and_runs_nothing_again(tmp_path: Path) -> None:
    runs = Runs(tmp_path, agent)
    before = runs.run(spec("What is 17 * 4?"))
    counts = runs.calls
    assert counts == [("teacher", 2), ("tool calculator", 1)]
    assert runs.run(spec("What is 17 * 4?")) == before and runs.calls == counts
    assert runs.server.seen == []


def test_where_no_tool_fits_the_right_thing_is_no_call(tmp_path: Path) -> None:
    pipeline = """
    pipeline refrained {
      from tasks
      derive { talk = append([], "user", task) }
      use agents.without_call { talk = talk, offered = [calculator], model = teacher, id = plain }
      chat { turns = talk_so_far }
    }
    mixture main { seed = 1, refrained = all }
    """.replace("\n    ", "\n")
    [(status, _, row)] = Runs(tmp_path, agent).run(spec("Write a poem.", pipeline))
    assert (status, row["messages"][-1]["content"]) == ("kept", "No tool of mine does that.")
    [(status, step, _)] = Runs(tmp_path, agent).run(spec("Write a poem of 3 + 4 lines.", pipeline))
    assert (status, step) == ("dropped", "plain.called")


def test_an_agent_that_never_answers_is_dropped(tmp_path: Path) -> None:
    def endless(seen: Seen) -> Reply:
        if offered(seen) == ["add"]:
            return agent(seen)
        return answered("Again.", [call(len(seen.body["messages"]), "calculator", {"expression": "1 + 1"})])

    runs = Runs(tmp_path, endless)
    rows = runs.run(spec("What is 1 + 1?"))
    assert [(status, step) for status, step, _ in rows] == [("dropped", "unanswered")]
    assert runs.calls == [("teacher", 3), ("tool calculator", 1)]


def test_a_turn_with_a_call_that_fails_is_dropped(tmp_path: Path) -> None:
    def wrong(seen: Seen) -> Reply:
        if offered(seen) == ["add"]:
            return agent(seen)
        return answered(None, [call(0, "calculator", {"expression": "one and one"})])

    once = LOOP.replace("times = 3", "times = 1")
    [(status, step, _)] = Runs(tmp_path, wrong).run(spec("What is 1 + 1?", once))
    assert (status, step) == ("dropped", "turn.failed")


@pytest.mark.parametrize(
    ("reply", "becomes"),
    [
        (answered(None, [call(0, "nobody", {})]), "error: there is no tool `nobody`"),
        (answered(None, [call(0, "calculator", "{")]), "error: the arguments are no JSON"),
        (answered(None, [call(0, "calculator", "[]")]), "error: the arguments are no JSON object"),
        (answered(None, [call(0, "calculator", {"sum": 1})]), "error: `expression` is missing"),
        (answered(None, [{"id": 3}]), "error: this is no call: it names no function"),
        (answered(None, [call(0, "calculator", {"expression": "1+1"})], "stop"), "2"),
    ],
)
def test_what_a_model_calls_is_not_trusted(tmp_path: Path, reply: Reply, becomes: str) -> None:
    pipeline = """
    pipeline acted {
      from tasks
      derive { talk = append([], "user", task) }
      generate said { history = talk, tools = [calculator], model = teacher }
      call observed { calls = said.calls, tools = [calculator] }
      chat { user = task, assistant = task }
    }
    mixture main { seed = 1, acted = all }
    """.replace("\n    ", "\n")
    rules = lambda seen: agent(seen) if offered(seen) == ["add"] else reply  # noqa: E731
    [(status, _, row)] = Runs(tmp_path, rules).run(spec("t", pipeline))
    assert status == "kept"
    [message] = row["observed"]
    assert message["content"].startswith(becomes)


def test_calls_that_are_no_list_are_no_answer(tmp_path: Path) -> None:
    def odd(seen: Seen) -> Reply:
        return agent(seen) if offered(seen) == ["add"] else answered("x", "calculator()")  # type: ignore[arg-type]

    pipeline = LOOP.replace("times = 3", "times = 1")
    rows = Runs(tmp_path, odd).run(spec("t", pipeline))
    assert [row[0] for row in rows] != ["kept"]


def test_a_server_that_calls_nothing_stops_the_run(tmp_path: Path) -> None:
    from mixwright_runtime.errors import EngineUnavailable

    runs = Runs(tmp_path, lambda seen: Reply(completion("No.")))
    report = None
    try:
        report = runs.run(spec("What is 1 + 1?"))
    except EngineUnavailable as error:
        assert "does not call tools" in str(error)
    assert not report or all(status != "kept" for status, _, _ in report)
