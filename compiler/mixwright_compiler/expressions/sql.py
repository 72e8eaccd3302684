"""DuckDB SQL of row expressions. Each argument appears once in its parent's text, so the SQL grows linearly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from mixwright_compiler.schema import UNTYPED, element_of, fields_of

SPACE = "' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)"
"""White space that `trim` removes: ASCII's."""

_TYPES = {
    "text": "VARCHAR",
    "int": "BIGINT",
    "float": "DOUBLE",
    "bool": "BOOLEAN",
    "json": "JSON",
    "any": "JSON",
    "null": "VARCHAR",
}


class SqlPart(Protocol):
    @property
    def sql(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def tree(self) -> Any: ...


def sql_type(type: str) -> str:
    """The DuckDB type of a column type."""
    if type in _TYPES:
        return _TYPES[type]
    fields = fields_of(type)
    if fields is not None:
        return "STRUCT(" + ", ".join(f"{sql_column(n)} {sql_type(t)}" for n, t in fields.items()) + ")"
    return f"{sql_type(element_of(type) or 'any')}[]"


def sql_column(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def sql_literal(value: Any) -> str:
    """A literal with its type: a bare number would be a DECIMAL or a 32-bit INTEGER."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case int():
            return f"CAST({value} AS BIGINT)"
        case float():
            return f"CAST('{value!r}' AS DOUBLE)"
        case _:
            return "'" + str(value).replace("'", "''") + "'"


def sql_list(items: Sequence[SqlPart], item_type: str) -> str:
    inner = ", ".join(_as(item, item_type) for item in items)
    return f"CAST([{inner}] AS {sql_type(item_type)}[])"


def _as(part: SqlPart, type: str) -> str:
    """The part as SQL of a type, reading a JSON value or widening an int where needed."""
    if part.type == type or type in UNTYPED:
        return part.sql
    if part.type in UNTYPED:
        if type == "text":
            return f"({part.sql} ->> '$')"
        if type in ("int", "float", "bool"):
            return f"TRY_CAST(({part.sql} ->> '$') AS {sql_type(type)})"
        return f"TRY_CAST({part.sql} AS {sql_type(type)})"
    if part.type == "null" or (part.type == "int" and type == "float"):
        return f"CAST({part.sql} AS {sql_type(type)})"
    return part.sql


def _aligned(a: SqlPart, b: SqlPart) -> tuple[str, str]:
    """Both sides of a comparison in one type."""
    if a.type in UNTYPED and b.type not in (*UNTYPED, "null"):
        return _as(a, "float" if b.type == "int" else b.type), b.sql
    if b.type in UNTYPED and a.type not in (*UNTYPED, "null"):
        return a.sql, _as(b, "float" if a.type == "int" else a.type)
    return a.sql, b.sql


def sql_operator(operator: str, parts: Sequence[SqlPart], type: str) -> str:
    """An operator; `type` is the result's."""
    if len(parts) == 1:
        value = parts[0]
        if operator == "not":
            return f"(NOT {_as(value, 'bool')})"
        return f"TRY(-{_as(value, type)})"
    a, b = parts
    match operator:
        case "and" | "or":
            return f"({_as(a, 'bool')} {operator.upper()} {_as(b, 'bool')})"
        case "+" if type == "text":
            return f"({_as(a, 'text')} || {_as(b, 'text')})"
        case "/":
            return f"({_as(a, 'float')} / NULLIF({_as(b, 'float')}, CAST('0.0' AS DOUBLE)))"
        case "+" | "-" | "*":
            wanted = "float" if type in UNTYPED else type
            inner = f"{_as(a, wanted)} {operator} {_as(b, wanted)}"
            return f"TRY({inner})" if wanted == "int" else f"({inner})"
        case "in":
            item = element_of(b.type) or "any"
            return f"list_contains({b.sql}, {_as(a, item)})"
        case _:
            left, right = _aligned(a, b)
            sign = {"==": "=", "!=": "<>"}.get(operator, operator)
            return f"({left} {sign} {right})"


def _number(part: SqlPart, type: str) -> str:
    """`int(x)` and `float(x)`: null for what is not a number as written in decimal digits."""
    digits = r"[+-]?[0-9]+" if type == "int" else r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
    match part.type:
        case "float" if type == "int":
            return f"TRY_CAST(trunc({part.sql}) AS BIGINT)"
        case "int" | "float" | "bool":
            return f"CAST({part.sql} AS {sql_type(type)})"
        case _:
            text = f"trim({_as(part, 'text')}, {SPACE})"
            return f"TRY_CAST(regexp_extract({text}, '^{digits}$') AS {sql_type(type)})"


def _index(part: SqlPart) -> str:
    """0-based to DuckDB's 1-based; a negative index counts from the end in both."""
    kind, *value = part.tree
    if kind == "lit" and isinstance(value[0], int):
        return str(value[0] + 1 if value[0] >= 0 else value[0])
    return f"({part.sql} + CAST({part.sql} >= 0 AS BIGINT))"


def sql_call(name: str, parts: Sequence[SqlPart], type: str) -> str:
    """A function call; `type` is the result's."""
    text = [_as(part, "text") for part in parts]
    match name:
        case "len":
            return f"len({parts[0].sql if element_of(parts[0].type) else text[0]})"
        case "lower" | "upper":
            return f"{name}({text[0]})"
        case "trim":
            return f"trim({text[0]}, {SPACE})"
        case "contains":
            item = element_of(parts[0].type)
            if parts[0].type == "text" or item is None or parts[0].type in UNTYPED:
                return f"contains({text[0]}, {text[1]})"
            return f"list_contains({parts[0].sql}, {_as(parts[1], item)})"
        case "starts_with" | "ends_with":
            return f"{name}({text[0]}, {text[1]})"
        case "replace":
            return f"replace({text[0]}, {text[1]}, {text[2]})"
        case "matches":
            return f"regexp_matches({text[0]}, {text[1]})"
        case "extract":
            return f"list_extract(regexp_extract_all({text[0]}, {text[1]}, {parts[2].sql}), 1)"
        case "extract_all":
            return f"regexp_extract_all({text[0]}, {text[1]}, {parts[2].sql})"
        case "split":
            return f"string_split({text[0]}, {text[1]})"
        case "join":
            return f"array_to_string({_as(parts[0], 'list[text]')}, {text[1]})"
        case "word_count":
            return f"len(regexp_extract_all({text[0]}, '[^ \\t\\n\\f\\r\\v]+'))"
        case "int" | "float":
            return _number(parts[0], name)
        case "text":
            return text[0] if parts[0].type in ("text", *UNTYPED) else f"CAST({parts[0].sql} AS VARCHAR)"
        case "round":
            return f"round({_as(parts[0], 'float')}, CAST({parts[1].sql} AS INTEGER))"
        case "abs":
            return f"TRY(abs({_as(parts[0], 'float' if type in UNTYPED else type)}))"
        case "min" | "max":
            pair = ", ".join(_as(part, type) for part in parts)
            best = "least" if name == "min" else "greatest"
            # DuckDB's least and greatest skip nulls; here null goes through.
            body = f"CASE WHEN p[1] IS NULL OR p[2] IS NULL THEN NULL ELSE {best}(p[1], p[2]) END"
            return f"list_extract(list_transform([[{pair}]], lambda p: {body}), 1)"
        case "if":
            return (
                f"CASE WHEN {_as(parts[0], 'bool')} THEN {_as(parts[1], type)} ELSE {_as(parts[2], type)} END"
            )
        case "coalesce":
            return f"coalesce({', '.join(_as(part, type) for part in parts)})"
        case "concat":
            return "(" + " || ".join(text) + ")"
        case "item":
            return f"list_extract({parts[0].sql}, {_index(parts[1])})"
        case "field":
            if fields_of(parts[0].type) is not None:
                return f"struct_extract({parts[0].sql}, {parts[1].sql})"
            key = str(parts[1].tree[1]).replace("\\", "\\\\").replace('"', '\\"').replace("'", "''")
            return f"json_extract({parts[0].sql}, '$.\"{key}\"')"
        case _:
            return f"({parts[0].sql} IS NULL)"
