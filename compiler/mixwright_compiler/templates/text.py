"""Jinja source with positions: parsing, and the way back from a line or a name to the file it stands in."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

from mixwright_compiler.findings import Findings, Reported
from mixwright_compiler.suggest import nearest, suggested
from mixwright_compiler.templates.trees import Node, NoTemplate, environment, tree_of
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.nodes import Expression, Heredoc, Text
from mixwright_dsl.source import SourceFile, Span

TAGS = ("if", "elif", "else", "endif", "for", "endfor", "set", "endset", "with", "endwith", "raw", "endraw")
"""Tags a template may use."""


@dataclass(frozen=True)
class Token:
    """`index`: offset in the template's text."""

    kind: str
    value: str
    line: int
    index: int


@dataclass
class TemplateText:
    """One message's Jinja source, its place in a file, and its tree once it has been parsed.

    `starts[i]` is the file offset of character `i` for a quoted string, of line `i` for a heredoc; a file of its own
    starts at 0.
    """

    text: str
    source: SourceFile
    span: Span
    lines: tuple[int, ...] | None = None
    characters: tuple[int, ...] | None = None
    tree: Any = None

    @cached_property
    def tokens(self) -> list[Token]:
        """Read when a finding needs a place; most templates have none."""
        return _tokens(self.text)

    @property
    def is_mapped(self) -> bool:
        """Has each character a place of its own? A text that a constant gives has one for all."""
        return self.characters is None or len(set(self.characters[:2])) > 1

    def span_of(self, index: int, length: int) -> Span:
        """The place of `length` characters at `index` of the text."""
        start, end = self._offset(index), self._offset(index + length)
        return Span(self.source, start, max(end, start + 1))

    def _offset(self, index: int) -> int:
        index = max(0, min(index, len(self.text)))
        if self.characters is not None:
            return self.characters[min(index, len(self.characters) - 1)]
        if self.lines is not None:
            line = self.text.count("\n", 0, index)
            column = index - (self.text.rfind("\n", 0, index) + 1)
            return self.lines[min(line, len(self.lines) - 1)] + column
        return index

    def line_start(self, line: int) -> int:
        """Index of the first character that is not blank on a 1-based line."""
        index = 0
        for _ in range(line - 1):
            found = self.text.find("\n", index)
            if found < 0:
                break
            index = found + 1
        while index < len(self.text) and self.text[index] in " \t":
            index += 1
        return index

    def line_span(self, line: int) -> Span:
        start = self.line_start(line)
        end = self.text.find("\n", start)
        return self.span_of(start, max(1, (len(self.text) if end < 0 else end) - start))

    def name_span(self, name: str, line: int, *, after: str = "") -> Span:
        """The first place at or after a line where `name` stands as a word, behind `after` (`.`, `|`) or not."""
        best: Token | None = None
        previous = ""
        for token in self.tokens:
            if token.kind in ("whitespace",):
                continue
            is_word = token.kind in ("name", "string") and token.value.strip("'\"") == name
            fits = previous == after if after else previous not in (".", "|")
            if is_word and fits and token.line >= line:
                best = token
                break
            previous = token.value
        if best is None:
            return self.line_span(line)
        return self.span_of(best.index, len(best.value))


def text_of(node: Expression) -> TemplateText | None:
    """The template in a string or heredoc; None for anything else."""
    match node:
        case Heredoc():
            return TemplateText(node.value, node.span.source, node.span, lines=node.lines)
        case Text():
            return TemplateText(node.value, node.span.source, node.span, characters=_characters(node))
    return None


def _characters(node: Text) -> tuple[int, ...]:
    """File offset of each character of a string's value, and of its end: an escape is several characters long."""
    raw, start = node.span.text, node.span.start
    if "\\" not in raw:
        return tuple(range(start + 1, start + len(raw)))
    offsets: list[int] = []
    i = 1
    while i < len(raw) - 1:
        offsets.append(start + i)
        if raw[i] != "\\":
            i += 1
        elif raw[i + 1 : i + 3] == "u{":
            i = raw.find("}", i) + 1 or len(raw)
        else:
            i += {"u": 6, "U": 10, "x": 4}.get(raw[i + 1 : i + 2], 2)
    offsets.append(start + len(raw) - 1)
    return tuple(offsets)


def parse_template(template: TemplateText, findings: Findings) -> None:
    """Fill in the tree.

    Raises:
        Reported: the text is no Jinja (MIX301).
    """
    if "{" not in template.text:
        template.tree = Node({"kind": "Template", "lineno": 1, "body": []})
        return
    try:
        template.tree = tree_of(template.text)
    except RecursionError:
        raise findings.error("MIX301", "the template is nested too deeply", template.span) from None
    except NoTemplate as broken:
        raise _syntax(template, broken.message, broken.line, findings) from None


def _tokens(text: str) -> list[Token]:
    tokens = []
    index = 0
    for line, kind, value in environment().lex(text):
        if not value.strip():
            continue
        at = text.find(value, index)
        if at < 0:
            continue
        tokens.append(Token(kind, value, line, at))
        index = at + len(value)
    return tokens


def _syntax(template: TemplateText, message: str, line: int, findings: Findings) -> Reported:
    """The finding for a text that Jinja cannot parse, in our words, at the tightest place that can be told."""
    text = template.text
    span = template.line_span(line)
    if match := re.search(r"unknown tag '(\w+)'", message):
        return _bad_tag(template, match[1], line, findings)
    if "end of template" in message.lower() or "Unexpected end" in message:
        return _unclosed(template, findings)
    if match := re.search(r"unexpected char '(.)' at (\d+)", message):
        at = template.span_of(int(match[2]), 1)
        return findings.error(
            "MIX301",
            f"unexpected `{match[1]}` in a template",
            at,
            hint="text outside `{{ }}` needs no quotes",
        )
    if match := re.search(r"unexpected '(.+?)'", message):
        index = text.find(match[1], template.line_start(line))
        at = template.span_of(index, len(match[1])) if index >= 0 else span
        return findings.error(
            "MIX301", f"unexpected `{match[1]}` in a template", at, hint="close what was opened before it"
        )
    if match := re.search(r"expected token '(.+?)', got '(.+?)'", message):
        wanted = {
            "end of print statement": "}}",
            "end of statement block": "%}",
            "name": "a name",
        }.get(match[1], match[1])
        found = match[2]
        index = _find_word(text, found, template.line_start(line))
        at = template.span_of(index, len(found)) if index >= 0 else span
        shown = {"end of template": "the end", "}": "}"}.get(found, found)
        return findings.error(
            "MIX301",
            f"expected `{wanted}` in a template, here `{shown}`",
            at,
            hint="write `{{ name }}` for a column, `{% … %}` for a statement",
        )
    return findings.error(
        "MIX301",
        "this line of the template does not parse",
        span,
        hint="write `{{ name }}` for a column, `{% if name %}…{% endif %}` for a condition",
    )


def _find_word(text: str, word: str, start: int) -> int:
    if not word[:1].isalnum():
        return text.find(word, start)
    match = re.compile(rf"\b{re.escape(word)}\b").search(text, start)
    # A word of the text may stand before the first brace of the line; look inside the braces.
    while match is not None and text.rfind("{", 0, match.start()) < text.rfind("}", 0, match.start()):
        match = re.compile(rf"\b{re.escape(word)}\b").search(text, match.end())
    return match.start() if match else -1


def _bad_tag(template: TemplateText, tag: str, line: int, findings: Findings) -> Reported:
    match = re.compile(rf"\{{%[-+]?\s*({re.escape(tag)})\b").search(
        template.text, template.text.rfind("\n", 0, template.line_start(line)) + 1
    )
    span = template.span_of(match.start(1), len(tag)) if match else template.line_span(line)
    if tag in TAGS:
        return findings.error(
            "MIX301",
            f"`{tag}` closes nothing here",
            span,
            hint=f"open it first: `{{% {tag.removeprefix('end')} … %}}`",
        )
    near = nearest(tag, TAGS)
    return findings.error(
        "MIX301",
        f"no tag `{tag}` in templates",
        span,
        **suggested(near, span, "tags are: if, for, set, with, raw"),
    )


def _unclosed(template: TemplateText, findings: Findings) -> Reported:
    """The block that was opened last and never closed; or braces that are not closed."""
    stack: list[tuple[str, int]] = []
    for match in re.finditer(r"\{%[-+]?\s*(\w+)", template.text):
        word = match[1]
        if word in ("if", "for", "with", "raw", "filter", "macro") or (
            word == "set" and "=" not in template.text[match.end() :].partition("%}")[0]
        ):
            stack.append((word, match.start(1)))
        elif word.startswith("end") and stack and stack[-1][0] == word[3:]:
            stack.pop()
    if stack:
        word, index = stack[-1]
        return findings.error(
            "MIX301",
            f"`{{% {word} %}}` is never closed",
            template.span_of(index, len(word)),
            "opened here",
            hint=f"add `{{% end{word} %}}`",
        )
    index = max(template.text.rfind("{{"), template.text.rfind("{%"), template.text.rfind("{#"), 0)
    opener = template.text[index : index + 2]
    closer = {"{{": "}}", "{%": "%}", "{#": "#}"}.get(opener, "}}")
    return findings.error(
        "MIX301",
        f"`{opener or '{{'}` is never closed",
        template.span_of(index, 2),
        "opened here",
        hint=f"add `{closer}`",
    )
