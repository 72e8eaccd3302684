"""Column types found in rows: `text int float bool json any list[T] struct{a: T} chat`.

A shape is None (only nulls so far), the name of a scalar type, `("list", shape)` or `("struct", {field: shape})`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Shape = Any

FIELD_LIMIT = 64
"""An object with more different keys than this is a dictionary, not a struct: its type is `json`."""

_SCALARS = {str: "text", bool: "bool", int: "int", float: "float"}
_FIELD_NAME = re.compile(r"[^\W\d][\w-]*(?: [\w-]+)*")


class ColumnTypes:
    """Collects the types of the columns of rows, in order of first appearance."""

    def __init__(self) -> None:
        self._shapes: dict[str, Shape] = {}

    def add(self, columns: Mapping[str, object]) -> None:
        """Take a row into account."""
        shapes = self._shapes
        for name, value in columns.items():
            known = shapes.get(name)
            scalar = _SCALARS.get(type(value))
            if scalar is None:
                shapes[name] = merged(known, shape_of(value))
            elif known != scalar:
                shapes[name] = merged(known, scalar)

    def met(self, name: str, shape: Shape) -> None:
        """Take into account that a column has values of a shape; None for nulls alone."""
        self._shapes[name] = merged(self._shapes.get(name), shape)

    def written(self) -> dict[str, str]:
        """Column name -> type as it is written in a schema."""
        return {name: written(shape) for name, shape in self._shapes.items()}


def shape_of(value: Any) -> Shape:
    """The shape of a JSON value."""
    scalar = _SCALARS.get(type(value))
    if scalar is not None or value is None:
        return scalar
    if isinstance(value, Mapping):
        return ("struct", {str(k): shape_of(v) for k, v in value.items()})
    return ("list", merged_all(map(shape_of, value)))


def merged_all(shapes: Iterable[Shape]) -> Shape:
    """The narrowest shape that all of them fit; None for none."""
    result: Shape = None
    for shape in shapes:
        result = merged(result, shape)
    return result


def merged(a: Shape, b: Shape) -> Shape:
    """The narrowest shape that both fit: `json` where they do not agree."""
    if b is None or a == b:
        return a
    if a is None:
        return b
    if isinstance(a, tuple) and isinstance(b, tuple) and a[0] == b[0]:
        if a[0] == "list":
            return ("list", merged(a[1], b[1]))
        fields = dict(a[1])
        for name, shape in b[1].items():
            fields[name] = merged(fields.get(name), shape)
        return "json" if len(fields) > FIELD_LIMIT else ("struct", fields)
    return "float" if {repr(a), repr(b)} == {"'int'", "'float'"} else "json"


def written(shape: Shape) -> str:
    """A shape as a type in a schema."""
    if shape is None:
        return "any"
    if isinstance(shape, str):
        return shape
    kind, inner = shape
    if kind == "list":
        is_message = inner == ("struct", {"role": "text", "content": "text"})
        return "chat" if is_message else f"list[{written(inner)}]"
    # A name with a comma or colon in it could not be told from the type's own punctuation.
    if not inner or len(inner) > FIELD_LIMIT or not all(map(_FIELD_NAME.fullmatch, inner)):
        return "json"
    return "struct{" + ", ".join(f"{name}: {written(field)}" for name, field in inner.items()) + "}"
