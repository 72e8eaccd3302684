"""A copy of a fragment's steps for one use: with what was given for its params, and columns as the rows call them.

What a name in a step stands for hangs on where it stands, so it is copied by what the catalog says of its attribute.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mixwright_compiler.bind.fragments import bodies_of, used_fragment
from mixwright_compiler.bind.kinds import step_kind
from mixwright_compiler.bind.scope import Scope
from mixwright_compiler.catalog.catalog import AttributeSchema, Entry
from mixwright_compiler.catalog.makes import remakes
from mixwright_compiler.catalog.references import BLOCKS, block_of
from mixwright_compiler.load.uses import Use, UsedSource
from mixwright_compiler.program import FragmentDecl, OperatorDecl
from mixwright_dsl.lazy_dataclass import replace
from mixwright_dsl.nodes import (
    Attribute,
    Binary,
    Block,
    Bool,
    Call,
    Expression,
    Heredoc,
    ListNode,
    Null,
    ObjectNode,
    Quantity,
    Ref,
    Statement,
    Text,
    Unary,
    named,
)
from mixwright_dsl.source import Span


class StepCopy:
    """Copies the steps of a fragment for one use."""

    def __init__(
        self,
        scope: Scope,
        fragment: FragmentDecl | OperatorDecl,
        use: Use,
        arguments: Mapping[str, Expression],
        defaults: Collection[str],
    ) -> None:
        self.scope = scope
        self.world = scope.world
        self.module = scope.world.home(scope.world.spec, fragment.span)
        self.use = use
        self.arguments = arguments
        self.defaults = defaults
        self.source = UsedSource(fragment.span.source, use)

    def at(self, span: Span) -> Span:
        return Span(self.source, span.start, span.end)

    def step(self, block: Block) -> Block:
        """A step, its label and its attributes by what the catalog says they are."""
        if block.kind == "use":
            return self.inner_use(block)
        entry = step_kind(self.world, block)
        labels = [self.label(label) for label in block.labels]
        first = labels[0] if labels else None
        if isinstance(first, Ref) and (entry is None or entry.label in ("new_column", "name")):
            labels[0] = self.column(first)
        inside = bodies_of(self.world, block)
        body = [
            self.step(s) if isinstance(s, Block) and any(s is i for i in inside) else self.statement(s, entry)
            for s in block.body
        ]
        return Block(
            block.kind,
            self.at(block.kind_span),
            tuple(labels),
            tuple(body),
            block.has_body,
            self.at(block.span),
        )

    def inner_use(self, block: Block) -> Block:
        """The use of another fragment, whose params say what is given for them."""
        fragment = used_fragment(self.scope, self.module, block)
        body: list[Statement] = []
        for statement in block.body:
            name = named(statement)[0]
            param = fragment.params.get(name)
            if isinstance(statement, Attribute) and param is not None:
                is_column = param.type == "column"
                value = self.plain(statement.value, params=True, columns=is_column)
                body.append(Attribute(self.ref(statement.name), value, self.at(statement.span)))
            else:
                body.append(self.statement(statement, None))
        labels = tuple(self.label(label) for label in block.labels)
        return replace(
            block,
            kind_span=self.at(block.kind_span),
            labels=labels,
            body=tuple(body),
            span=self.at(block.span),
        )

    def label(self, label: Ref | Text | Quantity) -> Ref | Text | Quantity:
        return self.ref(label) if isinstance(label, Ref) else replace(label, span=self.at(label.span))

    def ref(self, ref: Ref) -> Ref:
        return Ref(ref.parts, self.at(ref.span), tuple(map(self.at, ref.part_spans)))

    def column(self, ref: Ref) -> Ref:
        """The name of a column as it is called in the rows: one word, whatever dots are in it."""
        name = self.use.names.get(ref.parts[0])
        if name is None:
            return ref
        return Ref((name, *ref.parts[1:]), ref.span, ref.part_spans)

    def statement(self, statement: Statement, entry: Entry | None) -> Statement:
        """An attribute of a step, or a block that is one."""
        if isinstance(statement, Block):
            schema = entry.attribute(statement.kind) if entry is not None else None
            if schema is not None and schema.type.startswith(BLOCKS):
                return self.one_of_several(statement, schema)
            copied = self.value(ObjectNode(statement.body, statement.span), schema)
            assert isinstance(copied, ObjectNode)
            return Block(
                statement.kind,
                self.at(statement.kind_span),
                tuple(self.label(label) for label in statement.labels),
                copied.body,
                statement.has_body,
                self.at(statement.span),
            )
        name = self.ref(statement.name)
        schema = entry.attribute(name.name) if entry is not None else None
        if schema is None and entry is not None and remakes(entry):
            name = self.column(name)
            schema = entry.attribute("*")
        return Attribute(name, self.value(statement.value, schema), self.at(statement.span))

    def one_of_several(self, block: Block, schema: AttributeSchema) -> Block:
        """A block of a list, whose label is the value of its first attribute."""
        nested = self.world.catalog.entries.get(block_of(schema.type) or "")
        labels = [
            self.plain(label, params=True, columns=False) if isinstance(label, Ref) else self.label(label)
            for label in block.labels
        ]
        return replace(
            block,
            kind_span=self.at(block.kind_span),
            labels=tuple(label for label in labels if isinstance(label, Ref | Text | Quantity)),
            body=tuple(self.statement(s, nested) for s in block.body),
            span=self.at(block.span),
        )

    def value(self, node: Expression, schema: AttributeSchema | None) -> Expression:
        return self.typed(node, schema.type if schema is not None else "")

    def typed(self, node: Expression, type: str) -> Expression:
        """A value by the type of its attribute: a word of the language is no param, though it be called as one."""
        head, _, rest = type.partition(":")
        if head in ("name", "") or "enum:" in type or (head == "call" and isinstance(node, Ref)):
            return self.plain(node, params=False, columns=False)
        if head == "block" and isinstance(node, ObjectNode):
            entry = self.world.catalog.entries.get(rest)
            return ObjectNode(tuple(self.statement(s, entry) for s in node.body), self.at(node.span))
        if type.startswith("map[") and isinstance(node, ObjectNode):
            return self.map(node, type[4:-1])
        if head == "column" and isinstance(node, Text):
            return Text(self.use.names.get(node.value, node.value), self.at(node.span))
        holds_columns = (
            head in ("column", "new_column", "expr", "column_or_json", "aggregate") or "[column" in type
        )
        return self.plain(node, params=True, columns=holds_columns)

    def map(self, node: ObjectNode, inner: str) -> ObjectNode:
        key, has_key, value = inner.partition("=")
        body: list[Statement] = []
        for item in node.body:
            if isinstance(item, Block):
                body.append(self.statement(item, None))
                continue
            name = self.ref(item.name)
            name = self.column(name) if has_key and "column" in key else name
            copied = self.typed(item.value, value if has_key else inner)
            body.append(Attribute(name, copied, self.at(item.span)))
        return ObjectNode(tuple(body), self.at(node.span))

    def plain(self, node: Expression, *, params: bool, columns: bool) -> Expression:
        """A copy, with what was given for each param, and with columns as they are called in the rows."""

        def again(inner: Expression) -> Expression:
            return self.plain(inner, params=params, columns=columns)

        def attribute(item: Statement) -> Statement:
            if isinstance(item, Block):
                return self.statement(item, None)
            return Attribute(self.ref(item.name), again(item.value), self.at(item.span))

        span = self.at(node.span)
        match node:
            case Ref():
                return self.name(node, params=params, columns=columns)
            case Quantity() | Text() | Bool() | Null() | Heredoc():
                return replace(node, span=span)
            case Call(function=function, arguments=arguments, keywords=keywords):
                given = tuple(Attribute(self.ref(k.name), again(k.value), self.at(k.span)) for k in keywords)
                return Call(self.ref(function), tuple(map(again, arguments)), given, span)
            case ListNode(items=items):
                return ListNode(tuple(map(again, items)), span)
            case ObjectNode(body=body):
                return ObjectNode(tuple(map(attribute, body)), span)
            case Unary(operator=operator, operand=operand):
                return Unary(operator, again(operand), span)
            case Binary(operator=operator, left=left, right=right):
                return Binary(operator, again(left), again(right), span, self.at(node.operator_span))

    def name(self, ref: Ref, *, params: bool, columns: bool) -> Expression:
        first, rest = ref.parts[0], ref.parts[1:]
        copied = self.ref(ref)
        if first in self.arguments and params:
            value = self.arguments[first]
            if first in self.defaults:
                value = self.plain(value, params=False, columns=False)
            if isinstance(value, Ref) and rest:
                value = Ref((*value.parts, *rest), value.span, (*value.part_spans, *copied.part_spans[1:]))
            return copied if rest and not isinstance(value, Ref) else value
        return self.column(copied) if columns else copied
