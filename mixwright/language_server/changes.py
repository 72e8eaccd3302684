"""Edits that an editor is offered: a new name everywhere, what mends a finding, a comment that allows it, a format."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from lsprotocol import types as lsp

from mixwright.language_server.cannot_rename import CannotRename
from mixwright.language_server.column_rename import home_of, rename_column
from mixwright.language_server.documents import Documents, is_library, path_of
from mixwright.language_server.places import Named, OfColumn
from mixwright.language_server.positions import position_of, range_of
from mixwright_dsl.diagnostic import Applicability, Diagnostic, Edit, Severity, touch
from mixwright_dsl.formatter import format_text
from mixwright_dsl.source import SourceFile, Span

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RESERVED = frozenset(("true", "false", "null", "not", "and", "or", "in"))


def renamed_span(place: object, source: SourceFile) -> Span:
    """The name that a rename would change.

    Raises:
        CannotRename: it is no name of a declaration, an import or a column of a step, or it comes with Mixwright.
    """
    if isinstance(place, OfColumn):
        home_of(place.column)
        return place.span
    if not isinstance(place, Named):
        raise CannotRename("only declarations, imports and columns can be renamed")
    if _is_of_library(place.declared):
        raise CannotRename(
            f"`{place.declared.text}` comes with Mixwright; `mixwright vendor` makes a copy of your own"
        )
    span = place.span
    quoted = span.text.startswith('"')
    return Span(span.source, span.start + quoted, span.end - quoted)


def rename(documents: Documents, path: Path, place: object, new: str) -> dict[Path, list[tuple[Span, str]]]:
    """File -> edits that give a declaration, an import or a column another name, in the whole project.

    Raises:
        CannotRename: the name cannot be written, it is taken, or it is not known that every place was found.
    """
    renamed_span(place, documents.source(path))
    if not _NAME.fullmatch(new) or new in _RESERVED:
        raise CannotRename(f"`{new}` is no name: letters, digits and `_`, no digit first")
    if isinstance(place, OfColumn):
        return rename_column(documents, place.column, new)
    assert isinstance(place, Named)
    declared = place.declared
    home = path_of(declared)
    module = documents.reading(home).module
    if (
        module is not None
        and new != declared.text
        and (new in module.declarations or new in module.import_spans)
    ):
        raise CannotRename(f"`{new}` is declared in {home.name} already")
    found: dict[Path, list[tuple[Span, str]]] = {home: [(declared, new)]}
    for span in documents.mentions_of(declared, home):
        file = path_of(span)
        quoted = span.text.startswith('"')
        inner = Span(span.source, span.end - quoted - len(declared.text), span.end - quoted)
        if inner.text == declared.text:
            found.setdefault(file, []).append((inner, new))
    return found


def _is_of_library(span: Span) -> bool:
    return span.source.path is not None and is_library(path_of(span))


def actions(
    uri: str,
    source: SourceFile,
    findings: Iterable[Diagnostic],
    shown: Iterable[lsp.Diagnostic],
    within: lsp.Range,
) -> list[lsp.CodeAction]:
    """What can be done about the findings in a range: its fix; of a warning or lint a comment that allows it. And all
    fixes at once that are sure."""
    found: list[lsp.CodeAction] = []
    sure: list[Edit] = []
    by_place = {(str(d.code), d.range.start.line, d.range.start.character): d for d in shown}
    for finding in findings:
        if finding.primary.span.source is not source:
            continue
        at = range_of(finding.primary.span)
        diagnostic = by_place.get((finding.code, at.start.line, at.start.character))
        fix = finding.fix
        is_here = fix is not None and all(edit.span.source is source for edit in fix.edits)
        if fix is not None and is_here and fix.applicability is Applicability.MACHINE:
            sure += () if touch(fix.edits, sure) else fix.edits
        if at.end.line < within.start.line or at.start.line > within.end.line:
            continue
        if fix is not None and is_here and fix.applicability is not Applicability.PLACEHOLDER:
            found.append(
                lsp.CodeAction(
                    fix.message,
                    kind=lsp.CodeActionKind.QuickFix,
                    diagnostics=[diagnostic] if diagnostic else None,
                    is_preferred=fix.applicability is Applicability.MACHINE,
                    edit=_edit(uri, fix.edits),
                )
            )
        if finding.severity is not Severity.ERROR:
            found.append(
                lsp.CodeAction(
                    f"allow {finding.code} here",
                    kind=lsp.CodeActionKind.QuickFix,
                    diagnostics=[diagnostic] if diagnostic else None,
                    edit=_edit(uri, (_allowing(source, finding),)),
                )
            )
    if sure:
        found.append(
            lsp.CodeAction(
                "mend all that is sure", kind=lsp.CodeActionKind.SourceFixAll, edit=_edit(uri, tuple(sure))
            )
        )
    return found


def _allowing(source: SourceFile, finding: Diagnostic) -> Edit:
    """A line before the one that the finding is on; `--` asks for the reason."""
    line = finding.primary.span.position.line
    start = source.line_starts[line - 1]
    text = source.line_text(line)
    indent = text[: len(text) - len(text.lstrip())]
    return Edit(Span(source, start, start), f"{indent}# mix: allow {finding.code} -- \n")


def _edit(uri: str, edits: Iterable[Edit]) -> lsp.WorkspaceEdit:
    return lsp.WorkspaceEdit(changes={uri: [lsp.TextEdit(range_of(e.span), e.replacement) for e in edits]})


def formatting(source: SourceFile) -> list[lsp.TextEdit]:
    """The edit that gives the canonical text: from the first line that changes to the last. None for a text that does not
    parse."""
    result = format_text(source)
    if not result.changed:
        return []
    before, after = source.text, result.text
    start = 0
    while start < min(len(before), len(after)) and before[start] == after[start]:
        start += 1
    end = 0
    while end < min(len(before), len(after)) - start and before[-1 - end] == after[-1 - end]:
        end += 1
    place = lsp.Range(position_of(source, start), position_of(source, len(before) - end))
    return [lsp.TextEdit(place, after[start : len(after) - end])]
