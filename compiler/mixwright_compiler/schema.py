"""Column types: how they are written, what may stand where, and the columns that flow from step to step.

    text int float bool json any list[T] struct{name: T, ...} chat

`any` is a value of unknown type and fits everywhere; `json` likewise, read at run time. `chat` is a list of
messages `struct{role: text, content: text}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, TypeGuard

from mixwright_dsl.lazy_dataclass import dataclass, field

MESSAGE = "struct{role: text, content: text}"
UNTYPED = ("any", "json")


def written_type(type: str) -> str:
    """As a type is written in a spec: with quotes where it is more than a word."""
    return type if type.isidentifier() else f'"{type}"'


def element_of(type: str) -> str | None:
    """Type of a list's items; None when the type is no list."""
    if type == "chat":
        return MESSAGE
    if type.startswith("list[") and type.endswith("]"):
        return type[5:-1]
    return "any" if type in UNTYPED else None


@lru_cache(maxsize=4096)
def fields_of(type: str) -> Mapping[str, str] | None:
    """Fields of a struct type; None when the type is no struct."""
    if not (type.startswith("struct{") and type.endswith("}")):
        return None
    fields: dict[str, str] = {}
    for part in _split(type[7:-1]):
        name, _, inner = part.partition(":")
        fields[name.strip()] = inner.strip()
    return fields


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        if c in "[{":
            depth += 1
        elif c in "]}":
            depth -= 1
        elif c == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [part for part in parts if part.strip()]


def struct_of(fields: Mapping[str, str]) -> str:
    return "struct{" + ", ".join(f"{name}: {type}" for name, type in fields.items()) + "}"


def is_assignable(found: str, wanted: str) -> bool:
    """May a value of type `found` stand where `wanted` is expected? An int fits a float."""
    if found == wanted or found in UNTYPED or wanted in UNTYPED:
        return True
    if found == "int" and wanted == "float":
        return True
    found_item, wanted_item = element_of(found), element_of(wanted)
    if found_item is not None and wanted_item is not None:
        return is_assignable(found_item, wanted_item)
    found_fields, wanted_fields = fields_of(found), fields_of(wanted)
    if found_fields is not None and wanted_fields is not None:
        return all(k in found_fields and is_assignable(found_fields[k], t) for k, t in wanted_fields.items())
    return False


def common_type(a: str, b: str) -> str | None:
    """The narrowest type both fit; None when there is none. `null` fits every type."""
    if a == b or b == "null":
        return a
    if a == "null":
        return b
    if {a, b} == {"int", "float"}:
        return "float"
    if "any" in (a, b):
        return "any"
    if "json" in (a, b):
        return "json"
    item_a, item_b = element_of(a), element_of(b)
    if item_a is not None and item_b is not None:
        inner = common_type(item_a, item_b)
        return None if inner is None else f"list[{inner}]"
    fields_a, fields_b = fields_of(a), fields_of(b)
    if fields_a is not None and fields_b is not None:
        merged = dict(fields_a)
        for name, type in fields_b.items():
            inner = common_type(merged[name], type) if name in merged else type
            merged[name] = inner or "json"
        return struct_of(merged)
    return None


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a number; true and false are none, whatever Python says."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def type_of_value(value: Any) -> str:
    """Type of a JSON value; `null` for None, `any` for what is unknown in it."""
    return "null" if value is None else _known(_type_of(value))


def _type_of(value: Any) -> str:
    """As `type_of_value`, with `null` for what is unknown, so that another value of the column can tell it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return struct_of({str(k): _type_of(v) for k, v in value.items()})
    return f"list[{_common(map(_type_of, value))}]"


def _common(types: Iterable[str]) -> str:
    result = "null"
    for type in types:
        result = common_type(result, type) or "json"
    return result


def _known(type: str) -> str:
    """The type with `any` where nothing is known."""
    if type == "null":
        return "any"
    if (fields := fields_of(type)) is not None:
        return struct_of({name: _known(inner) for name, inner in fields.items()})
    if type.startswith("list["):
        return f"list[{_known(type[5:-1])}]"
    return type


def common_type_of_values(values: Iterable[Any]) -> str:
    """Type of values that stand in one column: `json` where they do not agree, `any` where there is none."""
    return _known(_common(map(_type_of, values)))


def columns_of_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Schema of rows written in a spec, columns in order of first appearance."""
    values: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name, []).append(value)
    return {name: common_type_of_values(found) for name, found in values.items()}


@dataclass(frozen=True)
class Columns:
    """What is known of the rows at one place of a pipeline.

    `is_open`: there may be more columns than these, because a source is not locked yet.
    `left_out`: columns that an earlier step removed, with the words that say where.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    is_open: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)

    def type_of(self, name: str) -> str | None:
        """Type of a column; `any` for one that may exist, None for one that does not."""
        found = self.types.get(name)
        return "any" if found is None and self.is_open else found

    def with_columns(self, made: Mapping[str, str]) -> Columns:
        return Columns({**self.types, **made}, self.is_open, self.left_out) if made else self
