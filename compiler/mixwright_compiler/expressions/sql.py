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
        case "split_at":
            return f"string_split_regex({text[0]}, {text[1]})"
        case "lines":
            from mixwright_compiler.catalog.text_patterns import LINE

            found = f"regexp_extract_all({text[0]}, {sql_literal(LINE)})"
            return f"list_transform({found}, lambda p: rtrim(p, chr(10) || chr(13)))"
        case "capitalize":
            return _named(text[0], "upper(substring(p, 1, 1)) || substring(p, 2)")
        case "only_stop_words":
            from mixwright_compiler.catalog.text_patterns import only_stop_words

            return f"regexp_matches({text[0]}, {sql_literal(only_stop_words())})"
        case "bucket":
            value = sql_call("text", parts[:1], "text")
            hashed = f"CAST('0x' || substring(sha256({value}), 1, 15) AS BIGINT)"
            # A number of buckets below 1 gives null.
            return f"({hashed} % NULLIF(greatest({parts[1].sql}, 0), 0))"
        case "slice":
            return _slice(parts, type)
        case "merge":
            return "(" + " || ".join(_list_as(part, type) for part in parts) + ")"
        case "append":
            message = f"struct_pack(role := {text[1]}, content := {text[2]})"
            body = "CASE WHEN p.h IS NULL OR p.m.role IS NULL OR p.m.content IS NULL THEN NULL "
            body += "ELSE list_append(p.h, p.m) END"
            return _named(f"struct_pack(h := {_list_as(parts[0], type)}, m := {message})", body)
        case "words":
            from mixwright_compiler.catalog.text_patterns import WORD

            return f"len(regexp_extract_all({text[0]}, {sql_literal(WORD)}))"
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
            return _named(f"[{pair}]", body)
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


def _named(value: str, body: str) -> str:
    """The SQL `body`, in which `p` is the value: so that the value's text stands once."""
    return f"list_extract(list_transform([{value}], lambda p: {body}), 1)"


def _list_as(part: SqlPart, type: str) -> str:
    """A list as SQL of a list type, with the items cast where they are of another."""
    if part.type == type:
        return part.sql
    is_untyped = element_of(type) in UNTYPED
    return f"TRY_CAST({f'to_json({part.sql})' if is_untyped else part.sql} AS {sql_type(type)})"


def _slice(parts: Sequence[SqlPart], type: str) -> str:
    """The items or characters from one index up to another, as Python's slices have them."""
    is_text = type == "text"
    value = _as(parts[0], "text") if is_text else _list_as(parts[0], "list[any]" if type in UNTYPED else type)
    bounds = [
        f"CASE WHEN p.{name} < 0 THEN greatest(len(p.x) + p.{name}, 0) ELSE least(p.{name}, len(p.x)) END"
        for name in ("a", "b")
    ]
    cut = "substring(q.x, q.a + 1, greatest(q.b - q.a, 0))" if is_text else "list_slice(q.x, q.a + 1, q.b)"
    bounded = f"struct_pack(x := p.x, a := {bounds[0]}, b := {bounds[1]})"
    body = f"list_extract(list_transform([{bounded}], lambda q: {cut}), 1)"
    body = f"CASE WHEN p.x IS NULL OR p.a IS NULL OR p.b IS NULL THEN NULL ELSE {body} END"
    sliced = _named(f"struct_pack(x := {value}, a := {parts[1].sql}, b := {parts[2].sql})", body)
    return f"to_json({sliced})" if type in UNTYPED else sliced
