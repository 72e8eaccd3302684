"""The kinds that a spec may name: of the catalog, of the plugins that it imports, and of those that are installed."""

from __future__ import annotations

from mixwright_compiler.catalog.blocks import STEP_FAMILIES
from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.load.world import World
from mixwright_compiler.suggest import listing
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Block, Ref, named
from mixwright_dsl.source import Span


def kind_of(world: World, family: str, name: str) -> Entry | None:
    """The entry of a kind; installed plugins are looked at where nothing else has it. None where nothing does."""
    key = f"{family}.{name}"
    if key not in world.catalog.entries and not world.has_looked:
        from mixwright_compiler.load.plugin_imports import join_installed

        world.has_looked = True
        join_installed(world)
    found = world.catalog.entries.get(key)
    if found is not None and found.plugin is not None:
        world.used_plugins.add(found.plugin.name)
    return found


def step_kind(world: World, block: Block) -> Entry | None:
    """The catalog entry of a step; None, and nothing reported, where there is none."""
    if block.kind in STEP_FAMILIES and world.catalog.family(block.kind):
        first = (*block.labels, None)[0]
        return kind_of(world, block.kind, first.name) if isinstance(first, Ref) else None
    return plain_step(world, block)


def plain_step(world: World, block: Block) -> Entry | None:
    """The entry of a step that is written with one word; with an attribute more it may be another step."""
    for statement in block.body:
        other = world.catalog.entries.get(f"step.{block.kind}_{named(statement)[0]}")
        if other is not None and other.with_attribute:
            return other
    found = kind_of(world, "step", block.kind)
    return None if found is not None and found.with_attribute else found


def is_excused(world: World, family: str, name: str, at: Span) -> bool:
    """Whether nothing more is to be said of a kind that nothing declares: it may be of a plugin that was reported, or
    it is of two that are installed, which is reported here; as is each that was left out."""
    for plugin in world.left_out:
        fault = plugin.faults[0]
        place = fault.span.source.name
        where = f"{place}:{fault.span.position.line}: {fault.code}" if fault.span.source.text else place
        world.findings.warning(
            "MIX136",
            f"plugin `{plugin.name}` is installed and left out: {fault.message}",
            at,
            where,
            hint=f"`pip install --upgrade {plugin.name}`, or tell those who make it",
        )
    rivals = world.contested.get(f"{family}.{name}")
    if rivals:
        world.findings.error(
            "MIX133",
            f"{family} `{name}` is of {listing(f'`{rival}`' for rival in rivals)}",
            at,
            "two installed plugins declare it",
            hint=f"uninstall one: `pip uninstall {rivals[-1]}`",
        )
    return bool(rivals) or world.is_short_of_kinds


def declared_by_plugin(world: World, entry: Entry) -> tuple[Label, ...]:
    """Where a plugin declares an entry; nothing of those that ship."""
    at = world.declared_at.get(entry.key) if entry.plugin is not None else None
    return (Label(at, "declared here"),) if at is not None else ()
