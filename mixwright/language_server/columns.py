"""The columns that rows have at a place, with where each was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mixwright_compiler.catalog.references import kind_of_reference
from mixwright_compiler.load.uses import at_home, uses_of
from mixwright_compiler.program import PipelineDecl, Program, StepDecl
from mixwright_dsl.source import Span


@dataclass(frozen=True)
class Column:
    """`made`: the step that makes it, or the name of the rows that it comes with. `span`: where that says its name."""

    name: str
    type: str
    made: StepDecl | str
    span: Span | None


Columns = Mapping[str, Column]


def columns_before(program: Program, pipeline: str, ordinal: int, *, inside: bool = False) -> Columns:
    """In front of the block that stands at `ordinal` in a pipeline, `from` being 0. inside: in the body of it, where it
    is a loop, also what the steps there make."""
    found = program.pipelines.get(pipeline)
    if found is None or ordinal <= 0:
        return {}
    return columns_along(found, ordinal - 1, _at_start(program, found), inside=inside)


def columns_along(pipeline: PipelineDecl, blocks: int, start: Columns, *, inside: bool = False) -> Columns:
    """Behind so many blocks of steps, for rows that start with these columns; inside: in the body of the next one."""
    groups = list(_groups(pipeline))
    columns = start
    for group in groups[:blocks]:
        columns = _after(columns, group)
    if inside and blocks < len(groups):
        columns = {**columns, **_made(groups[blocks])}
    return columns


def columns_of_rows(program: Program, rows: str) -> Columns:
    """Of a source, pipeline or mixture, as they leave it."""
    if rows in program.sources:
        source = program.sources[rows]
        return {
            name: Column(name, type, rows, at_home(source.name_span))
            for name, type in (source.columns or {}).items()
        }
    if rows in program.pipelines:
        pipeline = program.pipelines[rows]
        columns = _at_start(program, pipeline)
        for group in _groups(pipeline):
            columns = _after(columns, group)
        return columns
    if rows in program.mixtures:
        mixture = program.mixtures[rows]
        at = at_home(mixture.name_span)
        return {name: Column(name, type, rows, at) for name, type in mixture.columns.items()}
    return {}


def columns_for_template(program: Program, template: str) -> Columns:
    """In front of the steps that ask with a template, those of all of them."""
    found: dict[str, Column] = {}
    for pipeline in program.pipelines.values():
        columns = _at_start(program, pipeline)
        for group in _groups(pipeline):
            for step in group:
                if template in _templates_of(step):
                    found |= {name: c for name, c in columns.items() if name not in found}
                    if step.inside:
                        found |= _made(group)
            columns = _after(columns, group)
    return found


def _templates_of(step: StepDecl) -> Iterator[str]:
    for schema in step.entry.attributes:
        if kind_of_reference(schema.type) == "template" and schema.name in step.attributes:
            for bound in step.attributes[schema.name].each():
                yield str(bound.value)


def _at_start(program: Program, pipeline: PipelineDecl) -> Columns:
    if pipeline.start.rows == pipeline.name:
        return {}
    return columns_of_rows(program, pipeline.start.rows)


def _groups(pipeline: PipelineDecl) -> Iterator[list[StepDecl]]:
    """The steps of each block of the pipeline: one, or those of a loop, or of a `use`."""
    group: list[StepDecl] = []
    key = -1
    for step in pipeline.steps:
        uses = uses_of(step.span)
        start = at_home(uses[0].span if uses else step.span).start
        if group and (step.inside or start == key):
            group.append(step)
            continue
        if group:
            yield group
        group, key = [step], start
    if group:
        yield group


def _after(columns: Columns, group: list[StepDecl]) -> Columns:
    last = [step for step in group if not step.inside][-1]
    known = {**columns, **_made(group)}
    return {
        name: known.get(name) or Column(name, type, last, at_home(last.kind_span))
        for name, type in last.columns.items()
    }


def _made(group: list[StepDecl]) -> dict[str, Column]:
    return {
        name: Column(name, type, step, at_home(_place_of(step, name)))
        for step in group
        for name, type in step.makes.items()
    }


def _place_of(step: StepDecl, name: str) -> Span:
    if step.label_span is not None and name.partition(".")[0] == step.label:
        return step.label_span
    bound = step.attributes.get(name)
    if bound is None or bound.is_default:
        return step.kind_span
    return bound.span
