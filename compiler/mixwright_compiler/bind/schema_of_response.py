"""The JSON Schema that `verify schema` takes from the step that made its column, where it has none of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mixwright_compiler.findings import Findings
from mixwright_compiler.program import Bound, CallValue, StepDecl
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.source import Span

DEFINITIONS = ("$schema", "$defs", "definitions")
"""What a part of a schema may need of the whole."""


def inherit_schema(
    findings: Findings, earlier: Sequence[StepDecl], attributes: dict[str, Bound], at: Span
) -> None:
    """Fill in `schema` from the `generate` that made the response; report MIX851 where none says one."""
    if "response" not in attributes:
        return
    column = str(attributes["response"].value)
    maker = next((step for step in reversed(earlier) if column in step.makes), None)
    bound = maker.attributes.get("schema") if maker is not None else None
    schema = None if maker is None or bound is None else _of_column(bound.value, maker)
    if schema is not None:
        attributes["schema"] = Bound(value=schema, span=at, is_default=True)
        return
    findings.error(
        "MIX851",
        f"nothing says which schema `{column}` must follow",
        at,
        "no `schema`",
        secondary=(Label(maker.kind_span, f"`{column}` is made here"),) if maker else (),
        hint='add `schema = { type = "object" }` here, or `schema` to the `generate` that makes the column',
    )


def _of_column(schema: Any, maker: StepDecl) -> Any:
    """The part of a whole answer's schema that holds for the column; None where that cannot be told."""
    parse = maker.attributes.get("parse")
    if parse is None or not isinstance(parse.value, CallValue):
        return schema
    if parse.value.function != "json":
        return None
    if not parse.value.args:
        return schema
    part = schema
    for name in str(parse.value.args[0]).split("."):
        part = part.get("properties", {}).get(name) if isinstance(part, dict) else None
    if not isinstance(part, dict) or not isinstance(schema, dict):
        return None
    return {name: schema[name] for name in DEFINITIONS if name in schema} | part
