"""Fixes out of hints that say what to type: ``write `X` ``, ``add `x = 1` ``, ``delete `x` ``, ``did you mean `X`?``.

Of a hint with several answers it is the first. What a person could have meant otherwise is `maybe-incorrect`; what has
a place to be filled in (`…`), or is an example, is `has-placeholders`; a tool applies by itself only what says the same
in a right way (`SAME_MEANING`). An attribute is only added to a block that can have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mixwright_compiler.catalog.catalog import Catalog
from mixwright_compiler.checks.edits import (
    around_of,
    attribute_at,
    attributes,
    block_at,
    can_have,
    covers,
    inserted,
    statements,
    without,
)
from mixwright_compiler.checks.several_edits import several
from mixwright_compiler.suggest import nearest
from mixwright_dsl.diagnostic import Applicability, Diagnostic, Edit, Fix
from mixwright_dsl.lazy_dataclass import replace
from mixwright_dsl.nodes import (
    Attribute,
    Block,
    Expression,
    File,
    Heredoc,
    ListNode,
    ObjectNode,
    Ref,
    Text,
    parts_of,
)
from mixwright_dsl.source import Span

SAME_MEANING = {
    "MIX214": "ids are in lower case",
    "MIX711": "takes the place of",
    "MIX763": "stands there twice",
    "MIX855": "says nothing here",
    "MIX887": "twice",
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
_IN = re.compile(r"(?:[^:]*: )?(?:write|add) `([^`]+)`(?: or more)? (?:in|to) `([\w. ]+)`")
"""Elsewhere than where the finding stands: in a block, by its head, or in a list."""
_FIRST = re.compile(r"begin with `([^`]+)`")
_DELETE = re.compile(
    rf"delete (it|one of (?:them|the two)|the line|the comment|`([\w.]+)(?: = [^`]+)?`){_END}"
)
_MEANT = re.compile(r"did you mean `([^`]+)`\?")
_NAMED = re.compile(r"(?:this file can name|name a model that writes text): `?([\w.]+)`?")
_RENAMED = re.compile(
    r"(?:rename one|choose another name|give it another name): `(?:\w+ )?(\w+)(?: \{ … \})?`"
)
_CONVERTED = re.compile(r"convert it: `(\w+\(([^`]+)\))`")
_CALLED = re.compile(r"call it as the tool: `(def \w+)\(…\)`, not `(\w+)`")
_OF_DRAWN = re.compile(r"write `drawn\.(\w+)` for the column of the drawn row")
_SHOWN = re.compile(r"put it into the template: `(\{\{ [\w.]+ \}\})`")
_BOTH_SHOWN = re.compile(r"put `(\{\{ [\w.]+ \}\})` and `(\{\{ [\w.]+ \}\})` into it.*")
_CLOSED = re.compile(r"add `(\{% end\w+ %\})`")
_THERE = re.compile(r"add `(\w+)` to `(\w+)`(?: there| of `from`)?")
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
    edits = _edits(finding, tree, catalog)
    if not edits:
        return finding
    if any("…" in edit.replacement for edit in edits) or _EXAMPLE.match(finding.hint):
        applicability = Applicability.PLACEHOLDER
    elif SAME_MEANING.get(finding.code, "\0") in finding.message:
        applicability = Applicability.MACHINE
    else:
        applicability = Applicability.MAYBE
    return replace(finding, fix=Fix(finding.hint, edits, applicability))


def _edits(finding: Diagnostic, tree: File, catalog: Catalog) -> tuple[Edit, ...]:
    edits = several(finding, tree, catalog)
    if edits is None:
        one = _edit(finding, tree, catalog)
        edits = (one,) if one is not None else ()
    return edits


def _edit(finding: Diagnostic, tree: File, catalog: Catalog) -> Edit | None:
    span, hint = finding.primary.span, finding.hint
    if match := _NAMED.fullmatch(hint) or _RENAMED.fullmatch(hint):
        return _renamed(span, match[1])
    if match := _CONVERTED.fullmatch(hint):
        return _only_in(finding, tree, match[2], match[1])
    if match := _CALLED.fullmatch(hint):
        return _word_in(span, f"def {match[2]}", match[1])
    if match := _OF_DRAWN.match(hint):
        return _word_in(span, match[1], f"drawn.{match[1]}")
    if match := _BOTH_SHOWN.fullmatch(hint):
        return _at_end_of_text(finding, tree, f"{match[1]} {match[2]}")
    if match := _SHOWN.fullmatch(hint) or _CLOSED.fullmatch(hint):
        return _at_end_of_text(finding, tree, match[1])
    if match := _MEANT.fullmatch(hint):
        return _renamed(span, match[1]) or _misspelt_in(span, match[1])
    if match := _IN.match(hint):
        found = _elsewhere(span, tree, catalog, match[1], match[2])
        is_list = found is None and _THERE.fullmatch(hint)
        return _listed(finding, tree, match[2], match[1]) if is_list else found
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
        if match.end() < len(hint):
            return _renamed(span, match[1])
        return _renamed(span, match[1]) or _expressed(span, match[1]) or _composed(span, tree, match[1])
    return None


def _only_in(finding: Diagnostic, tree: File, text: str, right: str) -> Edit | None:
    """Another expression in the place of the one of this text in the value that a finding stands in."""
    at = attribute_at(tree, finding.primary.span)
    return _word_in(at.value.span, text, right) if at is not None else None


def _word_in(span: Span, word: str, right: str) -> Edit | None:
    """A word, or an expression, that stands once in a place."""
    found = list(re.finditer(rf"(?<![\w.]){re.escape(word)}(?![\w.])", span.text))
    if len(found) != 1:
        return None
    start = span.start + found[0].start()
    return Edit(span.source.span(start, start + len(word)), right)


def _at_end_of_text(finding: Diagnostic, tree: File, text: str) -> Edit | None:
    """At the end of the template that a finding stands in, or points at."""
    at = attribute_at(tree, finding.primary.span)
    if at is None or not isinstance(at.value, Text | Heredoc):
        named = [block_at(tree, other.span) for other in finding.secondary]
        templates = [block for block in named if block is not None and block.kind in ("template", "operator")]
        texts = [a for block in templates[:1] for a in attributes(block) if a.name.name in ("user", "prompt")]
        at = texts[0] if texts else None
    if at is None:
        return None
    source, value = at.value.span.source, at.value
    if isinstance(value, Text):
        end = value.span.end - 1
        return Edit(source.span(end, end), text if text.startswith("{%") else f"\\n{text}")
    if not isinstance(value, Heredoc):
        return None
    end = source.text.rfind("\n", 0, value.span.end)
    indent = source.text[end + 1 : value.span.end].partition(value.tag)[0]
    return Edit(source.span(end, end), f"\n{indent}{text}")


def _listed(finding: Diagnostic, tree: File, name: str, item: str) -> Edit | None:
    """At the end of a list that the finding points at, or that its pipeline begins with."""
    for other in (*finding.secondary, finding.primary):
        blocks = [s for s in around_of(tree.body, other.span) if isinstance(s, Block)]
        starts = [s for s in blocks[0].body if isinstance(s, Block) and s.kind == "from"] if blocks else []
        there = [a for block in (*blocks[-1:], *starts) for a in attributes(block) if a.name.name == name]
        if there and isinstance(there[0].value, ListNode) and there[0].value.items:
            end = there[0].value.items[-1].span.end
            return Edit(other.span.source.span(end, end), f", {item}")
    return None


def _expressed(span: Span, text: str) -> Edit | None:
    """One expression on a line in the place of another."""
    is_one = _EXPRESSION.fullmatch(span.text) and _EXPRESSION.fullmatch(text)
    return Edit(span, text) if is_one and text != span.text else None


def _composed(span: Span, tree: File, text: str) -> Edit | None:
    """A list or an object in the place of the one that a finding stands in, or of what it stands at."""
    kind = {"[": ListNode, "{": ObjectNode}.get(text[0])
    values = _values_at(tree, span)
    around = [value for value in values if kind is not None and isinstance(value, kind)]
    at = around[-1:] or [value for value in values if value.span == span]
    return Edit(at[0].span, text) if kind is not None and at else None


def _values_at(tree: File, span: Span) -> list[Expression]:
    """The values around a place, the outermost first."""
    at = attribute_at(tree, span)
    parts = parts_of(at.value) if at is not None else ()
    return [p for p in parts if not isinstance(p, Attribute | Block) and covers(p.span, span)]


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
    """An attribute, or a block, into the block or object that a finding stands at, or names."""
    block = block_at(tree, span)
    if block is None:
        return None
    assigned = _ASSIGNMENT.fullmatch(text)
    if assigned is None:
        return inserted(block, text) if _BLOCK.fullmatch(text) else None
    blocks = [s for s in around_of(tree.body, span) if isinstance(s, Block)]
    # What a mixture takes rows from is no attribute of it.
    having = next(
        (b for b in reversed(blocks) if can_have(b, assigned[1], catalog) or assigned[2] == "all"), None
    )
    at = next((v for v in _values_at(tree, span) if isinstance(v, ObjectNode) and v.span == span), None)
    if having is None and at is not None and at.body:
        end = at.body[-1].span.end
        return Edit(span.source.span(end, end), f", {text}")
    having = having or _declared(span, tree, assigned[1], catalog)
    return inserted(having, text) if having is not None else None


def _declared(span: Span, tree: File, name: str, catalog: Catalog) -> Block | None:
    """The declaration that is named at a place elsewhere, where it can have an attribute and has not."""
    blocks = [s for s in tree.body if isinstance(s, Block) and s.labels and not covers(s.span, span)]
    found = [b for b in blocks if isinstance(b.labels[0], Ref) and b.labels[0].name == span.text]
    can = [b for b in found if can_have(b, name, catalog) and all(a.name.name != name for a in attributes(b))]
    return can[0] if len(can) == 1 else None


def _elsewhere(span: Span, tree: File, catalog: Catalog, text: str, head: str) -> Edit | None:
    """Into another block, by its head (`generate solution`, `main`), or at the end of the list that a finding is of."""
    at = attribute_at(tree, span)
    if at is not None and at.name.name == head and isinstance(at.value, ListNode) and at.value.items:
        end = at.value.items[-1].span.end
        return Edit(span.source.span(end, end), f", {text}") if _TOKEN.fullmatch(text) else None
    around = next((s for s in tree.body if isinstance(s, Block) and covers(s.span, span)), None)
    for body in ((around.body,) if around is not None else ()), (tree.body,):
        inside = [s for part in body for s in statements(part) if isinstance(s, Block)]
        found = [block for block in inside if head in _heads(block)]
        if len(found) == 1:
            assigned = _ASSIGNMENT.fullmatch(text)
            if assigned is None:
                return inserted(found[0], text) if _BLOCK.fullmatch(text) else None
            there = next((a for a in attributes(found[0]) if a.name.name == assigned[1]), None)
            if there is not None:
                return Edit(there.value.span, assigned[2])
            return inserted(found[0], text) if can_have(found[0], assigned[1], catalog) else None
    return None


def _heads(block: Block) -> tuple[str, ...]:
    """What a block is called: `generate solution`, `main` of a mixture; of a model its engine may be left out."""
    words = [block.kind, *(label.name for label in block.labels if isinstance(label, Ref))]
    return " ".join(words), " ".join(words[1:]), " ".join(words[:2])


def _as_first(tree: File, span: Span, text: str) -> Edit | None:
    """A statement before the one that a finding stands at, whose block has none of its kind yet."""
    blocks = [s for s in around_of(tree.body, span) if isinstance(s, Block)]
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
    at = attribute_at(tree, span)
    if at is not None and at.name.name == name:
        return Edit(at.value.span, value)
    for block in reversed([s for s in around_of(tree.body, span) if isinstance(s, Block)]):
        inside = [s for s in statements(block.body) if isinstance(s, Attribute) and s.name.name == name]
        there = [attribute for attribute in inside if attribute in block.body] or inside
        if len(there) == 1:
            return Edit(there[0].value.span, value)
        if there:
            return None
        if can_have(block, name, catalog):
            return inserted(block, f"{name} = {value}")
    declared = _declared(span, tree, name, catalog)
    return inserted(declared, f"{name} = {value}") if declared is not None else None


def _deleted(span: Span, tree: File, what: str, name: str | None) -> Edit | None:
    if what == "the comment":
        return without(span) if span.text.startswith("#") else None
    if name is None:
        at = attribute_at(tree, span)
        is_whole = at is not None and (span.start == at.span.start or span == at.value.span)
        if at is not None and is_whole:
            return without(at.span)
        if at is not None and isinstance(at.value, Text | Heredoc) and not is_whole:
            return Edit(span, "")
        if at is not None and isinstance(at.value, ListNode):
            items = at.value.items if len(at.value.items) > 1 else ()
            return next((without(item.span) for item in items if item.span == span), None)
        block = block_at(tree, span)
        is_named = block is not None and span in (block.kind_span, *(label.span for label in block.labels))
        return without(block.span) if block is not None and is_named and at is None else None
    block = block_at(tree, span)
    there = next((each for each in attributes(block) if each.name.name == name), None) if block else None
    return without(there.span) if there is not None else None
