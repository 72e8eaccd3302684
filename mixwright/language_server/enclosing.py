"""Blocks around a place, and the entries of the catalog that say what can be written in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mixwright_compiler.catalog.blocks import KIND_BLOCKS, STEP_FAMILIES, language_blocks
from mixwright_compiler.catalog.catalog import AttributeSchema, Catalog, Entry
from mixwright_dsl.nodes import Attribute, Block, Ref, Statement

STEPS_IN = ("pipeline", "fragment", "test")
"""Blocks of the language whose body is steps."""


@dataclass(frozen=True)
class Enclosing:
    """One block around a place. `labels`: the words between its kind and its brace. `attributes`: those written in it.
    `ordinal`: how many blocks stand before it in the block around it. `key`: the attribute whose value it is, for
    `carry = { … }`, which is no block."""

    kind: str
    labels: tuple[str, ...] = ()
    attributes: frozenset[str] = frozenset()
    ordinal: int = 0
    key: str = ""


def enclosing_of(block: Block, ordinal: int = 0) -> Enclosing:
    labels = tuple(label.name for label in block.labels if isinstance(label, Ref))
    return Enclosing(block.kind, labels, attributes_of(block.body), ordinal)


def attributes_of(body: tuple[Statement, ...]) -> frozenset[str]:
    return frozenset(s.name.name if isinstance(s, Attribute) else s.kind for s in body)


def entry_of(around: tuple[Enclosing, ...], catalog: Catalog) -> Entry | None:
    """What says what can be written in the innermost of these blocks; None where nothing is known of it."""
    if not around:
        return None
    block, outer = around[-1], around[:-1]
    label = block.labels[0] if block.labels else ""
    if block.key:
        return None
    match block.kind:
        case kind if kind in KIND_BLOCKS:
            return catalog.family(kind).get(block.labels[1] if len(block.labels) > 1 else "")
        case "train":
            return catalog.only("train")
        case "export":
            return _wider(catalog.family("export"))
    may_be_step = is_in_steps(outer, catalog) or (bool(outer) and outer[-1].kind in ("mixture", "variant"))
    step = step_entry(block.kind, label, block.attributes, catalog) if may_be_step else None
    if step is not None:
        return step
    inner = entry_of(outer, catalog)
    schema = inner.attribute(block.kind) if inner is not None else None
    if schema is not None and schema.type.startswith("block:"):
        return catalog.entries.get(schema.type.removeprefix("block:"))
    return language_blocks().get(block.kind)


def step_entry(kind: str, label: str, attributes: frozenset[str], catalog: Catalog) -> Entry | None:
    """The entry of a step by the words that it is written with."""
    if kind in STEP_FAMILIES:
        return catalog.family(kind).get(label)
    steps = catalog.family("step")
    for entry in steps.values():
        if entry.with_attribute and entry.keyword == kind and entry.with_attribute in attributes:
            return entry
    return steps.get(kind)


def is_in_steps(around: tuple[Enclosing, ...], catalog: Catalog) -> bool:
    """Do steps stand directly in the innermost of these blocks?"""
    if not around or around[-1].key:
        return False
    if around[-1].kind in STEPS_IN:
        return True
    entry = step_entry(around[-1].kind, "", around[-1].attributes, catalog)
    return entry is not None and entry.loops


def attributes_in(around: tuple[Enclosing, ...], catalog: Catalog) -> tuple[AttributeSchema, ...]:
    """The attributes that can be written in the innermost of these blocks."""
    entry = entry_of(around, catalog)
    return () if entry is None else tuple(schema for schema in entry.attributes if schema.name != "*")


def words_of(schema: AttributeSchema | None) -> list[str]:
    """The words that an attribute takes; none where it takes something else."""
    head, _, words = schema.type.partition(":") if schema is not None else ("", "", "")
    return words.split("|") if head == "enum" else []


def _wider(exports: Mapping[str, Entry]) -> Entry | None:
    """The attributes of all export formats: which one it is, one of them says."""
    first = next(iter(exports.values()), None)
    if first is None:
        return None
    found = {schema.name: schema for entry in exports.values() for schema in entry.attributes}
    return Entry("export", "export", first.doc, attributes=tuple(found.values()))
