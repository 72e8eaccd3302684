"""Fixes out of hints that say what to type: ``write `X` ``, ``add `x = 1` ``, ``delete `x` ``, ``did you mean `X`?``.

Of a hint with several answers it is the first. What a person could have meant otherwise is `maybe-incorrect`; what has
a place to be filled in (`…`), or is an example, is `has-placeholders`; a tool applies by itself only what says the same
in a right way (`SAME_MEANING`). An attribute is only added to a block that can have it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from mixwright_compiler.catalog.blocks import language_blocks
from mixwright_compiler.catalog.catalog import Catalog
from mixwright_compiler.suggest import nearest
from mixwright_dsl.diagnostic import Applicability, Diagnostic, Edit, Fix
from mixwright_dsl.nodes import Attribute, Block, File, ListNode, ObjectNode, Ref, Statement
from mixwright_dsl.source import Span

SAME_MEANING = {
    "MIX214": "ids are in lower case",
    "MIX763": "stands there twice",
    "MIX855": "says nothing here",
    "MIX906": "allows nothing here",
}
"""Code -> what its message says where the hint changes nothing of what the spec means."""

_END = r"(?=$|[,:;.]| (?!to `)(?!in `))"
"""Behind what is to be typed: nothing that says where else it goes."""
_WRITE = re.compile(rf"(?:write|the nearest allowed is) `([^`]+)`{_END}")
_DO = re.compile(rf"(?!leave)[a-z][a-z' ]*: `([a-z]\w* = [^`]+)`{_END}")
_ONLY = re.compile(r"write one of: ([\w.]+)")
_EXAMPLE = re.compile(rf"(?:.*, )?for example `([^`]+)`{_END}")
_ADD = re.compile(rf"(?:add|add it:) `([^`]+)`{_END}")
_IN = re.compile(r"(?:write|add) `([^`]+)`(?: or more)? (?:in|to) `([\w. ]+)`")
"""Elsewhere than where the finding stands: in a block, by its head, or in a list."""
_FIRST = re.compile(r"begin with `([^`]+)`")
_DELETE = re.compile(rf"delete (it|the line|the comment|`([\w.]+)`){_END}")
_MEANT = re.compile(r"did you mean `([^`]+)`\?")
_ASSIGNMENT = re.compile(r"([a-z]\w*) = (.+)", re.DOTALL)
_TOKEN = re.compile(r"[\w.:/%$-]+(?:\([^()\n]*\))?")
_BLOCK = re.compile(r"[a-z]\w*( [\w.]+)* \{.*\}", re.DOTALL)
_EXPRESSION = re.compile(r"[^{}#\n]{1,80}")
_QUOTED = re.compile(r'"[^"\\\n]*"')


def with_fixes(findings: Iterable[Diagnostic], files: Sequence[File], catalog: Catalog) -> list[Diagnostic]:
    """The findings, each that has no fix with the one that its hint says."""
    trees = {id(file.source): file for file in files}
    return [_with_fix(finding, trees, catalog) for finding in findings]


def _with_fix(finding: Diagnostic, trees: dict[int, File], catalog: Catalog) -> Diagnostic:
    tree = trees.get(id(finding.primary.span.source))
    if finding.fix is not None or finding.hides or tree is None or not finding.hint:
        return finding
    edit = _edit(finding, tree, catalog)
    if edit is None:
        return finding
    if "…" in edit.replacement or _EXAMPLE.match(finding.hint):
        applicability = Applicability.PLACEHOLDER
    elif SAME_MEANING.get(finding.code, "\0") in finding.message:
        applicability = Applicability.MACHINE
    else:
        applicability = Applicability.MAYBE
    return replace(finding, fix=Fix(finding.hint, (edit,), applicability))


def _edit(finding: Diagnostic, tree: File, catalog: Catalog) -> Edit | None:
    span, hint = finding.primary.span, finding.hint
    if match := _MEANT.fullmatch(hint):
        return _renamed(span, match[1]) or _misspelt_in(span, match[1])
    if match := _IN.match(hint):
        return _elsewhere(span, tree, catalog, match[1], match[2])
    if match := _FIRST.fullmatch(hint):
        return _as_first(tree, span, match[1])
    if match := _ADD.match(hint):
        return _added(span, tree, catalog, match[1])
    if match := _DELETE.match(hint):
        return _deleted(span, tree, match[1], match[2])
    if match := _ONLY.fullmatch(hint):
        return _renamed(span, match[1])
    if match := _EXAMPLE.match(hint) or _WRITE.match(hint) or _DO.match(hint):
        if assigned := _ASSIGNMENT.fullmatch(match[1]):
            return _assigned(span, tree, catalog, assigned[1], assigned[2])
        return _renamed(span, match[1]) or (_expressed(span, match[1]) if match.end() == len(hint) else None)
    return None


def _expressed(span: Span, text: str) -> Edit | None:
    """One expression on a line in the place of another."""
    is_one = _EXPRESSION.fullmatch(span.text) and _EXPRESSION.fullmatch(text)
    return Edit(span, text) if is_one and text != span.text else None


def _misspelt_in(span: Span, text: str) -> Edit | None:
    """The one word of a larger place that is a slip of another."""
    words = [word for word in re.finditer(r"\w+", span.text) if is_slip(word[0], text)]
    if len(words) != 1 or not _TOKEN.fullmatch(text):
        return None
    start = span.start + words[0].start()
    return Edit(span.source.span(start, start + len(words[0][0])), text)


def is_slip(word: str, of: str) -> bool:
    """Is a word another one with letters missing, too many or swapped?"""
    return word != of and len(of) > 3 and nearest(word, [of]) is not None


def _added(span: Span, tree: File, catalog: Catalog, text: str) -> Edit | None:
    """An attribute, or a block, into the block that a finding stands at."""
    block = _block_at(tree, span)
    if block is None:
        return None
    assigned = _ASSIGNMENT.fullmatch(text)
    is_right = _can_have(block, assigned[1], catalog) if assigned else _BLOCK.fullmatch(text) is not None
    return _inserted(block, text) if is_right else None


def _elsewhere(span: Span, tree: File, catalog: Catalog, text: str, head: str) -> Edit | None:
    """Into another block, by its head (`generate solution`, `main`), or at the end of the list that a finding is of."""
    at = _attribute_at(tree, span)
    if at is not None and at.name.name == head and isinstance(at.value, ListNode) and at.value.items:
        end = at.value.items[-1].span.end
        return Edit(span.source.span(end, end), f", {text}") if _TOKEN.fullmatch(text) else None
    around = next((s for s in tree.body if isinstance(s, Block) and _covers(s.span, span)), None)
    for body in ((around.body,) if around is not None else ()), (tree.body,):
        inside = [s for part in body for s in _statements(part) if isinstance(s, Block)]
        found = [block for block in inside if head in (_head(block), _head(block).partition(" ")[2])]
        if len(found) == 1:
            assigned = _ASSIGNMENT.fullmatch(text)
            if assigned is None:
                return _inserted(found[0], text) if _BLOCK.fullmatch(text) else None
            there = next((a for a in _attributes(found[0]) if a.name.name == assigned[1]), None)
            if there is not None:
                return Edit(there.value.span, assigned[2])
            return _inserted(found[0], text) if _can_have(found[0], assigned[1], catalog) else None
    return None


def _head(block: Block) -> str:
    return " ".join([block.kind, *(label.name for label in block.labels if isinstance(label, Ref))])


def _as_first(tree: File, span: Span, text: str) -> Edit | None:
    """A statement before the one that a finding stands at, whose block has none of its kind yet."""
    blocks = [s for s in _around(tree.body, span) if isinstance(s, Block)]
    if len(blocks) < 2 or blocks[-1].kind_span != span:
        return None
    around = blocks[-2]
    word = text.partition(" ")[0]
    if any(isinstance(each, Block) and each.kind == word for each in around.body):
        return None
    written = span.source.line_text(span.position.line)
    indent = written[: span.position.column - 1]
    gap = f"\n{indent}" if not indent.strip() else ", "
    return Edit(span.source.span(span.start, span.start), f"{text}{gap}")


def _renamed(span: Span, text: str) -> Edit | None:
    """One word or quoted text in the place of another; None where something else stands there."""
    if _QUOTED.fullmatch(span.text):
        quoted = text if text.startswith('"') else f'"{text}"'
        return Edit(span, quoted) if _QUOTED.fullmatch(quoted) and quoted != span.text else None
    is_word = _TOKEN.fullmatch(span.text) is not None
    return Edit(span, text) if is_word and text != span.text else None


def _assigned(span: Span, tree: File, catalog: Catalog, name: str, value: str) -> Edit | None:
    """A value of the attribute that a finding stands at, or that its block has or lacks."""
    at = _attribute_at(tree, span)
    if at is not None and at.name.name == name:
        return Edit(at.value.span, value)
    block = _block_at(tree, span)
    if block is None:
        return None
    inside = [s for s in _statements(block.body) if isinstance(s, Attribute) and s.name.name == name]
    there = [attribute for attribute in inside if attribute in block.body] or inside
    if len(there) == 1:
        return Edit(there[0].value.span, value)
    is_right = not there and _can_have(block, name, catalog)
    return _inserted(block, f"{name} = {value}") if is_right else None


def _can_have(block: Block, name: str, catalog: Catalog) -> bool:
    """Is it an attribute of what the block declares?"""
    labels = [label.name for label in block.labels if isinstance(label, Ref)]
    keys = [f"step.{block.kind}", *(f"{block.kind}.{label}" for label in labels), block.kind]
    entry = next((catalog.entries[key] for key in keys if key in catalog.entries), None)
    entry = entry or language_blocks().get(block.kind)
    # Of an export or a tool an attribute chooses the page: then one of the family must have it.
    entries = [entry] if entry is not None else catalog.family(block.kind).values()
    return any(schema.name == name for each in entries for schema in each.attributes)


def _inserted(block: Block, statement: str) -> Edit | None:
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


def _deleted(span: Span, tree: File, what: str, name: str | None) -> Edit | None:
    if what == "the comment":
        return _without(span) if span.text.startswith("#") else None
    if name is None:
        at = _attribute_at(tree, span)
        is_whole = at is not None and (span.start == at.span.start or span == at.value.span)
        if at is not None and is_whole:
            return _without(at.span)
        if at is not None and isinstance(at.value, ListNode) and len(at.value.items) > 1:
            return next((_without(item.span) for item in at.value.items if item.span == span), None)
        block = _block_at(tree, span)
        is_named = block is not None and span in (block.kind_span, *(label.span for label in block.labels))
        return _without(block.span) if block is not None and is_named and at is None else None
    block = _block_at(tree, span)
    there = next((each for each in _attributes(block) if each.name.name == name), None) if block else None
    return _without(there.span) if there is not None else None


def _without(span: Span) -> Edit:
    """Take out a statement or a comment: its line where it stands alone in it, else it and the comma beside it."""
    text = span.source.text
    start, end = span.start, span.end
    before = text[:start].rpartition("\n")[2]
    after = text[end:].partition("\n")[0]
    if not before.strip() and after.strip() in ("", ","):
        return Edit(span.source.span(start - len(before), min(len(text), end + len(after) + 1)), "")
    if match := re.match(r"[ \t]*,[ \t]*", text[end:]):
        return Edit(span.source.span(start, end + match.end()), "")
    kept = before.rstrip().removesuffix(",").rstrip() if before.rstrip().endswith(",") else before.rstrip()
    return Edit(span.source.span(start - len(before) + len(kept), end), "")


def _statements(body: Iterable[Statement]) -> Iterator[Statement]:
    for statement in body:
        yield statement
        if isinstance(statement, Block):
            yield from _statements(statement.body)
        elif isinstance(statement.value, ObjectNode):
            yield from _statements(statement.value.body)


def _attributes(block: Block) -> Iterator[Attribute]:
    return (statement for statement in block.body if isinstance(statement, Attribute))


def _covers(outer: Span, inner: Span) -> bool:
    return outer.source is inner.source and outer.start <= inner.start and inner.end <= outer.end


def _around(body: Sequence[Statement], span: Span) -> Iterator[Statement]:
    """The statements around a place, the outermost first. They stand in the order of the text, so that no other is
    looked at: a spec with many findings is large."""
    at = bisect_right(body, span.start, key=lambda statement: statement.span.start) - 1
    if at < 0 or not _covers(body[at].span, span):
        return
    statement = body[at]
    yield statement
    if isinstance(statement, Block):
        yield from _around(statement.body, span)
    elif isinstance(statement.value, ObjectNode):
        yield from _around(statement.value.body, span)


def _attribute_at(tree: File, span: Span) -> Attribute | None:
    """The innermost attribute around a place."""
    found = [s for s in _around(tree.body, span) if isinstance(s, Attribute)]
    return found[-1] if found else None


def _block_at(tree: File, span: Span) -> Block | None:
    """The innermost block around a place."""
    found = [s for s in _around(tree.body, span) if isinstance(s, Block)]
    return found[-1] if found else None
