"""Row expressions as Python functions, for rows that stream.

The plan holds an expression twice, as DuckDB SQL and as a tree; this is the tree's meaning, and a property test
holds it to that of the SQL. Null (None) goes through every operator and function except `is_null`, `coalesce`, `if`,
`and` and `or`. A value of the wrong type, which only columns of type `json` and `any` can hold, gives null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mixwright_compiler.plan.plan import Expression
from mixwright_runtime.errors import RunError
from mixwright_runtime.values.functions import BINARY, FUNCTIONS, UNARY, as_text, unified
from mixwright_runtime.values.regex import compile_regex

Columns = Mapping[str, Any]
Evaluate = Callable[[Columns], Any]


def compile_expression(expression: Expression | Mapping[str, Any]) -> Evaluate:
    """A function from a row's columns to the expression's value, None for null.

    Args:
        expression: of the plan, or its JSON form as it stands in a step's attributes.

    Raises:
        RunError: the tree holds an operator or function that this version does not know.
    """
    if isinstance(expression, Mapping):
        tree, type = expression["tree"], expression.get("type", "any")
    else:
        tree, type = expression.tree, expression.type
    evaluate = _compiled(tree)
    if type != "float":
        return evaluate

    def as_float(columns: Columns) -> Any:
        value = evaluate(columns)
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value

    return as_float


def _compiled(tree: Sequence[Any]) -> Evaluate:
    kind, *rest = tree
    match kind:
        case "lit":
            value = rest[0]
            return lambda columns: value
        case "col":
            name = rest[0]
            return lambda columns: columns.get(name)
        case "list":
            items = [_compiled(item) for item in rest]
            return lambda columns: unified([item(columns) for item in items])
        case "op":
            return _operator(rest[0], [_compiled(part) for part in rest[1:]])
        case "call":
            return _call(rest[0], rest[1:])
        case _:
            raise RunError(f"this version of mixwright has no expression {kind!r}")


def _operator(operator: str, parts: list[Evaluate]) -> Evaluate:
    if operator == "and":
        return _and(*parts)
    if operator == "or":
        return _or(*parts)
    function = UNARY.get(operator) if len(parts) == 1 else BINARY.get(operator)
    if function is None:
        raise RunError(f"this version of mixwright has no operator '{operator}'")
    return _strict(function, parts)


def _call(name: str, arguments: Sequence[Any]) -> Evaluate:
    parts = [_compiled(argument) for argument in arguments]
    match name:
        case "if":
            condition, then, otherwise = parts
            return lambda columns: then(columns) if condition(columns) is True else otherwise(columns)
        case "coalesce":
            return _coalesce(parts)
        case "is_null":
            (part,) = parts
            return lambda columns: part(columns) is None
        case "matches" | "extract" | "extract_all" | "split_at":
            return _regex_call(name, parts[0], arguments)
        case _:
            function = FUNCTIONS.get(name)
            if function is None:
                raise RunError(f"this version of mixwright has no function '{name}'")
            return _strict(function, parts)


def _strict(function: Callable[..., Any], parts: list[Evaluate]) -> Evaluate:
    """The function on the parts' values; null when one of them is, or when the function cannot take them."""

    def evaluate(columns: Columns) -> Any:
        values = []
        for part in parts:
            value = part(columns)
            if value is None:
                return None
            values.append(value)
        try:
            return function(*values)
        except (TypeError, ValueError, AttributeError, OverflowError):
            return None

    return evaluate


def _and(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(columns: Columns) -> bool | None:
        a = left(columns)
        if a is False:
            return False
        b = right(columns)
        return False if b is False else None if a is None or b is None else True

    return evaluate


def _or(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(columns: Columns) -> bool | None:
        a = left(columns)
        if a is True:
            return True
        b = right(columns)
        return True if b is True else None if a is None or b is None else False

    return evaluate


def _coalesce(parts: list[Evaluate]) -> Evaluate:
    def evaluate(columns: Columns) -> Any:
        for part in parts:
            value = part(columns)
            if value is not None:
                return value
        return None

    return evaluate


def _regex_call(name: str, text: Evaluate, arguments: Sequence[Any]) -> Evaluate:
    try:
        regex = compile_regex(arguments[1][1])
    except ValueError as error:
        raise RunError(f"{name}({arguments[1][1]!r}): {error}") from None
    if name == "matches":
        return _strict(lambda value: regex.matches(as_text(value)), [text])
    if name == "split_at":
        return _strict(lambda value: regex.parts(as_text(value)), [text])
    group = int(arguments[2][1]) if len(arguments) > 2 else min(1, regex.groups)
    if name == "extract":
        return _strict(lambda value: regex.extract(as_text(value), group), [text])
    return _strict(lambda value: regex.extract_all(as_text(value), group), [text])
