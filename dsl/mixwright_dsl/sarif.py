"""Diagnostics as SARIF 2.1.0, the format that code hosts take for annotations that outlive a run."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from mixwright_dsl.diagnostic import Diagnostic, Fix, Label, Severity
from mixwright_dsl.source import SourceFile, Span

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.LINT: "note"}


def render_sarif(diagnostics: Sequence[Diagnostic], version: str = "") -> str:
    """One SARIF run with one result per diagnostic; columns count code points."""
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    seen: Counter[str] = Counter()
    results = []
    for diagnostic in diagnostics:
        line_hash = _line_hash(diagnostic)
        seen[line_hash] += 1
        results.append(_result(diagnostic, codes.index(diagnostic.code), f"{line_hash}:{seen[line_hash]}"))
    driver: dict[str, Any] = {"name": "mixwright", "rules": [_rule(code) for code in codes]}
    if version:
        driver["version"] = version
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(code: str) -> dict[str, Any]:
    return {"id": code, "help": {"text": f"run: mixwright explain {code}"}}


def _result(diagnostic: Diagnostic, rule_index: int, fingerprint: str) -> dict[str, Any]:
    text = "\n".join([diagnostic.message, *diagnostic.notes, *([diagnostic.hint] if diagnostic.hint else [])])
    result: dict[str, Any] = {
        "ruleId": diagnostic.code,
        "ruleIndex": rule_index,
        "level": LEVELS[diagnostic.severity],
        "message": {"text": text},
        "locations": [_location(diagnostic.primary)],
        "partialFingerprints": {"primaryLocationLineHash": fingerprint},
    }
    if diagnostic.secondary:
        result["relatedLocations"] = [
            {"id": number, **_location(label)} for number, label in enumerate(diagnostic.secondary, 1)
        ]
    if diagnostic.fix is not None:
        result["fixes"] = [_fix(diagnostic.fix)]
    return result


def _location(label: Label) -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(label.span.source)},
            "region": _region(label.span),
        }
    }
    if label.message:
        location["message"] = {"text": label.message}
    return location


def _fix(fix: Fix) -> dict[str, Any]:
    changes: dict[str, list[dict[str, Any]]] = {}
    for edit in fix.edits:
        replacement = {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.replacement}}
        changes.setdefault(_uri(edit.span.source), []).append(replacement)
    return {
        "description": {"text": fix.message},
        "artifactChanges": [
            {"artifactLocation": {"uri": uri}, "replacements": replacements}
            for uri, replacements in changes.items()
        ],
    }


def _region(span: Span) -> dict[str, int]:
    start, end = span.source.position(span.start), span.source.position(span.end)
    return {
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    }


def _uri(source: SourceFile) -> str:
    path = PurePath(source.name)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _line_hash(diagnostic: Diagnostic) -> str:
    """Of the code and the line's text without its indentation: the same when lines above come or go."""
    span = diagnostic.primary.span
    line = span.source.line_text(span.position.line).strip()
    return hashlib.blake2b(f"{diagnostic.code}\n{line}".encode("utf-8", "replace"), digest_size=8).hexdigest()
