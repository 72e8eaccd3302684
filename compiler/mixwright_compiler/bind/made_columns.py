"""Columns that a step makes, with their types."""

from __future__ import annotations

from collections.abc import Mapping

from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.catalog.catalog import Entry
from mixwright_compiler.catalog.makes import DRAWN, ITEM, NAMED_BY_ATTRIBUTES, made_type
from mixwright_compiler.catalog.traits import traits_of
from mixwright_compiler.program import Aggregate, Bound, CallValue, TypedExpression
from mixwright_compiler.schema import Columns, common_type_of_values, element_of, struct_of
from mixwright_compiler.suggest import did_you_mean, listing, nearest, one_of


def made_by(
    scope: Scope, entry: Entry, label: str, attributes: Mapping[str, Bound], *, text: str
) -> dict[str, str]:
    """Columns a step makes, with their types; `text` is that of all steps, which may name a column or not."""
    values = {name: bound.value for name, bound in attributes.items()}
    found: dict[str, str] = {}
    for stated, type in entry.makes.items():
        name = stated.replace("{label}", label)
        if name == NAMED_BY_ATTRIBUTES:
            found |= {
                name: value.type
                for name, value in values.items()
                if isinstance(value, TypedExpression | Aggregate) and entry.attribute(name) is None
            }
        elif type == ITEM:
            found[name] = _item_type(scope, attributes)
        elif type == DRAWN:
            found[name] = _drawn_type(scope, attributes)
        elif (made := made_type(type, entry, values, is_read=name in text)) is not None:
            found[name] = made
    for schema in entry.attributes:
        if schema.holds == "verdict" and schema.name in values:
            rate = {"rate": "float"} if traits_of(entry, values, label).gathers else {}
            found[str(values[schema.name])] = struct_of({"score": "float", "passes": "bool", **rate})
    return found


def _item_type(scope: Scope, attributes: Mapping[str, Bound]) -> str:
    items = attributes.get("of")
    if items is None or not isinstance(items.value, TypedExpression):
        return "any"
    element = element_of(items.value.type)
    if element is None:
        text = items.span.text
        scope.findings.error(
            "MIX442",
            f"`of` takes a list, and this is {items.value.type}",
            items.span,
            f"of type {items.value.type}",
            hint=f'split it: `of = split({text}, "\\n")`'
            if items.value.type == "text" and "\n" not in text
            else "",
        )
    return element or "any"


def drawn_item(scope: Scope, attributes: Mapping[str, Bound]) -> str:
    """Type of one thing that may be drawn: a row, a value, an item of a list."""
    start, values, listed = (attributes.get(name) for name in ("from", "values", "of"))
    if start is not None and not isinstance(start.value, CallValue):
        drawn = _drawn_columns(scope, start)
        return "any" if drawn.is_open else struct_of(drawn.types)
    if values is not None:
        return common_type_of_values(values.value)
    if listed is not None and isinstance(listed.value, TypedExpression):
        return element_of(listed.value.type) or "any"
    return "any"


def _drawn_type(scope: Scope, attributes: Mapping[str, Bound]) -> str:
    """Type of the column."""
    start = attributes.get("from")
    if start is not None and isinstance(start.value, CallValue):
        from mixwright_compiler.bind.drawn import CONSTRAINTS

        return CONSTRAINTS
    item = _item_type(scope, attributes) if "of" in attributes else drawn_item(scope, attributes)
    if start is not None:
        drawn = _drawn_columns(scope, start)
        column, balance = attributes.get("column"), attributes.get("balance")
        if balance is not None and drawn.type_of(str(balance.value)) is None:
            _no_drawn(scope, attributes, drawn, balance)
        if column is not None:
            item = drawn.type_of(str(column.value)) or _no_drawn(scope, attributes, drawn, column)
    count = attributes.get("count")
    is_list = count is not None and (isinstance(count.value, TypedExpression) or count.value > 1)
    return f"list[{item}]" if is_list or "run" in attributes else item


def _drawn_columns(scope: Scope, start: Bound) -> Columns:
    found = scope.columns.get(str(start.value))
    if found is None:
        declaration = scope.world.declared(str(start.value))
        if scope.is_being_bound(declaration):
            return Columns(is_open=True)  # its own rows, whose columns are known when its last step is bound
        scope.ask(declaration, start.span)
        found = scope.columns.get(declaration.qualified, Columns(is_open=True))
    return found


def _no_drawn(scope: Scope, attributes: Mapping[str, Bound], drawn: Columns, column: Bound) -> str:
    near = nearest(str(column.value), drawn.types)
    scope.findings.error(
        "MIX401",
        f"no column `{column.value}` in rows of `{attributes['from'].value}`",
        column.span,
        f"columns there: {listing(drawn.types)}",
        hint=did_you_mean(near, one_of(drawn.types)),
    )
    return "any"
