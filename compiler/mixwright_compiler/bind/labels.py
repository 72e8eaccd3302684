"""The words after a block's kind: which kind of it, and none too many; and blocks that stand there once too often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mixwright_compiler.bind.kinds import is_excused, kind_of
from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.findings import Findings, Reported
from mixwright_compiler.load.world import World
from mixwright_compiler.suggest import MOST_KINDS, listing, nearest, one_of, suggested
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Block, Ref
from mixwright_dsl.source import Span


def kind_entry(world: World, family: str, block: Block, labels: Sequence[Any], what: str) -> Entry:
    """The catalog entry of the kind that a block's label names; raises Reported (MIX116, MIX120)."""
    entries = world.catalog.family(family)
    if not labels or not isinstance(labels[0], Ref):
        raise world.findings.error(
            "MIX120",
            f"`{block.kind}` needs {what}",
            labels[0].span if labels else block.kind_span,
            hint=f"{what.partition(' ')[2]}s are: {listing(entries, MOST_KINDS)}",
        )
    name = labels[0].name
    entry = kind_of(world, family, name)
    if entry is None:
        if is_excused(world, family, name, labels[0].span):
            raise Reported
        entries = world.catalog.family(family)
        near = nearest(name, entries)
        world.trusted.update(label.name for label in block.labels if isinstance(label, Ref))
        raise world.findings.error(
            "MIX116",
            f"no {family} kind `{name}`",
            labels[0].span,
            f"kinds are: {listing(entries, MOST_KINDS)}",
            **suggested(near, labels[0].span, one_of(entries, MOST_KINDS)),
        )
    return entry


def extra_labels(world: World, block: Block, labels: Sequence[Any], shape: str) -> None:
    """Report labels that have no meaning."""
    if labels:
        world.findings.error(
            "MIX120",
            f"`{block.kind}` has a label too many: `{labels[0].span.text}`",
            labels[0].span,
            "unexpected",
            hint=f"write `{shape}`",
        )


def given_twice(findings: Findings, name: str, again: Span, first: Span) -> None:
    """MIX115: a block inside another one, of a kind that stands there once."""
    findings.error(
        "MIX115",
        f"`{name}` is given twice",
        again,
        "given again here",
        secondary=(Label(first, "first given here"),),
        hint="move its lines into the first",
    )


def step_label(world: World, block: Block, entry: Entry, labels: Sequence[Any]) -> Ref | None:
    """The column that a step makes, or its name; None where its kind has none. Raises Reported (MIX120)."""
    if entry.label == "none":
        shape = (
            f"{block.kind} {entry.name} {{ … }}" if block.kind != entry.keyword else f"{block.kind} {{ … }}"
        )
        extra_labels(world, block, labels, shape)
        return None
    match labels:
        case [Ref(parts=(_,)) as label, *rest]:
            extra_labels(world, block, rest, f"{block.kind} {label.name} {{ … }}")
            return label
    raise world.findings.error(
        "MIX120",
        f"`{block.kind}` needs the name of the column it makes",
        labels[0].span if labels else block.kind_span,
        hint=f"write `{block.kind} answer {{ … }}`",
    )
