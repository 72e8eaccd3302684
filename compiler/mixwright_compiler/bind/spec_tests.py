"""Tests in a spec: rows that are given, the steps that they go through, recorded answers, and what is expected.

The steps are those of a pipeline or mixture, bound where it is, or written in the test and bound by the same code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mixwright_compiler.bind.attributes import bind_attributes
from mixwright_compiler.bind.called_columns import CalledColumns
from mixwright_compiler.bind.expectations import Expecting
from mixwright_compiler.bind.given_rows import (
    GivenRows,
    as_source,
    check_columns,
    given_rows,
)
from mixwright_compiler.bind.labels import given_twice
from mixwright_compiler.bind.place import Place
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.bind.stand_ins import recorded_answers, rows_of_others
from mixwright_compiler.bind.steps import Flow
from mixwright_compiler.bind.tested_steps import check_needed, part_of, tested_declaration
from mixwright_compiler.bind.written_out import written_out
from mixwright_compiler.catalog.blocks import language_blocks
from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.catalog.references import declared_name
from mixwright_compiler.catalog.trials import FROM
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.world import Module
from mixwright_compiler.program import FromDecl, MixtureDecl, PipelineDecl, SourceDecl, StepDecl
from mixwright_compiler.schema import Columns
from mixwright_compiler.spec_tests import GIVEN, SpecTest, Trial
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.lazy_dataclass import replace
from mixwright_dsl.nodes import Attribute, Block, Expression, ObjectNode, Ref, Text, named
from mixwright_dsl.source import Span

OWN = ("given", "answers", "rows", "expect")
"""Statements of a test that are no steps."""


OWN_STEPS = "this test"
"""What the pipeline is called whose steps are written in a test; no declaration can be called so."""


def bind_test(scope: Scope, module: Module, block: Block) -> None:
    """Bind a test into `scope.tests`; what is wrong is reported."""
    try:
        test = _Binding(scope, module, block).test()
    except Reported:
        return
    scope.tests[test.name] = test


class _Binding:
    """One test on its way."""

    def __init__(self, scope: Scope, module: Module, block: Block) -> None:
        self.scope = scope
        self.module = module
        self.block = block
        self.findings = scope.findings
        self.entry: Entry = language_blocks()["test"]
        self.name, self.of = self._labels()
        self.title = f'test "{self.name.value}"'
        self.written = dict(self._own())
        self.blocks = [s for s in block.body if isinstance(s, Block) and s.kind not in OWN]

    def _labels(self) -> tuple[Text, Ref | None]:
        match self.block.labels:
            case (Text() as name,) if name.value.strip():
                of = None
            case (Text() as name, Ref(parts=("of",)), Ref() as of) if name.value.strip():
                pass
            case labels:
                raise self.findings.error(
                    "MIX120",
                    "`test` needs a sentence in quotes",
                    labels[0].span if labels else self.block.kind_span,
                    hint='write `test "adults stay" { … }`, or `test "adults stay" of my_pipeline { … }`',
                )
        before = self.scope.tests.get(name.value)
        if before is not None:
            raise self.findings.error(
                "MIX114",
                f'test "{name.value}" is declared twice',
                name.span,
                "declared again here",
                secondary=(Label(before.name_span, "first declared here"),),
                hint="say what is otherwise in this one",
            )
        return name, of

    def _own(self) -> Iterator[tuple[str, Expression]]:
        seen: dict[str, Span] = {}
        for statement in self.block.body:
            name, span = named(statement)
            if name not in OWN:
                continue
            if isinstance(statement, Block) and name in seen:
                given_twice(self.findings, name, span, seen[name])
            seen[name] = span
            if isinstance(statement, Attribute):
                yield name, statement.value
            elif statement.labels:
                raise self.findings.error(
                    "MIX120",
                    f"`{name}` has no name here",
                    statement.labels[0].span,
                    hint=f"write `{name} = …`",
                )
            else:
                yield name, ObjectNode(statement.body, statement.span)

    def test(self) -> SpecTest:
        place = Place(self.scope.world, self.module)
        # What is written is bound by hand: only what is missing or unknown is told here.
        others = tuple(a for a in self.entry.attributes if a.name not in self.written)
        bind_attributes(
            place,
            replace(self.entry, attributes=others),
            self.block.body,
            self.name.span,
            self.title,
            taken=lambda s: named(s)[0] in self.written or s in self.blocks,
        )
        if "given" not in self.written:
            raise Reported
        tested, after, given, written = self._tried(place)
        if "expect" not in self.written:
            raise Reported
        steps = [step.id for step in tested.steps]
        drawn = rows_of_others(self.scope, place, self.written.get("rows"), tested, self.name.span)
        answers = recorded_answers(place, self.written.get("answers"), tested)
        behind = Place(self.scope.world, self.module, after, f"rows of {self.title}")
        verifiers = [step.id for step in tested.steps if step.entry.family == "verify"]
        called = CalledColumns(self.scope, behind, verifiers)
        ends = steps if isinstance(tested, MixtureDecl) else [FROM, *steps]
        expecting = Expecting(behind, ends, called, _components(tested))
        expectations = expecting.all(self.written["expect"])
        if not expectations:
            raise Reported
        is_written = not any(each.source for each in given)
        return SpecTest(
            name=self.name.value,
            entry=self.entry,
            attributes={},
            span=self.block.span,
            name_span=self.name.span,
            tested=tested,
            of=self.of.name if self.of is not None else "",
            given=sum(len(each.rows) for each in given) if is_written else None,
            given_spans=tuple(each.at(number) for each in given for number in range(len(each.rows)))
            if is_written
            else (),
            takes={each.source: each.take for each in given if each.take is not None},
            expectations=expectations,
            sources={**drawn, **written},
            answers={name: value for name, (value, _) in answers.items()},
            answers_spans={name: span for name, (_, span) in answers.items()},
            rendered=called.rendered,
            scored=called.scored,
        )

    # -- the steps

    def _tried(
        self, place: Place
    ) -> tuple[PipelineDecl | MixtureDecl, Columns, Sequence[GivenRows], Mapping[str, SourceDecl]]:
        """What the rows go through, the columns behind it, the rows, and those of them that are written as sources."""
        node = self.written["given"]
        if self.of is None:
            given = given_rows(self.scope, place, node)
            tested, after = self._own_steps(given)
        else:
            decl, rest = self._declared(self.of)
            if isinstance(decl, MixtureDecl):
                self._as_a_whole(decl, rest, self.of)
                from mixwright_compiler.bind.tested_mixtures import given_mixture

                mixed = given_mixture(self.scope, place, decl, node)
                after = self.scope.columns.get(decl.name, Columns(is_open=True))
                return mixed.tested, after, list(mixed.given.values()), mixed.sources
            given = given_rows(self.scope, place, node)
            tested, after = self._of_pipeline(decl, self.of, rest, given)
        written = {} if given.source else {GIVEN: as_source(self.scope, GIVEN, given, given.columns)}
        return tested, after, [given], written

    def _as_a_whole(self, mixture: MixtureDecl, rest: tuple[str, ...], of: Ref) -> None:
        if rest:
            raise self.findings.error(
                "MIX972",
                f"`{mixture.name}` is a mixture, and is tested as a whole",
                of.span,
                "a step of it has no test of its own",
                hint=f"write `of {mixture.name}`",
            )

    def _declared(self, of: Ref) -> tuple[PipelineDecl | MixtureDecl, tuple[str, ...]]:
        """The pipeline or mixture of the test, and the parts behind its name."""
        for block in self.blocks:
            self.findings.error(
                "MIX121",
                f"`{block.kind}` cannot stand in a test of `{of.name}`",
                block.kind_span,
                f"the steps are those of `{of.name}`",
                hint="put it there, or into a test without `of`",
            )
        found = tested_declaration(self.scope, self.module, of)
        if self.blocks:
            raise Reported
        return found

    def _of_pipeline(
        self, decl: PipelineDecl, of: Ref, rest: tuple[str, ...], given: GivenRows
    ) -> tuple[PipelineDecl, Columns]:
        start = self.scope.columns.get(decl.start.rows, Columns(is_open=True))
        if not rest:
            check_columns(Place(self.scope.world, self.module), given, start, f"`{decl.start.rows}`")
            where = decl.start.attributes.get("where")
            reads = where.value.columns if where is not None and where.value is not None else ()
            check_needed(self.findings, given, decl.steps, reads)
            kept = {n: b for n, b in decl.start.attributes.items() if n in ("where", "columns")}
            return self._tested(decl, decl.steps, kept, given), self._behind(
                given, self.scope.columns[decl.name]
            )
        steps, before = part_of(self.scope, decl, start, of, rest)
        check_columns(
            Place(self.scope.world, self.module), given, before, f"rows of `{decl.name}` in front of it"
        )
        check_needed(self.findings, given, steps, ())
        after = Columns(steps[-1].columns, before.is_open)
        return self._tested(decl, steps, {}, given), self._behind(given, after)

    def _own_steps(self, given: GivenRows) -> tuple[PipelineDecl, Columns]:
        flow = Flow(self.scope, self.module, self.name.value, self.blocks)
        flow.rows_words = f"rows of {self.title}"
        flow.columns = given.columns
        before = len(self.findings.items)
        written = written_out(self.scope, self.module, self.blocks)
        flow.also_names(written)
        steps = flow.steps(written)
        decl = PipelineDecl(
            name=OWN_STEPS,
            entry=language_blocks()["pipeline"],
            attributes={},
            start=self._start({}, given),
            steps=tuple(steps),
            columns=flow.columns.types,
            span=self.block.span,
            name_span=self.name.span,
        )
        self.scope.trials[self.name.value] = Trial(given=given.columns.types, tested=decl)
        if any(found.is_error for found in self.findings.items[before:]):
            raise Reported
        return decl, flow.columns

    def _tested(
        self, decl: PipelineDecl, steps: Sequence[StepDecl], kept: dict[str, Any], given: GivenRows
    ) -> PipelineDecl:
        return replace(decl, start=self._start(kept, given), steps=tuple(steps), changed=())

    def _start(self, attributes: dict[str, Any], given: GivenRows) -> FromDecl:
        return FromDecl(
            rows=given.source or GIVEN,
            kind="source",
            attributes=attributes,
            span=given.span,
            rows_span=given.span,
        )

    def _behind(self, given: GivenRows, after: Columns) -> Columns:
        """The columns behind the steps; where the source is not locked, the rows themselves say some of them."""
        if not after.is_open:
            return after
        return Columns({**given.columns.types, **after.types}, True, after.left_out)


def _components(tested: PipelineDecl | MixtureDecl) -> dict[str, tuple[str, ...]]:
    """Names by which an expectation can mean rows of a mixture -> components: of one, and of a group."""
    found: dict[str, tuple[str, ...]] = {}
    if isinstance(tested, MixtureDecl):
        for component in tested.components:
            if component.group:
                found[component.group] = (*found.get(component.group, ()), component.rows)
        found |= {declared_name(component.rows): (component.rows,) for component in tested.components}
    return found
