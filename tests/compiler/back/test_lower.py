"""Lowering: what a plan holds that the program does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bound_programs import (
    bound,
    component,
    math_program,
    mixture,
    model,
    pipeline,
    program,
    source,
    step,
    template,
)

from mixwright_compiler.bind.lock import Lock, ModelLock, SourceLock, source_definition
from mixwright_compiler.plan.lower import lower
from mixwright_compiler.plan.plan import (
    AllQuota,
    Budget,
    Cap,
    CountQuota,
    MaxQuota,
    Plan,
    RateQuota,
    ShareQuota,
    SourcePin,
    TakeQuota,
    WeightQuota,
    plan_from_json,
)
from mixwright_compiler.plan.quotas import quota_of
from mixwright_compiler.program import Program


def lowered(bound_program: Program, **more: Any) -> Plan:
    return lower(
        bound_program, root=Path("/project"), directory=Path("/project/specs"), version="0.0", **more
    )


def test_defaults_of_the_catalog_are_filled_in() -> None:
    attributes = lowered(math_program()).pipelines["math"].steps[0].attributes
    assert (attributes["temperature"], attributes["top_p"], attributes["samples"]) == (1.0, 1.0, 8)
    assert attributes["stop"] is None
    assert attributes["on_fail"] == {"call": "drop", "args": [], "keywords": {}}


def test_calls_become_objects() -> None:
    attributes = lowered(math_program()).pipelines["math"].steps[0].attributes
    assert attributes["parse"] == {"call": "after", "args": ["Problem:"], "keywords": {}}


def test_expressions_keep_sql_and_tree() -> None:
    where = lowered(math_program()).sources["personas"].where
    assert where is not None
    assert where.sql == '(length("persona") < 400)'
    assert where.tree == ["op", "<", ["call", "len", ["col", "persona"]], ["lit", 400]]


def test_templates_are_inlined() -> None:
    messages = lowered(math_program()).templates["ask"].messages
    assert [(m.role, m.text) for m in messages] == [("user", "Write a problem for {{ persona }}.")]


def test_what_nothing_reaches_is_left_out() -> None:
    assert list(lowered(math_program()).sources) == ["personas", "gsm8k"]


def test_a_declaration_of_an_import_is_reached_by_use_alone() -> None:
    plan = lowered(
        program(
            source("lib.used", {"text": "text"}),
            source("lib.other", {"text": "text"}),
            pipeline("lib.idle", "lib.other"),
            pipeline("own", "lib.used"),
        )
    )
    assert (list(plan.sources), list(plan.pipelines)) == (["lib.used"], ["own"])


def test_a_variant_is_planned_when_asked_for_and_then_alone() -> None:
    whole = mixture("whole", component("one", 5), component("two", 5))
    part = mixture("part", component("one", 5))
    object.__setattr__(part, "variant_of", "whole")
    declared = program(
        source("text", {"text": "text"}), pipeline("one", "text"), pipeline("two", "text"), whole, part
    )
    assert list(lowered(declared).mixtures) == ["whole"]
    alone = lowered(declared, variant="part")
    assert (list(alone.mixtures), list(alone.pipelines)) == (["part"], ["one"])


def test_mixture_settings() -> None:
    mix = lowered(math_program()).mixtures["mix"]
    assert (mix.seed, mix.shortfall, mix.fill) == (7, "fill", "gsm8k")
    assert mix.budget == Budget(requests=1000, seconds=60.0)
    assert [(c.rows, c.kind, c.group) for c in mix.components] == [
        ("math", "pipeline", "math"),
        ("gsm8k", "source", ""),
    ]


@pytest.mark.parametrize(
    ("written", "quota"),
    [
        (5, CountQuota(count=5)),
        (0.3, ShareQuota(share=0.3)),
        ("all", AllQuota()),
        ({"call": "max", "args": [9], "keywords": {}}, MaxQuota(count=9)),
        ({"call": "weight", "args": [2], "keywords": {}}, WeightQuota(weight=2)),
        ({"call": "rate", "args": [], "keywords": {"cap": 3000}}, RateQuota(cap=3000)),
        (
            {"call": "take", "args": [8], "keywords": {"balance": "lang", "cap": {"by": "user", "max": 1}}},
            TakeQuota(count=8, balance="lang", cap=Cap(by="user", max=1)),
        ),
    ],
)
def test_quotas(written: Any, quota: Any) -> None:
    assert quota_of(written) == quota


def test_extras_are_those_of_what_is_used() -> None:
    assert lowered(math_program()).extras == ("openai",)
    checked = step("verify.math", "math", {"text": "text"}, response="text")
    plan = lowered(program(source("text", {"text": "text"}), pipeline("p", "text", checked)))
    assert plan.extras == ("math",)


def test_a_locked_source_is_pinned() -> None:
    declared = math_program()
    personas = declared.sources["personas"]
    lock = Lock(
        {
            "personas": SourceLock(
                digest="d",
                rows=5,
                columns={},
                definition=source_definition(personas.entry, personas.attributes),
            )
        }
    )
    assert lowered(declared, lock=lock).sources["personas"].pin == SourcePin(digest="d", rows=5)


def test_a_lock_of_another_definition_pins_nothing() -> None:
    lock = Lock({"personas": SourceLock(digest="d", rows=5, columns={}, definition="of another file")})
    assert lowered(math_program(), lock=lock).sources["personas"].pin is None


def test_a_plan_survives_its_json() -> None:
    plan = lowered(math_program())
    assert plan_from_json(plan.model_dump_json()) == plan


def asking(**values: Any) -> Program:
    made = step("step.generate", "answer", {"text": "text"}, label="answer", prompt="ask", model="m")
    return program(
        model("m", **values),
        source("text", {"text": "text"}),
        template("ask", "{{ text }}", ("text",)),
        pipeline("p", "text", made),
    )


def write_model(directory: Path, weights: bytes) -> None:
    directory.mkdir(exist_ok=True)
    (directory / "config.json").write_text("{}")
    (directory / "model.safetensors").write_bytes(weights)


def identity_of(directory: Path, **values: Any) -> str:
    plan = lower(asking(**values), root=directory, directory=directory)
    return plan.models["m"].identity


def test_retrained_weights_in_the_same_place_are_another_model(tmp_path: Path) -> None:
    write_model(tmp_path / "student", b"one")
    before = identity_of(tmp_path, engine="transformers", path="student")
    write_model(tmp_path / "student", b"two")
    assert identity_of(tmp_path, engine="transformers", path="student") != before


def test_moved_weights_are_the_same_model_on_either_local_engine(tmp_path: Path) -> None:
    write_model(tmp_path / "student", b"one")
    write_model(tmp_path / "moved", b"one")
    (tmp_path / "moved" / "curve.jsonl").write_text("no part of the model")
    before = identity_of(tmp_path, engine="transformers", path="student")
    assert identity_of(tmp_path, engine="transformers", path="moved") == before
    assert identity_of(tmp_path, engine="vllm", path="moved", dtype="float32") == before
    assert identity_of(tmp_path, engine="vllm", path="moved", dtype="bfloat16") != before


def test_the_lock_says_which_commit_a_branch_was(tmp_path: Path) -> None:
    declared = asking(engine="vllm", repo="org/model", revision="main")
    locks = [Lock({}, {"m": ModelLock("", "org/model@main", revision=c)}) for c in ("aaa", "bbb")]
    plans = [lower(declared, root=tmp_path, directory=tmp_path, lock=lock) for lock in locks]
    assert [plan.models["m"].attributes["revision"] for plan in plans] == ["aaa", "bbb"]
    one, other = (plan.models["m"].identity for plan in plans)
    assert one != other
    assert identity_of(tmp_path, engine="vllm", repo="org/model", revision="aaa") == one


def test_a_secret_stays_a_name() -> None:
    plan = lowered(asking(api_key={"env": "API_KEY"}))
    assert plan.models["m"].attributes["api_key"] == {"env": "API_KEY"}


def test_blocks_in_attributes_get_their_defaults() -> None:
    from bound_programs import entry

    from mixwright_compiler.bind.plain import resolved

    given = bound(output="out", cluster={"gpus": 8}, evaluate={"on": "test", "prompt": "ask", "answer": "a"})
    values = resolved(entry("train.sft"), given)
    assert values["cluster"] == {"gpus": 8, "gpu": None, "nodes": 1, "price": None}
    assert values["evaluate"]["limit"] == 200
