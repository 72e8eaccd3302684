"""Bound programs built by hand, for the tests of what comes after binding."""

from __future__ import annotations

from typing import Any

from mixwright_compiler.catalog.catalog import Entry, builtin_catalog
from mixwright_compiler.program import (
    Bound,
    CallValue,
    ComponentDecl,
    FromDecl,
    MixtureDecl,
    ModelDecl,
    PipelineDecl,
    Program,
    SourceDecl,
    StepDecl,
    TemplateDecl,
    TemplateMessageDecl,
    TypedExpression,
)
from mixwright_dsl.source import SourceFile

FILE = SourceFile("math.mix", "edition 2026\n")
SPAN = FILE.span(0, 7)


def bound(**values: Any) -> dict[str, Bound]:
    return {name: Bound(value=value, span=SPAN) for name, value in values.items()}


def call(function: str, *args: Any, **keywords: Any) -> CallValue:
    return CallValue(function=function, args=args, keywords=keywords, span=SPAN)


def shorter_than(column: str, length: int) -> TypedExpression:
    tree = ["op", "<", ["call", "len", ["col", column]], ["lit", length]]
    sql = f'(length("{column}") < {length})'
    return TypedExpression(sql=sql, tree=tree, type="bool", columns=(column,), span=SPAN)


def declared(name: str, entry: Entry, **values: Any) -> dict[str, Any]:
    return {"name": name, "entry": entry, "attributes": bound(**values), "span": SPAN, "name_span": SPAN}


def block(name: str) -> Entry:
    return Entry("block", name, "")


def entry(key: str) -> Entry:
    return builtin_catalog().entries[key]


def model(name: str, engine: str = "openai", **values: Any) -> ModelDecl:
    given = {"base_url": "http://localhost:8000/v1", "model": "m", **values} if engine == "openai" else values
    return ModelDecl(**declared(name, entry(f"model.{engine}"), **given), engine=engine)


def source(
    name: str, columns: dict[str, str] | None, kind: str = "jsonl", mapping: Any = None, **values: Any
) -> SourceDecl:
    given = {"path": f"data/{name}.jsonl", **values} if kind == "jsonl" else values
    if mapping:
        given["columns"] = mapping
    parts = declared(name, entry(f"source.{kind}"), **given)
    return SourceDecl(**parts, kind=kind, columns=columns, mapping=mapping or {}, where=given.get("where"))


def template(name: str, user: str, inputs: tuple[str, ...], system: str = "") -> TemplateDecl:
    texts = [("system", system)] * bool(system) + [("user", user)]
    messages = tuple(TemplateMessageDecl(role=r, text=t, span=SPAN) for r, t in texts)
    return TemplateDecl(**declared(name, block("template")), messages=messages, inputs=frozenset(inputs))


def step(key: str, id: str, columns: dict[str, str], label: str = "", **values: Any) -> StepDecl:
    when = values.pop("when", None)
    return StepDecl(
        id=id,
        made_id=id,
        entry=entry(key),
        label=label,
        label_span=None,
        attributes=bound(**values),
        when=when,
        reads=(),
        makes={label: "text"} if label else {},
        columns=columns,
        span=SPAN,
        kind_span=SPAN,
    )


def pipeline(
    name: str, rows: str, *steps: StepDecl, seed: int = 0, kind: str = "source", **start: Any
) -> PipelineDecl:
    begin = FromDecl(rows=rows, kind=kind, attributes=bound(**start), span=SPAN, rows_span=SPAN)
    columns = steps[-1].columns if steps else {}
    return PipelineDecl(
        **declared(name, block("pipeline"), seed=seed), start=begin, steps=steps, columns=columns
    )


def component(rows: str, quota: Any, kind: str = "pipeline", group: str = "") -> ComponentDecl:
    return ComponentDecl(
        rows=rows, kind=kind, group=group, quota=quota, span=SPAN, name_span=SPAN, quota_span=SPAN
    )


def mixture(
    name: str, *components: ComponentDecl, steps: tuple[StepDecl, ...] = (), **values: Any
) -> MixtureDecl:
    parts = declared(name, block("mixture"), **values)
    return MixtureDecl(**parts, components=components, steps=steps, columns={"messages": "chat"})


def program(*declarations: Any) -> Program:
    def of(kind: type) -> dict[str, Any]:
        return {d.name: d for d in declarations if isinstance(d, kind)}

    return Program(
        source=FILE,
        files=(FILE,),
        edition=2026,
        params={},
        lets={},
        models=of(ModelDecl),
        sources=of(SourceDecl),
        templates=of(TemplateDecl),
        pipelines=of(PipelineDecl),
        mixtures=of(MixtureDecl),
        trains={},
        exports={},
        policies={},
    )


def math_program(**changes: Any) -> Program:
    """Personas -> problem (8 samples, one picked) -> chat; 100 of them in a mixture with all of another source.

    `changes`: user (text of the template), temperature, samples, quota, base_url, template_name.
    """
    text = changes.get("user", "Write a problem for {{ persona }}.")
    ask = changes.get("template_name", "ask")
    columns = {"persona": "text", "problem": "text"}
    return program(
        model("teacher", base_url=changes.get("base_url", "http://localhost:8000/v1")),
        source("personas", {"persona": "text"}, where=shorter_than("persona", 400), license="mit"),
        source("gsm8k", {"problem": "text", "solution": "text"}),
        source("unused", {"text": "text"}),
        template(ask, text, ("persona",)),
        pipeline(
            "math",
            "personas",
            step(
                "step.generate",
                "problem",
                columns,
                label="problem",
                prompt=ask,
                model="teacher",
                samples=changes.get("samples", 8),
                temperature=changes.get("temperature", 1.0),
                max_tokens=100,
                parse=call("after", "Problem:"),
            ),
            step("verify.agreement", "agreement", columns, response="problem", agree=changes.get("agree", 3)),
            step("step.chat", "chat", {**columns, "messages": "chat"}, user="persona", assistant="problem"),
        ),
        mixture(
            "mix",
            component("math", changes.get("quota", 100), group="math"),
            component("gsm8k", "all", kind="source"),
            seed=7,
            shortfall=call("fill", "gsm8k"),
            budget={"requests": 1000, "time": 60.0},
        ),
    )
