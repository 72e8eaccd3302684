"""Where the rows of a pipeline come from: its `from`."""

from __future__ import annotations

from mixwright_compiler.bind.attributes import bind_attributes
from mixwright_compiler.bind.place import Place
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.catalog.blocks import language_blocks
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.world import Module
from mixwright_compiler.program import FromDecl
from mixwright_compiler.schema import Columns
from mixwright_dsl.diagnostic import Edit, Fix
from mixwright_dsl.nodes import Block, Ref, Text


def bind_from(scope: Scope, module: Module, block: Block) -> tuple[FromDecl | None, Columns]:
    """`from`, bound, and the columns of its rows; on a mistake these stay open, so that nothing follows from it."""
    unknown = Columns(is_open=True)
    match block.labels:
        case (Ref() as rows,):
            pass
        case (Text(value=name) as quoted,) if name:
            parts = tuple(name.split("."))
            rows = Ref(parts, quoted.span, (quoted.span,) * len(parts))
            scope.findings.lint(
                "MIX112",
                f"`{name}` needs no quotes",
                quoted.span,
                "the name of a declaration",
                hint=f"write `{name}`",
                fix=Fix("remove the quotes", (Edit(quoted.span, name),)),
            )
        case _:
            scope.findings.error(
                "MIX120",
                "`from` needs the name of a source or pipeline",
                block.labels[1].span if len(block.labels) > 1 else block.kind_span,
                hint="write `from rows { … }`",
            )
            return None, unknown
    try:
        found = scope.world.need(module, rows, "start")
        is_bound = scope.ask(found, rows.span) is not None
    except Reported:
        return None, unknown
    is_known = is_bound or found.qualified in scope.columns
    columns = scope.columns[found.qualified] if is_known else unknown
    columns = Columns(columns.types, columns.is_open)
    attributes = bind_attributes(
        Place(scope.world, module, columns, f"`{rows.name}`"),
        language_blocks()["from"],
        block.body,
        block.kind_span,
        "`from`",
    )
    if (kept := attributes.get("columns")) is not None and kept.value:
        types = {name: columns.type_of(name) or "any" for name in kept.value}
        gone = {name: "`from` keeps other columns" for name in columns.types if name not in types}
        columns = Columns(types, False, gone)
    if not is_bound:
        return None, columns
    start = FromDecl(
        rows=found.qualified,
        kind=found.kind,
        attributes=attributes,
        span=block.span,
        rows_span=rows.span,
    )
    return start, columns
