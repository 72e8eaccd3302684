"""Columns that a step will make, as far as its text shows: for steps before it that read them, and behind one that is
wrong."""

from __future__ import annotations

from mixwright_compiler.bind.kinds import plain_step
from mixwright_compiler.bind.loops import body_of
from mixwright_compiler.catalog.blocks import STEP_FAMILIES
from mixwright_compiler.catalog.makes import is_always_made, remakes
from mixwright_compiler.load.world import World
from mixwright_dsl.nodes import Attribute, Block, Ref
from mixwright_dsl.source import Span


def columns_ahead(world: World, block: Block) -> dict[str, Span]:
    """Columns a step will make, as far as its text shows."""
    if block.kind == "use":
        return {}
    if block.kind in STEP_FAMILIES:
        return _named_in(world, block)
    entry = plain_step(world, block)
    if entry is not None and entry.loops:
        found: dict[str, Span] = {}
        for inner in body_of(block, entry):
            found.update(columns_ahead(world, inner))
        for own in block.labels[:1]:
            made_names = (stated.replace("{label}", own.span.text) for stated in entry.makes)
            found.update(dict.fromkeys(made_names, own.span))
        return found
    if entry is not None and remakes(entry):
        return {
            s.name.name: s.name.span
            for s in block.body
            if isinstance(s, Attribute) and entry.attribute(s.name.name) is None
        }
    always = [name for name, type in entry.makes.items() if is_always_made(type)] if entry else []
    made = {name: block.kind_span for name in always if "{" not in name}
    if block.labels and isinstance(block.labels[0], Ref) and (entry is None or entry.label == "new_column"):
        label = block.labels[0].name
        made[label] = block.labels[0].span
        for name in always:
            made[name.replace("{label}", label)] = block.labels[0].span
    return made


def _named_in(world: World, block: Block) -> dict[str, Span]:
    """Columns that attributes name."""
    named = block.labels[0].name if block.labels and isinstance(block.labels[0], Ref) else ""
    entry = world.catalog.family(block.kind).get(named)
    if entry is None:
        return {}
    return {
        s.value.name: s.value.span
        for s in block.body
        if isinstance(s, Attribute) and isinstance(s.value, Ref)
        if (schema := entry.attribute(s.name.name)) is not None and schema.holds == "verdict"
    }
