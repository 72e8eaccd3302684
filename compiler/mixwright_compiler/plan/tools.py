"""Tools in a plan: as a run needs them, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixwright_compiler.bind.plain import resolved
from mixwright_compiler.catalog.catalog import Catalog
from mixwright_compiler.plan.fingerprint import Meanings, tool_identity
from mixwright_compiler.plan.origins import origin_of
from mixwright_compiler.plan.plan import ToolFunction, ToolSpec
from mixwright_compiler.program import ToolDecl

RESULTS = "results"


def tool_spec(decl: ToolDecl, meanings: Meanings, catalog: Catalog) -> ToolSpec:
    """A tool with its defaults filled in; `meanings` has what it is made of."""
    values = resolved(decl.entry, decl.attributes, catalog=catalog)
    made_of = {"code": decl.code, "digest": decl.digest}
    return ToolSpec(
        name=decl.name,
        kind=decl.kind,
        attributes=values,
        functions=tuple(ToolFunction.model_validate(function) for function in decl.functions),
        reads=decl.reads,
        identity=tool_identity(decl.entry, values, meanings, catalog, **made_of),
        origin=origin_of(decl.name_span),
        **made_of,
    )


def told_of(tools: Mapping[str, ToolSpec]) -> dict[str, list[Any]]:
    """What of each counts in the hash of a step that names it: its results, and what models are told."""
    return {
        name: [spec.identity, *(function.model_dump() for function in spec.functions)]
        for name, spec in tools.items()
    }


def tool_change(old: ToolSpec, new: ToolSpec) -> str:
    """What is otherwise, in a word; empty where nothing that decides a row is."""
    if old.kind != new.kind:
        return f"kind {old.kind} -> {new.kind}"
    if old.identity != new.identity:
        return RESULTS
    return "what models are told" if old.functions != new.functions else ""


def tool_words(old: ToolSpec | None, new: ToolSpec | None, was: str, now: str) -> list[str]:
    """What of an attribute is otherwise that named the tool `was` and names `now`: `tool calculator`."""
    if was != now:
        return [f"tool {was} -> {now}"]
    return [] if old is not None and new is not None and not tool_change(old, new) else [f"tool {now}"]
