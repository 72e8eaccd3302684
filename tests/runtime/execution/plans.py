"""Plans built by hand: what the compiler would have made of a few lines of a spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.catalog.traits import traits_of
from mixwright_compiler.plan.plan import (
    Budget,
    Component,
    Fingerprint,
    From,
    Mixture,
    ModelSpec,
    Origin,
    Pipeline,
    Plan,
    SourceSpec,
    Step,
    TemplateMessage,
    TemplateSpec,
)
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.declare import entry_of

AT = Origin(file="test.mix", line=1, column=1)
TEXT = {"prompt": "text"}


def model(url: str, **attributes: Any) -> ModelSpec:
    stated = {"base_url": url, "model": "fake", "max_in_flight": 16, "timeout": 5.0, **attributes}
    return ModelSpec(name="teacher", engine="openai", attributes=stated, identity="fake-1", origin=AT)


def inline(rows: Sequence[Mapping[str, Any]], name: str = "topics") -> SourceSpec:
    columns = {key: "text" if isinstance(value, str) else "int" for key, value in rows[0].items()}
    return SourceSpec(
        name=name, kind="inline", attributes={"rows": [dict(r) for r in rows]}, columns=columns, origin=AT
    )


def numbered(count: int, name: str = "topics") -> SourceSpec:
    """Rows `{ n = 0 }`, `{ n = 1 }` ..."""
    return inline([{"n": n} for n in range(count)], name)


def step(
    operation: str,
    *,
    id: str = "",
    label: str = "",
    when: Any = None,
    reads: Sequence[str] = (),
    **attributes: Any,
) -> Step:
    breaker = operation.startswith("dedup.")
    return Step(
        id=id or label or operation.replace(".", "_"),
        operation=operation,
        version=1,
        label=label,
        attributes=attributes,
        when=when,
        reads=tuple(reads),
        columns={},
        breaker=breaker,
        traits=traits_of(_declared(operation), attributes, label),
        fingerprint=Fingerprint(row=operation + str(sorted(attributes)), set="", meta=""),
        origin=AT,
    )


def _declared(operation: str) -> Entry | None:
    """What a test declares too; None for what nobody does."""
    try:
        return entry_of(operation)
    except RunError:
        return None


def generate(label: str = "answer", **attributes: Any) -> Step:
    stated = {"prompt": "ask", "model": "teacher", "samples": 1, "max_tokens": 256, **attributes}
    return step("step.generate", label=label, **stated)


def template(text: str = "Write about number {{ n }}.", name: str = "ask") -> TemplateSpec:
    return TemplateSpec(
        name=name, messages=(TemplateMessage(role="user", text=text),), inputs=("n",), origin=AT
    )


def pipeline(*steps: Step, name: str = "essays", start: From | None = None, **start_options: Any) -> Pipeline:
    start = start or From(rows="topics", kind="source", origin=AT, **start_options)
    return Pipeline(name=name, start=start, steps=steps, columns={}, origin=AT)


def plan(
    directory: Path,
    *,
    models: Sequence[ModelSpec] = (),
    sources: Sequence[SourceSpec] = (),
    templates: Sequence[TemplateSpec] = (),
    pipelines: Sequence[Pipeline] = (),
    mixtures: Sequence[Mixture] = (),
    **more: Any,
) -> Plan:
    def named(things: Sequence[Any]) -> dict[str, Any]:
        return {thing.name: thing for thing in things}

    return Plan(
        mixwright_version="0",
        edition=2026,
        spec="test.mix",
        root=str(directory),
        directory=str(directory),
        files=(),
        models=named(models),
        sources=named(sources),
        templates=named(templates or (template(),)),
        pipelines=named(pipelines),
        mixtures=named(mixtures),
        **more,
    )


def mixture(*components: tuple[str, str, Any], name: str = "mix", **more: Any) -> Mixture:
    """`mixture(("essays", "pipeline", CountQuota(count=3)))`."""
    return Mixture(
        name=name,
        seed=7,
        components=tuple(Component(rows=r, kind=k, quota=q, origin=AT) for r, k, q in components),  # type: ignore[arg-type]
        budget=more.pop("budget", Budget()),
        columns={},
        origin=AT,
        **more,
    )
