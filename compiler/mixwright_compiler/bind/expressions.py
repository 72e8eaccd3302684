"""Attributes that are expressions over a row, and over what may be drawn for it."""

from __future__ import annotations

from collections.abc import Iterator

from mixwright_compiler.bind.place import Place, missing_column
from mixwright_compiler.expressions.typed import ExpressionScope, typed_expression
from mixwright_compiler.load.params import constant_of
from mixwright_compiler.program import TypedExpression
from mixwright_compiler.schema import Columns, fields_of
from mixwright_dsl.nodes import Binary, Call, Expression, ListNode, Ref, parts_of

DRAWN = "drawn"
"""What may be drawn, as expressions over it call it."""


def expression_value(place: Place, node: Expression, wanted: str) -> TypedExpression:
    """A row expression over the columns at hand; raises Reported."""
    typed = _typed(place, node, wanted, _columns(place))
    for name in typed.columns:
        place.reads.setdefault(name, node.span)
    return typed


def over_drawn(place: Place, attribute: str, node: Expression, wanted: str) -> TypedExpression:
    """An expression over the row's columns and over what may be drawn for it; raises Reported, MIX443 for one that
    says the same of all that may be drawn."""
    typed = _typed(place, node, wanted, _columns(place).with_columns({DRAWN: place.drawn}))
    if DRAWN not in typed.columns:
        raise place.findings.error(
            "MIX443",
            f"`{attribute}` reads nothing of what is drawn",
            node.span,
            f"it says the same of everything that may be drawn; `{DRAWN}` is one of them",
            hint=_over_drawn(node, place.drawn),
        )
    for name in typed.columns:
        if name != DRAWN:
            place.reads.setdefault(name, node.span)
    return typed


def _over_drawn(node: Expression, drawn: str) -> str:
    """The hint: the same with a column of the drawn rows, where a name in it is one of theirs."""
    fields = fields_of(drawn) or {}
    first = next((ref for ref in _refs(node) if ref.parts[0] in fields), None)
    if first is not None:
        return f"write `{DRAWN}.{first.name}` for the column of the drawn row"
    example = f"{DRAWN}.{next(iter(fields))}" if fields else DRAWN
    return f"for example `{example} != …`; to skip the step for some rows write `when = …`"


def is_constant(place: Place, node: Expression) -> bool:
    """Is it made of literals and constants alone?"""
    return not any(isinstance(part, Call) for part in parts_of(node)) and all(
        constant_of(place.world, place.module, ref) is not None for ref in _refs(node)
    )


def _refs(node: Expression) -> Iterator[Ref]:
    return (part for part in parts_of(node) if isinstance(part, Ref))


def _columns(place: Place) -> Columns:
    return place.columns if place.columns is not None else Columns(is_open=True)


def _typed(place: Place, node: Expression, wanted: str, columns: Columns) -> TypedExpression:
    scope = ExpressionScope(
        columns,
        lambda ref: constant_of(place.world, place.module, ref),
        lambda ref: missing_column(
            place,
            ref.name,
            ref.span,
            may_be_text=wanted == "text" and isinstance(node, Ref),
            is_part=isinstance(node, Binary | ListNode | Call) and len(ref.parts) == 1,
        ),
        place.findings,
    )
    return typed_expression(node, scope, wanted)
