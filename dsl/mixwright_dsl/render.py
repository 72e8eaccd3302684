"""Diagnostics to text: `full` for people, `concise` for editors, `json`, `sarif` and `github` for machines.

Every format escapes control characters of the user's text, so a spec cannot drive a terminal or a log, and shows no
secret that one of the findings is about.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import TextIO

from mixwright_dsl.diagnostic import Diagnostic, Severity
from mixwright_dsl.visible import Painted, visible

FORMATS = ("full", "concise", "json", "sarif", "github")


def render(
    diagnostics: Sequence[Diagnostic],
    format: str = "full",
    *,
    color: bool = False,
    version: str = "",
    command: str = "",
) -> str:
    """The diagnostics in one of FORMATS, ending with a line end unless there is nothing to print.

    Args:
        color: with ANSI colours; only `full` has them.
        version: of the tool, for SARIF.
        command: whose findings they are, for the JSON.

    Raises:
        ValueError: no such format.
    """
    if diagnostics:
        from mixwright_dsl.hidden import without_secrets

        diagnostics = without_secrets(diagnostics)
    match format:
        case "full":
            return render_full(diagnostics, color=color)
        case "concise":
            return render_concise(diagnostics)
        case "json":
            from mixwright_dsl.json_report import render_json

            return render_json(diagnostics, command)
        case "sarif":
            from mixwright_dsl.sarif import render_sarif

            return render_sarif(diagnostics, version)
        case "github":
            return render_github(diagnostics)
    raise ValueError(f"no format {format!r}; formats: {', '.join(FORMATS)}")


def render_full(diagnostics: Sequence[Diagnostic], *, color: bool = False) -> str:
    """For a terminal: lines of the file with carets, an empty line between findings, the count at the end."""
    if not diagnostics:
        return ""
    from mixwright_dsl.snippet import Painter, render_diagnostic

    paint = Painter(color)
    parts = [render_diagnostic(diagnostic, paint) for diagnostic in diagnostics]
    return Painted("\n\n".join([*parts, summary(diagnostics)]) + "\n")


def render_concise(diagnostics: Sequence[Diagnostic]) -> str:
    """One line each: `file:line:column: severity[code]: message`."""
    return "".join(
        f"{visible(str(d.primary.span))}: {d.severity.value}[{d.code}]: {_one_line(d.message)}\n"
        for d in diagnostics
    )


def render_github(diagnostics: Sequence[Diagnostic]) -> str:
    """Workflow commands that a GitHub runner turns into annotations of the lines."""
    commands = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.LINT: "notice"}
    lines = []
    for d in diagnostics:
        source, start = d.primary.span.source, d.primary.span.position
        end = source.position(d.primary.span.end)
        fields = {"file": source.name, "line": start.line, "endLine": end.line}
        if end.line == start.line:
            fields |= {"col": start.column, "endColumn": max(end.column, start.column)}
        fields["title"] = d.code
        body = d.message + (f"\nhint: {d.hint}" if d.hint else "")
        listed = ",".join(f"{name}={_github_field(str(value))}" for name, value in fields.items())
        lines.append(f"::{commands[d.severity]} {listed}::{_github_text(body)}\n")
    return "".join(lines)


def summary(diagnostics: Sequence[Diagnostic]) -> str:
    """`2 errors, 1 warning`; empty when there is nothing."""
    counts = Counter(d.severity for d in diagnostics)
    words = [f"{counts[s]} {s.value}{'s' if counts[s] > 1 else ''}" for s in Severity if counts[s]]
    return ", ".join(words)


def wants_color(stream: TextIO) -> bool:
    """Should `stream` get colours: a terminal, unless NO_COLOR is set or TERM is dumb; FORCE_COLOR overrides."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def _one_line(text: str) -> str:
    return visible(text.replace("\n", " "))


def _github_text(text: str) -> str:
    return visible(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_field(text: str) -> str:
    return _github_text(text).replace(":", "%3A").replace(",", "%2C")
