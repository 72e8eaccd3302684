"""Tags of a mixture whose `least` or `most` no rows can come to, as far as the quotas say so."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mixwright_compiler.checks.checked import Checked, value_of
from mixwright_compiler.checks.quotas import rows_of
from mixwright_compiler.plan.tag_limits import limit_text, too_few, too_many
from mixwright_compiler.program import Bound, CallValue, ComponentDecl, MixtureDecl, TagDecl
from mixwright_dsl.diagnostic import Label

Range = tuple[int, int | None]
"""The fewest and the most rows that may come; None where the quotas do not bound them."""


def check_limits(checked: Checked) -> None:
    """MIX616: a tag that comes to too few or too many rows, whatever a run does."""
    for mixture in checked.of_mixtures():
        if not any(tag.least or tag.most for tag in mixture.tags) or not checked.is_whole(mixture):
            continue
        ranges = {c.rows: _range(checked, mixture, c) for c in mixture.components}
        for tag in mixture.tags:
            _check(checked, mixture, tag, ranges)


def _check(checked: Checked, mixture: MixtureDecl, tag: TagDecl, ranges: dict[str, Range]) -> None:
    low, high = _sum([ranges[name] for name in tag.rows])
    rest_low, rest_high = _sum([those for name, those in ranges.items() if name not in tag.rows])
    least, most = tag.least, tag.most
    if least and most and type(least.value) is type(most.value) and least.value > most.value:
        _cannot(checked, mixture, tag, most, f"`most` is below `least`, {limit_text(least.value)}", least)
    elif least and high is not None and too_few(least.value, high, high + rest_low):
        _cannot(checked, mixture, tag, least, f"its quotas give {_words(high, rest_low, least)} at most")
    elif most and too_many(most.value, low, None if rest_high is None else low + rest_high):
        _cannot(checked, mixture, tag, most, f"its quotas give {_words(low, rest_high or 0, most)} at least")


def _words(rows: int, rest: int, limit: Bound) -> str:
    if isinstance(limit.value, int):
        return f"{rows:,} rows"
    return f"{rows:,} of {rows + rest:,} rows, {rows / max(1, rows + rest):.1%}"


def _cannot(
    checked: Checked, mixture: MixtureDecl, tag: TagDecl, limit: Bound, label: str, other: Bound | None = None
) -> None:
    of = [c for c in mixture.components if c.rows in tag.rows]
    places = [Label(other.span, "the other limit")] if other else [Label(c.quota_span, "counts") for c in of]
    checked.findings.error(
        "MIX616",
        f"tag `{tag.name}` of mixture `{mixture.name}` cannot come to {_side(tag, limit)} {limit_text(limit.value)}",
        limit.span,
        label,
        secondary=tuple(places),
        hint="change the quotas of its components, or this limit",
    )


def _side(tag: TagDecl, limit: Bound) -> str:
    return "at least" if limit is tag.least else "at most"


def _sum(ranges: Sequence[Range]) -> Range:
    highs = [high for _, high in ranges]
    return sum(low for low, _ in ranges), None if None in highs else sum(high or 0 for high in highs)


def _range(checked: Checked, mixture: MixtureDecl, component: ComponentDecl) -> Range:
    """What a quota takes. A demand counts as met as far as there can be rows: where it is not, the run says so."""
    supply = rows_of(checked, component.rows)
    there = None if supply is None else supply[0]
    total = value_of(mixture.attributes, "total")
    shortfall = value_of(mixture.attributes, "shortfall")
    quota = component.quota
    if isinstance(shortfall, CallValue) and component.rows in shortfall.args:
        return 0, there  # it fills what the others lack
    if isinstance(quota, float):
        # Shares are rounded by largest remainder: up or down.
        part = (0, None) if total is None else (math.floor(total * quota), math.ceil(total * quota))
        return _at_most(part, there)
    if isinstance(quota, CallValue):
        match quota.function:
            case "take":
                repeat = int(quota.keywords.get("repeat", 1))
                wanted = int(quota.args[0])
                return _at_most((wanted, wanted), None if there is None else there * repeat)
            case "max":
                return _at_most((0, int(quota.args[0])), there)
            case _:
                return _at_most((0, total), there)
    if isinstance(quota, int):
        return _at_most((quota, quota), there)
    return 0, there


def _at_most(rows: Range, there: int | None) -> Range:
    if there is None:
        return rows
    low, high = rows
    return min(low, there), there if high is None else min(high, there)
