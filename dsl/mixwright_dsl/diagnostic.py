"""Diagnostics are data: what is wrong, where, and what to do. Renderers live in `render.py`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.source import Span


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"
    LINT = "lint"


class Applicability(Enum):
    """May a tool apply the fix by itself? Only `MACHINE` may be applied unasked."""

    MACHINE = "machine-applicable"
    MAYBE = "maybe-incorrect"
    PLACEHOLDER = "has-placeholders"


@dataclass(frozen=True)
class Label:
    """A span with a few words on what it shows; an empty message marks the place only."""

    span: Span
    message: str = ""


@dataclass(frozen=True)
class Edit:
    """Text to put in the place of a span."""

    span: Span
    replacement: str


def applied(text: str, edits: Iterable[Edit]) -> str:
    """A text after edits of it that do not overlap."""
    for edit in sorted(edits, key=lambda edit: (edit.span.start, edit.span.end), reverse=True):
        text = text[: edit.span.start] + edit.replacement + text[edit.span.end :]
    return text


def touch(some: Iterable[Edit], others: Sequence[Edit]) -> bool:
    """Do edits meet others, so that both cannot be made at once? Two at the same place do: their order is open."""
    return any(a.span.start <= b.span.end and a.span.end >= b.span.start for a in some for b in others)


@dataclass(frozen=True)
class Fix:
    """Edits that, applied together, mend the finding."""

    message: str
    edits: tuple[Edit, ...]
    applicability: Applicability = Applicability.MACHINE


@dataclass(frozen=True)
class Diagnostic:
    """One finding.

    `message` stands alone on one line: lower case, no full stop, names from the user's file in backticks.
    `primary` is the tight place; `secondary` are related places in any file; `notes` are further lines;
    `hint` is one thing to do, `fix` the same as edits where it can be typed for the user.
    """

    code: str  # "MIX101"; docs in mixwright_compiler/codes/MIX101.md
    severity: Severity
    message: str
    primary: Label
    secondary: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()
    hint: str = ""
    fix: Fix | None = None
    hides: bool = False
    """What the primary span covers is a secret, so that no format shows it (`mixwright_dsl/hidden.py`)."""

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR


def error(
    code: str,
    message: str,
    span: Span,
    label: str = "",
    *,
    hint: str = "",
    fix: Fix | None = None,
    secondary: tuple[Label, ...] = (),
    notes: tuple[str, ...] = (),
) -> Diagnostic:
    """An error with its primary label."""
    return Diagnostic(code, Severity.ERROR, message, Label(span, label), secondary, notes, hint, fix)


def warning(
    code: str,
    message: str,
    span: Span,
    label: str = "",
    *,
    hint: str = "",
    fix: Fix | None = None,
    secondary: tuple[Label, ...] = (),
    notes: tuple[str, ...] = (),
) -> Diagnostic:
    """A warning with its primary label."""
    return Diagnostic(code, Severity.WARNING, message, Label(span, label), secondary, notes, hint, fix)
