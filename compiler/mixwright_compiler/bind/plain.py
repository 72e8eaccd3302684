"""The values of a declaration as plain JSON: constants folded, defaults filled in, references as names.

Shared by the plan, the fingerprints and the lock, so that all three speak of the same values. Imports no pydantic:
`check` reads lock files through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixwright_compiler.catalog.catalog import (
    AttributeClass,
    AttributeSchema,
    Catalog,
    Entry,
    builtin_catalog,
)
from mixwright_compiler.catalog.conditions import holds
from mixwright_compiler.catalog.references import BLOCKS, block_of
from mixwright_compiler.program import Aggregate, Bound, CallValue, TypedExpression
from mixwright_dsl.lazy_dataclass import replace

COMMON_TO_STEPS = ("when", "id")
"""Attributes of every step that a plan keeps as fields of their own."""

FIELDS_OF_SOURCES = ("columns", "where")
"""Attributes of every source that a plan keeps as fields of their own."""

CLASSES: tuple[AttributeClass, ...] = ("row", "set", "meta", "run")


def plain(value: Any) -> Any:
    """A value of the bound program as JSON: expressions and calls become objects (see `plan.Step`)."""
    match value:
        case Bound():
            return plain(value.value)
        case TypedExpression():
            return {
                "sql": value.sql,
                "tree": plain(value.tree),
                "type": value.type,
                "columns": list(value.columns),
            }
        case Aggregate():
            return {"aggregate": value.function, "of": plain(value.of), "type": value.type}
        case CallValue():
            keywords = {name: plain(item) for name, item in value.keywords.items()}
            return {"call": value.function, "args": [plain(a) for a in value.args], "keywords": keywords}
        case Mapping():
            return {str(name): plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            raise TypeError(f"no JSON for {type(value).__name__}")


def resolved(
    entry: Entry,
    attributes: Mapping[str, Any],
    *,
    without: tuple[str, ...] = (),
    catalog: Catalog | None = None,
) -> dict[str, Any]:
    """Every attribute of an entry but `without`, in the catalog's order, with defaults filled in.

    `attributes` are bound or already plain. An entry with the attribute `*` keeps what it does not name, as written.
    """
    values: dict[str, Any] = {}
    given = {name: value.value if isinstance(value, Bound) else value for name, value in attributes.items()}
    for schema in entry.attributes:
        if schema.name == "*":
            named = {a.name for a in entry.attributes}
            values.update({k: plain(v) for k, v in attributes.items() if k not in named})
        elif schema.name not in without:
            counts = schema.only_when is None or holds(schema.only_when, entry, given)
            written = plain(attributes[schema.name]) if counts and schema.name in attributes else None
            values[schema.name] = _complete(schema, written, catalog) if counts else None
    return values


def _complete(schema: AttributeSchema, written: Any, catalog: Catalog | None) -> Any:
    # A default that is written out is the default: `[1.0, 10.0]` and `[1, 10]` are hashed otherwise.
    value = schema.default if written is None or written == schema.default else written
    if value is None or value == schema.unsaid:
        return None
    if schema.type.startswith("call:") and isinstance(value, str):
        return {"call": value, "args": [], "keywords": {}}
    if schema.type.startswith(BLOCKS) and isinstance(value, list | tuple):
        one = replace(schema, type=schema.type[5:-1], default=None)
        return [_complete(one, block, catalog) for block in value]
    if schema.type.startswith("block:") and isinstance(value, Mapping):
        nested = (catalog or builtin_catalog()).entries.get(schema.type.removeprefix("block:"))
        return dict(value) if nested is None else resolved(nested, value, catalog=catalog)
    return plain(value)


def schema_of(entry: Entry, name: str) -> AttributeSchema | None:
    """Schema of an attribute, that of `*` for one the entry does not name; None when it has neither."""
    return entry.attribute(name) or entry.attribute("*")


def class_of(entry: Entry, name: str) -> AttributeClass:
    """Class of an attribute; `row`, the safe one, for an attribute the catalog does not know."""
    schema = schema_of(entry, name)
    return schema.cls if schema else "row"


def by_class(
    entry: Entry, values: Mapping[str, Any], catalog: Catalog | None = None
) -> dict[AttributeClass, dict[str, Any]]:
    """`values` split by attribute class. Nulls are left out: an optional attribute that nobody gives is no change.

    Attributes of a block count as the block does, unless they change less: a threshold in a `use` of `call_tools` is
    `set`, and what is in `calibrate` is `meta`, as that is.
    """
    split: dict[AttributeClass, dict[str, Any]] = {name: {} for name in CLASSES}
    for name, value in values.items():
        if value is not None:
            for cls, part in _split(schema_of(entry, name), value, catalog).items():
                split[cls][name] = part
    return split


def weaker(one: AttributeClass, other: AttributeClass) -> AttributeClass:
    """Of two classes that which changes less."""
    return max(one, other, key=CLASSES.index)


def block_entry(schema: AttributeSchema | None, catalog: Catalog | None = None) -> Entry | None:
    """The catalog's entry of an attribute that is a block, or a list of them; None of another one."""
    key = block_of(schema.type) if schema is not None else None
    return (catalog or builtin_catalog()).entries.get(key) if key is not None else None


def _split(schema: AttributeSchema | None, value: Any, catalog: Catalog | None) -> dict[AttributeClass, Any]:
    """An attribute's value, in parts where it is a block some of whose attributes change less than it does."""
    own: AttributeClass = schema.cls if schema else "row"
    nested = block_entry(schema, catalog)
    if nested is None or all(weaker(own, inner.cls) == own for inner in nested.attributes):
        return {own: value}
    blocks = value if isinstance(value, list | tuple) else (value,)
    found: dict[AttributeClass, Any] = {}
    for cls in dict.fromkeys(weaker(own, inner.cls) for inner in nested.attributes):
        parts = [{n: v for n, v in one.items() if weaker(own, class_of(nested, n)) == cls} for one in blocks]
        found[cls] = parts if isinstance(value, list | tuple) else parts[0]
    return found
