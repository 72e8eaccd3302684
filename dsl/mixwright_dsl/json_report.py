"""Diagnostics as JSON, and its types, which the committed schemas are made of."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TypedDict

from mixwright_dsl.diagnostic import Diagnostic, Label, Severity
from mixwright_dsl.source import SourceFile

FORMAT_VERSION = "1.1"
"""Of the JSON: the second number grows with new fields, the first when one changes meaning or goes."""


class Point(TypedDict):
    """A place in a text, from 1; `offset` in characters, from 0."""

    line: int
    column: int
    offset: int


class Range(TypedDict):
    """A stretch of a file; `end` is behind it."""

    file: str
    start: Point
    end: Point


class LabelReport(Range):
    """A place that a finding is about."""

    label: str


class EditReport(Range):
    """`text` takes the place of what is there."""

    text: str


class FixReport(TypedDict):
    """What mends a finding. applicability: `machine-applicable` is sure."""

    message: str
    applicability: str
    edits: list[EditReport]


class DiagnosticReport(LabelReport):
    """A finding."""

    code: str
    severity: str
    message: str
    secondary: list[LabelReport]
    notes: list[str]
    hint: str
    fix: FixReport | None


class FindingsReport(TypedDict):
    """What was found; `summary` counts by severity."""

    diagnostics: list[DiagnosticReport]
    summary: dict[str, int]


def render_json(diagnostics: Sequence[Diagnostic], command: str = "") -> str:
    """A JSON object with `format_version`, `diagnostics` and counts in `summary`; positions start at 1."""
    found = findings_report(diagnostics)
    document = {"format_version": FORMAT_VERSION, **({"command": command} if command else {}), **found}
    # Escaped to ASCII: JSON's own way to keep control and bidirectional characters out of a terminal.
    return json.dumps(document, indent=2) + "\n"


def findings_report(diagnostics: Sequence[Diagnostic]) -> FindingsReport:
    """Findings with their counts."""
    counts = Counter(d.severity for d in diagnostics)
    return {
        "diagnostics": [diagnostic_report(d) for d in diagnostics],
        "summary": {f"{severity.value}s": counts[severity] for severity in Severity},
    }


def diagnostic_report(diagnostic: Diagnostic) -> DiagnosticReport:
    """A finding as it is in every command's JSON."""
    fix = diagnostic.fix
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        **_label_as_json(diagnostic.primary),
        "secondary": [_label_as_json(label) for label in diagnostic.secondary],
        "notes": list(diagnostic.notes),
        "hint": diagnostic.hint,
        "fix": None
        if fix is None
        else {
            "message": fix.message,
            "applicability": fix.applicability.value,
            "edits": [
                {**_range(e.span.source, e.span.start, e.span.end), "text": e.replacement} for e in fix.edits
            ],
        },
    }


def _label_as_json(label: Label) -> LabelReport:
    return {**_range(label.span.source, label.span.start, label.span.end), "label": label.message}


def _range(source: SourceFile, start: int, end: int) -> Range:
    def place(offset: int) -> Point:
        position = source.position(offset)
        return {"line": position.line, "column": position.column, "offset": offset}

    return {"file": source.name, "start": place(start), "end": place(end)}
