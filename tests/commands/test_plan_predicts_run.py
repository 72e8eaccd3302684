"""What `plan` says is recorded is what `run` then does not ask."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import mixwright
from mixwright.cli import main
from mixwright.recorded import Anew, asked_anew, recorded
from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.engines.protocol import Answer, Finish, Request
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.fake_server import ThreadedServer

SPEC = """edition 2026

param quota {{ type = count }}

model fake openai {{ base_url = "{url}", model = "fake" }}

source numbers duckdb {{
  sql = "SELECT i FROM range(60) AS numbers(i)"
  license = "cc0-1.0"
}}

template ask {{ user = "Write answer number {{{{ i }}}}." }}
template review {{ user = "Review: {{{{ answer }}}}" }}

pipeline answers {{
  from numbers
  generate answer {{ prompt = ask, model = fake }}
  generate review {{ prompt = review, model = fake }}
  chat {{ user = answer, assistant = review }}
}}

mixture all_of_it {{
  seed = 1
  answers = quota
}}
"""


def recorded_of(text: str) -> dict[str, tuple[int, int]]:
    """Step -> (hits, requests), from the last column of the plan's table."""
    found = {}
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["generate"] and words[-2] == "of":
            found[words[1]] = (int(words[-3]), int(words[-1]))
    return found


def test_requests_that_are_sent_are_those_the_plan_did_not_find(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".mixwright").mkdir()
    spec = tmp_path / "answers.mix"
    with ThreadedServer() as server:
        spec.write_text(SPEC.format(url=server.url))
        assert main(["lock", str(spec), "-p", "quota=10"]) == 0
        assert main(["run", str(spec), "-p", "quota=10", "--json"]) == 0
        capsys.readouterr()
        main(["plan", str(spec), "-p", "quota=10"])
        again = recorded_of(capsys.readouterr().out)
        assert again and all(hits == asked for hits, asked in again.values())
        main(["plan", str(spec), "-p", "quota=40"])
        expected = recorded_of(capsys.readouterr().out)
        before = sum(server.fake.prompts.values())
        assert main(["run", str(spec), "-p", "quota=40", "--json"]) == 0
        sent = sum(server.fake.prompts.values()) - before
    missing = sum(asked - hits for hits, asked in expected.values())
    assert expected == {"answer": (10, 40), "review": (10, 40)}
    assert sent == missing


EVOLVING = """edition 2026
model small openai { base_url = "http://localhost:1/v1", model = "tiny" }
source tasks duckdb { sql = "SELECT 'Task ' || i AS task FROM range(60) AS t(i)" }
template harder { user = "Make it harder: {{ task }}" }
template longer { user = "Make it longer: {{ task }}" }
template rarer { user = "Make it rarer: {{ task }}" }
template reply { user = "{{ evolved }}" }
pipeline evolved {
  from tasks
  rounds evolve {
    times = TIMES
    carry = { task = evolved }
    generate evolved { prompt = [PROMPTS], model = small }
    FILTER
    generate response { prompt = reply, model = small }
  }
}
mixture main { seed = 1
  evolved = QUOTA }
"""


class Extending:
    """Says again what it was asked, and a word more."""

    slots = 16

    def __init__(self) -> None:
        self.asked = 0

    async def start(self) -> None:
        return

    async def close(self) -> None:
        return

    async def complete(self, request: Request) -> Answer:
        self.asked += 1
        text = str(request.messages[-1]["content"])
        return Answer(f"{text.rpartition(': ')[2]} {request.seed}", Finish.STOP)


def evolving(directory: Path, **written: object) -> Plan:
    text = EVOLVING
    for name, value in {
        "TIMES": 2,
        "PROMPTS": "harder, longer",
        "FILTER": "",
        "QUOTA": "all",
        **written,
    }.items():
        text = text.replace(name, str(value))
    path = directory / "spec.mix"
    path.write_text(text)
    assert main(["lock", str(path)]) == 0
    return mixwright.plan(path)


def told_and_asked(directory: Path, before: Plan, after: Callable[[], Plan]) -> tuple[Anew, int]:
    """What `plan` says is asked anew of the second plan when the first has been run, and what its run then asks."""
    with Store.open(directory / "store") as store:
        run_plan(before, store=store, options=RunOptions(exports=False), engines={"small": Extending()})
    plan = after()
    found = recorded(plan, directory / "store")
    told = asked_anew(plan.model_copy(update={"estimates": found.estimates}), found)
    assert told is not None
    engine = Extending()
    with Store.open(directory / "store") as store:
        run_plan(plan, store=store, options=RunOptions(exports=False), engines={"small": engine})
    return told, engine.asked


def test_nothing_is_asked_anew_of_the_same(tmp_path: Path) -> None:
    plan = evolving(tmp_path)
    assert told_and_asked(tmp_path, plan, lambda: plan) == (Anew(0, 0), 0)


def test_raised_times_ask_for_the_new_rounds(tmp_path: Path) -> None:
    """Of the third round the first requests are known, and how many those can come to."""
    told, asked = told_and_asked(tmp_path, evolving(tmp_path), lambda: evolving(tmp_path, TIMES=3))
    assert told == Anew(60, 120) and asked == 120


def test_of_rows_that_are_dropped_less_is_asked(tmp_path: Path) -> None:
    """What rounds have let pass is expected of the new one, too."""
    few = {"FILTER": 'filter { where = not ends_with(evolved, "3") }'}
    told, asked = told_and_asked(
        tmp_path, evolving(tmp_path, **few), lambda: evolving(tmp_path, TIMES=3, **few)
    )
    assert told.least == 60 and 60 < asked < 120
    assert abs(told.most - asked) <= 6


def test_a_raised_quota_asks_for_the_new_rows(tmp_path: Path) -> None:
    """Each row gives two: of 20 and 50 that are wanted, 10 and 25 are started."""
    told, asked = told_and_asked(tmp_path, evolving(tmp_path, QUOTA=20), lambda: evolving(tmp_path, QUOTA=50))
    assert told == Anew(15, 15 * 4) and asked == told.most


def test_an_added_operator_asks_for_the_rows_it_takes(tmp_path: Path) -> None:
    """A third of the rows: they move from the others to the new one, and no row between the others."""
    told, asked = told_and_asked(
        tmp_path,
        evolving(tmp_path, TIMES=1),
        lambda: evolving(tmp_path, TIMES=1, PROMPTS="harder, longer, rarer"),
    )
    assert 12 <= told.least <= 28 and told == Anew(told.least, 2 * told.least) and asked == told.most


def test_the_line_that_tells_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store.open(tmp_path / ".mixwright") as store:
        engines = {"small": Extending()}
        run_plan(evolving(tmp_path), store=store, options=RunOptions(exports=False), engines=engines)
    evolving(tmp_path, TIMES=3)
    capsys.readouterr()
    main(["plan", str(tmp_path / "spec.mix"), "--store", str(tmp_path / ".mixwright")])
    assert "\nasked anew: 60 to 120 of them\n" in capsys.readouterr().out
