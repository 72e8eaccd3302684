"""`mean(score)`: what a `fold` works out from the rows that were made of one."""

from __future__ import annotations

from collections.abc import Callable

from mixwright_compiler.catalog.aggregates import AGGREGATES, OF_ALL
from mixwright_compiler.findings import Findings
from mixwright_compiler.program import Aggregate, TypedExpression
from mixwright_compiler.suggest import did_you_mean, nearest, replace_fix
from mixwright_dsl.nodes import Call, Expression, Ref


def bind_aggregate(
    subject: str,
    node: Expression,
    expression: Callable[[Expression, str], TypedExpression],
    findings: Findings,
) -> Aggregate:
    """An aggregate; `expression` binds a row expression that must be of a type. Raises Reported."""
    if not isinstance(node, Call):
        raise findings.error(
            "MIX118",
            f"{subject} takes one of: {_shapes()}",
            node.span,
            "of several rows",
            hint=f"write `first({node.span.text})` for the first row's, or `list({node.span.text})` for all of them"
            if "\n" not in node.span.text
            else "",
        )
    name = node.function.name
    if name not in AGGREGATES:
        near = nearest(name, AGGREGATES)
        raise findings.error(
            "MIX122",
            f"`fold` has no `{name}(…)`",
            node.function.span,
            f"it takes: {_shapes()}",
            hint=did_you_mean(near and f"{near}(…)", f"write one of: {_shapes()}"),
            fix=replace_fix(node.function.span, near) if near else None,
        )
    takes, gives = AGGREGATES[name]
    if node.keywords or len(node.arguments) > 1 or (takes and not node.arguments):
        raise findings.error(
            "MIX122",
            f"`{name}` takes {'one expression' if takes else 'nothing, or `all`'}",
            node.span,
            hint=f"write `{_shape(name)}`",
        )
    match node.arguments:
        case ():
            return Aggregate(name, None, gives)
        case (Ref(parts=("all",)),) if name == "count":
            return Aggregate(name, OF_ALL, gives)
        case (argument,) if takes:
            of = expression(argument, "float" if takes == "number" else takes)
            return Aggregate(name, of, {"same": of.type, "list": f"list[{of.type}]"}.get(gives, gives))
    raise findings.error(
        "MIX122",
        "`count` takes nothing, or `all`",
        node.span,
        hint="for the share of rows of which something is true: `share(…)`",
    )


def _shape(name: str) -> str:
    return f"{name}({'…' if AGGREGATES[name][0] else ''})"


def _shapes() -> str:
    return ", ".join(f"`{_shape(name)}`" for name in AGGREGATES)
