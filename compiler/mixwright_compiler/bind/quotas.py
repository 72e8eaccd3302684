"""Quotas of a mixture: `150k`, `30%`, `all`, `max(…)`, `weight(…)`, `take(…)`, `rate(…)`."""

from __future__ import annotations

import re
from typing import Any

from mixwright_compiler.bind.place import Place, missing_column
from mixwright_compiler.catalog.blocks import QUOTA_CALLS
from mixwright_compiler.findings import Findings
from mixwright_compiler.load.constants import as_type
from mixwright_compiler.load.params import constant_expression, constant_of
from mixwright_compiler.program import CallValue
from mixwright_compiler.suggest import did_you_mean, listing, nearest, one_of, replace_fix, suggested
from mixwright_dsl.diagnostic import Label
from mixwright_dsl.nodes import Attribute, Call, Expression, ObjectNode, Ref, Text
from mixwright_dsl.quantity import Unit
from mixwright_dsl.source import Span

SHAPES = ("50k", "30%", "all", "max(50k)", "weight(2)", "take(50k, balance = column)", "rate(cap = 3k)")

Quota = CallValue | int | float | str


def bind_quota(place: Place, node: Expression) -> Quota:
    """An int is a count of rows, a float a share; raises Reported."""
    findings = place.findings
    match node:
        case Ref(parts=("all",)):
            return "all"
        case Call():
            return _call(place, node)
        case Ref(parts=(word,)) if word in QUOTA_CALLS or nearest(word, ["all"]) == "all":
            near = "all" if word not in QUOTA_CALLS else next(s for s in SHAPES if s.startswith(f"{word}("))
            raise findings.error(
                "MIX118",
                f"no quota `{word}`",
                node.span,
                f"a quota is one of: {listing(SHAPES)}",
                hint=did_you_mean(near),
                fix=replace_fix(node.span, near) if near == "all" else None,
            )
        case Ref(parts=(word,)) if constant_of(place.world, place.module, node) is None:
            raise findings.error(
                "MIX118",
                f"no quota `{word}`",
                node.span,
                f"a quota is one of: {listing(SHAPES)}",
                hint=one_of(SHAPES),
            )
        case Text(value="all"):
            raise findings.error(
                "MIX107",
                "a quota is a number of rows, here text",
                node.span,
                "the word has no quotes",
                hint="write `all`",
                fix=replace_fix(node.span, "all"),
            )
    constant = constant_expression(place.world, place.module, node)
    if not constant.is_number:
        raise findings.error(
            "MIX107",
            f"a quota is a number of rows, here {constant.words}",
            node.span,
            f"a quota is one of: {listing(SHAPES)}",
            hint="for example `10k`",
        )
    if constant.unit is Unit.SHARE:
        return float(as_type(constant, "share", "a quota", node.span, findings))
    if constant.unit is Unit.NUMBER and isinstance(constant.value, float) and 0 < constant.value < 1:
        raise findings.error(
            "MIX125",
            f"a quota is a count of rows or a share, here {constant.value:g}",
            node.span,
            "neither",
            hint=f"write `{constant.value * 100:g}%`",
        )
    return _count(constant_value=constant, subject="a quota", span=node.span, findings=findings)


def _count(*, constant_value: Any, subject: str, span: Span, findings: Findings) -> int:
    count = as_type(constant_value, "count", subject, span, findings)
    if count < 0:
        raise findings.error(
            "MIX117", f"{subject} is at least 0, here {count}", span, "out of range", hint="write `0` or more"
        )
    return int(count)


_PARAMETERS: dict[str, tuple[tuple[str, str], ...]] = {
    "max": (("count", "count"),),
    "weight": (("weight", "float"),),
    "take": (("count", "count"), ("balance", "column"), ("repeat", "count"), ("cap", "cap")),
    "rate": (("cap", "count"),),
}
"""Parameters by call. The first of `max`, `weight` and `take` is positional, all others are written by name."""


def _call(place: Place, node: Call) -> CallValue:
    findings, name = place.findings, node.function.name
    if name not in QUOTA_CALLS:
        near = nearest(name, QUOTA_CALLS)
        raise findings.error(
            "MIX122",
            f"no quota `{name}(…)`",
            node.function.span,
            f"a quota is one of: {listing(SHAPES)}",
            hint=did_you_mean(near and f"{near}(…)", one_of(SHAPES)),
            fix=replace_fix(node.function.span, near) if near else None,
        )
    shape = next(s for s in SHAPES if s.startswith(f"{name}("))
    parameters = dict(_PARAMETERS[name])
    first = _PARAMETERS[name][0][0]
    given: dict[str, Expression] = {}
    if len(node.arguments) > 1:
        right = f"{name}({','.join(a.span.text for a in node.arguments).replace(',', '_')})"
        if re.fullmatch(rf"{name}\(\d{{1,3}}(_\d{{3}})+\)", right):
            raise findings.error(
                "MIX122",
                "thousands are set apart with `_`",
                node.arguments[0].span.to(node.arguments[-1].span),
                hint=f"write `{right}`",
                fix=replace_fix(node.span, right),
            )
        raise findings.error(
            "MIX122",
            f"`{name}` takes one argument without a name, here {len(node.arguments)}",
            node.arguments[1].span,
            hint=f"write `{shape}`",
        )
    if node.arguments:
        given[first] = node.arguments[0]
    for keyword in node.keywords:
        _keyword(name, keyword, parameters, given, shape, findings)
    if first not in given:
        raise findings.error("MIX122", f"`{name}` has no `{first}`", node.span, hint=f"write `{shape}`")
    values = {key: _argument(place, name, key, parameters[key], value) for key, value in given.items()}
    args = () if name == "rate" else (values.pop(first),)
    return CallValue(function=name, args=args, keywords=values, span=node.span)


def _keyword(
    name: str,
    keyword: Attribute,
    parameters: dict[str, str],
    given: dict[str, Expression],
    shape: str,
    findings: Findings,
) -> None:
    key = keyword.name.name
    if key not in parameters:
        near = nearest(key, parameters)
        raise findings.error(
            "MIX122",
            f"`{name}` has no argument `{key}`",
            keyword.name.span,
            **suggested(near, keyword.name.span, f"write `{shape}`"),
        )
    if key in given:
        raise findings.error(
            "MIX122",
            f"`{key}` is given with and without its name",
            keyword.name.span,
            secondary=(Label(given[key].span, "first given here"),),
            hint="delete one",
        )
    given[key] = keyword.value


def _argument(place: Place, name: str, key: str, type: str, node: Expression) -> Any:
    findings = place.findings
    if type == "column":
        if not isinstance(node, Ref):
            raise findings.error(
                "MIX107", f"`{key}` takes the name of a column", node.span, hint=f"write `{key} = topic`"
            )
        if place.columns is not None and place.columns.type_of(node.name) is None:
            raise missing_column(place, node.name, node.span)
        return node.name
    if type == "cap":
        return _cap(place, node)
    constant = constant_expression(place.world, place.module, node)
    if type == "count":
        count = _count(constant_value=constant, subject=f"`{key}`", span=node.span, findings=findings)
        if key in ("repeat", "cap") and count < 1:
            raise findings.error("MIX117", f"`{key}` is at least 1, here {count}", node.span, "out of range")
        return count
    value = as_type(constant, type, f"`{name}`", node.span, findings)
    if value <= 0:
        raise findings.error(
            "MIX117",
            f"`{name}` is above 0, here {value:g}",
            node.span,
            "out of range",
            hint="write `weight(1)`",
        )
    return value


def _cap(place: Place, node: Expression) -> dict[str, Any]:
    findings = place.findings
    if isinstance(node, ObjectNode):
        items = {s.name.name: s.value for s in node.body if isinstance(s, Attribute)}
        if set(items) == {"by", "max"} and len(node.body) == 2:
            return {
                "by": _argument(place, "cap", "by", "column", items["by"]),
                "max": _argument(place, "cap", "cap", "count", items["max"]),
            }
    raise findings.error(
        "MIX122",
        "`cap` takes a column and a number",
        node.span,
        hint="write `cap = { by = user, max = 1 }`",
    )
