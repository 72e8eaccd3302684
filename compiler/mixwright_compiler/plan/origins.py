"""Where what a plan holds was written."""

from __future__ import annotations

from mixwright_compiler.plan.plan import Origin
from mixwright_dsl.source import Span


def origin_of(span: Span) -> Origin:
    """Where something was written; line and column start at 1."""
    at = span.position
    return Origin(file=span.source.name, line=at.line, column=at.column)
