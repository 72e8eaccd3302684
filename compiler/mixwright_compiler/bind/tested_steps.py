"""What a test takes its rows through: a mixture, a pipeline or a part of it, and what is read of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mixwright_compiler.bind.given_rows import GivenRows
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.catalog.trials import FROM, TESTED
from mixwright_compiler.findings import Findings, Reported
from mixwright_compiler.load.world import Module
from mixwright_compiler.program import MixtureDecl, PipelineDecl, StepDecl
from mixwright_compiler.schema import Columns
from mixwright_compiler.suggest import listing, nearest, one_of, suggested
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Ref


def tested_declaration(
    scope: Scope, module: Module, of: Ref
) -> tuple[PipelineDecl | MixtureDecl, tuple[str, ...]]:
    """The pipeline or mixture that `of` names, and the parts behind its name."""
    found, rest = scope.world.find(module, of)
    if found is None:
        raise scope.world.unknown(module, of, TESTED)
    if found.kind not in TESTED:
        raise scope.findings.error(
            "MIX102",
            f"`{of.name}` is a {found.kind}, not a pipeline or mixture",
            of.span,
            "a test is of a pipeline, of a step of one, or of a mixture",
            secondary=(Label(found.name_span, f"declared as a {found.kind} here"),),
            hint="use the fragment in the test: `use my_fragment { … }`"
            if found.kind == "fragment"
            else "name a pipeline or mixture",
        )
    decl = scope.ask(found, of.span)
    at = found.node.span
    if not isinstance(decl, PipelineDecl | MixtureDecl) or any(
        item.is_error
        and item.primary.span.source is at.source
        and at.start <= item.primary.span.start < at.end
        for item in scope.findings.items
    ):
        raise Reported  # what is wrong there is told there
    return decl, rest


def part_of(
    scope: Scope, decl: PipelineDecl, start: Columns, of: Ref, rest: tuple[str, ...]
) -> tuple[tuple[StepDecl, ...], Columns]:
    """The steps that `of` names, by the id of one or of a use, and the columns in front of them."""
    name = ".".join(rest)
    chosen = steps_named(decl, name)
    if not chosen:
        names = [step.id for step in decl.steps]
        spans = of.part_spans
        at = spans[len(spans) - len(rest)].to(spans[-1])
        near = nearest(name, names)
        raise scope.findings.error(
            "MIX972",
            f"`{decl.name}` has no step `{name}`",
            at,
            f"its steps are: {listing(names, 20)}",
            **suggested(near, at, one_of(names, 20)),
        )
    first = chosen[0]
    kept = decl.start.attributes.get("columns")
    if first:
        columns = Columns(decl.steps[first - 1].columns, start.is_open and kept is None)
    else:
        names = kept.value if kept is not None and kept.value else list(start.types)
        types = {name: start.type_of(name) or "any" for name in names}
        columns = Columns(types, start.is_open and kept is None)
    return tuple(decl.steps[position] for position in chosen), columns


def steps_named(decl: PipelineDecl, name: str) -> list[int]:
    """The places of the steps with this id: one, or those of a loop, or of a use."""
    chosen: list[int] = []
    loops: set[str] = set()
    for position, step in enumerate(decl.steps):
        if step.id == name or step.id.startswith(f"{name}.") or step.inside in loops:
            chosen.append(position)
            loops.add(step.id)
    return chosen


def check_needed(
    findings: Findings,
    given: GivenRows,
    steps: Sequence[StepDecl],
    start: Sequence[str],
    starting: str = FROM,
) -> None:
    """MIX971: a column that is read is in none of the given rows, or lacks in one. `start`: those that `starting`
    reads."""
    made: set[str] = set()
    needed: dict[str, StepDecl | None] = dict.fromkeys(start)
    for step in steps:
        needed |= {name: step for name in step.reads if name not in made and name not in needed}
        made |= step.makes.keys()
    rows: Sequence[Any] = given.rows or [given.columns.types]
    for name, reader in needed.items():
        if given.source and given.columns.is_open:
            continue
        lacking = next((number for number, row in enumerate(rows) if name not in row), None)
        if lacking is None:
            continue
        findings.error(
            "MIX971",
            f"the given row has no `{name}`"
            if len(rows) == 1
            else f"row {lacking + 1} of `{given.name}` has no `{name}`",
            given.at(lacking) if given.nodes else given.span,
            f"`{reader.id if reader is not None else starting}` reads it",
            secondary=(Label(reader.kind_span, "read here"),) if reader is not None else (),
            hint=f"add `{name} = …`, or `{name} = null`",
        )
