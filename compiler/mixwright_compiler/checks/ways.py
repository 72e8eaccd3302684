"""How rows of sources, and what models write, come into a mixture: what licenses and policies are held to."""

from __future__ import annotations

from collections.abc import Iterator

from mixwright_compiler.catalog.traits import traits_of
from mixwright_compiler.checks.checked import Checked, named_by, value_of
from mixwright_compiler.program import (
    ComponentDecl,
    MixtureDecl,
    ModelDecl,
    PipelineDecl,
    SourceDecl,
    StepDecl,
    ToolDecl,
)
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.lazy_dataclass import dataclass


@dataclass(frozen=True)
class Way:
    """How rows of a source, or what a model writes, come into a mixture. path: names from the mixture to it."""

    component: ComponentDecl
    path: tuple[str, ...]

    @property
    def text(self) -> str:
        return " → ".join(reversed(self.path))

    @property
    def quota(self) -> Label:
        return Label(self.component.name_span, "by this quota")


def ways_into(checked: Checked, mixture: MixtureDecl) -> Iterator[tuple[SourceDecl | ModelDecl, Way]]:
    """Every source with something in it that reaches the mixture, and every model that writes text of its rows, with a
    shortest way: rows that start from the source, and rows into which something of it is drawn or found by a tool."""
    program = checked.program
    seen = {mixture.name}
    pending = [Way(component, (mixture.name, component.rows)) for component in mixture.components]
    written: dict[str, Way] = {}
    while pending:
        further: list[Way] = []
        for way in pending:
            name = way.path[-1]
            if name in seen:
                continue
            seen.add(name)
            if name in program.sources:
                source = program.sources[name]
                if not source.entry.is_empty and checked.clean(source.span):
                    yield source, way
            else:
                further += [Way(way.component, (*way.path, below)) for below in _below(checked, name)]
            if name in program.pipelines:
                for model in _writers(checked, program.pipelines[name]):
                    written.setdefault(model, Way(way.component, (*way.path, model)))
        pending = further
    yield from (
        (program.models[name], way)
        for name, way in written.items()
        if name in program.models and checked.clean(program.models[name].span)
    )


def _writers(checked: Checked, pipeline: PipelineDecl) -> Iterator[str]:
    """The models whose text its steps put into rows, by themselves or by the tools that they call; those that only judge
    write none."""
    for step in pipeline.steps:
        if step.entry.family != "step":
            continue
        asked = [*step.traits.asks]
        for tool in _tools(checked, step):
            values = {name: bound.value for name, bound in tool.attributes.items()}
            asked += traits_of(tool.entry, values).asks
        yield from (
            model for question in asked if question.writes or question.max_tokens for model in question.models
        )


def _tools(checked: Checked, step: StepDecl) -> Iterator[ToolDecl]:
    """The tools that a step calls."""
    tools = checked.program.tools
    return (tools[name] for name in step.traits.calls if name in tools)


def _below(checked: Checked, name: str) -> Iterator[str]:
    """What a pipeline's or mixture's rows are made of."""
    program = checked.program
    if name in program.mixtures:
        yield from (component.rows for component in program.mixtures[name].components)
    elif name in program.pipelines:
        pipeline = program.pipelines[name]
        yield pipeline.start.rows
        for step in pipeline.steps:
            drawn = (
                value_of(step.attributes, schema.name)
                for schema in step.entry.attributes
                if schema.type == "drawn"
            )
            yield from (each for each in drawn if isinstance(each, str))
            for tool in _tools(checked, step):
                yield from (str(bound.value) for _, bound in named_by(tool, "source"))
