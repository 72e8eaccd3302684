"""Builds the syntax tree: one method per grammar rule, called by the LALR parser as it reduces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from lark import Token

from dsl import nodes
from dsl.diagnostic import Diagnostic, error
from dsl.literals import heredoc_value, string_value
from dsl.quantity import SUFFIXES, Unit, parse_quantity
from dsl.source import SourceFile, Span

PRECEDENCE = {"or": 1, "and": 2, "in": 4, "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4}
PRECEDENCE |= {"+": 5, "-": 5, "*": 6, "/": 6}
NOT_PRECEDENCE = 3
COMPARISON = 4
SIGN_PRECEDENCE = 7

Operand: TypeAlias = nodes.Expression


@dataclass(frozen=True)
class _Body:
    statements: tuple[nodes.Statement, ...]
    span: Span


class TreeBuilder:
    """Turns matched rules into nodes. `begin` sets the file; findings made on the way collect in `findings`."""

    def __init__(self) -> None:
        self.source = SourceFile("", "")
        self.findings: list[Diagnostic] = []

    def begin(self, source: SourceFile) -> None:
        """Forget the last run and build nodes of `source` from now on."""
        self.source = source
        self.findings = []

    def _span(self, token: Token) -> Span:
        assert token.start_pos is not None and token.end_pos is not None
        return Span(self.source, token.start_pos, token.end_pos)

    # -- statements

    def file(self, children: list[nodes.Statement]) -> tuple[nodes.Statement, ...]:
        return tuple(children)

    def attribute(self, children: list[Any]) -> nodes.Attribute:
        name, value = children
        return nodes.Attribute(name, value, name.span.to(value.span))

    keyword = attribute

    def block(self, children: list[Any]) -> nodes.Block:
        kind = children[0]
        kind_span = self._span(kind)
        last = children[-1]
        if isinstance(last, _Body):
            labels, body, has_body = children[1:-1], last.statements, True
        else:
            labels, body, has_body = children[1:], (), False
        span = kind_span if len(children) == 1 else kind_span.to(last.span)
        return nodes.Block(str(kind), kind_span, tuple(labels), body, has_body, span)

    def body(self, children: list[Any]) -> _Body:
        return _Body(tuple(children[1:-1]), self._span(children[0]).to(self._span(children[-1])))

    # -- atoms

    def ref(self, children: list[Token]) -> nodes.Ref:
        spans = tuple(map(self._span, children))
        span = spans[0] if len(spans) == 1 else spans[0].to(spans[-1])
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

    def call(self, children: list[Any]) -> nodes.Call:
        function, _, *arguments, closer = children
        positional = tuple(a for a in arguments if not isinstance(a, nodes.Attribute))
        keywords = tuple(a for a in arguments if isinstance(a, nodes.Attribute))
        return nodes.Call(function, positional, keywords, function.span.to(self._span(closer)))

    def list(self, children: list[Any]) -> nodes.ListNode:
        return nodes.ListNode(tuple(children[1:-1]), self._span(children[0]).to(self._span(children[-1])))

    def object(self, children: list[_Body]) -> nodes.ObjectNode:
        return nodes.ObjectNode(children[0].statements, children[0].span)

    def paren(self, children: list[Any]) -> Operand:
        # The span takes in the parentheses, so that spans of operators around it cover what the user sees.
        opener, inner, closer = children
        widened: Operand = replace(inner, span=self._span(opener).to(self._span(closer)))
        return widened

    # -- operators

    def expr(self, children: list[Any]) -> Operand:
        """Precedence climbing over a flat chain of operands (nodes) and operators (tokens)."""
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
            left = nodes.Binary(operator, left, right, span, operator_span)
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


def _bad_quantity(raw: str, problem: str, span: Span) -> Diagnostic:
    unit = problem if problem != raw else ""
    if not unit:
        return error("MIX009", f"number `{raw}` is out of range", span)
    if raw.startswith("$"):
        return error("MIX009", f"an amount of money takes no unit, found `{unit}`", span)
    tight = Span(span.source, span.end - len(unit), span.end)
    same = [known for known in SUFFIXES if known.lower() == unit.lower()]
    hint = f"did you mean `{raw[: -len(unit)]}{same[0]}`?" if same else ""
    label = "units: " + " ".join(SUFFIXES)
    return error("MIX009", f"unknown unit `{unit}` in `{raw}`", tight, label, hint=hint)
