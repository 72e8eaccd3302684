"""Pipelines: `from`, then steps, each with the columns after it."""

from __future__ import annotations

from mixwright_compiler.bind.attributes import bind_attributes
from mixwright_compiler.bind.changed_steps import UNCHANGED
from mixwright_compiler.bind.from_block import bind_from
from mixwright_compiler.bind.labels import extra_labels
from mixwright_compiler.bind.place import Place
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.bind.steps import Flow, step_entry
from mixwright_compiler.bind.written_out import written_out
from mixwright_compiler.catalog.blocks import language_blocks
from mixwright_compiler.catalog.references import REFERENCE_KINDS
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.world import Declaration
from mixwright_compiler.program import PipelineDecl
from mixwright_compiler.suggest import replace_fix
from mixwright_dsl.diagnostic import Applicability, Edit, Fix, Label
from mixwright_dsl.nodes import Attribute, Block, Ref, Statement, named
from mixwright_dsl.source import Span

FOR_FROM = ("source", "input", "inputs", "data", "dataset", "rows", "take")
"""What others call `from`."""

OF_FROM = ("limit", "where", "columns", "repeat")
"""Attributes of `from` that are written beside it."""


def bind_pipeline(scope: Scope, declaration: Declaration) -> PipelineDecl | None:
    """The pipeline with the schema after each step; None when it has no usable `from`."""
    block, module = declaration.node, declaration.module
    findings = scope.findings
    title = f"pipeline `{declaration.name}`"
    extra_labels(scope.world, block, block.labels[1:], f"pipeline {declaration.name} {{ … }}")
    entry = language_blocks()["pipeline"]
    if (rows := _rows_without_from(block)) is not None:
        _say_from(scope, *rows)
        return None
    misplaced = [s for s in block.body if named(s)[0] in OF_FROM]
    blocks = [s for s in block.body if isinstance(s, Block) and s not in misplaced]
    for statement in misplaced:
        _say_of_from(scope, blocks, statement)
    attributes = bind_attributes(
        Place(scope.world, module),
        entry,
        block.body,
        declaration.name_span,
        title,
        taken=lambda s: isinstance(s, Block) or s in misplaced,
    )
    if not blocks or blocks[0].kind != "from":
        if blocks and not _is_step(scope, blocks[0]):
            return None  # reported: it may be a misspelt `from`
        start_at = next((b for b in blocks if b.kind == "from"), None)
        visible = scope.world.visible(module, REFERENCE_KINDS["start"])
        sources = [name for name in visible if name != declaration.name]
        findings.error(
            "MIX417",
            f"{title} does not start with `from`",
            blocks[0].kind_span if blocks else declaration.name_span,
            "the first step must be `from`",
            secondary=(Label(start_at.kind_span, "`from` stands here"),) if start_at else (),
            hint=f"begin with `from {sources[0] if sources else 'rows'}`",
        )
        for later in blocks:
            if later.kind != "from":
                _is_step(scope, later)
        return None
    changes = scope.changes.get(declaration.qualified, UNCHANGED)
    flow = Flow(scope, module, declaration.name, blocks, owner=declaration.qualified, changes=changes)
    start, flow.columns = bind_from(scope, module, flow.as_changed(blocks[0]))
    written = blocks[1:]
    meant = written_out(scope, module, written)
    if len(written) != len(meant) or any(a is not b for a, b in zip(written, meant, strict=True)):
        flow.also_names(meant)
    steps = flow.steps(meant)
    scope.columns[declaration.qualified] = flow.columns
    if start is None:
        return None
    return PipelineDecl(
        name=declaration.qualified,
        entry=entry,
        attributes=attributes,
        span=block.span,
        name_span=declaration.name_span,
        start=start,
        steps=tuple(steps),
        columns=flow.columns.types,
        changed=changes.spans,
    )


def _rows_without_from(block: Block) -> tuple[Statement, Ref] | None:
    """`source = rows` or `input rows` in a pipeline without `from`, with the name."""
    if any(named(s)[0] == "from" for s in block.body):
        return None
    for statement in block.body:
        given = statement.value if isinstance(statement, Attribute) else (*statement.labels, None)[0]
        if named(statement)[0] in FOR_FROM and isinstance(given, Ref):
            return statement, given
    return None


def _say_from(scope: Scope, statement: Statement, rows: Ref) -> None:
    right = f"from {rows.name}"
    scope.findings.error(
        "MIX417",
        f"a pipeline's rows come with `from`, not `{named(statement)[0]}`",
        statement.span,
        hint=f"write `{right}`",
        fix=replace_fix(statement.span, right),
    )


def _say_of_from(scope: Scope, blocks: list[Block], statement: Statement) -> None:
    """Report `limit = 10` beside `from`, in whose braces it belongs."""
    name, start = named(statement)[0], next((b for b in blocks if b.kind == "from"), None)
    value = statement.value if isinstance(statement, Attribute) else (*statement.labels, None)[0]
    written = f"{name} = {'…' if value is None else value.span.text}"
    right, fix = f"from rows {{ {written} }}", None
    if start is not None and value is not None and "\n" not in written:
        end, edit = start.span.end, f" {{ {written} }}"
        if start.has_body:
            end = start.span.start + start.span.text.index("{") + 1
            edit = f" {written}{',' if start.body else ''}"
        right = f"from {start.labels[0].span.text if start.labels else 'rows'} {{ {written} }}"
        edits = (Edit(Span(start.span.source, end, end), edit), Edit(statement.span, ""))
        fix = Fix(f"write `{right}`", edits, Applicability.MAYBE)
    scope.findings.error(
        "MIX105", f"`{name}` belongs to `from`", statement.span, hint=f"write `{right}`", fix=fix
    )


def _is_step(scope: Scope, block: Block) -> bool:
    """Is it a step that there is? Reports it when not."""
    if block.kind == "use":
        return True
    try:
        step_entry(scope, block)
    except Reported:
        return False
    return True
