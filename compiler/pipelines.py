"""Pipelines: `from`, then steps, each with the columns after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.binding import bind_attributes
from compiler.blocks import language_blocks
from compiler.findings import Reported
from compiler.place import Place
from compiler.program import PipelineDecl
from compiler.world import REFERENCE_KINDS, Declaration
from dsl.diagnostic import Label
from dsl.nodes import Block

if TYPE_CHECKING:
    from compiler.resolve import Resolver

from compiler.flow import Flow, step_entry


def bind_pipeline(resolver: Resolver, declaration: Declaration) -> PipelineDecl | None:
    """The pipeline with the schema after each step; None when it has no usable `from`."""
    block, module = declaration.node, declaration.module
    findings = resolver.world.findings
    title = f"pipeline `{declaration.name}`"
    resolver.extra_labels(block, block.labels[1:], f"pipeline {declaration.name} {{ … }}")
    entry = language_blocks()["pipeline"]
    blocks = [s for s in block.body if isinstance(s, Block)]
    attributes = bind_attributes(
        Place(resolver.world, module),
        entry,
        block.body,
        declaration.name_span,
        title,
        taken=lambda s: isinstance(s, Block),
    )
    if not blocks or blocks[0].kind != "from":
        if blocks and not _is_step(resolver, blocks[0]):
            return None  # reported: it may be a misspelt `from`
        start_at = next((b for b in blocks if b.kind == "from"), None)
        visible = resolver.world.visible(module, REFERENCE_KINDS["start"])
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
                _is_step(resolver, later)
        return None
    flow = Flow(resolver, module, declaration.name, blocks)
    start = flow.start(blocks[0])
    steps = flow.steps(blocks[1:])
    resolver.columns[declaration.qualified] = flow.columns
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
    )


def _is_step(resolver: Resolver, block: Block) -> bool:
    """Is it a step that there is? Reports it when not."""
    try:
        step_entry(resolver, block)
    except Reported:
        return False
    return True
