"""Text that is read once more: the body of a fragment, at each place that uses it.

The steps that a `use` stands for are a copy of the fragment's, whose spans point into a `UsedSource`: the fragment's
file, and the place that uses it. So whatever finds something in a copied step, now or later, knows for which use; and
names in it are those of the fragment's file, whichever file uses it. What a use puts in the place of a param keeps
the span, and so the file, that it was written in.
"""

from __future__ import annotations

from collections.abc import Mapping

from mixwright_dsl.diagnostic import Applicability, Diagnostic, Fix, Label
from mixwright_dsl.lazy_dataclass import dataclass, field, replace
from mixwright_dsl.source import SourceFile, Span


@dataclass(frozen=True, eq=False)
class Use:
    """One place that uses a fragment. `id` has those of the uses around it in front: `outer.inner`."""

    id: str
    fragment: str
    span: Span
    names: Mapping[str, str] = field(default_factory=dict)
    """What the fragment calls columns -> what they are called in the rows."""
    params: Mapping[str, Span] = field(default_factory=dict)
    """Params that take a column -> where it was given, or where its default is."""
    is_guard: bool = False
    """It is the guard of an operator: `fragment` is the operator's name."""
    is_trial: bool = False
    """Nothing uses the fragment: it is bound for the sake of what can be found in it."""

    @property
    def prefix(self) -> str:
        return f"{self.id}."

    @property
    def outer(self) -> Use | None:
        """The use of the fragment that this one stands in."""
        return use_of(self.span)


class UsedSource(SourceFile):
    """A file, as it is read for one use."""

    def __init__(self, origin: SourceFile, use: Use) -> None:
        super().__init__(origin.name, origin.text, origin.path)
        object.__setattr__(self, "origin", origin)
        object.__setattr__(self, "use", use)

    origin: SourceFile
    use: Use
    __eq__ = object.__eq__
    __hash__ = object.__hash__


def use_of(span: Span) -> Use | None:
    """The use that a place of the text is read for; None for text that stands for itself."""
    return span.source.use if isinstance(span.source, UsedSource) else None


def uses_of(span: Span) -> tuple[Use, ...]:
    """The uses that a place is read for, the outermost first."""
    use = use_of(span)
    return () if use is None else (*uses_of(use.span), use)


def at_home(span: Span) -> Span:
    """The same place in the file that it stands in."""
    source = span.source
    return Span(source.origin, span.start, span.end) if isinstance(source, UsedSource) else span


def told_of_files(found: list[Diagnostic]) -> list[Diagnostic]:
    """Findings as a reader of the files sees them: at places of files, with where the fragment is used. What is the
    same at several uses is one finding."""
    told: dict[tuple[object, ...], Diagnostic] = {}
    for diagnostic in found:
        moved = _moved(diagnostic)
        primary = moved.primary.span
        key = (moved.code, moved.message, id(primary.source), primary.start, primary.end)
        before = told.get(key)
        if before is None:
            told[key] = moved
        elif moved is not diagnostic:
            more = [label for label in moved.secondary if label not in before.secondary]
            told[key] = replace(before, secondary=(*before.secondary, *more))
        else:
            told[(*key, len(told))] = moved
    return list(told.values())


def _moved(diagnostic: Diagnostic) -> Diagnostic:
    places = [label.span for label in (diagnostic.primary, *diagnostic.secondary)]
    places += [edit.span for edit in diagnostic.fix.edits] if diagnostic.fix is not None else []
    if not any(map(use_of, places)):
        return diagnostic
    used = [Label(at_home(use.span), "used here") for use in uses_of(places[0])[::-1] if not use.is_trial]
    secondary = [Label(at_home(label.span), label.message) for label in diagnostic.secondary]
    fix = diagnostic.fix
    if fix is not None:
        # What mends one use may break another.
        edits = tuple(replace(edit, span=at_home(edit.span)) for edit in fix.edits)
        fix = Fix(fix.message, edits, Applicability.MAYBE)
    return replace(
        diagnostic,
        primary=Label(at_home(places[0]), diagnostic.primary.message),
        secondary=(*secondary, *used),
        fix=fix,
    )
