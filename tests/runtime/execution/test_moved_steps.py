"""Passes move steps; the rows that are left, and what they hold, are those of the spec as it is written."""

from __future__ import annotations

import json
import random
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from virtual import ScriptedEngine

import mixwright
from mixwright_compiler.catalog.groups import Gathering
from mixwright_compiler.plan.diff import differences
from mixwright_compiler.plan.fingerprint import pipeline_row_hashes
from mixwright_compiler.plan.plan import Plan, plan_from_json
from mixwright_runtime.engines.protocol import Answer, Finish, Request
from mixwright_runtime.facts.row import row_facts
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions, RunReport
from mixwright_runtime.store.store import Store

ROWS = ", ".join(
    f'{{ two = {n % 2}, three = {n % 3}, five = {n % 5}, word = "w{n % 7} {n % 11}" }}' for n in range(24)
)
HEAD = f"""edition 2026
model teacher openai {{ base_url = "http://localhost:1/v1", model = "tiny" }}
model judge openai {{ base_url = "http://localhost:1/v1", model = "judge" }}
source numbers inline {{ rows = [{ROWS}] }}
"""


def as_written(plan: Plan) -> Plan:
    """The plan without a step in another place than the spec has it."""
    document = json.loads(plan.model_dump_json())
    for name, pipeline in document["pipelines"].items():
        steps = {step["id"]: {**step, "moved_by": ""} for step in pipeline["steps"]}
        pipeline["steps"] = [steps[step.id] for step in plan.pipelines[name].steps_as_written]
        for found_again in ("written", "groups", "asks_again"):
            del pipeline[found_again]
    return plan_from_json(json.dumps(document))


class Engine(ScriptedEngine):
    """What it answers is decided by the request alone."""

    async def complete(self, request: Request) -> Answer:
        await super().complete(request)
        text = str(request.messages[-1]["content"])
        number = blake2b(f"{text} {request.seed}".encode()).digest()[0]
        if text.startswith("Rate"):
            return Answer(json.dumps({"reason": "So.", "score": number % 10}), Finish.STOP)
        return Answer(f"{text} {number % 10}", Finish.STOP)


class Runs:
    """Runs of plans on one store."""

    def __init__(self, directory: Path) -> None:
        self.store = Store.open(directory)
        self.engine = Engine(latency_s=0)

    def run(self, plan: Plan) -> RunReport:
        engines = dict.fromkeys(plan.models, self.engine)
        return run_plan(plan, store=self.store, options=RunOptions(exports=False), engines=engines)

    def kept(self) -> list[tuple[Any, ...]]:
        """Identity, columns and scores of the rows that the last run kept, in their order."""
        found = self.store.sql(
            "SELECT position, row_id, columns, scores FROM row_outcome WHERE status = 'kept' AND pipeline = 'p' "
            "AND run_id = (SELECT max(run_id) FROM run) ORDER BY position, row_id"
        )
        return [(*row, json.loads(columns), json.loads(scores)) for *row, columns, scores in found]

    def requests(self) -> int:
        return len(self.engine.requests)


def random_spec(seed: int) -> str:
    """A pipeline of steps that may be moved, and of all that stands in their way."""
    draw = random.Random(seed)
    texts, templates, lines = ["word"], list[str](), list[str]()
    answers: list[str] = []
    """Columns that can be answered again."""
    is_grouped = False

    def condition() -> str:
        if draw.random() < 0.4:
            return f"{draw.choice(('two', 'three', 'five'))} > 0"
        return f'matches({draw.choice(texts)}, "[{draw.choice("0123")}-9]$")'

    for number in range(draw.randint(4, 8)):
        match draw.choice(("ask", "ask", "filter", "filter", "verify", "judge", "dedup", "derive")):
            case "ask":
                column = f"a{number}"
                templates.append(
                    f'template {column}_t {{ user = "{number}: {{{{ {draw.choice(texts)} }}}}" }}'
                )
                samples = 1 if is_grouped else draw.choice((1, 1, 3))
                is_grouped = is_grouped or samples > 1
                lines.append(
                    f"generate {column} {{ prompt = {column}_t, model = teacher, samples = {samples} }}"
                )
                texts.append(column)
                answers.append(column)
            case "filter":
                when = f", when = {condition()}" if draw.random() < 0.2 else ""
                lines.append(f"filter {{ where = {condition()}{when} }}")
            case ("verify" | "judge") as kind:
                on_fail = draw.choice(("drop", "drop", "keep", "retry(2)")) if answers else "drop"
                response = draw.choice(answers or texts)
                pick = "first" if is_grouped and draw.random() < 0.4 else "all"
                if pick == "first":
                    is_grouped = False
                both = f"on_fail = {on_fail}, pick = {pick}"
                if kind == "verify":
                    lines.append(f"verify where {{ expr = {condition()}, response = {response}, {both} }}")
                else:
                    templates.append(f'template r{number} {{ user = "Rate {{{{ {response} }}}}" }}')
                    lines.append(
                        f"verify judge {{ response = {response}, rubric = r{number}, models = [judge], "
                        f"scale = [0, 9], min = 3, {both} }}"
                    )
            case "dedup":
                lines.append(f"dedup exact {{ on = {draw.choice(texts)} }}")
                is_grouped = False
                answers.clear()
            case _:
                lines.append(f'derive {{ word = word + "{number}" }}')
    return "\n".join([HEAD, *templates, "pipeline p {", "  from numbers", *lines, "}", ""])


def planned(directory: Path, text: str) -> Plan:
    (directory / ".mixwright").mkdir(exist_ok=True)
    spec = directory / "spec.mix"
    spec.write_text(text, encoding="utf-8")
    return mixwright.plan(spec)


@pytest.mark.parametrize("seed", range(20))
def test_the_rows_are_those_of_the_spec_as_it_is_written(tmp_path: Path, seed: int) -> None:
    plan = planned(tmp_path, random_spec(seed))
    written, moved = Runs(tmp_path / "written"), Runs(tmp_path / "moved")
    written.run(as_written(plan))
    moved.run(plan)
    assert moved.kept() == written.kept()
    assert len(moved.engine.requests) <= len(written.engine.requests)


def asked_then(steps: str) -> str:
    """A spec that asks three times a row, and then these steps."""
    return f"""{HEAD}
template ask {{ user = "{{{{ word }}}}" }}
pipeline p {{
  from numbers
  generate essay {{ prompt = ask, model = teacher, samples = 3 }}
  {steps}
}}
"""


@pytest.mark.parametrize(
    ("steps", "moved", "requests", "as_written_requests"),
    [
        # Of 24 rows 8 are divisible by 3 and go on: 3 answers each, instead of 3 for every row.
        ("filter { where = three == 0 }", "filter", 24, 72),
        ("verify where { expr = three == 0 }", "verify_where", 24, 72),
    ],
)
def test_what_is_dropped_is_not_asked_for(
    tmp_path: Path, steps: str, moved: str, requests: int, as_written_requests: int
) -> None:
    plan = planned(tmp_path, asked_then(steps))
    pipeline = plan.pipelines["p"]
    assert [step.id for step in pipeline.steps] == [moved, "generate_essay"]
    assert pipeline.written == ("generate_essay", moved)
    runs, others = Runs(tmp_path / "moved"), Runs(tmp_path / "written")
    runs.run(plan)
    others.run(as_written(plan))
    assert (len(runs.engine.requests), len(others.engine.requests)) == (requests, as_written_requests)
    assert runs.kept() == others.kept()


def test_a_dropped_row_is_explained_by_the_step_that_dropped_it(tmp_path: Path) -> None:
    """It has no request and no column of a step behind that one, and its lines are those of the spec."""
    plan = planned(tmp_path, asked_then("filter { where = three == 0 }"))
    runs = Runs(tmp_path / "store")
    runs.run(plan)
    ((row_id,),) = runs.store.sql("SELECT hex(row_id) FROM row_outcome WHERE status = 'dropped' LIMIT 1")
    facts = row_facts(runs.store, row_id.lower())
    (outcome,) = facts.outcomes
    assert (outcome.step, outcome.reason, facts.calls) == ("filter", "filter", [])
    assert set(outcome.columns or ()) == {"two", "three", "five", "word"}
    (line,) = [step.line for step in facts.steps if step.id == "filter"]
    assert "filter" in (tmp_path / "spec.mix").read_text(encoding="utf-8").split("\n")[line - 1]


BEFORE = Path(__file__).parent / "before"


def before(directory: Path) -> Plan:
    """The plan that was made of `plan-1.1.mix` when plans said nothing of groups and no step was moved."""
    text = (BEFORE / "plan-1.1.json").read_text(encoding="utf-8")
    return plan_from_json(text.replace("<directory>", str(directory)))


def test_a_plan_of_before_says_what_it_left_to_the_run(tmp_path: Path) -> None:
    pipeline = before(tmp_path).pipelines["p"]
    assert pipeline.groups == (Gathering(("generate_essay",), 3, ("verify_where",), "verify_where"),)
    assert (pipeline.asks_again, pipeline.fanout) == ({"verify_where": "generate_essay"}, 1)
    assert pipeline.steps_as_written == pipeline.steps


def test_a_plan_and_a_store_of_before_go_on(tmp_path: Path) -> None:
    """What the old plan made is what the new one makes, and nothing is asked for again."""
    runs = Runs(tmp_path / "store")
    old = before(tmp_path)
    assert runs.run(old).status == "done"
    made, asked = runs.kept(), len(runs.engine.requests)
    assert made
    new = planned(tmp_path, (BEFORE / "plan-1.1.mix").read_text(encoding="utf-8"))
    assert new.pipelines["p"].steps[0].id == "filter"
    runs.run(new)
    assert (runs.kept(), len(runs.engine.requests)) == (made, asked)
    assert differences(old, new) == ()
    assert pipeline_row_hashes(old) == pipeline_row_hashes(new)
