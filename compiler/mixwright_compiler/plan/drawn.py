"""Which pipelines the steps of a pipeline draw rows from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from mixwright_compiler.catalog.references import LAG
from mixwright_compiler.logical.nodes import Flow
from mixwright_compiler.plan.plan import Drawn


def drawn_from(flow: Flow, pipelines: Collection[str]) -> dict[str, Any]:
    """`draws` and `lag` of the plan's pipeline."""
    found = list(dict.fromkeys(_drawn(flow, pipelines)))
    others = tuple(Drawn(rows=name, limit=limit) for name, limit, _ in found if name != flow.name)
    return {"draws": others, "lag": max((lag for name, _, lag in found if name == flow.name), default=None)}


def _drawn(flow: Flow, pipelines: Collection[str]) -> Iterator[tuple[str, int | None, int]]:
    """(pipeline, limit, lag) of each draw."""
    for step in flow.steps:
        for schema in step.decl.entry.attributes:
            name = step.values.get(schema.name)
            if schema.type == "drawn" and isinstance(name, str) and name in pipelines:
                yield name, step.values.get("limit"), step.values.get("lag") or LAG
