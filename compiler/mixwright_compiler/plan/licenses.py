"""Under which licenses the rows of a mixture are, by what brings them: sources, and models that wrote text of them."""

from __future__ import annotations

from mixwright_compiler.plan.plan import Plan, Step

NOT_STATED = "not stated"
"""Stands for the license of a source that has none."""


def licenses_of(plan: Plan, mixture: str) -> dict[str, tuple[str, ...]]:
    """License -> the sources and models that rows of a mixture come from, `source people`, `model teacher`; by license,
    in order. A model without one is left out: most servers' models state none. So are rows that the spec makes itself."""
    found: dict[str, dict[str, None]] = {}
    for kind, name, license in _parts(plan, mixture):
        if license or kind == "source":
            found.setdefault(license or NOT_STATED, {})[f"{kind} {name}"] = None
    return {license: tuple(found[license]) for license in sorted(found)}


def _parts(plan: Plan, mixture: str) -> list[tuple[str, str, str]]:
    """(kind, name, license) of every source and model that a mixture's rows hang on."""
    found: list[tuple[str, str, str]] = []
    seen: set[str] = set()
    pending = [component.rows for component in reversed(plan.mixtures[mixture].components)]
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in plan.mixtures:
            pending += [component.rows for component in reversed(plan.mixtures[name].components)]
        elif name in plan.pipelines:
            pipeline = plan.pipelines[name]
            pending += [
                *reversed([row for step in pipeline.steps for row in _drawn(plan, step)]),
                *pipeline.read,
            ]
            pending.append(pipeline.start.rows)
            for step in pipeline.steps:
                found += [("model", model, _license(plan, model)) for model in _writers(step)]
        elif name in plan.sources:
            source = plan.sources[name]
            if not plan.catalog.entries[f"source.{source.kind}"].is_empty:
                found.append(("source", name, source.license))
    return found


def _drawn(plan: Plan, step: Step) -> list[str]:
    """The sources that a step draws rows of."""
    entry = plan.catalog.entries.get(step.operation)
    named = (
        step.attributes.get(schema.name)
        for schema in (entry.attributes if entry else ())
        if schema.type == "drawn"
    )
    return [name for name in named if isinstance(name, str) and name in plan.sources]


def _writers(step: Step) -> list[str]:
    """The models whose text a step puts into rows; those that only judge it write none."""
    if step.operation.partition(".")[0] != "step":
        return []
    return [model for question in step.traits.asks for model in question.models]


def _license(plan: Plan, model: str) -> str:
    return str(plan.models[model].attributes.get("license") or "")
