"""Comments that allow one finding on the next statement: `# mix: allow MIX104 -- why`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from mixwright_dsl import nodes
from mixwright_dsl.diagnostic import Applicability, Diagnostic, Edit, Fix, error
from mixwright_dsl.grammar import lex
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.source import SourceFile, Span

_COMMENT = re.compile(r"#[ \t]*mix:(.*)")
_ALLOW = re.compile(r"[ \t]*allow[ \t]+(MIX[0-9]{3}(?:[ \t]*,[ \t]*MIX[0-9]{3})*)[ \t]*(?:--[ \t]*(.*))?\Z")


@dataclass(frozen=True)
class Suppression:
    """`codes` are allowed on the statement at `target`; `span` is the comment.

    A comment on a line of its own speaks of the next statement with all of its body; one behind a statement, of
    that line's statement. `target` is None where no statement follows.
    """

    codes: tuple[str, ...]
    span: Span
    target: Span | None
    reason: str

    def covers(self, diagnostic: Diagnostic) -> bool:
        """Is the diagnostic one of these codes, with its primary place inside the target?"""
        at = diagnostic.primary.span
        if self.target is None or diagnostic.code not in self.codes or at.source != self.target.source:
            return False
        return self.target.start <= at.start and at.end <= max(self.target.end, at.start)


@dataclass(frozen=True)
class Suppressions:
    """All of a file, and what is wrong with those that cannot be read."""

    items: tuple[Suppression, ...]
    diagnostics: tuple[Diagnostic, ...]


def suppressions(file: nodes.File) -> Suppressions:
    """The suppressing comments of a parsed file, in order."""
    source = file.source
    if "mix:" not in source.text:
        return Suppressions((), ())
    spans = sorted(_statement_spans(file.body), key=lambda span: (span.start, -span.end))
    items: list[Suppression] = []
    findings: list[Diagnostic] = []
    for span, is_trailing in _comments(source):
        match = _COMMENT.match(span.text)
        if match is None:
            continue
        allow = _ALLOW.match(match.group(1).rstrip())
        if allow is None:
            hint = "write `# mix: allow MIX104 -- why`"
            fix = _misspelt(span)
            findings.append(
                error("MIX012", "comment to the checker cannot be read", span, hint=hint, fix=fix)
            )
            continue
        codes = tuple(code.strip() for code in allow.group(1).split(","))
        target = _on_line(spans, span) if is_trailing else _after(spans, span)
        items.append(Suppression(codes, span, target, (allow.group(2) or "").strip()))
    return Suppressions(tuple(items), tuple(findings))


def _misspelt(span: Span) -> Fix | None:
    """`allow` for another word, where the rest of a comment can be read."""
    word = re.match(r"#[ \t]*mix:[ \t]*(\w+)", span.text)
    if word is None or _ALLOW.match(f"allow{span.text[word.end() :]}") is None:
        return None
    place = Span(span.source, span.start + word.start(1), span.start + word.end(1))
    return Fix("write `allow`", (Edit(place, "allow"),), Applicability.MAYBE)


def _comments(source: SourceFile) -> Iterator[tuple[Span, bool]]:
    """Every comment with whether a token stands before it on its line."""
    for token in lex(source.text):
        if token.type != "_NL":
            continue
        offset = token.start_pos
        for number, line in enumerate(token.split("\n")):
            text = line.strip(" \t")
            if text:
                start = offset + line.index("#")
                yield source.span(start, start + len(text)), number == 0 and token.start_pos > 0
            offset += len(line) + 1


def _statement_spans(body: Iterable[nodes.Statement]) -> Iterator[Span]:
    for statement in body:
        yield statement.span
        if isinstance(statement, nodes.Block):
            yield from _statement_spans(statement.body)
        elif isinstance(statement.value, nodes.ObjectNode):
            yield from _statement_spans(statement.value.body)


def _after(spans: list[Span], comment: Span) -> Span | None:
    """The outermost statement that begins next after the comment."""
    return next((span for span in spans if span.start >= comment.end), None)


def _on_line(spans: list[Span], comment: Span) -> Span | None:
    """The outermost statement that ends last before the comment on its line, else the innermost around it.

    Not the first on the line: formatting gives each statement its own line, and the comment stays with the last.
    """
    line = comment.position.line
    around = [span for span in spans if span.start < comment.start < span.end]
    opened = around[-1].start if around else -1
    ended = [
        span
        for span in spans
        if opened < span.start and span.end <= comment.start and _end_line(span) == line
    ]
    if ended:
        last = max(span.end for span in ended)
        return next(span for span in ended if span.end == last)
    return around[-1] if around else None


def _end_line(span: Span) -> int:
    return span.source.position(span.end).line
