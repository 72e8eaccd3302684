"""From a bound program to a logical plan, everything in the order of the spec."""

from __future__ import annotations

from mixwright_compiler.bind.plain import COMMON_TO_STEPS, plain, resolved
from mixwright_compiler.catalog.catalog import Catalog
from mixwright_compiler.catalog.groups import VERIFIERS
from mixwright_compiler.catalog.traits import traits_of
from mixwright_compiler.logical.nodes import (
    Apply,
    Ask,
    Flow,
    Fold,
    Keep,
    LogicalPlan,
    Loop,
    Measure,
    Mix,
    Scan,
    Spread,
    Work,
)
from mixwright_compiler.logical.reach import Reach
from mixwright_compiler.program import FromDecl, PipelineDecl, Program, Schema, StepDecl


def build(program: Program, reached: Reach, catalog: Catalog | None = None) -> LogicalPlan:
    """The logical plan of what is reached."""
    catalog = catalog or program.catalog
    return LogicalPlan(
        flows={
            name: flow_of(decl, program, catalog)
            for name, decl in program.pipelines.items()
            if name in reached.pipelines
        },
        mixes={
            name: Mix(decl=decl, steps=steps_of(decl.steps, {}, catalog))
            for name, decl in program.mixtures.items()
            if name in reached.mixtures
        },
    )


def flow_of(decl: PipelineDecl, program: Program, catalog: Catalog) -> Flow:
    """A pipeline as it is written."""
    scan = _scan_of(decl.start, program)
    return Flow(decl=decl, scan=scan, steps=steps_of(decl.steps, scan.columns, catalog))


def steps_of(decls: tuple[StepDecl, ...], before: Schema, catalog: Catalog) -> tuple[Work, ...]:
    """Steps one after another on rows with the columns `before`."""
    steps = []
    for decl in decls:
        steps.append(step_of(decl, before, catalog))
        before = decl.columns
    return tuple(steps)


def step_of(decl: StepDecl, before: Schema, catalog: Catalog) -> Work:
    """A step of the shape that is declared for it, on rows with the columns `before`."""
    entry = decl.entry
    values = resolved(entry, decl.attributes, without=COMMON_TO_STEPS, catalog=catalog)
    shape: type[Work]
    if entry.breaker:
        shape = Keep
    elif entry.family == VERIFIERS:
        shape = Measure
    elif entry.spreads or entry.folds or entry.loops:
        shape = Spread if entry.spreads else Fold if entry.folds else Loop
    else:
        shape = Ask if entry.writes else Apply
    return shape(
        decl=decl,
        values=values,
        traits=traits_of(entry, values, decl.label),
        adds={name: type for name, type in decl.columns.items() if before.get(name) != type},
    )


def _scan_of(start: FromDecl, program: Program) -> Scan:
    columns: Schema | None
    if start.rows in program.sources:
        columns = program.sources[start.rows].columns
        is_open = columns is None
    else:
        upstream = program.pipelines[start.rows]
        columns, is_open = upstream.columns, _scan_of(upstream.start, program).is_open
    kept = plain(start.attributes["columns"]) if "columns" in start.attributes else None
    if kept:
        return Scan(decl=start, columns={name: (columns or {}).get(name, "any") for name in kept})
    return Scan(decl=start, columns=columns or {}, is_open=is_open)
