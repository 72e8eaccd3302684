"""What a command says of its failure: on standard error, and where JSON was asked for as a document on standard output.

A failed command prints its errors where a person sees them. A program that asked for JSON reads standard output, where
there would be nothing: `cli.py` then prints what was told here, in the contract of all commands' JSON.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mixwright.json_output import FailureReport
    from mixwright_dsl.diagnostic import Diagnostic

_messages: list[str] = []
_findings: list[Diagnostic] = []


def tell(text: str, *, hint: str = "") -> None:
    """Print an error, and keep it for the document. hint: what to type instead."""
    print(f"error: {text}", file=sys.stderr)
    if hint:
        print(f"  hint: {hint}", file=sys.stderr)
    _messages.append(text)


def tell_findings(diagnostics: Sequence[Diagnostic]) -> None:
    """Print findings of a spec as `mixwright check` does, and keep them for the document."""
    from mixwright_dsl.render import render, wants_color

    sys.stderr.write(render(diagnostics, color=wants_color(sys.stderr)))
    _findings.extend(diagnostics)


def findings() -> tuple[Diagnostic, ...]:
    """What was told so far of specs."""
    return tuple(_findings)


def forget() -> None:
    """Begin anew: another command of the same process is another one's failure."""
    _messages.clear()
    _findings.clear()


def failure_text(command: str, status: int) -> str:
    """What was told, as a document of one line."""
    from mixwright.json_output import document_text
    from mixwright.terminal import number_of
    from mixwright_dsl.json_report import diagnostic_report

    errors = sum(found.is_error for found in _findings)
    words = _messages or [
        number_of(errors, "error") if errors else "interrupted" if status > 128 else "failed"
    ]
    report: FailureReport = {
        "failure": "\n".join(words),
        "status": status,
        "diagnostics": [diagnostic_report(found) for found in _findings],
    }
    return document_text(command, report, indent=None)
