"""Places of a tree that fixes change, and edits that keep the layout around them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

from mixwright_compiler.catalog.blocks import language_blocks
from mixwright_compiler.catalog.catalog import Catalog
from mixwright_dsl.diagnostic import Edit
from mixwright_dsl.nodes import Attribute, Block, File, ObjectNode, Ref, Statement, named
from mixwright_dsl.source import Span


def can_have(block: Block, name: str, catalog: Catalog) -> bool:
    """Is it an attribute of what the block declares?"""
    labels = [label.name for label in block.labels if isinstance(label, Ref)]
    keys = [f"step.{block.kind}", *(f"{block.kind}.{label}" for label in labels), block.kind]
    entry = next((catalog.entries[key] for key in keys if key in catalog.entries), None)
    entry = entry or language_blocks().get(block.kind)
    nested = [e for e in catalog.entries.values() if e.name == block.kind and e.family.endswith("block")]
    # Of an export or a tool an attribute chooses the page: then one of the family must have it.
    entries = [*nested, entry] if entry is not None else nested or list(catalog.family(block.kind).values())
    return any(schema.name == name for each in entries for schema in each.attributes)


def inserted(block: Block, statement: str) -> Edit | None:
    """A statement at the end of a block, in the way in which the others stand there."""
    source = block.span.source
    if not block.has_body:
        return None
    close = block.span.end - 1
    if source.text[close : close + 1] != "}":
        return None
    if not block.body:
        return Edit(source.span(close, close), f" {statement} ")
    last = block.body[-1].span
    line = source.position(last.start).line
    if line == source.position(block.span.start).line:
        return Edit(source.span(last.end, last.end), f", {statement}")
    written = source.line_text(line)
    indent = written[: len(written) - len(written.lstrip())]
    # A comment behind the last statement stays with it.
    end = source.line_starts[source.position(last.end).line - 1] + len(
        source.line_text(source.position(last.end).line)
    )
    return Edit(source.span(end, end), f"\n{indent}{statement}") if end < close else None


def without(span: Span) -> Edit:
    """Take out a statement or a comment: its line where it stands alone in it, else it and the comma beside it."""
    text = span.source.text
    start, end = span.start, span.end
    before = text[:start].rpartition("\n")[2]
    after = text[end:].partition("\n")[0]
    if not before.strip() and after.strip() in ("", ","):
        return Edit(span.source.span(start - len(before), min(len(text), end + len(after) + 1)), "")
    if not before.strip() and (match := re.match(r"[ \t]*,?[ \t]*(?=#)", text[end:])):
        return Edit(span.source.span(start, end + match.end()), "")  # its comment stays, as a line
    if match := re.match(r"[ \t]*,[ \t]*", text[end:]):
        return Edit(span.source.span(start, end + match.end()), "")
    kept = before.rstrip().removesuffix(",").rstrip() if before.rstrip().endswith(",") else before.rstrip()
    return Edit(span.source.span(start - len(before) + len(kept), end), "")


def statements(body: Iterable[Statement]) -> Iterator[Statement]:
    for statement in body:
        yield statement
        if isinstance(statement, Block):
            yield from statements(statement.body)
        elif isinstance(statement.value, ObjectNode):
            yield from statements(statement.value.body)


def attributes(block: Block) -> Iterator[Attribute]:
    return (statement for statement in block.body if isinstance(statement, Attribute))


def covers(outer: Span, inner: Span) -> bool:
    return outer.source is inner.source and outer.start <= inner.start and inner.end <= outer.end


def around_of(body: Sequence[Statement], span: Span) -> Iterator[Statement]:
    """The statements around a place, the outermost first. They stand in the order of the text, so that no other is
    looked at: a spec with many findings is large."""
    at = bisect_right(body, span.start, key=lambda statement: statement.span.start) - 1
    if at < 0 or not covers(body[at].span, span):
        return
    statement = body[at]
    yield statement
    if isinstance(statement, Block):
        yield from around_of(statement.body, span)
    elif isinstance(statement.value, ObjectNode):
        yield from around_of(statement.value.body, span)


def attribute_at(tree: File, span: Span) -> Attribute | None:
    """The innermost attribute around a place."""
    found = [s for s in around_of(tree.body, span) if isinstance(s, Attribute)]
    return found[-1] if found else None


def block_at(tree: File, span: Span) -> Block | None:
    """The innermost block around a place."""
    found = [s for s in around_of(tree.body, span) if isinstance(s, Block)]
    return found[-1] if found else None


def moved(block: Block, below: Block) -> tuple[Edit, ...] | None:
    """A block in lines of its own to behind another one of the same body."""
    source = block.span.source
    lines = [_lines(each.span) for each in (block, below)]
    if None in lines or block.span.start > below.span.start:
        return None
    (start, end), (_, behind) = (each for each in lines if each is not None)
    return Edit(source.span(start, end), ""), Edit(source.span(behind, behind), source.text[start:end])


def moved_before(block: Block, other: Block) -> tuple[Edit, ...] | None:
    """A block in lines of its own to in front of an earlier one of the same body."""
    source, lines, at = block.span.source, _lines(block.span), _lines(other.span)
    if lines is None or at is None or block.span.start < other.span.start:
        return None
    return Edit(source.span(at[0], at[0]), source.text[slice(*lines)]), Edit(source.span(*lines), "")


def merged(first: Block, second: Block) -> tuple[Edit, ...] | None:
    """What a block holds to the end of another one; None where both hold the same, or a comment would be lost."""
    texts = [statement.span.text for statement in second.body]
    names = [named(statement)[0] for block in (first, second) for statement in block.body]
    has_comment = second.span.text.count("#") != sum(text.count("#") for text in texts)
    one = inserted(first, "\0")
    if one is None or not (first.body and texts) or has_comment or len(set(names)) < len(names):
        return None
    is_in_line = "\n" not in one.replacement
    if is_in_line and any("\n" in text for text in texts):
        return None
    added = "".join(one.replacement.replace("\0", text) for text in texts)
    return Edit(one.span, added), without(second.span)


def wrapped(block: Block, head: str) -> tuple[Edit, ...]:
    """A block inside another one, whose text up to this block is `head`."""
    source, span = block.span.source, block.span
    return Edit(source.span(span.start, span.start), head), Edit(source.span(span.end, span.end), "\n}")


def _lines(span: Span) -> tuple[int, int] | None:
    """The whole lines of a statement; None where something else stands in them but a comment."""
    text = span.source.text
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end) + 1
    rest = text[span.end : end].strip()
    is_alone = end > 0 and not text[start : span.start].strip() and (not rest or rest.startswith("#"))
    return (start, end) if is_alone else None


def before(block: Block, statement: str) -> Edit:
    """A statement in front of a block, in the way in which that stands there."""
    source, start = block.span.source, block.span.start
    lead = source.text[source.text.rfind("\n", 0, start) + 1 : start]
    return Edit(source.span(start, start), f"{statement}\n{lead}" if not lead.strip() else f"{statement}, ")
