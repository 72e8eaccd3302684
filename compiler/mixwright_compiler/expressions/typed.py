"""Row expressions: typed, and written twice, as a tree for rows that stream and as DuckDB SQL for tables.

Null means what it means in SQL: it goes through every operator and function except `is_null`, `coalesce`, `if`
(a null condition takes the second branch), `and` and `or` (three-valued). Whole numbers have 64 bits; an operation
that leaves them gives null. `/` divides as floats; division by zero gives null. `x in list` is null when `x` or the
list is null, otherwise true or false.

The tree: ["lit", value] ["col", name] ["call", function, argument...] ["op", operator, argument...] ["list", item...].
Every argument of a function is written out, defaults included.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from mixwright_compiler.expressions.functions import FUNCTIONS, Typed, check_call, function_meant
from mixwright_compiler.expressions.sql import sql_call, sql_column, sql_list, sql_literal, sql_operator
from mixwright_compiler.findings import Findings, Reported
from mixwright_compiler.load.constants import Constant
from mixwright_compiler.program import TypedExpression
from mixwright_compiler.schema import (
    UNTYPED,
    Columns,
    common_type,
    element_of,
    fields_of,
    is_assignable,
    type_of_value,
)
from mixwright_compiler.suggest import listing, nearest, one_of, replace_fix, suggested
from mixwright_compiler.templates.placeholders import check_literal
from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.nodes import (
    Binary,
    Bool,
    Call,
    Expression,
    Heredoc,
    ListNode,
    Null,
    ObjectNode,
    Quantity,
    Ref,
    Text,
    Unary,
)
from mixwright_dsl.quantity import Unit
from mixwright_dsl.source import Span

NUMBERS = ("int", "float")


@dataclass
class ExpressionScope:
    """What names mean in a row expression: columns first, then constants.

    `missing(ref)` reports a name that is neither, and returns what to raise.
    """

    columns: Columns
    constant: Callable[[Ref], Constant | None]
    missing: Callable[[Ref], Exception]
    findings: Findings


def typed_expression(node: Expression, scope: ExpressionScope, wanted: str = "any") -> TypedExpression:
    """Check an expression and write it as tree and SQL.

    Raises:
        Reported: a name is unknown, types do not go together, or the whole is not of type `wanted`.
    """
    used: dict[str, None] = {}
    typed = _Typer(scope, used).visit(node)
    if not is_assignable(typed.type, wanted) and not (typed.type == "null"):
        raise scope.findings.error(
            "MIX123",
            f"this is {typed.type}, where {wanted} is needed",
            node.span,
            f"of type {typed.type}",
            hint=_make_bool(node, typed.type) if wanted == "bool" else "",
        )
    return TypedExpression(
        sql=typed.sql,
        tree=typed.tree,
        type="any" if typed.type == "null" else typed.type,
        columns=tuple(used),
        span=node.span,
    )


def _make_bool(node: Expression, type: str) -> str:
    text = node.span.text
    if "\n" in text:
        return ""
    if type == "text" or element_of(type):
        return f"compare it: `len({text}) > 0`"
    return f"compare it: `{text} > 0`"


def _as_number(node: Expression) -> str:
    """The hint for a text where a number is due."""
    if isinstance(node, Text) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", node.value):
        return f"write `{node.value}`"
    return f"convert it: `float({node.span.text})`" if "\n" not in node.span.text else ""


class _Typer:
    def __init__(self, scope: ExpressionScope, used: dict[str, None]) -> None:
        self.scope = scope
        self.used = used
        self.findings = scope.findings

    def visit(self, node: Expression) -> Typed:
        match node:
            case Quantity():
                if node.unit not in (Unit.NUMBER, Unit.COUNT, Unit.SHARE):
                    raise self.findings.error(
                        "MIX125",
                        "columns have no units; a bare number, a count or a share can stand here",
                        node.span,
                        hint="for example `400` or `1k`",
                    )
                return self.literal(node.value, node.span)
            case Text(value=value) | Heredoc(value=value):
                if "{" in value or "\N{FULLWIDTH LEFT CURLY BRACKET}" in value:
                    check_literal(value, self.scope.columns, node.span, self.findings)
                return self.literal(value, node.span)
            case Bool(value=value):
                return self.literal(value, node.span)
            case Null():
                return self.literal(None, node.span)
            case Ref():
                return self.name(node)
            case ListNode():
                return self.list(node)
            case Unary():
                return self.unary(node)
            case Binary():
                return self.binary(node)
            case Call():
                return self.call(node)
            case ObjectNode():
                raise self.findings.error(
                    "MIX123", "an object cannot stand in a row expression", node.span, hint="name its fields"
                )

    def literal(self, value: Any, span: Span) -> Typed:
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
            raise self.findings.error("MIX117", "the number is too large", span, "at most 2^63 - 1")
        if isinstance(value, str) and "\0" in value:
            raise self.findings.error("MIX107", "text with a NUL character", span)
        if isinstance(value, list):
            items = [self.literal(item, span) for item in value]
            return _list(items, self.common(items, span))
        if isinstance(value, dict):
            raise self.findings.error("MIX123", "an object cannot stand in a row expression", span)
        return Typed(sql_literal(value), ["lit", value], type_of_value(value))

    def name(self, ref: Ref) -> Typed:
        whole, first = ref.name, ref.parts[0]
        columns = self.scope.columns
        if whole in columns.types:
            return self.column(whole, columns.types[whole])
        if first in columns.types:
            typed = self.column(first, columns.types[first])
            for part, span in zip(ref.parts[1:], ref.part_spans[1:], strict=True):
                typed = self.field(typed, part, span)
            return typed
        constant = self.scope.constant(ref)
        if constant is not None:
            return self.literal(constant.value, ref.span)
        if columns.is_open:
            typed = self.column(first, "any")
            for part, span in zip(ref.parts[1:], ref.part_spans[1:], strict=True):
                typed = self.field(typed, part, span)
            return typed
        raise self.scope.missing(ref)

    def column(self, name: str, type: str) -> Typed:
        self.used[name] = None
        return Typed(sql_column(name), ["col", name], type)

    def field(self, value: Typed, name: str, span: Span) -> Typed:
        fields = fields_of(value.type)
        if fields is None and value.type not in UNTYPED:
            meant = function_meant(name) if value.tree[0] == "col" else None
            right = f"{meant}({value.tree[1]})"
            raise self.findings.error(
                "MIX123",
                f"{value.type} has no fields",
                span,
                "fields are of structs",
                hint=f"write `{right}`" if meant else "",
            )
        if fields is not None and name not in fields:
            near = nearest(name, fields)
            raise self.findings.error(
                "MIX123",
                f"no field `{name}`",
                span,
                f"it has: {listing(fields)}",
                **suggested(near, span, one_of(fields)),
            )
        type = fields[name] if fields is not None else "json"
        argument = self.literal(name, span)
        return Typed(
            sql_call("field", [value, argument], type), ["call", "field", value.tree, argument.tree], type
        )

    def common(self, items: list[Typed], span: Span) -> str:
        result: str | None = "null"
        for item in items:
            result = common_type(result or "any", item.type)
            if result is None:
                raise self.findings.error(
                    "MIX123",
                    f"the items have different types: {listing(dict.fromkeys(i.type for i in items))}",
                    span,
                    hint="convert them: `text(x)`",
                )
        return "any" if result == "null" else str(result)

    def list(self, node: ListNode) -> Typed:
        items = [self.visit(item) for item in node.items]
        return _list(items, self.common(items, node.span))

    def unary(self, node: Unary) -> Typed:
        value = self.visit(node.operand)
        wanted = "bool" if node.operator == "not" else "float"
        if not is_assignable(value.type, wanted) and value.type != "null":
            raise self.findings.error(
                "MIX123",
                f"`{node.operator}` takes {'true or false' if wanted == 'bool' else 'a number'}, "
                f"here {value.type}",
                node.operand.span,
            )
        if node.operator == "+":
            return value
        if value.tree[0] == "lit" and node.operator == "-" and value.tree[1] is not None:
            return self.literal(-value.tree[1], node.span)
        type = "bool" if wanted == "bool" else value.type
        return Typed(sql_operator(node.operator, [value], type), ["op", node.operator, value.tree], type)

    def binary(self, node: Binary) -> Typed:
        left, right = self._both(node)
        type = self.operator_type(node, left, right)
        return Typed(
            sql_operator(node.operator, [left, right], type),
            ["op", node.operator, left.tree, right.tree],
            type,
        )

    def _both(self, node: Binary) -> tuple[Typed, Typed]:
        """Both sides, so that a mistake in each is reported in one go."""
        try:
            left = self.visit(node.left)
        except Reported:
            self.visit(node.right)
            raise
        return left, self.visit(node.right)

    def operator_type(self, node: Binary, left: Typed, right: Typed) -> str:
        a, b, operator = left.type, right.type, node.operator
        loose = a in (*UNTYPED, "null") or b in (*UNTYPED, "null")
        match operator:
            case "and" | "or":
                if all(t == "bool" or t in (*UNTYPED, "null") for t in (a, b)):
                    return "bool"
            case "==" | "!=" | "<" | "<=" | ">" | ">=":
                is_ordered = operator not in ("==", "!=")
                if loose or (a in NUMBERS and b in NUMBERS) or (a == b and not (is_ordered and a == "bool")):
                    self._null_comparison(node, left, right)
                    return "bool"
                if not is_ordered and common_type(a, b) is not None:
                    return "bool"
            case "in":
                item = element_of(b)
                if b == "text" and a == "text":
                    raise self.findings.error(
                        "MIX123",
                        "`in` looks into a list, and this is text",
                        node.right.span,
                        hint=f"write `contains({node.right.span.text}, {node.left.span.text})`",
                    )
                if item is not None and (loose or item in UNTYPED or common_type(a, item) is not None):
                    return "bool"
            case "+" if a == "text" and b == "text":
                return "text"
            case "+" | "-" | "*" | "/":
                if all(t in NUMBERS or t in (*UNTYPED, "null") for t in (a, b)):
                    if operator == "/" or "float" in (a, b):
                        return "float"
                    if a == b == "int":
                        return "int"
                    return "any" if operator == "+" and (a in UNTYPED and b in UNTYPED) else "float"
                if operator == "+" and "text" in (a, b) and loose:
                    return "text"
        hint = ""
        if operator == "+" and "text" in (a, b):
            other = node.right if a == "text" else node.left
            hint = f"convert it: `text({other.span.text})`" if "\n" not in other.span.text else ""
        elif "text" in (a, b) and (a in NUMBERS or b in NUMBERS):
            hint = _as_number(node.left if a == "text" else node.right)
        raise self.findings.error(
            "MIX123",
            f"`{operator}` does not go with {a} and {b}",
            node.operator_span,
            f"{a} {operator} {b}",
            hint=hint,
        )

    def _null_comparison(self, node: Binary, left: Typed, right: Typed) -> None:
        if ["lit", None] in (left.tree, right.tree):
            side = node.left if right.tree == ["lit", None] else node.right
            wanted = f"is_null({side.span.text})"
            self.findings.warning(
                "MIX418",
                f"`{node.operator} null` is never true",
                node.span,
                "null compares with nothing",
                hint=f"write `{wanted if node.operator == '==' else 'not ' + wanted}`",
            )

    def _method(self, node: Call) -> None:
        """Report `q.len()`, a function as other languages call it; does nothing when no function is meant."""
        *operand, last = node.function.parts
        meant = function_meant(last)
        if meant is None:
            return
        given = [a.span.text for a in (*node.arguments, *node.keywords)]
        right = f"{meant}({', '.join(['.'.join(operand), *given])})"
        raise self.findings.error(
            "MIX122",
            f"`{last}` is a function, and stands before its value",
            node.function.part_spans[-1],
            hint=f"write `{right}`",
            fix=replace_fix(node.span, right),
        )

    def call(self, node: Call) -> Typed:
        name = node.function.name
        function = FUNCTIONS.get(name)
        if function is None and len(node.function.parts) > 1:
            self._method(node)
        if function is None:
            near = function_meant(name)
            raise self.findings.error(
                "MIX122",
                f"no function `{name}`",
                node.function.span,
                **suggested(near, node.function.span, f"functions are: {listing(FUNCTIONS, 40)}"),
            )
        arguments = [self.visit(argument) for argument in node.arguments]
        keywords = {k.name.name: (self.visit(k.value), k) for k in node.keywords}
        arguments, type = check_call(function, node, arguments, keywords, self.findings)
        return Typed(
            sql_call(name, arguments, type),
            ["call", name, *(a.tree for a in arguments)],
            type,
        )


def _list(items: list[Typed], item_type: str) -> Typed:
    return Typed(sql_list(items, item_type), ["list", *(i.tree for i in items)], f"list[{item_type}]")
