"""A logical plan to look at: as text, a step a line, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mixwright_compiler.bind.plain import plain
from mixwright_compiler.logical.nodes import Flow, LogicalPlan, Mix, Work
from mixwright_compiler.logical.program_text import value_text, words_of


def logical_text(plan: LogicalPlan) -> str:
    """Flows and mixtures, each with its steps in the order in which they are done; ends with a newline."""
    sections = [_flow_lines(flow) for flow in plan.flows.values()]
    sections += [_mix_lines(mix) for mix in plan.mixes.values()]
    return "\n".join("\n".join(lines) + "\n" for lines in sections)


def logical_json(plan: LogicalPlan) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "flows": {
            name: {
                "scan": {"rows": flow.scan.decl.rows, "columns": dict(flow.scan.columns)},
                "steps": [
                    _step_json(step, after)
                    for step, after in zip(flow.steps, flow.columns_after(), strict=True)
                ],
                "groups": [vars(group) for group in flow.gatherings or ()],
                "asks_again": dict(flow.asks_again or {}),
            }
            for name, flow in plan.flows.items()
        },
        "mixes": {
            name: {
                "components": {c.rows: plain(c.quota) for c in mix.decl.components},
                "steps": [_step_json(step, step.decl.columns) for step in mix.steps],
            }
            for name, mix in plan.mixes.items()
        },
    }


def _step_json(step: Work, columns: Mapping[str, str]) -> dict[str, Any]:
    return {
        "id": step.id,
        "shape": _shape(step),
        "operation": step.decl.entry.key,
        "depends_on": sorted(step.depends_on),
        "makes": dict(step.decl.makes),
        "columns": dict(columns),
        "requests": step.traits.requests,
        "moved_by": step.moved_by,
    }


def _shape(step: Work) -> str:
    return type(step).__name__.lower()


def _flow_lines(flow: Flow) -> list[str]:
    start = flow.scan.decl
    written = {name: bound for name, bound in start.attributes.items() if not bound.is_default}
    limits = [f"{name} = {value_text(bound.value)}" for name, bound in written.items()]
    columns = [*flow.scan.columns, *(["…"] if flow.scan.is_open else [])]
    rows = [("scan", start.rows, "; ".join([*limits, f"gives {', '.join(columns) or 'no column'}"]))]
    rows += [(_shape(step), words_of(step.decl), "; ".join(_facts(step, flow))) for step in flow.steps]
    return [f"pipeline {flow.name}", *_aligned(rows)]


def _mix_lines(mix: Mix) -> list[str]:
    rows = [("mix", component.rows, value_text(component.quota)) for component in mix.decl.components]
    rows += [(_shape(step), words_of(step.decl), "; ".join(_facts(step, None))) for step in mix.steps]
    return [f"mixture {mix.decl.name}", *_aligned(rows)]


def _facts(step: Work, flow: Flow | None) -> Iterator[str]:
    if step.depends_on:
        yield f"reads {', '.join(sorted(step.depends_on))}"
    for asked in step.traits.asks:
        times = f" {asked.requests} times" if asked.requests > 1 else ""
        yield f"asks {', '.join(asked.models) or 'a model'}{times}"
    if step.traits.needs_all_rows:
        yield "decides once, on all rows"
    if step.decl.makes:
        yield f"makes {', '.join(step.decl.makes)}"
    for group in (flow.gatherings if flow else None) or ():
        makers = ", ".join(group.opened_by)
        if step.id == group.closed_by:
            yield f"picks one of {group.samples} of {makers}"
        elif step.id in group.looked_at_by:
            yield f"looks at {group.samples} of {makers} together"
    again = (flow.asks_again if flow else None) or {}
    if step.id in again:
        yield f"has {again[step.id]} answer again"
    if step.moved_by:
        yield f"moved here by {step.moved_by}"


def _aligned(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    first = max(len(shape) for shape, _, _ in rows)
    second = max(len(words) for _, words, _ in rows)
    return [f"  {shape:<{first}}  {words:<{second}}  {facts}".rstrip() for shape, words, facts in rows]
