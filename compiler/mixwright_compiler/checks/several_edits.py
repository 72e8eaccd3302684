"""Fixes that change two places, or move, merge and wrap whole blocks, out of hints that say so."""

from __future__ import annotations

import re

from mixwright_compiler.catalog.catalog import Catalog
from mixwright_compiler.checks.edits import (
    around_of,
    attribute_at,
    attributes,
    before,
    block_at,
    can_have,
    covers,
    inserted,
    merged,
    moved,
    moved_before,
    statements,
    without,
    wrapped,
)
from mixwright_dsl.diagnostic import Diagnostic, Edit
from mixwright_dsl.nodes import Block, File, Ref
from mixwright_dsl.source import Span

_FIRST_MADE = re.compile(r"(?:convert|split) it first: `(derive \{ (\w+) = [^`]+ \})`")
"""A column that is made in front of the step, and read in the place of another."""
_MOVED = re.compile(r"move (?:this step|the step) below .*")
_MOVED_UP = re.compile(r"move the verifier above .*")
_MERGED = "move its lines into the first"
_WRAPPED = re.compile(r"wrap it: `(pipeline) name \{ … \}`")
_GROUPED = re.compile(r"group rows first: `(cluster (\w+) \{[^`]+\})`, then `by = \w+`")
_COUNTED = re.compile(r"count there, too: `(profile \{[^`]+\})`")
_NOT_SET = re.compile(r"`request` cannot set `(\w+)`.*")
_LEFT_OUT = re.compile(r"leave `([\w.]+)` out of .*")
_FIRST = re.compile(r"begin with `([^`]+)`")


def several(finding: Diagnostic, tree: File, catalog: Catalog) -> tuple[Edit, ...] | None:
    """What two places must change for; None where the hint says something else."""
    span, hint = finding.primary.span, finding.hint
    if match := _FIRST_MADE.fullmatch(hint):
        steps = [s for s in around_of(tree.body, span) if isinstance(s, Block)][1:]
        return (before(steps[0], match[1]), Edit(span, match[2])) if steps else ()
    if _MOVED.fullmatch(hint) or _MOVED_UP.fullmatch(hint):
        move = moved if _MOVED.fullmatch(hint) else moved_before
        blocks = [s for s in around_of(tree.body, span) if isinstance(s, Block)]
        for other in finding.secondary if len(blocks) > 1 else ():
            inside = [s for s in blocks[0].body if isinstance(s, Block) and covers(s.span, other.span)]
            if inside and (found := move(blocks[1], inside[0])):
                return found
        return ()
    if match := _LEFT_OUT.fullmatch(hint):
        return _left_out(finding, tree, match[1], catalog)
    if match := _NOT_SET.fullmatch(finding.message):
        return _instead(span, tree, match[1], catalog)
    return _of_blocks(finding, tree)


def _left_out(finding: Diagnostic, tree: File, name: str, catalog: Catalog) -> tuple[Edit, ...]:
    """Without the quota of a name, where the mixture has another one."""
    for place in (finding.primary, *finding.secondary):
        at, block = attribute_at(tree, place.span), block_at(tree, place.span)
        if at is not None and block is not None and at.name.name == name:
            quotas = [a for a in attributes(block) if not can_have(block, a.name.name, catalog)]
            return (without(at.span),) if len(quotas) > 1 else ()
    return ()


def _instead(span: Span, tree: File, name: str, catalog: Catalog) -> tuple[Edit, ...]:
    """What a model's requests cannot set, in each `generate` that asks this model."""
    blocks = [s for s in around_of(tree.body, span) if isinstance(s, Block)]
    set_here = [a for a in attributes(blocks[-1]) if a.name.name == name] if len(blocks) == 2 else []
    label = blocks[0].labels[0] if blocks and blocks[0].labels else None
    if len(set_here) != 1 or not isinstance(label, Ref):
        return ()
    edits = [without(set_here[0].span)]
    for block in statements(tree.body):
        own = {a.name.name: a.value for a in attributes(block)} if isinstance(block, Block) else {}
        model = own.get("model")
        is_asking = isinstance(model, Ref) and model.name == label.name
        if isinstance(block, Block) and is_asking and name not in own and can_have(block, name, catalog):
            added = inserted(block, set_here[0].span.text)
            edits += [added] if added is not None else []
    return tuple(edits)


def _of_blocks(finding: Diagnostic, tree: File) -> tuple[Edit, ...] | None:
    """Whole blocks that are merged, moved or put around another one; None where the hint says something else."""
    span, hint = finding.primary.span, finding.hint
    blocks = [s for s in around_of(tree.body, span) if isinstance(s, Block)]
    around = [s for s in blocks[-2].body if isinstance(s, Block)] if len(blocks) > 1 else []
    if hint == _MERGED:
        firsts = [found for other in finding.secondary if (found := block_at(tree, other.span))]
        return (merged(firsts[0], blocks[-1]) or ()) if blocks and firsts else ()
    if match := _FIRST.fullmatch(hint):
        starts = [s for s in around if s.kind == match[1].partition(" ")[0]]
        # Where there is none, one is put in.
        return (moved_before(starts[0], around[0]) or ()) if len(starts) == 1 else None
    if _WRAPPED.fullmatch(hint):
        return wrapped(blocks[0], "pipeline … {\n  from …\n  ") if blocks else ()
    if match := _GROUPED.fullmatch(hint):
        return (before(blocks[-1], match[1]), Edit(span, match[2])) if around else ()
    if match := _COUNTED.fullmatch(hint):
        return (before(around[1], match[1]),) if len(around) > 1 else ()
    return None
