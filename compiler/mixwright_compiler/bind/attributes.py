"""Attributes of a block to typed values, as the catalog entry says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from mixwright_compiler.bind.kinds import declared_by_plugin
from mixwright_compiler.bind.labels import given_twice
from mixwright_compiler.bind.place import Place
from mixwright_compiler.bind.values import bind_value, example_of
from mixwright_compiler.catalog.blocks import language_blocks
from mixwright_compiler.catalog.catalog import AttributeSchema, Entry
from mixwright_compiler.catalog.references import BLOCKS, block_of
from mixwright_compiler.findings import Reported
from mixwright_compiler.program import Bound, Items, SubBlock
from mixwright_compiler.suggest import listing, nearest, suggested
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.lazy_dataclass import replace
from mixwright_dsl.nodes import (
    Attribute,
    Block,
    Expression,
    ObjectNode,
    Ref,
    Statement,
    named,
)
from mixwright_dsl.source import Span
from mixwright_dsl.tree import missing_equal


def bind_attributes(
    place: Place,
    entry: Entry,
    body: Sequence[Statement],
    at: Span,
    title: str,
    *,
    taken: Callable[[Statement], bool] = lambda _: False,
) -> dict[str, Bound]:
    """Bind every attribute of a block's body; `title` names the block in messages.

    `taken`: statements that the caller handles. An attribute that was reported is left out, as is an optional one
    without a default.
    """
    schemas = {schema.name: schema for schema in entry.attributes}
    free = schemas.pop("*", None)
    bound: dict[str, Bound] = {}
    seen: dict[str, Span] = {}
    for statement in body:
        if taken(statement):
            continue
        name, span = named(statement)
        schema = schemas.get(name)
        if (
            schema is None
            and free is not None
            and isinstance(statement, Attribute)
            and len(statement.name.parts) == 1
        ):
            schema = AttributeSchema(name, free.type, free.doc, cls=free.cls)
        if schema is None:
            at_plugin = declared_by_plugin(place.world, entry)
            _unknown_attribute(place, statement, title, list(schemas), seen, at_plugin)
            seen.setdefault(name, span)
            continue
        if schema.type.startswith(BLOCKS):
            with suppress(Reported):
                bound[name] = _one_more(place, schema, statement, bound.get(name))
            seen.setdefault(name, span)
            continue
        if name in seen:
            # The parser reports an attribute that is given twice; a block it cannot know to be one.
            if isinstance(statement, Block):
                given_twice(place.findings, name, span, seen[name])
            continue
        seen[name] = span
        try:
            bound[name] = _bind_statement(place, schema, statement)
        except Reported:
            continue
    declared = declared_by_plugin(place.world, entry)
    unknown = [s for s in body if isinstance(s, Block) and s.kind not in schemas and not taken(s)]
    needed = {n: s for n, s in schemas.items() if not (unknown and s.type.startswith(BLOCKS))}
    _missing(place, needed, seen, at, title, declared, writes=entry.family in ("export", "train"))
    for name, schema in schemas.items():
        if name not in seen and schema.default is not None:
            bound[name] = Bound(value=schema.default, span=at, is_default=True)
    return bound


def bind_budget(place: Place, body: Sequence[Statement]) -> Bound | None:
    """The `budget` block of a mixture or policy, where it has one: each limit, where it was written."""
    blocks = [s for s in body if isinstance(s, Block) and s.kind == "budget"]
    for block in blocks[:1]:
        if block.labels:
            place.findings.error(
                "MIX120",
                "`budget` has no name",
                block.labels[0].span,
                hint="write `budget { requests = 10k }`",
            )
    for block in blocks[1:]:
        given_twice(place.findings, "budget", block.kind_span, blocks[0].kind_span)
    if not blocks:
        return None
    limits = bind_attributes(
        place, language_blocks()["budget"], blocks[0].body, blocks[0].kind_span, "`budget`"
    )
    return Bound(value=limits, span=blocks[0].span)


def _missing(
    place: Place,
    schemas: dict[str, AttributeSchema],
    seen: dict[str, Span],
    at: Span,
    title: str,
    secondary: tuple[Label, ...],
    *,
    writes: bool,
) -> None:
    """Report required attributes that nobody wrote. One that looks like a misspelt one is not missing."""
    for name, schema in schemas.items():
        if schema.required and not {name, *(schema.waived_by or "").split(" or ")} & seen.keys():
            if any(other not in schemas and nearest(other, [name]) == name for other in seen):
                continue
            example = '"out/…"' if writes and schema.type == "path" else example_of(schema)
            if schema.type.startswith(BLOCKS):
                example = f"{example_of(_label_of(place, schema))} {{ … }}"
            place.findings.error(
                "MIX106",
                f"{title} has no `{name}`",
                at,
                "a required attribute is missing",
                secondary=secondary,
                hint=f"add `{name} {example}`"
                if schema.type.startswith(BLOCKS)
                else f"add `{name} = {example}`",
                notes=(schema.doc,) if schema.doc else (),
            )


def _unknown_attribute(
    place: Place,
    statement: Statement,
    title: str,
    names: list[str],
    seen: dict[str, Span],
    secondary: tuple[Label, ...],
) -> None:
    name, span = named(statement)
    near = nearest(name, [n for n in names if n not in seen], names)
    otherwise = f"it takes: {listing(names, 30)}" if names else "it takes no attributes"
    labels = statement.labels if isinstance(statement, Block) else ()
    if labels and labels[0].span.text in names:
        near, otherwise = None, f"write `{labels[0].span.text} {name} {{ … }}`"
    place.findings.error(
        "MIX105",
        f"{title} has no {'block' if isinstance(statement, Block) else 'attribute'} `{name}`",
        span,
        "unknown",
        secondary=secondary,
        **suggested(near, span, otherwise),
    )


def value_without_equal(place: Place, block: Block) -> Expression | None:
    """The value of `on_fail drop`, which reads like a block and is an attribute without its `=`; reports that."""
    if block.has_body or len(block.labels) != 1:
        return None
    place.findings.add(missing_equal(block.kind, block.kind_span))
    return block.labels[0]


def _bind_statement(place: Place, schema: AttributeSchema, statement: Statement) -> Bound:
    if isinstance(statement, Block):
        if (value := value_without_equal(place, statement)) is not None:
            return Bound(value=_value(place, schema, value), span=value.span)
        if statement.labels:
            raise place.findings.error(
                "MIX120", f"`{statement.kind}` has no name here", statement.labels[0].span
            )
        value = ObjectNode(statement.body, statement.span)
        if not schema.type.startswith(("block:", "json", "map[")):
            raise place.findings.error(
                "MIX107",
                f"`{schema.name}` is an attribute, not a block",
                statement.kind_span,
                hint=f"write `{schema.name} = {example_of(schema)}`",
            )
        return Bound(value=_value(place, schema, value, bare=True), span=statement.span)
    return Bound(
        value=_value(place, schema, statement.value),
        span=statement.value.span,
    )


def _value(place: Place, schema: AttributeSchema, node: Expression, *, bare: bool = False) -> Any:
    if schema.type.startswith("block:"):
        return _sub_block(place, schema, node)
    return bind_value(place, schema, schema.type, node, bare=bare)


def _sub_block(place: Place, schema: AttributeSchema, node: Expression) -> SubBlock:
    entry = place.world.catalog.entries.get(schema.type.removeprefix("block:"))
    if not isinstance(node, ObjectNode) or entry is None:
        raise place.findings.error(
            "MIX107",
            f"`{schema.name}` is a block",
            node.span,
            hint=f"write `{schema.name} {{ … }}`",
        )
    at = Span(node.span.source, node.span.start, node.span.start + 1)
    return SubBlock(bind_attributes(place, entry, node.body, at, f"`{schema.name}`"))


def _label_of(place: Place, schema: AttributeSchema) -> AttributeSchema:
    """What the label of one of several blocks stands for."""
    return place.world.catalog.entries[block_of(schema.type) or ""].attributes[0]


def _one_more(place: Place, schema: AttributeSchema, statement: Statement, before: Bound | None) -> Bound:
    """The blocks of a list with one more; raises Reported."""
    findings, first = place.findings, _label_of(place, schema)
    example = f"{schema.name} {example_of(first)} {{ … }}"
    if not isinstance(statement, Block):
        at = statement.value.span
        raise findings.error("MIX107", f"`{schema.name}` is a block", at, hint=f"write `{example}`")
    label = statement.labels[0] if len(statement.labels) == 1 else None
    if not isinstance(label, Ref):
        raise findings.error(
            "MIX107",
            f"`{schema.name}` takes one name in front of its block",
            statement.labels[-1].span if statement.labels else statement.kind_span,
            hint=f"for example `{example}`",
        )
    entry = place.world.catalog.entries[block_of(schema.type) or ""]
    # What is given for a param stands elsewhere; of a fragment that is looked at by itself it has no name to tell.
    is_here = label.span.source is statement.span.source
    title = f"`{schema.name} {label.name}`" if is_here else f"`{schema.name}`"
    inner = replace(entry, attributes=entry.attributes[1:])
    # The body first: without its name there is no block, and what is wrong in it is told all the same.
    at = label.span if is_here else statement.kind_span
    values = bind_attributes(place, inner, statement.body, at, title)
    named_as = bind_value(place, first, first.type, label)
    blocks = list(before.value) if before is not None else []
    spans = list(before.value.spans) if before is not None else []
    if any(block[first.name] == named_as for block in blocks):
        raise findings.error(
            "MIX115",
            f"{title} is given twice",
            label.span,
            "given again here",
            hint="move its lines into the first",
        )
    block = SubBlock({first.name: Bound(value=named_as, span=label.span), **values})
    return Bound(value=Items([*blocks, block], [*spans, label.span]), span=statement.span)
