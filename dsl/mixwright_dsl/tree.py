"""Builds the syntax tree: one method per grammar rule, called by the LALR parser as it reduces."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeAlias

from mixwright_dsl import nodes
from mixwright_dsl.diagnostic import Applicability, Diagnostic, Edit, Fix, error
from mixwright_dsl.lazy_dataclass import dataclass, replace
from mixwright_dsl.literals import heredoc_value, string_value
from mixwright_dsl.quantity import SUFFIXES, Unit, parse_quantity
from mixwright_dsl.source import SourceFile, Span
from mixwright_dsl.tokens import Token

PRECEDENCE = {"or": 1, "and": 2, "in": 4, "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4}
PRECEDENCE |= {"+": 5, "-": 5, "*": 6, "/": 6}
NOT_PRECEDENCE = 3
COMPARISON = 4
SIGN_PRECEDENCE = 7

LONGEST_CHAIN = 200
"""Operands and operators in one chain: more is a list that wants another form."""

DEEPEST_VALUE = 120
"""Values within values: later stages walk the tree by recursion, a few frames each, and Python allows 1,000."""

BARE = ("edition", "import", "test", "limit", "from")
"""Blocks that a number or a text may stand behind with nothing after it; `limit 10` is told where it would go."""

Operand: TypeAlias = nodes.Expression


@dataclass(frozen=True)
class _Body:
    """What stands between two braces."""

    statements: tuple[nodes.Statement, ...]
    span: Span


def missing_equal(name: str, span: Span) -> Diagnostic:
    """`samples 4`: an attribute whose `=` was forgotten; `span` is its name's."""
    at = Span(span.source, span.end, span.end)
    message = f"`=` is missing after `{name}`"
    return error("MIX005", message, at, hint=f"write `{name} = ...`", fix=Fix("add `=`", (Edit(at, " ="),)))


class TreeBuilder:
    """Turns matched rules into nodes. `begin` sets the file; findings made on the way collect in `findings`."""

    def __init__(self) -> None:
        self.source = SourceFile("", "")
        self.findings: list[Diagnostic] = []
        self._depths: dict[
            int, tuple[int, object]
        ] = {}  # by id; the node is kept so that no id is used twice

    def begin(self, source: SourceFile) -> None:
        """Forget the last run and build nodes of `source` from now on."""
        self.source = source
        self.findings = []
        self._depths = {}

    def _checked(self, node: Operand, parts: Iterable[object]) -> Operand:
        """The node, or null with a finding where it nests too deep. Depths below 2 are not written down."""
        deepest = 1 + max(
            (self._depths[id(part)][0] for part in parts if id(part) in self._depths), default=1
        )
        if deepest > DEEPEST_VALUE:
            message = f"values are nested more than {DEEPEST_VALUE} levels deep"
            self.findings.append(error("MIX011", message, node.span, hint="name a part and refer to it"))
            return nodes.Null(node.span)
        self._depths[id(node)] = (deepest, node)
        return node

    def _span(self, token: Token) -> Span:
        return Span(self.source, token.start_pos, token.end_pos)

    # -- statements

    def file(self, children: list[nodes.Statement]) -> tuple[nodes.Statement, ...]:
        return tuple(children)

    def attribute(self, children: list[Any]) -> nodes.Attribute:
        name, value = children
        return nodes.Attribute(name, value, Span(self.source, name.span.start, value.span.end))

    keyword = attribute

    def block(self, children: list[Any]) -> nodes.Statement:
        kind = children[0]
        kind_span = self._span(kind)
        last = children[-1]
        if isinstance(last, _Body):
            labels, body, has_body = children[1:-1], last.statements, True
        else:
            labels, body, has_body = children[1:], (), False
            match labels:
                case [nodes.Quantity() | nodes.Text() as value] if str(kind) not in BARE:
                    self.findings.append(missing_equal(str(kind), kind_span))
                    name = nodes.Ref((str(kind),), kind_span, (kind_span,))
                    return nodes.Attribute(name, value, kind_span.to(value.span))
        span = kind_span if len(children) == 1 else kind_span.to(last.span)
        return nodes.Block(str(kind), kind_span, tuple(labels), body, has_body, span)

    def body(self, children: list[Any]) -> _Body:
        span = Span(self.source, children[0].start_pos, children[-1].end_pos)
        return _Body(tuple(children[1:-1]), span)

    # -- atoms

    def ref(self, children: list[Token]) -> nodes.Ref:
        if len(children) == 1:  # as nearly all are
            name = children[0]
            span = Span(self.source, name.start_pos, name.end_pos)
            return nodes.Ref((str(name),), span, (span,))
        spans = tuple(map(self._span, children))
        span = spans[0].to(spans[-1])
        return nodes.Ref(tuple(map(str, children)), span, spans)

    def text(self, children: list[Token]) -> nodes.Text:
        span = self._span(children[0])
        value, findings = string_value(self.source, span.start, span.end)
        self.findings += findings
        return nodes.Text(value, span)

    def quantity(self, children: list[Token]) -> nodes.Quantity:
        span = self._span(children[0])
        raw = str(children[0])
        try:
            value, unit = parse_quantity(raw)
        except ValueError as problem:
            self.findings.append(_bad_quantity(raw, str(problem), span))
            return nodes.Quantity(0, Unit.NUMBER, span)
        return nodes.Quantity(value, unit, span)

    def heredoc(self, children: list[Token]) -> nodes.Heredoc:
        span = self._span(children[0])
        node, findings = heredoc_value(self.source, span.start, span.end)
        self.findings += findings
        return node

    def constant(self, children: list[Token]) -> nodes.Bool | nodes.Null:
        span = self._span(children[0])
        if children[0].type == "NULL":
            return nodes.Null(span)
        return nodes.Bool(children[0].type == "TRUE", span)

    def call(self, children: list[Any]) -> Operand:
        function, _, *arguments, closer = children
        positional = tuple(a for a in arguments if not isinstance(a, nodes.Attribute))
        keywords = tuple(a for a in arguments if isinstance(a, nodes.Attribute))
        node = nodes.Call(function, positional, keywords, function.span.to(self._span(closer)))
        return self._checked(node, (*positional, *(keyword.value for keyword in keywords)))

    def sequence(self, children: list[Any]) -> Operand:
        items = tuple(children[1:-1])
        return self._checked(
            nodes.ListNode(items, self._span(children[0]).to(self._span(children[-1]))), items
        )

    def object(self, children: list[_Body]) -> Operand:
        body = children[0]
        values = [s.value for s in body.statements if isinstance(s, nodes.Attribute)]
        return self._checked(nodes.ObjectNode(body.statements, body.span), values)

    def paren(self, children: list[Any]) -> Operand:
        # The span takes in the parentheses, so that spans of operators around it cover what the user sees.
        opener, inner, closer = children
        widened: Operand = replace(inner, span=self._span(opener).to(self._span(closer)))
        return self._checked(widened, (inner,))

    # -- operators

    def expr(self, children: list[Any]) -> Operand:
        """Precedence climbing over a flat chain of operands (nodes) and operators (tokens)."""
        if len(children) > LONGEST_CHAIN:
            operand = next(child for child in children if not isinstance(child, Token))
            hint = "use `in [...]`, a list or several constants"
            message = f"expression has more than {LONGEST_CHAIN} operands and operators"
            self.findings.append(error("MIX011", message, operand.span, "it starts here", hint=hint))
            return nodes.Null(operand.span)
        result, position = self._climb(children, 0, 0)
        assert position == len(children)
        return result

    def _climb(self, chain: list[Any], position: int, lowest: int) -> tuple[Operand, int]:
        left, position = self._prefixed(chain, position)
        while position < len(chain):
            token = chain[position]
            is_not_in = token.type == "NOT"
            operator = "in" if is_not_in else str(token)
            level = PRECEDENCE[operator]
            if level < lowest:
                break
            operator_span = self._span(token)
            position += 1
            if is_not_in:
                operator_span = operator_span.to(self._span(chain[position]))
                position += 1
            if level == COMPARISON and isinstance(left, nodes.Binary) and _is_bare_comparison(left):
                hint = f"write `{left.span.text} and {left.right.span.text} {operator} ...`"
                self.findings.append(
                    error("MIX001", "comparisons cannot be chained", operator_span, hint=hint)
                )
            right, position = self._climb(chain, position, level + 1)
            span = left.span.to(right.span)
            left = self._checked(nodes.Binary(operator, left, right, span, operator_span), (left, right))
            if is_not_in:
                left = nodes.Unary("not", left, span)
        return left, position

    def _prefixed(self, chain: list[Any], position: int) -> tuple[Operand, int]:
        token = chain[position]
        if not isinstance(token, Token):
            return token, position + 1
        level = NOT_PRECEDENCE if token.type == "NOT" else SIGN_PRECEDENCE
        operand, position = self._climb(chain, position + 1, level)
        return nodes.Unary(str(token), operand, self._span(token).to(operand.span)), position


def _is_bare_comparison(node: nodes.Binary) -> bool:
    """A comparison not in parentheses: then the span is wider than its operands."""
    return PRECEDENCE[node.operator] == COMPARISON and node.span.start == node.left.span.start


_STRAY_UNDERSCORE = r"_(?![0-9])|(?<![0-9])_"


def _parsed(text: str) -> str:
    """The text if it is a quantity, else nothing."""
    try:
        parse_quantity(text)
    except ValueError:
        return ""
    return text


def _bad_quantity(raw: str, problem: str, span: Span) -> Diagnostic:
    if re.search(_STRAY_UNDERSCORE, raw) and (right := _parsed(re.sub(_STRAY_UNDERSCORE, "", raw))):
        write = Fix(f"write `{right}`", (Edit(span, right),), Applicability.MAYBE)
        message = "`_` in a number stands between two digits"
        return error("MIX009", message, span, hint=f"write `{right}`", fix=write)
    unit = problem if problem != raw else ""
    if not unit:
        return error("MIX009", f"number `{raw}` is out of range", span)
    if raw.startswith("$"):
        return error("MIX009", f"an amount of money takes no unit, found `{unit}`", span)
    tight = Span(span.source, span.end - len(unit), span.end)
    near = [known for known in SUFFIXES if known.lower() in (unit.lower(), f"{unit.lower()}i")]
    written = [f"`{raw[: -len(unit)]}{known}`" for known in near]
    hint = f"did you mean {' or '.join(written)}?" if written else ""
    fix = None
    if near:
        fix = Fix(f"write {written[0]}", (Edit(tight, near[0]),), Applicability.MAYBE)
    label = "units: " + " ".join(SUFFIXES)
    return error("MIX009", f"unknown unit `{unit}` in `{raw}`", tight, label, hint=hint, fix=fix)
