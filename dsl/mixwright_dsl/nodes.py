"""The syntax tree: frozen, with a span on every node, and nothing about meaning.

File       = Statement*
Statement  = Attribute (ref "=" expr) | Block (NAME label* { Statement* })
Expression = Quantity | Text | Heredoc | Bool | Null | Ref | Call | ListNode | ObjectNode | Unary | Binary
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from mixwright_dsl.lazy_dataclass import dataclass
from mixwright_dsl.quantity import Unit
from mixwright_dsl.source import SourceFile, Span


@dataclass(frozen=True)
class Ref:
    """A dotted name: `persona`, `tulu.math_solution`."""

    parts: tuple[str, ...]
    span: Span
    part_spans: tuple[Span, ...]

    @property
    def name(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True)
class Quantity:
    """A number with its unit: `150k` is value 150000 with `Unit.COUNT`; `30%` is 0.3 with `Unit.SHARE`.

    `value` is an int whenever the quantity is a whole number without a point, a percent sign or an exponent.
    """

    value: int | float
    unit: Unit
    span: Span


@dataclass(frozen=True)
class Text:
    """A quoted string, escapes resolved. `span` covers the quotes."""

    value: str
    span: Span

    def offset_of(self, index: int) -> int:
        """File offset of the character at `index` of `value`; of an escape, its backslash."""
        from mixwright_dsl.escapes import string_offset

        return self.span.start + string_offset(self.span.text, index)


@dataclass(frozen=True)
class Heredoc:
    """`<<~TAG ... TAG`, dedented by the column of its closing tag.

    `lines` gives, for every line of `value`, the offset in the file of its first character, so that a
    position inside `value` maps back to the file (see `offset_of`).
    """

    value: str
    tag: str
    span: Span
    lines: tuple[int, ...]

    def offset_of(self, index: int) -> int:
        """File offset of the character at `index` of `value`."""
        line = self.value.count("\n", 0, index)
        column = index - (self.value.rfind("\n", 0, index) + 1)
        return self.lines[min(line, len(self.lines) - 1)] + column


@dataclass(frozen=True)
class Bool:
    """`true` or `false`."""

    value: bool
    span: Span


@dataclass(frozen=True)
class Null:
    """`null`."""

    span: Span


@dataclass(frozen=True)
class Call:
    """`after("Math problem:")`, `take(50k, balance = language)`."""

    function: Ref
    arguments: tuple[Expression, ...]
    keywords: tuple[Attribute, ...]
    span: Span


@dataclass(frozen=True)
class ListNode:
    """`[a, b]`."""

    items: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True)
class ObjectNode:
    """`{ problem = question, solution = answer }`: statements, most often attributes only."""

    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True)
class Unary:
    """`-n`, `not ok`."""

    operator: str  # "-", "+" or "not"
    operand: Expression
    span: Span


@dataclass(frozen=True)
class Binary:
    """`operator` is one of: or and in == != < <= > >= + - * /."""

    operator: str
    left: Expression
    right: Expression
    span: Span
    operator_span: Span


@dataclass(frozen=True)
class Attribute:
    """`name = value`."""

    name: Ref
    value: Expression
    span: Span


@dataclass(frozen=True)
class Block:
    """`kind label* { body }`. `has_body` tells `from things` from `from things {}`."""

    kind: str
    kind_span: Span
    labels: tuple[Ref | Text | Quantity, ...]
    body: tuple[Statement, ...]
    has_body: bool
    span: Span


@dataclass(frozen=True)
class File:
    """A whole file."""

    source: SourceFile
    body: tuple[Statement, ...]


Expression: TypeAlias = (
    Quantity | Text | Heredoc | Bool | Null | Ref | Call | ListNode | ObjectNode | Unary | Binary
)
Statement: TypeAlias = Attribute | Block


def named(statement: Statement) -> tuple[str, Span]:
    """What a statement is called, and where it says so: an attribute's name, a block's kind."""
    if isinstance(statement, Attribute):
        return statement.name.name, statement.name.span
    return statement.kind, statement.kind_span


def parts_of(node: Statement | Expression) -> Iterator[Statement | Expression]:
    """A node and all that is in it, in the order of the text; names of attributes, functions and kinds are no nodes."""
    yield node
    inner: tuple[Statement | Expression, ...]
    match node:
        case Attribute():
            inner = (node.value,)
        case Block():
            inner = (*node.labels, *node.body)
        case Call():
            inner = (*node.arguments, *node.keywords)
        case ListNode():
            inner = node.items
        case ObjectNode():
            inner = node.body
        case Unary():
            inner = (node.operand,)
        case Binary():
            inner = (node.left, node.right)
        case _:
            return
    for part in inner:
        yield from parts_of(part)
