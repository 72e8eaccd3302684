"""Finds attributes written twice in one block: the second would silently win or lose."""

from __future__ import annotations

from collections.abc import Iterable

from mixwright_dsl import nodes
from mixwright_dsl.diagnostic import Diagnostic, Label, error


def find_duplicates(body: Iterable[nodes.Statement]) -> list[Diagnostic]:
    """MIX006 for each attribute or keyword argument whose name was used before in the same block or call."""
    findings: list[Diagnostic] = []
    _visit_body(body, findings)
    return findings


def _visit_body(body: Iterable[nodes.Statement], findings: list[Diagnostic]) -> None:
    first: dict[tuple[str, ...], nodes.Ref] = {}
    for statement in body:
        if isinstance(statement, nodes.Block):
            _visit_body(statement.body, findings)
            continue
        name = statement.name
        earlier = first.setdefault(name.parts, name)
        # A name that does not stand in the text was put there to go on after a mistake.
        if earlier is not name and (len(name.parts) > 1 or name.span.text == name.name):
            message = f"`{name.name}` is set twice in one block"
            secondary = (Label(earlier.span, "first set here"),)
            hint = "delete one of them"
            findings.append(
                error("MIX006", message, name.span, "set again here", secondary=secondary, hint=hint)
            )
        _visit_value(statement.value, findings)


def _visit_value(value: nodes.Expression, findings: list[Diagnostic]) -> None:
    match value:
        case nodes.ObjectNode():
            _visit_body(value.body, findings)
        case nodes.ListNode():
            for item in value.items:
                _visit_value(item, findings)
        case nodes.Call():
            for argument in value.arguments:
                _visit_value(argument, findings)
            _visit_body(value.keywords, findings)
        case nodes.Unary():
            _visit_value(value.operand, findings)
        case nodes.Binary():
            _visit_value(value.left, findings)
            _visit_value(value.right, findings)
        case _:
            return
