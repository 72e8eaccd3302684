"""Attributes of a block to typed values, as the catalog entry says."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compiler.calls import bind_call
from compiler.catalog import AttributeSchema, Entry
from compiler.expressions import ExpressionScope, typed_expression
from compiler.findings import Findings, Reported
from compiler.params import constant_expression, constant_of
from compiler.program import Bound, TypedExpression
from compiler.schema import Columns
from compiler.suggest import listing, nearest, replace_fix
from compiler.values import EXAMPLES, as_type, kind_words
from compiler.world import Module, World
from dsl.diagnostic import Applicability, Edit, Fix, Label
from dsl.nodes import (
    Attribute,
    Block,
    Call,
    Expression,
    Heredoc,
    ListNode,
    ObjectNode,
    Quantity,
    Ref,
    Statement,
    Text,
    Unary,
)
from dsl.source import Span

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


@dataclass
class Place:
    """Where attributes are bound: the file, and the rows at hand when there are any.

    `later`: columns that following steps make, to tell a wrong order from an unknown name.
    `reads`: columns that the bound attributes turn out to read.
    """

    world: World
    module: Module
    columns: Columns | None = None
    rows_words: str = ""
    later: dict[str, Span] = field(default_factory=dict)
    reads: dict[str, Span] = field(default_factory=dict)
    defined_at: Span | None = None

    @property
    def findings(self) -> Findings:
        return self.world.findings


def bind_attributes(
    place: Place,
    entry: Entry,
    body: Sequence[Statement],
    at: Span,
    title: str,
    *,
    common: tuple[AttributeSchema, ...] = (),
    taken: Callable[[Statement], bool] = lambda _: False,
) -> dict[str, Bound]:
    """Bind every attribute of a block's body; `title` names the block in messages.

    `common`: attributes that the entry has besides its own. `taken`: statements that the caller handles.
    An attribute that was reported is left out, as is an optional one without a default.
    """
    schemas = {schema.name: schema for schema in (*common, *entry.attributes)}
    free = schemas.pop("*", None)
    bound: dict[str, Bound] = {}
    seen: dict[str, Span] = {}
    for statement in body:
        if taken(statement):
            continue
        name, span = _name_of(statement)
        schema = schemas.get(name)
        if schema is None and free is not None and isinstance(statement, Attribute) and "." not in name:
            schema = AttributeSchema(name, free.type, free.doc, cls=free.cls)
        if schema is None:
            _unknown_attribute(place, name, span, title, list(schemas), seen, isinstance(statement, Block))
            seen.setdefault(name, span)
            continue
        if name in seen:
            # The parser reports an attribute that is given twice; a block it cannot know to be one.
            if isinstance(statement, Block):
                place.findings.error(
                    "MIX115",
                    f"`{name}` is given twice",
                    span,
                    "given again here",
                    secondary=(Label(seen[name], "first given here"),),
                    hint="move its lines into the first",
                )
            continue
        seen[name] = span
        try:
            bound[name] = _bind_statement(place, schema, statement)
        except Reported:
            continue
    _missing(place, schemas, seen, at, title)
    for name, schema in schemas.items():
        if name not in seen and schema.default is not None:
            bound[name] = Bound(value=schema.default, span=at, is_default=True)
    return bound


def _name_of(statement: Statement) -> tuple[str, Span]:
    if isinstance(statement, Attribute):
        return statement.name.name, statement.name.span
    return statement.kind, statement.kind_span


def _missing(
    place: Place, schemas: dict[str, AttributeSchema], seen: dict[str, Span], at: Span, title: str
) -> None:
    """Report required attributes that nobody wrote. One that looks like a misspelt one is not missing."""
    for name, schema in schemas.items():
        if schema.required and name not in seen:
            if any(other not in schemas and nearest(other, [name]) == name for other in seen):
                continue
            place.findings.error(
                "MIX106",
                f"{title} has no `{name}`",
                at,
                "a required attribute is missing",
                hint=f"add `{name} = {_example(schema)}`",
                notes=(schema.doc,) if schema.doc else (),
            )


def _example(schema: AttributeSchema) -> str:
    head = schema.type.partition(":")[0]
    if head == "enum":
        return schema.type.partition(":")[2].split("|")[0]
    if head == "ref":
        return f"my_{schema.type.partition(':')[2]}"
    return EXAMPLES.get(schema.type, "[…]" if head.startswith("list") else "…")


def _unknown_attribute(
    place: Place,
    name: str,
    span: Span,
    title: str,
    names: list[str],
    seen: dict[str, Span],
    is_block: bool,
) -> None:
    near = nearest(name, [n for n in names if n not in seen], names)
    what = "block" if is_block else "attribute"
    place.findings.error(
        "MIX105",
        f"{title} has no {what} `{name}`",
        span,
        "unknown",
        hint=f"did you mean `{near}`?"
        if near
        else f"it takes: {listing(names, 30)}"
        if names
        else "it takes no attributes",
        fix=replace_fix(span, near) if near else None,
    )


def _bind_statement(place: Place, schema: AttributeSchema, statement: Statement) -> Bound:
    if isinstance(statement, Block):
        if statement.labels:
            raise place.findings.error(
                "MIX120", f"`{statement.kind}` has no name here", statement.labels[0].span
            )
        value = ObjectNode(statement.body, statement.span)
        if not schema.type.startswith(("block:", "json", "map[")):
            raise place.findings.error(
                "MIX107",
                f"`{schema.name}` is an attribute, not a block",
                statement.kind_span,
                hint=f"write `{schema.name} = {_example(schema)}`",
            )
        return Bound(value=bind_value(place, schema, schema.type, value, bare=True), span=statement.span)
    return Bound(
        value=bind_value(place, schema, schema.type, statement.value),
        span=statement.value.span,
    )


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
        return value
    if type.startswith("list["):
        return _list(place, schema, type[5:-1], node)
    if type.startswith("map["):
        return _map(place, schema, type[4:-1], node)
    match head:
        case "json":
            return _json(place, node, bare)
        case "enum":
            return _word(place, subject, rest.split("|"), node)
        case "expr":
            return _expression(place, node, rest)
        case "column":
            return _column(place, subject, node)
        case "name" | "new_column":
            return _plain_name(place, subject, node)
        case "ref":
            return _reference(place, subject, rest, node)
        case "call":
            return bind_call(rest, subject, node, world, module)
        case "secret":
            return _secret(place, subject, node)
        case "path":
            return _path(place, subject, node)
        case "block":
            return _sub_block(place, schema, rest, node)
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


def _list(place: Place, schema: AttributeSchema, item_type: str, node: Expression) -> list[Any]:
    if not isinstance(node, ListNode):
        if item_type in (*LITERALS, "json") and isinstance(node, Ref):
            value = constant_expression(place.world, place.module, node).value
            if isinstance(value, list):
                return value
        raise place.findings.error(
            "MIX107",
            f"`{schema.name}` takes a list",
            node.span,
            "expected a list",
            hint=f"write `[{node.span.text}]`" if "\n" not in node.span.text else "put it in `[ ]`",
            fix=Fix("make it a list", (Edit(node.span, f"[{node.span.text}]"),), Applicability.MAYBE),
        )
    values, failed = [], False
    for item in node.items:
        try:
            values.append(bind_value(place, schema, item_type, item))
        except Reported:
            failed = True
    if failed:
        raise Reported
    return values


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
        except Reported:
            failed = True
    if failed:
        raise Reported
    return result


def _json(place: Place, node: Expression, bare: bool) -> Any:
    if isinstance(node, Heredoc) and node.tag == "JSON":
        import json

        try:
            return json.loads(node.value)
        except json.JSONDecodeError as broken:
            at = node.offset_of(broken.pos)
            raise place.findings.error(
                "MIX107",
                f"this is not JSON: {broken.msg[:1].lower()}{broken.msg[1:]}",
                Span(node.span.source, at, at + 1),
                hint="the heredoc's tag says JSON; `<<~TEXT` holds any text",
            ) from None
        except RecursionError:
            raise place.findings.error("MIX107", "this JSON is nested too deeply", node.span) from None
    return constant_expression(place.world, place.module, node, bare_words=bare).value


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
        hint=f"did you mean `{near}`?" if near else f"write one of: {', '.join(words)}",
        fix=replace_fix(node.span, near) if near else None,
    )


def _expression(place: Place, node: Expression, wanted: str) -> TypedExpression:
    columns = place.columns if place.columns is not None else Columns(is_open=True)
    scope = ExpressionScope(
        columns,
        lambda ref: constant_of(place.world, place.module, ref),
        lambda ref: missing_column(place, ref.name, ref.span),
        place.findings,
    )
    typed = typed_expression(node, scope, wanted)
    for name in typed.columns:
        place.reads.setdefault(name, node.span)
    return typed


def missing_column(place: Place, name: str, span: Span) -> Exception:
    """Report a column that the rows here do not have: it comes later, was left out, or does not exist."""
    assert place.columns is not None
    first = name.partition(".")[0]
    rows = place.rows_words or "the rows here"
    if first in place.later:
        return place.findings.error(
            "MIX402",
            f"column `{first}` is not there yet in {rows}",
            span,
            "read before it is made",
            secondary=(Label(place.later[first], f"`{first}` is made here"),),
            hint=f"move this step below the one that makes `{first}`",
        )
    if first in place.columns.left_out:
        return place.findings.error(
            "MIX414",
            f"column `{first}` was left out of {rows}",
            span,
            f"{place.columns.left_out[first]}",
            hint=f"add `{first}` to `columns` there",
        )
    known = list(place.columns.types)
    constants = place.world.visible(place.module, ("let", "param"))
    near = nearest(name, known, constants, place.columns.left_out)
    return place.findings.error(
        "MIX401",
        f"no column `{name}` in {rows}",
        span,
        f"columns here: {listing(known)}" if known else "there are no columns here",
        hint=f"did you mean `{near}`?"
        if near
        else (f"write one of: {listing(known)}" if known else "make it first: `derive { name = … }`"),
        fix=replace_fix(span, near) if near else None,
    )


def _column(place: Place, subject: str, node: Expression) -> str:
    findings = place.findings
    match node:
        case Ref():
            name = node.name
        case Text(value=name):
            findings.lint(
                "MIX112",
                f"column `{name}` needs no quotes",
                node.span,
                hint=f"write `{name}`",
                fix=Fix("remove the quotes", (Edit(node.span, name),)) if name.isidentifier() else None,
            )
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
    place.reads.setdefault(name, node.span)
    return name


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
            return world.need(place.module, node, kind).qualified
        case Text(value=name):
            ref = Ref(tuple(name.split(".")), node.span, (node.span,) * len(name.split(".")))
            found = world.need(place.module, ref, kind)
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
            )
        case Ref() | Quantity() | Unary() | _:
            raise place.findings.error(
                "MIX107", f"{subject} takes a secret", node.span, hint='write `env("API_KEY")`'
            )


def _path(place: Place, subject: str, node: Expression) -> str:
    constant = constant_expression(place.world, place.module, node)
    text: str = as_type(constant, "path", subject, node.span, place.findings)
    return place_path(place, text, node.span, is_vouched=constant.is_vouched)


def place_path(place: Place, text: str, span: Span, *, is_vouched: bool = False) -> str:
    """The path as the plan has it, relative to the spec's directory; raises Reported when it leaves the root.

    A path that was given with `-p` is taken as it is.
    """
    world = place.world
    if is_vouched:
        return text
    if not text or "\0" in text:
        raise place.findings.error(
            "MIX107", "the path is empty", span, hint='for example `"data/rows.jsonl"`'
        )
    hint = "put the file into the project, or give it: `param data { type = path }` and `-p data=…`"
    if os.path.isabs(text) or text.startswith("~"):
        raise place.findings.error(
            "MIX902", f"`{text}` is a path of this machine alone", span, "an absolute path", hint=hint
        )
    joined = os.path.normpath(place.module.directory / text)
    if not Path(joined).is_relative_to(world.root):
        raise place.findings.error(
            "MIX902",
            f"`{text}` is outside the project",
            span,
            f"the project is {world.root.name}/",
            hint=hint,
        )
    if not Path(os.path.realpath(joined)).is_relative_to(os.path.realpath(world.root)):
        raise place.findings.error(
            "MIX902", f"`{text}` leads outside the project through a link", span, hint=hint
        )
    return text if place.module.directory == world.directory else os.path.relpath(joined, world.directory)


def _sub_block(place: Place, schema: AttributeSchema, key: str, node: Expression) -> dict[str, Any]:
    entry = place.world.catalog.entries.get(key)
    if not isinstance(node, ObjectNode) or entry is None:
        raise place.findings.error(
            "MIX107",
            f"`{schema.name}` is a block",
            node.span,
            hint=f"write `{schema.name} {{ … }}`",
        )
    at = Span(node.span.source, node.span.start, node.span.start + 1)
    attributes = bind_attributes(place, entry, node.body, at, f"`{schema.name}`")
    return {name: bound.value for name, bound in attributes.items()}


def words_of(value: Any) -> str:
    """What kind of value a constant is, for messages."""
    return kind_words(value)
