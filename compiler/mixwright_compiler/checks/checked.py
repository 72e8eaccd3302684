"""What checks share: the program, which parts of it are without errors, and walks over it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from mixwright_compiler.catalog.catalog import AttributeSchema
from mixwright_compiler.catalog.groups import Groups, groups_of
from mixwright_compiler.catalog.references import kind_of_reference
from mixwright_compiler.findings import Findings
from mixwright_compiler.load.uses import uses_of
from mixwright_compiler.load.world import World
from mixwright_compiler.program import (
    Attributes,
    Bound,
    Declared,
    MixtureDecl,
    PipelineDecl,
    Program,
    StepDecl,
    ToolDecl,
)
from mixwright_compiler.schema import Columns
from mixwright_dsl.source import Span


def value_of(attributes: Attributes, name: str, default: Any = None) -> Any:
    """An attribute's value, or `default` when it is not there."""
    bound = attributes.get(name)
    return default if bound is None else bound.value


def is_written(attributes: Attributes, name: str) -> bool:
    bound = attributes.get(name)
    return bound is not None and not bound.is_default


def hint_to_pick(steps: Iterable[StepDecl]) -> str:
    """What to write so that one of several candidates is picked by the steps behind them."""
    verifier = next((step.entry for step in steps if step.entry.attribute("pick") is not None), None)
    at = f"`{verifier.family} {verifier.name}`" if verifier is not None else "a `verify` behind it"
    return f"write `pick = first` in {at}"


class Checked:
    def __init__(self, world: World, program: Program, columns: Mapping[str, Columns]) -> None:
        self.world = world
        self.program = program
        self.columns = columns
        self._groups: dict[int, Groups] = {}
        self._errors: dict[int, list[int]] = {}
        for diagnostic in world.findings.items:
            if diagnostic.is_error:
                span = diagnostic.primary.span
                for place in (span, *(use.span for use in uses_of(span))):
                    self._errors.setdefault(id(place.source), []).append(place.start)
        for starts in self._errors.values():
            starts.sort()

    @property
    def findings(self) -> Findings:
        return self.world.findings

    def clean(self, *spans: Span) -> bool:
        """Is there no error so far in these parts of the text?"""
        return not any(self._has_error(span) for span in spans)

    def _has_error(self, span: Span) -> bool:
        starts = self._errors.get(id(span.source), ())
        first = bisect_left(starts, span.start)
        return first < len(starts) and starts[first] < max(span.end, span.start + 1)

    def is_whole(self, mixture: MixtureDecl) -> bool:
        """Could all that a mixture takes rows from be bound, down to the sources?"""
        program = self.program
        names = {name for path in self.paths_from(mixture.name) for name in path}
        decls = (program.mixtures, program.pipelines, program.sources)
        spans = [decl[name].span for name in names for decl in decls if name in decl]
        spans += [
            span for name in names if name in program.pipelines for span in program.pipelines[name].changed
        ]
        return mixture.is_whole and self.clean(mixture.span, *spans)

    def clean_steps(self) -> Iterator[tuple[PipelineDecl, int, StepDecl]]:
        """Pipeline, position and step of every step without errors, those of evaluations and tests too."""
        return iter(self._clean_steps)

    @cached_property
    def _clean_steps(self) -> list[tuple[PipelineDecl, int, StepDecl]]:
        return [
            (pipeline, position, step)
            for pipeline in (*self.program.pipelines.values(), *self.graded, *self.tried)
            if self.clean(*pipeline.changed)
            for position, step in enumerate(pipeline.steps)
            if self.clean(step.span)
        ]

    @cached_property
    def rules(self) -> frozenset[str]:
        """The rules that steps are held to."""
        return frozenset(rule for _, _, step in self._clean_steps for rule in step.entry.rules)

    @cached_property
    def given(self) -> frozenset[str]:
        """The attributes that steps have, by default too."""
        return frozenset(name for _, _, step in self._clean_steps for name in step.attributes)

    @cached_property
    def held(self) -> frozenset[str | None]:
        """What these hold."""
        steps = (step for _, _, step in self._clean_steps)
        return frozenset(a.holds for s in steps for a in s.entry.attributes if a.name in s.attributes)

    def clean_tools(self) -> Iterator[ToolDecl]:
        """Every tool without errors."""
        return (tool for tool in self.program.tools.values() if self.clean(tool.span))

    def of_mixtures(self) -> Iterator[MixtureDecl]:
        """Mixtures and variants that are without errors, and whose base is."""
        for mixture in self.program.mixtures.values():
            base = self.program.mixtures.get(mixture.variant_of)
            if self.clean(mixture.span) and (base is None or self.clean(base.span)):
                yield mixture

    @cached_property
    def graded(self) -> tuple[PipelineDecl, ...]:
        """What grades the replies in each evaluation: rows of a source, and verifiers."""
        trains = self.program.trains.values()
        return tuple(evaluation.graded for train in trains for evaluation in train.evaluations)

    @cached_property
    def tried(self) -> tuple[PipelineDecl, ...]:
        """The steps that are written in tests."""
        tests = self.program.tests.values()
        return tuple(t.tested for t in tests if not t.of and isinstance(t.tested, PipelineDecl))

    @cached_property
    def trained(self) -> dict[str, Declared]:
        """Mixtures that a train reads, with the train."""
        return {train.mixture: train for train in self.program.trains.values()}

    def paths_from(self, name: str, chain: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        """Every way from a mixture or pipeline down to a source, names from the top to the source."""
        if name in chain:
            return
        chain = (*chain, name)
        program = self.program
        if name in program.sources:
            yield chain
        elif name in program.pipelines:
            yield from self.paths_from(program.pipelines[name].start.rows, chain)
        elif name in program.mixtures:
            for component in program.mixtures[name].components:
                yield from self.paths_from(component.rows, chain)

    def pipelines_under(self, name: str) -> Iterable[PipelineDecl]:
        """Pipelines whose rows reach a mixture."""
        names = {n for path in self.paths_from(name) for n in path}
        return [p for p in self.program.pipelines.values() if p.name in names]

    def groups(self, pipeline: PipelineDecl) -> Groups:
        """The groups of candidates in a pipeline."""
        # By object: what grades an evaluation may be called as a pipeline is.
        if id(pipeline) not in self._groups:
            self._groups[id(pipeline)] = groups_of(step.part for step in pipeline.steps)
        return self._groups[id(pipeline)]


def named_by(asking: StepDecl | ToolDecl, kind: str) -> Iterator[tuple[AttributeSchema, Bound]]:
    """Each declaration of a kind that a step or tool names, where it does so, and the attribute that it is named in."""
    for schema in asking.entry.attributes:
        bound = asking.attributes.get(schema.name)
        if bound is not None and bound.value is not None and kind_of_reference(schema.type) == kind:
            yield from ((schema, one) for one in bound.each())


def maker_of(steps: tuple[StepDecl, ...], column: str) -> StepDecl | None:
    """The last of these steps that makes a column."""
    return next((s for s in reversed(steps) if column in s.makes), None)
