"""Secrets in a spec are reported without being shown: a terminal's history and a log of CI outlive the finding."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mixwright_dsl.diagnostic import Diagnostic, Edit, Label
from mixwright_dsl.lazy_dataclass import replace
from mixwright_dsl.source import SourceFile, Span

SHORTEST = 6
"""Characters of a secret that are looked for in messages; a shorter one is hidden only with the quotes around it."""


def without_secrets(diagnostics: Sequence[Diagnostic]) -> Sequence[Diagnostic]:
    """The same findings over texts in which every secret that one of them reports is `*`, its quotes apart."""
    spans = {d.primary.span for d in diagnostics if d.hides}
    if not spans:
        return diagnostics
    hidden = {span.text: _starred(span.text) for span in spans}
    hidden |= {
        text.strip('"'): _starred(text.strip('"')) for text in hidden if len(text.strip('"')) >= SHORTEST
    }
    sources: dict[int, SourceFile] = {}

    def said(text: str) -> str:
        for secret, stars in hidden.items():
            text = text.replace(secret, stars)
        return text

    def at(span: Span) -> Span:
        source = span.source
        if id(source) not in sources:
            sources[id(source)] = replace(source, text=said(source.text))
        return replace(span, source=sources[id(source)])

    return [_rewritten(diagnostic, said, at) for diagnostic in diagnostics]


def _starred(text: str) -> str:
    """As long as `text`, so that every place in the file stays where it is."""
    return "".join(c if c in '"\n' else "*" for c in text)


def _rewritten(diagnostic: Diagnostic, said: Callable[[str], str], at: Callable[[Span], Span]) -> Diagnostic:
    def label(shown: Label) -> Label:
        return Label(at(shown.span), said(shown.message))

    fix = diagnostic.fix
    if fix is not None:
        edits = tuple(Edit(at(edit.span), said(edit.replacement)) for edit in fix.edits)
        fix = replace(fix, message=said(fix.message), edits=edits)
    return replace(
        diagnostic,
        message=said(diagnostic.message),
        primary=label(diagnostic.primary),
        secondary=tuple(map(label, diagnostic.secondary)),
        notes=tuple(map(said, diagnostic.notes)),
        hint=said(diagnostic.hint),
        fix=fix,
    )
