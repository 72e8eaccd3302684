"""What `draw` draws from when it is no source: `constraints(ifeval, language = zh)`.

The kinds are imported where they are asked for: most specs draw none, and `check` starts without them.
"""

from __future__ import annotations

from typing import Any

from mixwright_compiler.bind.place import Place
from mixwright_compiler.findings import Reported
from mixwright_compiler.load.constants import as_type
from mixwright_compiler.load.params import constant_expression
from mixwright_compiler.program import CallValue
from mixwright_compiler.suggest import did_you_mean, listing, nearest, one_of, suggested
from mixwright_dsl.nodes import Call, Expression, Ref, Text
from mixwright_dsl.source import Span

CONSTRAINTS = "list[struct{id: text, kwargs: json, sentence: text}]"
"""Type of the column that a draw of constraints makes."""

KEYWORDS = ("without", "language", "words", "least")


def bind_drawn(place: Place, node: Expression) -> CallValue | None:
    """The call; None for anything that is no call. Raises Reported."""
    if not isinstance(node, Call):
        return None
    name, findings = node.function.name, place.findings
    if name != "constraints":
        raise findings.error(
            "MIX122",
            f"`from` has no `{name}(…)`",
            node.function.span,
            "it takes the name of a source, or `constraints(…)`",
            hint="for example `constraints(ifeval)`",
        )
    wanted = [_family_or_id(place, argument) for argument in node.arguments]
    keywords: dict[str, Any] = {}
    for keyword in node.keywords:
        keywords[keyword.name.name] = _keyword(place, keyword.name.name, keyword.value, keyword.name.span)
    return CallValue(function=name, args=tuple(wanted), keywords=keywords, span=node.span)


def _keyword(place: Place, name: str, node: Expression, span: Span) -> Any:
    from mixwright_compiler.catalog.constraint_kinds import LANGUAGES

    findings = place.findings
    match name:
        case "language":
            word = node.name if isinstance(node, Ref) else node.value if isinstance(node, Text) else ""
            if word not in LANGUAGES:
                raise findings.error(
                    "MIX118",
                    f"`language` takes one of: {', '.join(LANGUAGES)}",
                    node.span,
                    hint="write `unicode` for any language, by script",
                )
            return word
        case "least":
            least = as_type(
                constant_expression(place.world, place.module, node), "count", "`least`", node.span, findings
            )
            if least < 1:
                raise findings.error(
                    "MIX117", f"`least` is at least 1, here {least}", node.span, "out of range"
                )
            return least
        case "without" | "words":
            value = constant_expression(place.world, place.module, node).value
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise findings.error(
                    "MIX107", f"`{name}` takes a list of texts", node.span, hint=f'write `{name} = ["…"]`'
                )
            for item in value if name == "without" else ():
                known_id(place, item, node.span)
            return value
    near = nearest(name, KEYWORDS)
    raise findings.error(
        "MIX122",
        f"`constraints` has no argument `{name}`",
        span,
        f"it takes: {listing(KEYWORDS)}",
        hint=did_you_mean(near, one_of(KEYWORDS)),
    )


def _family_or_id(place: Place, node: Expression) -> str:
    from mixwright_compiler.catalog.constraint_kinds import FAMILIES

    if isinstance(node, Ref):
        if node.name in FAMILIES:
            return node.name
        near = nearest(node.name, FAMILIES)
        raise place.findings.error(
            "MIX860",
            f"no family of constraints `{node.name}`",
            node.span,
            f"there are: {listing(FAMILIES)}",
            **suggested(near, node.span, 'an id stands in quotes: `"punctuation:no_comma"`'),
        )
    if isinstance(node, Text):
        return known_id(place, node.value, node.span)
    raise place.findings.error(
        "MIX107",
        "`constraints` takes families and ids",
        node.span,
        hint='for example `constraints(ifeval, "count:numbers")`',
    )


def known_id(place: Place, id: str, span: Span) -> str:
    """The id, if there is such a kind; raises Reported."""
    from mixwright_compiler.catalog.constraint_kinds import FAMILIES, builtin_kinds

    kinds = builtin_kinds()
    if id in kinds or id in FAMILIES:
        return id
    raise unknown_id(place.findings, id, span)


def unknown_id(findings: Any, id: str, span: Span) -> Reported:
    """MIX860 for an id, with the nearest one."""
    from mixwright_compiler.catalog.constraint_kinds import builtin_kinds

    kinds = builtin_kinds()
    tails = {name.partition(":")[2]: name for name in kinds}
    near = (
        tails.get(id.partition(":")[2] or id)
        or nearest(id, list(kinds))
        or tails.get(nearest(id, list(tails)) or "")
    )
    reported: Reported = findings.error(
        "MIX860",
        f"no kind of constraint `{id}`",
        span,
        "unknown",
        hint=did_you_mean(near, "ids are listed in docs/language/constraints.md"),
    )
    return reported
