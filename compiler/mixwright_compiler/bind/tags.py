"""Tags of a mixture: names for components of any group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mixwright_compiler.bind.attributes import bind_attributes
from mixwright_compiler.bind.place import Place
from mixwright_compiler.catalog.blocks import language_blocks
from mixwright_compiler.findings import Reported
from mixwright_compiler.program import TagDecl
from mixwright_compiler.suggest import listing, nearest, one_of, suggested
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Attribute, Block, ListNode, Ref
from mixwright_dsl.source import Span

PREFIX = "tag."
"""What stands before a tag where it could be taken for a component: `without = [tag.persona]`."""


def bind_tags(
    place: Place, blocks: Sequence[Block], paths: Mapping[str, Sequence[str]]
) -> tuple[TagDecl, ...]:
    """The tags of a mixture.

    Args:
        paths: components by what a tag can call them; a name that was reported has none.
    """
    tags: dict[str, TagDecl] = {}
    for block in blocks:
        try:
            tag = _tag(place, block, paths, tags)
        except Reported:
            continue
        tags[tag.name] = tag
    return tuple(tags.values())


def _tag(
    place: Place, block: Block, paths: Mapping[str, Sequence[str]], tags: Mapping[str, TagDecl]
) -> TagDecl:
    match block.labels:
        case (Ref(parts=(name,)) as label,):
            pass
        case _:
            raise place.findings.error(
                "MIX120",
                "`tag` needs a name",
                block.kind_span,
                hint="write `tag persona { rows = [persona_math, persona_code] }`",
            )
    if name in tags:
        raise place.findings.error(
            "MIX114",
            f"tag `{name}` is declared twice",
            label.span,
            "declared again here",
            secondary=(Label(tags[name].name_span, "first declared here"),),
            hint="move its rows into the first",
        )
    if PREFIX + name in paths:
        raise place.findings.error(
            "MIX114",
            f"`{PREFIX}{name}` is a component of this mixture, too",
            label.span,
            "a variant could not tell them apart",
            hint=f"rename the tag: `{name}_rows`",
        )
    attributes = bind_attributes(place, language_blocks()["tag"], block.body, label.span, f"tag `{name}`")
    rows: dict[str, None] = {}
    for item in tagged(block):
        rows |= dict.fromkeys(_components(place, item.name, item.span, paths))
    doc = attributes["doc"].value if "doc" in attributes else ""
    return TagDecl(
        name=name,
        rows=tuple(rows),
        doc=str(doc),
        name_span=label.span,
        least=attributes.get("least"),
        most=attributes.get("most"),
    )


def tagged(block: Block) -> tuple[Ref, ...]:
    """What the `rows` of a tag's block name."""
    return tuple(
        item
        for statement in block.body
        if isinstance(statement, Attribute) and statement.name.name == "rows"
        for item in (statement.value.items if isinstance(statement.value, ListNode) else (statement.value,))
        if isinstance(item, Ref)
    )


def _components(place: Place, name: str, span: Span, paths: Mapping[str, Sequence[str]]) -> Sequence[str]:
    if name in paths:
        return paths[name]
    near = nearest(name, paths)
    raise place.findings.error(
        "MIX615",
        f"`{name}` is no component or group of this mixture",
        span,
        f"there are: {listing(paths, 12)}",
        **suggested(near, span, one_of(paths, 12)),
    )
