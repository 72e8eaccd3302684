"""The list that every stage adds its findings to, and the signal that a value was already reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mixwright_dsl.diagnostic import Diagnostic, Label, Severity
from mixwright_dsl.lazy_dataclass import replace
from mixwright_dsl.source import Span


class Reported(Exception):
    """A finding was added for this value; whoever asked for it goes on without and reports nothing more."""


class Findings:
    """Diagnostics in the order found; one code at one place is kept once.

    Variants re-read the lines of their base, so the same mistake may be met several times.
    """

    def __init__(self) -> None:
        self.items: list[Diagnostic] = []
        self._seen: set[tuple[str, int, int, int]] = set()

    def add(self, diagnostic: Diagnostic) -> None:
        span = diagnostic.primary.span
        key = (diagnostic.code, id(span.source), span.start, span.end)
        if key not in self._seen:
            self._seen.add(key)
            self.items.append(self._one_line(diagnostic))

    def _one_line(self, diagnostic: Diagnostic) -> Diagnostic:
        """A name or value out of the text may span lines; a message stands on one."""
        if "\n" not in diagnostic.message + diagnostic.primary.message + diagnostic.hint:
            return diagnostic
        label = Label(diagnostic.primary.span, " ".join(diagnostic.primary.message.split()))
        message, hint = (" ".join(text.split()) for text in (diagnostic.message, diagnostic.hint))
        return replace(diagnostic, message=message, primary=label, hint=hint)

    def also(self, diagnostic: Diagnostic, label: Label) -> Diagnostic:
        """Add another place to a finding that was added before; returns the new finding."""
        more = replace(diagnostic, secondary=(*diagnostic.secondary, label))
        self.items[self.items.index(diagnostic)] = more
        return more

    def take_back(self, is_void: Callable[[Diagnostic], bool]) -> None:
        """Remove findings that another one makes void."""
        self.items[:] = [item for item in self.items if not is_void(item)]

    def error(self, code: str, message: str, span: Span, label: str = "", **more: Any) -> Reported:
        """Add an error; returns the exception to raise where the value cannot be used."""
        self.add(Diagnostic(code, Severity.ERROR, message, Label(span, label), **more))
        return Reported()

    def warning(self, code: str, message: str, span: Span, label: str = "", **more: Any) -> None:
        self.add(Diagnostic(code, Severity.WARNING, message, Label(span, label), **more))

    def lint(self, code: str, message: str, span: Span, label: str = "", **more: Any) -> None:
        """A finding that may well be intended."""
        self.add(Diagnostic(code, Severity.LINT, message, Label(span, label), **more))

    @property
    def has_errors(self) -> bool:
        return any(item.is_error for item in self.items)
