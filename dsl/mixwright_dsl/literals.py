"""Values of strings and heredocs: escapes resolved, indentation taken off, positions kept."""

from __future__ import annotations

import re

from mixwright_dsl.diagnostic import Applicability, Diagnostic, Edit, Fix, Label, error
from mixwright_dsl.escapes import ESCAPE, ESCAPES
from mixwright_dsl.lazy_dataclass import replace
from mixwright_dsl.nodes import Heredoc
from mixwright_dsl.source import SourceFile


def string_value(source: SourceFile, start: int, end: int) -> tuple[str, list[Diagnostic]]:
    r"""The value of the quoted string at `start:end`; escapes are `\n \t \r \" \\ \uXXXX`.

    An unknown escape keeps its backslash and is reported, with doubling it as the fix: it is most often a
    regular expression.
    """
    raw = source.text[start + 1 : end - 1]
    if "\\" not in raw:
        return raw, []
    findings: list[Diagnostic] = []

    def resolve(match: re.Match[str]) -> str:
        digits, letter = match.groups()
        if digits:
            return chr(int(digits, 16))
        if letter in ESCAPES:
            return ESCAPES[letter]
        at = start + 1 + match.start()
        span = source.span(at, at + 2)
        double = Fix("double the backslash", (Edit(source.span(at, at), "\\"),))
        known = r"known escapes: \n \t \r \" \\ \uXXXX"
        hint = f"write `\\\\{letter}` for a backslash before `{letter}`"
        findings.append(error("MIX010", f"unknown escape `\\{letter}`", span, known, hint=hint, fix=double))
        return match.group()

    # Two \u escapes may be one character beyond the basic plane; a half alone cannot be written as UTF-8.
    value = ESCAPE.sub(resolve, raw).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value, findings


def heredoc_value(source: SourceFile, start: int, end: int) -> tuple[Heredoc, list[Diagnostic]]:
    """The heredoc at `start:end`, its lines taken back by the white space before the closing tag.

    Lines of white space alone may be shorter than that. Any other line that does not begin with the same
    white space is reported once for the heredoc, and keeps its own text.
    The value does not end with a line end.
    """
    opener, *body, closer = source.text[start:end].split("\n")
    tag = opener[3:].strip()
    prefix = closer[: len(closer) - len(closer.lstrip(" \t"))]
    lines: list[str] = []
    offsets: list[int] = []
    findings: list[Diagnostic] = []
    if any("<<~" in line and _opens_another(line.lstrip(" \t"), tag) for line in body):
        findings.append(_not_closed(source, start, tag))
    offset = start + len(opener) + 1
    for line in body:
        if line.startswith(prefix):
            dropped = len(prefix)
        elif not line.strip():
            dropped = len(line)
        else:
            dropped = 0
            if not findings:
                findings.append(_left_of_tag(source, start, offset, line, prefix, tag, body, end))
            if findings[0].fix is not None:
                blank = len(line) - len(line.lstrip(" \t"))
                edit = Edit(source.span(offset, offset + blank), _indented(line[:blank], prefix))
                findings[0] = replace(
                    findings[0], fix=replace(findings[0].fix, edits=(*findings[0].fix.edits, edit))
                )
        lines.append(line[dropped:])
        offsets.append(offset + dropped)
        offset += len(line) + 1
    if not offsets:
        offsets.append(offset)
    return Heredoc("\n".join(lines), tag, source.span(start, end), tuple(offsets)), findings


def _opens_another(line: str, tag: str) -> bool:
    """Is it the closing tag with the next heredoc behind it? As its line does not end there, it closes nothing."""
    return line.startswith(tag) and line.removeprefix(tag).lstrip(" \t,)]}").startswith("<<~")


def _not_closed(source: SourceFile, start: int, tag: str) -> Diagnostic:
    message = f"heredoc `<<~{tag}` is not closed before the next one opens"
    hint = f"write `{tag}` on a line of its own where the text ends"
    return error("MIX003", message, source.span(start, start + 3 + len(tag)), "opened here", hint=hint)


def _indented(blank: str, prefix: str) -> str:
    """The indentation of a line as its closing tag has it, and what goes beyond: a tab is as wide as one of its own."""
    width = len(blank.expandtabs(max(len(prefix), 1)))
    return prefix + " " * max(0, width - len(prefix.expandtabs(max(len(prefix), 1))))


def _left_of_tag(
    source: SourceFile, start: int, offset: int, line: str, prefix: str, tag: str, body: list[str], end: int
) -> Diagnostic:
    if any(other.rstrip().endswith(f"<<~{tag}") for other in body):
        # The text runs into the next heredoc with the same tag: its own closing tag is what is missing.
        return _not_closed(source, start, tag)
    indent = len(line) - len(line.lstrip(" \t"))
    at = source.span(offset, offset + max(indent, 1))
    fix = Fix(f"indent as `{tag}` is", (), Applicability.MAYBE)
    if "\t" in line[:indent] + prefix and line[:indent].strip(prefix[:1]):
        mine, tags = ("a tab" if "\t" in text else "spaces" for text in (line[:indent], prefix))
        return error(
            "MIX004",
            f"heredoc line is indented with {mine}, its closing tag with {tags}",
            source.span(offset, offset + indent),
            f"{mine}, shown as spaces" if mine == "a tab" else mine,
            secondary=(Label(source.span(end - len(tag), end), f"indented with {tags}"),),
            hint=f"indent the line with the {len(prefix)} characters that stand before `{tag}`",
            fix=fix,
        )
    return error(
        "MIX004",
        f"heredoc line starts left of its closing tag `{tag}`",
        at,
        f"must start with the {len(prefix)} white space characters before `{tag}`",
        secondary=(Label(source.span(end - len(tag), end), "the closing tag sets the indentation"),),
        hint=f"indent the line, or move `{tag}` to the left",
        fix=fix,
    )
