"""Differences between plans: one line a node, by what the change costs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bound_programs import call, component, math_program, mixture, pipeline, program, source, step

from mixwright_compiler.plan.diff import differences, first_changed_step
from mixwright_compiler.plan.lower import lower
from mixwright_compiler.plan.plan import Plan, SourcePin
from mixwright_compiler.plan.quotas import quota_text
from mixwright_compiler.stages import compile_source
from mixwright_dsl.source import SourceFile


def lowered(**changes: Any) -> Plan:
    return lower(math_program(**changes), root=Path("/p"), directory=Path("/p"))


def lines(old: Plan, new: Plan) -> list[str]:
    return [str(difference) for difference in differences(old, new)]


@pytest.mark.parametrize(
    ("change", "line", "first_changed"),
    [
        (
            {"user": "Another {{ persona }}."},
            "~ pipeline.math.problem (row: template ask.user)",
            "problem",
        ),
        (
            {"temperature": 0.5, "samples": 4},
            "~ pipeline.math.problem (row: temperature 1.0 -> 0.5; set: samples 8 -> 4)",
            "problem",
        ),
        ({"agree": 5}, "~ pipeline.math.agreement (set: agree 3 -> 5)", None),
        ({"template_name": "q"}, "~ pipeline.math.problem (meta: prompt renamed ask -> q)", None),
        (
            {"base_url": "http://gpu:1/v1"},
            "~ model.teacher (run: base_url http://localhost:8000/v1 -> http://gpu:1/v1)",
            None,
        ),
        (
            {"quota": call("take", 50_000, balance="persona")},
            "~ mixture.mix.math (set: quota 100 -> take(50_000, balance = persona))",
            None,
        ),
    ],
)
def test_a_change_is_one_line(change: dict[str, Any], line: str, first_changed: str | None) -> None:
    old, new = lowered(), lowered(**change)
    assert lines(old, new) == [line]
    assert first_changed_step(old, new, "math") == first_changed


def test_equal_plans_differ_in_nothing() -> None:
    assert lines(lowered(), lowered()) == []


def with_steps(*steps: Any) -> Plan:
    declared = program(
        source("text", {"text": "text"}),
        pipeline("p", "text", *steps),
        mixture("mix", component("p", 5)),
    )
    return lower(declared, root=Path("/p"), directory=Path("/p"))


def test_steps_and_declarations_that_come_and_go() -> None:
    exact = step("dedup.exact", "exact", {"text": "text"}, on="text")
    minhash = step("dedup.minhash", "minhash", {"text": "text"}, on="text")
    assert lines(with_steps(exact), with_steps(minhash)) == ["+ pipeline.p.minhash", "- pipeline.p.exact"]
    assert lines(with_steps(exact, minhash), with_steps(minhash, exact)) == [
        "~ pipeline.p (row: order of the steps)"
    ]
    assert first_changed_step(with_steps(exact), with_steps(exact, minhash), "p") == "minhash"
    assert lines(lowered(), with_steps(exact))[:3] == ["+ source.text", "- source.personas", "- source.gsm8k"]


def test_a_changed_model_is_told_at_the_model_and_at_its_steps() -> None:
    old = lowered()
    teacher = old.models["teacher"]
    newer = teacher.model_copy(update={"identity": "other"})
    new = old.model_copy(update={"models": {"teacher": newer}})
    assert lines(old, new) == [
        "~ model.teacher (row: weights)",
        "~ pipeline.math.problem (row: model teacher)",
    ]


def test_changed_contents_of_a_source_change_every_row() -> None:
    def pinned(digest: str) -> Plan:
        plan = lowered()
        personas = plan.sources["personas"].model_copy(update={"pin": SourcePin(digest=digest, rows=1)})
        return plan.model_copy(update={"sources": {**plan.sources, "personas": personas}})

    assert lines(pinned("a"), pinned("b")) == ["~ source.personas (row: contents)"]
    assert first_changed_step(pinned("a"), pinned("b"), "math") == "from"


def test_a_moved_file_that_is_pinned_is_no_change_of_rows() -> None:
    plan = lowered()
    personas = plan.sources["personas"].model_copy(update={"pin": SourcePin(digest="d", rows=1)})
    moved = personas.model_copy(update={"attributes": {**personas.attributes, "path": "other.jsonl"}})
    plans = [plan.model_copy(update={"sources": {**plan.sources, "personas": s}}) for s in (personas, moved)]
    assert lines(*plans) == ["~ source.personas (meta: path data/personas.jsonl -> other.jsonl)"]


def test_quotas_read_as_written() -> None:
    mix = lowered(quota=call("take", 8, repeat=2, cap={"by": "user", "max": 1})).mixtures["mix"]
    assert [quota_text(c) for c in mix.components] == [
        "take(8, repeat = 2, cap = { by = user, max = 1 })",
        "all",
    ]


DRAWING = """edition 2026
source people inline {{ rows = [{{ name = "Ada" }}, {{ name = "Bob" }}] }}
pipeline topics {{
  from people
  derive {{ topic = name + "{mark}" }}
}}
pipeline chats {{
  from people
  draw about {{ from = topics, count = 1 }}
  derive {{ asked = name + "{more}" }}
}}
"""


@pytest.mark.parametrize(
    ("change", "first_changed"), [({"more": "?"}, "derive"), ({"mark": "?"}, "from"), ({}, None)]
)
def test_a_pipeline_that_draws_from_another_is_compared(
    tmp_path: Path, change: dict[str, str], first_changed: str | None
) -> None:
    plans = []
    for values in ({}, change):
        text = DRAWING.format(**{"mark": "", "more": "", **values})
        declared = compile_source(SourceFile("a.mix", text, tmp_path / "a.mix")).program
        assert declared is not None
        plans.append(lower(declared, root=tmp_path, directory=tmp_path))
    assert first_changed_step(*plans, "chats") == first_changed
