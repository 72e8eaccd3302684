"""One value of an attribute, by the type that the catalog gives it (see mixwright_compiler/catalog/catalog.py)."""

from __future__ import annotations

import re
from typing import Any

from mixwright_compiler.bind.attribute_calls import bind_call, refuse_operator
from mixwright_compiler.bind.expressions import expression_value, is_constant, over_drawn
from mixwright_compiler.bind.json_values import json_value
from mixwright_compiler.bind.place import Place, missing_column, place_path, read_by_tool
from mixwright_compiler.catalog.catalog import AttributeSchema
from mixwright_compiler.catalog.references import LISTS
from mixwright_compiler.findings import Findings, Reported
from mixwright_compiler.load.constants import EXAMPLES, Constant, as_type
from mixwright_compiler.load.params import constant_expression, constant_of
from mixwright_compiler.program import Items, ToolDecl, TypedExpression
from mixwright_compiler.schema import is_assignable
from mixwright_compiler.suggest import MOST_KINDS, nearest, one_of, replace_fix, suggested
from mixwright_dsl.diagnostic import Applicability, Edit, Fix
from mixwright_dsl.lazy_dataclass import replace
from mixwright_dsl.nodes import (
    Block,
    Call,
    Expression,
    Heredoc,
    ListNode,
    ObjectNode,
    Quantity,
    Ref,
    Text,
    Unary,
)
from mixwright_dsl.quantity import Unit
from mixwright_dsl.source import Span

LITERALS = (
    "text",
    "int",
    "float",
    "bool",
    "count",
    "share",
    "duration",
    "bytes",
    "money",
)

CHAT = "chat"


def bind_value(
    place: Place, schema: AttributeSchema, type: str, node: Expression, *, bare: bool = False
) -> Any:
    """One value of an attribute type; raises Reported."""
    world, module, findings = place.world, place.module, place.findings
    subject = f"`{schema.name}`"
    head, _, rest = type.partition(":")
    if type in LITERALS:
        value = as_type(constant_expression(world, module, node), type, subject, node.span, findings)
        _check_bounds(schema, type, value, node.span, findings)
        _check_form(schema, value, node.span, findings)
        return value
    if type.startswith("some[") and not isinstance(node, ListNode) and not _names_texts(place, type, node):
        return bind_value(place, schema, type[5:-1], node)
    if type.startswith(LISTS):
        return _list(place, schema, type[5:-1], node)
    if type.startswith("map["):
        return _map(place, schema, type[4:-1], node)
    match head:
        case "json":
            return json_value(place, node, bare)
        case "column_or_json":
            return _column_or_json(place, schema.name, node)
        case "drawn":
            from mixwright_compiler.bind.drawn import bind_drawn

            return bind_drawn(place, node) or _reference(place, subject, "start", node)
        case "enum":
            return _word(place, subject, rest.split("|"), node)
        case "word_or_text":
            return _word_or_text(place, subject, rest.split("|"), node)
        case "count_or_share":
            is_share = constant_expression(world, module, node).unit is Unit.SHARE
            quantity = replace(schema, type="share", maximum=1) if is_share else replace(schema, type="count")
            return bind_value(place, quantity, quantity.type, node)
        case "expr":
            return expression_value(place, node, rest) if rest != CHAT else _chat(place, schema.name, node)
        case "drawn_expr":
            return over_drawn(place, schema.name, node, rest)
        case "count_or_expr":
            if not is_constant(place, node):
                return expression_value(place, node, "int")
            return bind_value(place, replace(schema, type="count"), "count", node)
        case "column":
            return _column(place, schema.name, node)
        case "aggregate":
            from mixwright_compiler.bind.aggregates import bind_aggregate

            return bind_aggregate(
                subject, node, lambda inner, wanted: expression_value(place, inner, wanted), findings
            )
        case "name" | "new_column":
            return _plain_name(place, subject, node)
        case "ref":
            return _reference(place, subject, rest, node)
        case "call":
            return bind_call(rest, subject, node, world, module)
        case "secret":
            return _secret(place, subject, node)
        case "text_or_secret":
            if isinstance(node, Call):
                return _secret(place, subject, node)
            return as_type(constant_expression(world, module, node), "text", subject, node.span, findings)
        case "path":
            return _path(place, subject, node)
    raise AssertionError(f"the catalog has a type that the compiler does not know: {type}")


def _check_bounds(schema: AttributeSchema, type: str, value: Any, span: Span, findings: Findings) -> None:
    if isinstance(value, str | bool):
        return
    low = schema.minimum if schema.minimum is not None else (None if type in ("int", "float") else 0)
    high = schema.maximum
    scale, unit = (100, "%") if type == "share" else (1, "")
    if (low is not None and value < low) or (high is not None and value > high):
        if low is not None and high is not None:
            words = f"is {low * scale:g}{unit} to {high * scale:g}{unit}"
        elif low is not None:
            words = f"is at least {low * scale:g}{unit}"
        else:
            words = f"is at most {(high or 0) * scale:g}{unit}"
        best = low if low is not None and value < low else high
        raise findings.error(
            "MIX117",
            f"`{schema.name}` {words}, here {value * scale:g}{unit}",
            span,
            "out of range",
            hint=f"the nearest allowed is `{(best or 0) * scale:g}{unit}`",
        )


_ADDRESS = r"https?://[^\s/?#]+(?:[/?#]\S*)?"
_LOCAL = r"(?:localhost|[\d.]+|\[[\da-f:]+\])(?::\d+)?(?:/|$)"


def _check_form(schema: AttributeSchema, value: Any, span: Span, findings: Findings) -> None:
    if schema.holds == "address" and not re.fullmatch(_ADDRESS, value):
        right = f"http{'' if re.match(_LOCAL, value) else 's'}://{value}"
        can_be = "://" not in value and bool(re.fullmatch(_ADDRESS, right))
        raise findings.error(
            "MIX107",
            f"`{schema.name}` takes an address, here `{value}`",
            span,
            "an address begins with `http://` or `https://`",
            hint=f'write `"{right}"`' if can_be else 'for example `"http://localhost:8000/v1"`',
            fix=replace_fix(span, f'"{right}"') if can_be and value in span.text else None,
        )
    if schema.holds == "character" and len(value) != 1:
        raise findings.error(
            "MIX117",
            f"`{schema.name}` is one character, here {len(value)}",
            span,
            "not one character",
            hint=f'for example `"{schema.default or ","}"`',
        )


def _list(place: Place, schema: AttributeSchema, item_type: str, node: Expression) -> list[Any]:
    if not isinstance(node, ListNode):
        if (item_type in (*LITERALS, "json") or item_type.startswith("word_or_text:")) and isinstance(
            node, Ref
        ):
            value = constant_expression(place.world, place.module, node).value
            if isinstance(value, list):
                _check_items(place, schema, item_type, value, node.span)
                return value
        raise place.findings.error(
            "MIX107",
            f"`{schema.name}` takes a list",
            node.span,
            "expected a list",
            hint=f"write `[{node.span.text}]`" if "\n" not in node.span.text else "put it in `[ ]`",
            fix=Fix("make it a list", (Edit(node.span, f"[{node.span.text}]"),), Applicability.MAYBE),
        )
    if schema.required and not node.items:
        raise _empty(place, schema, item_type, node.span)
    values, failed = [], False
    for item in node.items:
        try:
            values.append(bind_value(place, schema, item_type, item))
        except Reported:
            failed = True
    if failed:
        raise Reported
    return Items(values, (item.span for item in node.items))


def _names_texts(place: Place, type: str, node: Expression) -> bool:
    """Whether a name stands for a list where one text, or a list of them, may be."""
    if type != "some[text]" or not isinstance(node, Ref):
        return False
    found = constant_of(place.world, place.module, node)
    return found is not None and isinstance(found.value, list)


def _check_items(
    place: Place, schema: AttributeSchema, item_type: str, values: list[Any], span: Span
) -> None:
    """Raises Reported where a constant list is not one of this attribute."""
    if schema.required and not values:
        raise _empty(place, schema, item_type, span)
    for value in values if item_type == "text" else ():
        text = as_type(Constant(value), item_type, f"`{schema.name}`", span, place.findings)
        _check_form(schema, text, span, place.findings)


def _empty(place: Place, schema: AttributeSchema, item_type: str, span: Span) -> Reported:
    return place.findings.error(
        "MIX117",
        f"`{schema.name}` is empty",
        span,
        "at least one is needed",
        hint=f"write `{schema.name} = [{example_of(replace(schema, type=item_type))}]`",
    )


def _map(place: Place, schema: AttributeSchema, inner: str, node: Expression) -> dict[str, Any]:
    _key_type, has_key_type, value_type = inner.partition("=")
    if not has_key_type:
        value_type = inner
    if not isinstance(node, ObjectNode):
        raise place.findings.error(
            "MIX107",
            f"`{schema.name}` takes `{{ name = value }}`",
            node.span,
            "expected an object",
            hint="for example `{ problem = question }`",
        )
    result: dict[str, Any] = {}
    failed = False
    for item in node.body:
        if isinstance(item, Block):
            raise place.findings.error("MIX121", f"`{item.kind}` cannot stand here", item.kind_span)
        name = item.name.name
        if name in result:
            continue  # reported by the parser
        try:
            if value_type == "text" and isinstance(item.value, Ref):
                # Names of columns in a file are written bare, as the language's own names are.
                result[name] = item.value.name
            else:
                result[name] = bind_value(place, schema, value_type, item.value)
                if value_type == "text_or_secret" and isinstance(result[name], str):
                    _refuse_written_key(place, name, item.value.span)
        except Reported:
            failed = True
    if failed:
        raise Reported
    return result


def _word(place: Place, subject: str, words: list[str], node: Expression) -> str:
    findings = place.findings
    match node:
        case Ref(parts=(word,)):
            pass
        case Text(value=word):
            if word in words:
                findings.lint(
                    "MIX112",
                    f"`{word}` needs no quotes",
                    node.span,
                    hint=f"write `{word}`",
                    fix=Fix("remove the quotes", (Edit(node.span, word),)),
                )
        case _:
            raise findings.error(
                "MIX118",
                f"{subject} takes one of: {', '.join(words)}",
                node.span,
                "not one of these words",
                hint=f"for example `{words[0]}`",
            )
    if word in words:
        return word
    near = nearest(word, words)
    raise findings.error(
        "MIX118",
        f"{subject} has no `{word}`",
        node.span,
        f"it takes: {', '.join(words)}",
        **suggested(near, node.span, one_of(words, MOST_KINDS)),
    )


def _word_or_text(place: Place, subject: str, words: list[str], node: Expression) -> str:
    is_constant = isinstance(node, Ref) and constant_of(place.world, place.module, node) is not None
    if (isinstance(node, Ref) and not is_constant) or (isinstance(node, Text) and node.value in words):
        return _word(place, subject, words, node)
    constant = constant_expression(place.world, place.module, node)
    return str(as_type(constant, "text", subject, node.span, place.findings))


def _chat(place: Place, attribute: str, node: Expression) -> TypedExpression:
    """An expression that gives a conversation."""
    typed = expression_value(place, node, "any")
    if not is_assignable(typed.type, CHAT):
        raise place.findings.error(
            "MIX472",
            f"`{attribute}` takes a conversation, and this is {typed.type}",
            node.span,
            "no list of messages",
            hint='a conversation is a list of `{ role, content }`, as `chat` and `append(null, "user", text)` make it',
        )
    return typed


def _column(place: Place, attribute: str, node: Expression) -> str:
    findings, subject = place.findings, f"`{attribute}`"
    match node:
        case Ref():
            name = node.name
        case Text(value=name):
            pass
        case _:
            raise findings.error(
                "MIX107",
                f"{subject} takes the name of a column",
                node.span,
                "not a column's name",
                hint="compute it first: `derive { name = … }`",
            )
    if place.columns is not None and place.columns.type_of(name) is None:
        raise missing_column(place, name, node.span)
    if isinstance(node, Text) and _can_be_bare(name):
        findings.lint(
            "MIX112",
            f"column `{name}` needs no quotes",
            node.span,
            hint=f"write `{name}`",
            fix=Fix("remove the quotes", (Edit(node.span, name),)),
        )
    place.reads.setdefault(name, node.span)
    return name


def _column_or_json(place: Place, attribute: str, node: Expression) -> Any:
    """A column's name (str), or a literal. A name that is no column may be a constant."""
    if isinstance(node, Ref | Text):
        is_column = place.columns is None or place.columns.type_of(_name_of(node)) is not None
        if is_column or isinstance(node, Text) or constant_of(place.world, place.module, node) is None:
            return _column(place, attribute, node)
    return json_value(place, node, False)


def _name_of(node: Ref | Text) -> str:
    return node.name if isinstance(node, Ref) else node.value


def _can_be_bare(name: str) -> bool:
    """Could a quoted text stand without quotes? Columns of files are called anything, `input persona` or `in`."""
    return (
        name.isascii()
        and all(part.isidentifier() for part in name.split("."))
        and name not in ("true", "false", "null", "not", "and", "or", "in")
    )


def _plain_name(place: Place, subject: str, node: Expression) -> str:
    match node:
        case Ref():
            return node.name
        case Text(value=value):
            return value
    raise place.findings.error("MIX107", f"{subject} takes a name", node.span, hint="for example `my_name`")


def _reference(place: Place, subject: str, kind: str, node: Expression) -> str:
    world, findings = place.world, place.findings
    match node:
        case Ref():
            found = world.need(place.module, node, kind)
            refuse_operator(world, found, node.span, may_be=subject == "`prompt`" and place.step is not None)
            if found.qualified != place.owner:
                bound = world.ask(found, node.span)
                if isinstance(bound, ToolDecl):
                    read_by_tool(place, bound, node.span)
            return found.qualified
        case Text(value=name):
            ref = Ref(tuple(name.split(".")), node.span, (node.span,) * len(name.split(".")))
            found = world.need(place.module, ref, kind)
            refuse_operator(world, found, node.span, may_be=subject == "`prompt`" and place.step is not None)
            world.ask(found, node.span)
            findings.lint(
                "MIX112",
                f"`{name}` needs no quotes",
                node.span,
                "the name of a declaration",
                hint=f"write `{name}`",
                fix=Fix("remove the quotes", (Edit(node.span, name),)),
            )
            return found.qualified
    raise findings.error(
        "MIX107",
        f"{subject} takes the name of a {kind}",
        node.span,
        f"not a {kind}'s name",
        hint=f"declare a {kind} and write its name",
    )


def _secret(place: Place, subject: str, node: Expression) -> dict[str, str]:
    match node:
        case Call(function=Ref(parts=("env",)), arguments=(Text(value=name),), keywords=()) if name:
            return {"env": name}
        case Call(function=Ref(parts=("env",))):
            raise place.findings.error(
                "MIX122", "`env` takes one quoted name", node.span, hint='write `env("API_KEY")`'
            )
        case Text() | Heredoc():
            raise place.findings.error(
                "MIX901",
                f"{subject} is a secret written into the file",
                node.span,
                "everyone who reads the file reads it",
                hint='write `env("API_KEY")` and set that variable',
                hides=True,
            )
        case Ref() | Quantity() | Unary() | _:
            raise place.findings.error(
                "MIX107", f"{subject} takes a secret", node.span, hint='write `env("API_KEY")`'
            )


_HOLDS_A_KEY = r"(?i)authorization|key|token|secret|password|cookie"


def _refuse_written_key(place: Place, name: str, span: Span) -> None:
    """MIX901 for a header that is there to carry a key."""
    if re.search(_HOLDS_A_KEY, name):
        raise place.findings.error(
            "MIX901",
            f"`{name}` is a secret written into the file",
            span,
            "everyone who reads the file reads it",
            hint='write `env("API_KEY")` and set that variable',
            hides=True,
        )


def _path(place: Place, subject: str, node: Expression) -> str:
    constant = constant_expression(place.world, place.module, node)
    text: str = as_type(constant, "path", subject, node.span, place.findings)
    return place_path(place, text, node.span, is_vouched=constant.is_vouched)


def example_of(schema: AttributeSchema) -> str:
    head = schema.type.partition(":")[0]
    if head == "enum":
        return schema.type.partition(":")[2].split("|")[0]
    if head == "ref":
        return f"my_{schema.type.partition(':')[2]}"
    return EXAMPLES.get(schema.type, "[…]" if head.startswith("list") else "…")
