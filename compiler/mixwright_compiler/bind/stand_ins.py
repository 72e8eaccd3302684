"""What stands for the world outside in a test: rows of other sources and pipelines, and answers of models."""

from __future__ import annotations

from typing import Any

from mixwright_compiler.bind.called_columns import checked_step
from mixwright_compiler.bind.given_rows import as_source, check_columns, written_rows
from mixwright_compiler.bind.json_values import json_value
from mixwright_compiler.bind.place import Place
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.catalog.references import kind_of_reference
from mixwright_compiler.catalog.trials import ANSWER_FIELDS
from mixwright_compiler.findings import Findings, Reported
from mixwright_compiler.program import MixtureDecl, PipelineDecl, SourceDecl, StepDecl
from mixwright_compiler.schema import Columns
from mixwright_compiler.suggest import listing
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Attribute, Expression, ObjectNode
from mixwright_dsl.source import Span


def rows_of_others(
    scope: Scope, place: Place, node: Expression | None, tested: PipelineDecl | MixtureDecl, name_span: Span
) -> dict[str, SourceDecl]:
    """The rows that steps draw from elsewhere, by the name of the source or pipeline."""
    drawn = _drawn(scope, tested)
    found: dict[str, SourceDecl] = {}
    if node is not None and not isinstance(node, ObjectNode):
        raise place.findings.error(
            "MIX107",
            "`rows` takes `{ source = [rows] }`",
            node.span,
            hint="for example `{ topics = [{ … }] }`",
        )
    for item in node.body if node is not None else ():
        if not isinstance(item, Attribute):
            raise place.findings.error("MIX121", f"`{item.kind}` cannot stand here", item.kind_span)
        declared = scope.world.need(place.module, item.name, "start")
        scope.ask(declared, item.name.span)
        name = declared.qualified
        if name not in drawn:
            place.findings.error(
                "MIX972",
                f"no step of this test draws from `{item.name.name}`",
                item.name.span,
                "nothing would read these rows",
                hint=f"its steps draw from: {listing(drawn)}" if drawn else "delete it",
            )
            continue
        rows = written_rows(place, item.value, item.name.name)
        columns = scope.columns.get(name, Columns(is_open=True))
        check_columns(place, rows, columns, f"`{name}`")
        types = Columns({**rows.columns.types, **columns.types})
        found[name] = as_source(scope, name, rows, types)
    for name, (kind, span) in drawn.items():
        if kind == "pipeline" and name not in found and name != tested.name:
            place.findings.error(
                "MIX971",
                f"rows of pipeline `{name}` are drawn, and none are given",
                name_span,
                "a test makes no rows of another pipeline",
                secondary=(Label(span, "drawn here"),),
                hint=f"add `rows = {{ {name} = [{{ … }}] }}`",
            )
    return found


def _drawn(scope: Scope, tested: PipelineDecl | MixtureDecl) -> dict[str, tuple[str, Span]]:
    """Sources and pipelines that the steps name -> which of the two, and where."""
    found: dict[str, tuple[str, Span]] = {}
    for step in tested.steps:
        for schema in step.entry.attributes:
            bound = step.attributes.get(schema.name)
            if bound is None or not (
                schema.type == "drawn" or kind_of_reference(schema.type) in ("source", "start", "rows")
            ):
                continue
            for one in bound.each():
                if one.value in scope.pipelines:
                    found.setdefault(one.value, ("pipeline", one.span))
                elif one.value in scope.sources:
                    found.setdefault(one.value, ("source", one.span))
    return found


def recorded_answers(
    place: Place, node: Expression | None, tested: PipelineDecl | MixtureDecl
) -> dict[str, tuple[Any, Span]]:
    """By step, what its requests are answered with, and where that is written."""
    if node is None:
        return {}
    asking = {step.id: step for step in tested.steps if step.traits.asks or _repairs(step)}
    found: dict[str, tuple[Any, Span]] = {}
    spans: dict[str, Span] = {}
    if isinstance(node, ObjectNode):
        values: Any = {}
        for item in node.body:
            if not isinstance(item, Attribute):
                raise place.findings.error("MIX121", f"`{item.kind}` cannot stand here", item.kind_span)
            values[item.name.name] = json_value(place, item.value, False)
            spans[item.name.name] = item.name.span
    else:
        values = json_value(place, node, False)
    if not isinstance(values, dict):
        raise place.findings.error(
            "MIX107",
            "`answers` takes `{ step = answer }`",
            node.span,
            hint='for example `{ generate_x = "…" }`',
        )
    for name, value in values.items():
        try:
            step = asking[checked_step(place, name, spans.get(name, node.span), asking)]
            _check_answer(place.findings, step, value, spans.get(name, node.span))
        except Reported:
            continue
        found[name] = (value, spans.get(name, node.span))
    return found


def _repairs(step: StepDecl) -> bool:
    """Does a verifier ask for a better answer with a prompt of its own? That is asked under its name."""
    on_fail = step.attributes.get("on_fail")
    return on_fail is not None and getattr(on_fail.value, "function", "") == "repair"


def _check_answer(findings: Findings, step: StepDecl, value: Any, span: Span) -> None:
    """MIX107: what a step that writes texts cannot be answered with."""
    if not any(question.writes for question in step.traits.asks):
        return
    for answer in value if isinstance(value, list) else [value]:
        is_more = isinstance(answer, dict) and not answer.keys() - set(ANSWER_FIELDS)
        if not isinstance(answer, str) and not is_more:
            raise findings.error(
                "MIX107",
                f"`{step.id}` is answered with texts",
                span,
                "no text",
                hint=f'write `{step.id} = "…"`, or `{{ text = "…", finish = "length" }}`',
            )
