"""Placeholders of other template languages, which Jinja leaves as they are: `{q}`, `${q}`, `｛｛ q ｝｝`, `%(q)s`, `<q>`.

Where the name between the signs is a column, every row gets those letters instead of its own text, and nothing fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from mixwright_compiler.findings import Findings
from mixwright_compiler.schema import Columns
from mixwright_compiler.templates.text import TemplateText
from mixwright_dsl.diagnostic import Applicability, Edit, Fix, Label
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.source import Span

_NAME = r"\s*(?P<name>[A-Za-z_]\w*)"
_OPEN, _CLOSE = "[{\N{FULLWIDTH LEFT CURLY BRACKET}]", "[}\N{FULLWIDTH RIGHT CURLY BRACKET}]"
# What stands before a brace may make it LaTeX's (`\frac{a}{b}`, `x^{n}`) or a regular expression's (`[0-9]{n}`).
_BRACED = (
    rf"(?<![A-Za-z0-9_\\^}}\])])[$#@]?{_OPEN}(?:\s*{_OPEN})?{_NAME}"
    rf"(?P<path>(?:\.\w+|\[\w+\])*)(?:[!:][^{{}}\s\"',]*)?\s*{_CLOSE}(?:\s*{_CLOSE})?"
)
_SIGNED = (
    rf"%\({_NAME}\)[sdr]|(?<![\w$\\])\$(?P<dollar>[A-Za-z_]\w+)\b(?!\$)|<<{_NAME.replace('name', 'chevron')}\s*>>"
    rf"|<{_NAME.replace('name', 'angle')}\s*>|\[{_NAME.replace('name', 'square')}\s*\](?!\()"
)
_BRACES, _SIGNS = frozenset("{\N{FULLWIDTH LEFT CURLY BRACKET}"), frozenset("%$<[")
"""What a match of each begins with, or has in it."""

_JINJA = re.compile(
    r"\{%[-+]?\s*raw\s*[-+]?%\}.*?\{%[-+]?\s*endraw\s*[-+]?%\}|\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL
)
"""What is not written as it stands, and what `raw` says is meant to have such signs."""


@dataclass(frozen=True)
class Placeholder:
    """`start`: index in the text that holds it; `is_braced`: between braces, which no prose puts around a word.

    `path`: what is read of the column, such as `.text` or `[0]`.
    """

    name: str
    start: int
    written: str
    is_braced: bool
    path: str = ""

    @property
    def right(self) -> str:
        """The same in Jinja; Python's `!r` and `:>8` have no counterpart."""
        return f"{{{{ {self.name}{self.path} }}}}"


def placeholders(text: str) -> Iterator[Placeholder]:
    """What looks like a placeholder of another language, in a text without Jinja."""
    # Nearly no text has such signs, and the patterns take a millisecond to compile.
    if _BRACES.intersection(text):
        for match in re.finditer(_BRACED, text):
            yield Placeholder(match["name"], match.start(), match[0], True, match["path"])
    if not _SIGNS.intersection(text):
        return
    for match in re.finditer(_SIGNED, text):
        if (name := match[match.lastgroup or 0]) and f"</{name}>" not in text:
            yield Placeholder(name, match.start(), match[0], False)


def of_template(text: str) -> tuple[Placeholder, ...]:
    """The placeholders in what a Jinja template writes as it stands."""
    return tuple(placeholders(_JINJA.sub(lambda match: "\0" * len(match[0]), text)))


def check_placeholders(
    text: TemplateText,
    found: tuple[Placeholder, ...],
    columns: Columns,
    reads: Mapping[str, None],
    use: Span,
    findings: Findings,
) -> None:
    """MIX310: the name of a column between other signs than `{{ }}`, in a template used with rows that have it.

    `found` are the text's placeholders. Between `<>`, `[]` and the like a name may be a word of the prompt: it counts
    only where the template does not read that column (`reads`) anywhere.
    """
    places: dict[str, list[Placeholder]] = {}
    for each in found:
        if each.name in columns.types and (each.is_braced or each.name not in reads):
            places.setdefault(each.name, []).append(each)
    for name, several in places.items():
        first = several[0]
        fix = None
        if text.is_mapped:
            edits = tuple(Edit(text.span_of(p.start, len(p.written)), p.right) for p in several)
            fix = Fix(f"write `{first.right}`", edits, Applicability.MAYBE)
        findings.warning(
            "MIX310",
            f"`{first.written}` is not filled in: every row gets these letters",
            text.span_of(first.start, len(first.written)) if text.is_mapped else text.span,
            f"`{name}` is a column",
            secondary=(Label(use, "used with these rows"),),
            hint=f"write `{first.right}`",
            fix=fix,
        )


def check_literal(value: str, columns: Columns, span: Span, findings: Findings) -> None:
    """MIX310 for a text in a row expression, which has no placeholders at all."""
    for found in placeholders(value):
        if found.is_braced and found.name in columns.types:
            joined = _joined(value, found, columns.types[found.name] == "text")
            findings.warning(
                "MIX310",
                f"`{found.written}` is not filled in: every row gets these letters",
                span,
                f"`{found.name}` is a column",
                hint=f"a text is joined: `{joined}`",
                fix=Fix(f"write `{joined}`", (Edit(span, f"({joined})"),), Applicability.MAYBE),
            )
            return  # the fix is for one; the next is told when it is in


def _joined(value: str, found: Placeholder, is_text: bool) -> str:
    """`"before " + column + " after"`."""
    column = f"{found.name}{found.path}"
    parts = [column if is_text else f"text({column})"]
    before, after = value[: found.start], value[found.start + len(found.written) :]
    if before:
        parts.insert(0, _quoted(before))
    if after:
        parts.append(_quoted(after))
    return " + ".join(parts)


def _quoted(text: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(character, character) for character in text) + '"'
