"""Columns of the caller's rows that a fragment would replace without having been given them."""

from __future__ import annotations

from typing import Protocol

from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.load.uses import Use
from mixwright_compiler.schema import Columns, written_type
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.source import Span


class Rows(Protocol):
    """What is known of the rows at a step (`mixwright_compiler.bind.steps.Flow`).

    inside, before_uses: the uses that the step comes from, the outermost first, and the columns in front of each.
    made_at: where each column was made.
    """

    scope: Scope
    inside: tuple[Use, ...]
    before_uses: tuple[Columns, ...]
    made_at: dict[str, tuple[Span, bool]]
    rows_words: str


def check_replaced(rows: Rows, name: str, span: Span, *, is_read: bool) -> None:
    """MIX416: a fragment makes a column again that was there before it, and nobody gave it to it. `is_read`: it is made
    of what was in it."""
    for use, before in zip(rows.inside, rows.before_uses, strict=True):
        if name in before.types and not _may_change(rows.scope, use, name):
            rows.scope.findings.error(
                "MIX416",
                f"column `{name}` is already there in {rows.rows_words}, and `{use.fragment}` would replace it",
                span,
                "made again",
                secondary=(Label(rows.made_at[name][0], "first made here"),) if name in rows.made_at else (),
                hint=_hint(use, name, before.types[name], is_read=is_read),
            )
            return


def _may_change(scope: Scope, use: Use, column: str) -> bool:
    """Whether a fragment may make a column again: one that the use gives it, or one that it needs and makes."""
    fragment = scope.fragments[use.fragment]
    names = [name for name, called in use.names.items() if called == column]
    return use.is_trial or any(
        name in fragment.needs or use.params.get(name, use.span) is not use.span for name in names
    )


def _hint(use: Use, column: str, type: str, *, is_read: bool) -> str:
    """What to write where a fragment would make a column again that it was not given."""
    name = next(name for name, called in use.names.items() if called == column)
    if is_read:
        return f"let `{use.fragment}` say that it changes it: `needs {{ {name} = {written_type(type)} }}`"
    if name in use.params:
        return f"give the use another name: `{name} = {column}_2`"
    return hint_to_let_name(name)


def hint_to_let_name(name: str) -> str:
    """What to write in a fragment where a column that it makes is there already."""
    return f"let each use name it: make `{name}` a param, `{name} {{ type = column, default = {name} }}`"
