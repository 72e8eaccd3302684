"""Estimates: the formulas of `compiler/mixwright_compiler/plan/estimate.py` on small plans."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bound_programs import component, math_program, mixture, pipeline, program, source, step, template

import mixwright
from mixwright_compiler.bind.lock import Lock, SourceLock, source_definition, source_selection
from mixwright_compiler.plan.estimate import Observed, estimates
from mixwright_compiler.plan.forecast import forecast_of
from mixwright_compiler.plan.lower import lower
from mixwright_compiler.plan.plan import Estimate, Fingerprint, Origin, Plan, Step, plan_from_json
from mixwright_compiler.plan.quota_rows import mixture_rows
from mixwright_compiler.plan.text_lengths import column_characters
from mixwright_compiler.program import Program


def locked(declared: Program, **rows: int) -> Lock:
    return Lock(
        {
            name: SourceLock(
                digest="d",
                rows=count,
                columns={},
                definition=source_definition(declared.sources[name].entry, declared.sources[name].attributes),
                characters={"persona": 40.0},
                selection=source_selection(declared.sources[name].attributes),
            )
            for name, count in rows.items()
        }
    )


def planned(declared: Program, **rows: int) -> Plan:
    return lower(declared, root=Path("/p"), directory=Path("/p"), lock=locked(declared, **rows))


def by_node(plan: Plan, observed: Observed | None = None, **rows: int) -> dict[str, Estimate]:
    return {e.node: e for e in estimates(plan, observed=observed)}


def test_a_quota_starts_as_many_rows_as_must_survive() -> None:
    declared = math_program(quota=100)
    plan = planned(declared, personas=500, gsm8k=7473)
    found = {e.node: (e.rows_in, e.rows_out, e.requests) for e in plan.estimates}
    assert found == {
        "math.from": (500, 100, 0),
        "math.problem": (100, 800, 800),
        "math.agreement": (800, 100, 0),
        "math.chat": (100, 100, 0),
        "mix.math": (100, 100, 0),
        "mix.gsm8k": (7473, 7473, 0),
    }


@pytest.mark.parametrize(
    ("operation", "attributes", "questions"),
    [
        ("verify.judge", {"models": ["a", "b"], "rubric": "r"}, (2, "r")),
        ("verify.judge", {"models": ["a"], "rubric": "r", "against": "x", "samples": 3}, (6, "r")),
        ("verify.judge", {"models": ["a"], "rubric": "r", "against": "x", "swap": False}, (1, "r")),
        ("verify.safety", {"model": "a", "prompt": "p"}, (1, "p")),
        ("verify.reward", {"model": "a"}, (1, "")),
        ("verify.translation", {"back": "b", "back_model": "a", "similarity": "e", "quality": "q"}, (3, "b")),
        ("verify.translation", {"quality": "q"}, (1, "")),
        ("verify.where", {}, (0, "")),
    ],
)
def test_verifiers_that_ask_models_are_counted(
    operation: str, attributes: dict[str, Any], questions: tuple[int, str]
) -> None:
    step = Step(
        id="s",
        operation=operation,
        version=1,
        label="",
        attributes=attributes,
        columns={},
        fingerprint=Fingerprint(row="", set="", meta=""),
        origin=Origin(file="f", line=1, column=1),
    )
    traits = step.traits
    template = next((question.template for question in traits.asks), "")
    assert (traits.requests, template) == questions


def test_tokens() -> None:
    declared = math_program(quota=100, user="x" * 60 + "{{ persona }}")
    lock = locked(declared, personas=500)
    plan = lower(declared, root=Path("/p"), directory=Path("/p"), lock=lock)
    step_of = {e.node: e for e in plan.estimates}["math.problem"]
    # 60 characters of text and 40 of the column are 25 tokens, and 4 for the message.
    assert step_of.prompt_tokens == 800 * (25 + 4)
    assert step_of.output_tokens == 800 * 100
    assert column_characters(declared, lock) == {"personas": {"persona": 40.0}}


def test_a_quota_takes_no_more_than_there_is() -> None:
    found = by_node(planned(math_program(quota=900), personas=500))
    assert (found["math.from"].rows_out, found["mix.math"].rows_in) == (500, 500)


def test_yields_of_a_run_raise_the_rows_that_are_started() -> None:
    observed = Observed(
        yields={"math.agreement": 0.05},
        prompt_tokens={"math.problem": 10},
        output_tokens={"math.problem": 50},
    )
    found = by_node(planned(math_program(quota=100), personas=500), observed)
    assert found["math.from"].rows_out == 250  # 100 / (8 * 0.05)
    assert found["math.problem"].requests == 2000
    assert (found["math.problem"].prompt_tokens, found["math.problem"].output_tokens) == (20_000, 100_000)


def test_without_a_mixture_every_row_is_started_as_often_as_it_may() -> None:
    made = step("step.generate", "a", {}, label="a", prompt="ask", model="m")
    declared = program(
        source("text", {"text": "text"}, kind="inline", rows=[{"text": "a"}, {"text": "b"}]),
        template("ask", "{{ text }}", ("text",)),
        pipeline("p", "text", made, repeat=3),
    )
    found = by_node(planned(declared))
    assert (found["p.from"].rows_out, found["p.a"].requests) == (6, 6)


def test_what_cannot_be_known_is_none() -> None:
    found = by_node(planned(math_program(quota="all")))
    assert found["math.from"].rows_out is None
    assert found["math.problem"].requests is None
    assert found["mix.gsm8k"].rows_out is None


def test_demand_reaches_the_pipeline_a_pipeline_starts_from() -> None:
    declared = program(
        source("text", {"text": "text"}, kind="inline", rows=[{"text": "a"}] * 50),
        pipeline("first", "text"),
        pipeline("second", "first", kind="pipeline"),
        pipeline("idle", "text"),
        mixture("mix", component("second", 20)),
    )
    found = by_node(planned(declared))
    assert found["first.from"].rows_out == 20
    assert "idle.from" not in found


@pytest.mark.parametrize(
    ("quotas", "rows"),
    [
        (("all", 5), 55),
        ((0.25, 5), 30),
        (({"max": 30}, {"max": 80}), 80),
        (({"weight": 1}, {"weight": 3}), 100),
        ((40, {"weight": 3}), 100),
        (({"rate": 10}, {"rate": 30}), 100),
    ],
)
def test_rows_of_a_mixture(quotas: tuple[Any, Any], rows: int) -> None:
    from bound_programs import call

    def quota(written: Any) -> Any:
        if not isinstance(written, dict):
            return written
        ((name, number),) = written.items()
        return call(name, cap=number) if name == "rate" else call(name, number)

    inline = [
        source(name, {"text": "text"}, kind="inline", rows=[{"text": name}] * 50) for name in ("one", "two")
    ]
    parts = [component(s.name, quota(q), kind="source") for s, q in zip(inline, quotas, strict=True)]
    plan = planned(program(*inline, mixture("mix", *parts, total=100)))
    assert mixture_rows(plan.mixtures["mix"], lambda _: 50.0) == rows
    assert sum(e.rows_out or 0 for e in plan.estimates) == rows


def test_a_plan_of_before_is_estimated_by_the_catalog() -> None:
    """Such a plan does not say what its steps ask."""
    plan = planned(math_program(quota=100), personas=500, gsm8k=7473)
    old = plan.model_dump(mode="json", exclude={"estimates": True})
    for step_of in old["pipelines"]["math"]["steps"]:
        del step_of["traits"]
    read = plan_from_json(json.dumps({**old, "format_version": "1.0"}))
    assert {e.node: e.requests for e in estimates(read)} == {e.node: e.requests for e in plan.estimates}


LOOPS = """edition 2026
model m openai {{ base_url = "http://localhost:1/v1", model = "tiny" }}
source tasks inline {{ rows = [{rows}] }}
template harder {{ user = "{{{{ task }}}}" }}
pipeline p {{
  from {start}
  {steps}
}}
{mixture}
"""


def looped(
    directory: Path, steps: str, *, rows: int = 10, start: str = "tasks", wanted: int = 0, more: str = ""
) -> Plan:
    path = directory / "spec.mix"
    listed = ", ".join(f'{{ task = "{i}" }}' for i in range(rows))
    mixture = f"mixture main {{ seed = 1\n p = {wanted} }}" if wanted else ""
    text = LOOPS.format(rows=listed, start=start, steps=steps, mixture=mixture)
    path.write_text(text + more, encoding="utf-8")
    return mixwright.plan(path)


def counted(plan: Plan, observed: Observed | None = None) -> dict[str, tuple[int | None, ...]]:
    """Step -> rows in, rows out, requests."""
    found = {e.node.partition(".")[2]: e for e in estimates(plan, observed=observed)}
    return {step: (e.rows_in, e.rows_out, e.requests) for step, e in found.items() if step != "p"}


ROUND = "generate b { prompt = harder, model = m }\n filter { where = len(b) > 1, id = long }"


@pytest.mark.parametrize(
    ("loop", "half_pass", "leave"),
    [
        # Of 10 rows half pass each round: all go into the next, or those that are left.
        ("", [30, 15], 15),
        ("failed = end", [18, 9], 9),  # 10 * (1 + 1/2 + 1/4) enter a round
        ("start = keep", [30, 15], 25),
        ("emit = last, failed = end", [18, 9], 5),
        ('emit = last, until = b == "x"', [30, 15], 9),  # 10 * (1 - 1/2^3)
    ],
)
def test_rounds(tmp_path: Path, loop: str, half_pass: list[int], leave: int) -> None:
    attributes = loop.replace(", ", "\n")
    plan = looped(tmp_path, f"rounds r {{ times = 3\n {attributes}\n {ROUND} }}")
    found = counted(plan, Observed(yields={"p.long": 0.5}))
    enter, pass_ = half_pass
    assert found["rounds_r"][1] == leave
    assert found["generate_b"] == (enter, enter, enter)
    assert found["long"] == (enter, pass_, 0)
    # Where nothing is known to be dropped every round is asked for.
    assert counted(plan)["generate_b"] == (30, 30, 30)


def test_rounds_in_rounds(tmp_path: Path) -> None:
    inner = f"rounds inner {{ times = 2\n emit = last\n failed = end\n {ROUND} }}"
    plan = looped(
        tmp_path, f"rounds outer {{ times = 3\n {inner} }}\n filter {{ where = true, id = behind }}"
    )
    found = counted(plan)
    assert found["generate_b"] == (60, 60, 60)
    assert found["behind"][0] == 30


def test_each_and_fold(tmp_path: Path) -> None:
    """What `each` makes is bounded by `most`, and what a run has seen counts in its place."""
    steps = """generate listed { prompt = harder, model = m }
      each item { of = split(listed, " "), most = 5 }
      generate b { prompt = harder, model = m }
      fold { votes = count() }
      generate c { prompt = harder, model = m }"""
    plan = looped(tmp_path, steps)
    assert counted(plan) | {"from": None} == {
        "from": None,
        "generate_listed": (10, 10, 10),
        "each_item": (10, 50, 0),
        "generate_b": (50, 50, 50),
        "fold": (50, 10, 0),
        "generate_c": (10, 10, 10),
    }
    seen = counted(plan, Observed(yields={"p.each_item": 3.0, "p.fold": 1 / 3}))
    assert (seen["generate_b"], seen["generate_c"]) == ((30, 30, 30), (10, 10, 10))


def test_a_pool_starts_what_its_quota_takes(tmp_path: Path) -> None:
    """`from nothing` has as many rows as are wanted: a request makes `most` at first, later what was seen."""
    steps = """draw made { from = p, column = task, count = 2, fewer = ok }
      derive { task = join(made, " ") }
      generate listed { prompt = harder, model = m }
      each b { of = split(listed, " "), most = 5 }
      derive { task = b }"""
    plan = looped(tmp_path, steps, start="nothing { repeat = 10_000 }", wanted=700)
    assert counted(plan)["generate_listed"] == (140, 140, 140)
    seen = counted(plan, Observed(yields={"p.each_b": 2.0}))
    assert (seen["generate_listed"], seen["each_b"]) == ((350, 350, 350), (350, 700, 0))


TOOLS = """model small openai {
  base_url = "http://localhost:8000/v1"
  model = "s"
  price_in = $1000
  price_out = $10_000
}
model base transformers { path = "." }
template translate { user = "In English: {{ text }}" }
template calls { user = "{{ task }} [translator(a)] [calculator(1)]" }
tool translator model { model = small, prompt = translate, max_tokens = 100, doc = "Translates." }
tool calculator arithmetic { digits = 2 }
"""


def test_calls_of_a_model_as_a_tool(tmp_path: Path) -> None:
    """Nobody knows how many calls a model writes; in a loop there are as many again each round."""
    steps = """rounds r { times = 3
      generate act { prompt = harder, model = m, tools = [translator, calculator], samples = 2 }
      verify where { expr = true, pick = first }
      call seen { calls = act.calls, tools = [translator, calculator] }
      derive { task = "more" }
    }"""
    plan = looped(tmp_path, steps, more=TOOLS)
    found = {e.node: e for e in plan.estimates}["p.call_seen"]
    assert (found.rows_in, found.requests) == (30, 30 * 8)
    assert found.prompt_tokens == 240 * ((12 + 200) / 4 + 4)
    assert found.output_tokens == 240 * 100
    forecast = forecast_of(plan, [found])
    assert forecast.cost == pytest.approx(240 * (57 * 1000 + 100 * 10_000) / 1e6)
    seen = Observed(prompt_tokens={"p.call_seen": 10.0}, output_tokens={"p.call_seen": 5.0})
    again = next(e for e in estimates(plan, observed=seen) if e.node == "p.call_seen")
    assert (again.prompt_tokens, again.output_tokens) == (2400, 1200)


def test_tools_that_ask_no_model_are_no_requests(tmp_path: Path) -> None:
    steps = """generate act { prompt = harder, model = m, tools = calculator }
      call seen { calls = act.calls, tools = calculator }"""
    assert counted(looped(tmp_path, steps, more=TOOLS))["call_seen"] == (10, 10, 0)


def test_calls_in_texts(tmp_path: Path) -> None:
    """A place is tried with each sampled call, so that none is run more often."""
    one = "call_tools marked { from = task, model = base, use translator { prompt = calls, positions = 3, calls = 4 } }"
    other = one.replace("translator", "calculator")
    asked = counted(looped(tmp_path, one, more=TOOLS))["call_tools_marked"][2]
    without = counted(looped(tmp_path, other, more=TOOLS))["call_tools_marked"][2]
    assert asked is not None and without is not None
    assert asked - without == 10 * 3 * 4
