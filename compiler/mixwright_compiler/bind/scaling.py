"""Quotas times the `scale` of a mixture, so that a recipe can be run small."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mixwright_compiler.program import Bound, CallValue, ComponentDecl, MixtureDecl, TagDecl
from mixwright_dsl.lazy_dataclass import replace

if TYPE_CHECKING:
    from fractions import Fraction

_COUNTED = ("take", "max")
"""Calls whose argument is a number of rows."""


def scaled(
    components: Sequence[ComponentDecl], attributes: dict[str, Bound], base: MixtureDecl | None
) -> tuple[ComponentDecl, ...]:
    """Components whose counts, `take` and `max` are times `scale`; shares, weights, rates and `all` stay as they are.
    The `total` among the attributes of the mixture becomes another one.

    Counts are rounded by largest remainder: they add up to their sum times `scale`, rounded down. A variant of the same
    scale has its base's, except where it sets another quota: what it leaves out moves no other count by a row.
    """
    scale = attributes["scale"].value if "scale" in attributes else 1.0
    if scale == 1:
        return tuple(components)
    from mixwright_compiler.rounding import exact, largest_remainder

    factor = exact(scale)
    if "total" in attributes:
        total = attributes["total"]
        attributes["total"] = replace(total, value=int(total.value * factor))
    parts = {c.rows: rows * factor for c in components if (rows := _rows(c.quota)) is not None}
    stated = None if base is None else base.attributes.get("scale")
    if base is None or stated is None or stated.value != scale:
        found = largest_remainder(parts)
    else:
        quotas = {c.rows: c for c in base.components}
        found = {
            c.rows: _rows(quotas[c.rows].quota) or 0
            if c.rows in quotas and _is_same(quotas[c.rows], c)
            else round(parts[c.rows])
            for c in components
            if c.rows in parts
        }
    return tuple(_with_rows(c, found[c.rows]) if c.rows in found else c for c in components)


def scaled_tags(tags: Sequence[TagDecl], attributes: Mapping[str, Bound]) -> tuple[TagDecl, ...]:
    """Tags whose `least` and `most` rows are times `scale`, rounded so that neither asks more than it did."""
    scale = attributes["scale"].value if "scale" in attributes else 1.0
    if scale == 1:
        return tuple(tags)
    return tuple(
        replace(tag, least=_times(tag.least, scale, math.floor), most=_times(tag.most, scale, math.ceil))
        for tag in tags
    )


def _times(bound: Bound | None, scale: float, rounded: Callable[[Fraction], int]) -> Bound | None:
    if bound is None or not isinstance(bound.value, int):
        return bound
    from mixwright_compiler.rounding import exact

    return replace(bound, value=rounded(bound.value * exact(scale)))


def _is_same(base: ComponentDecl, component: ComponentDecl) -> bool:
    """Does a component of a variant have the quota of its base, as it is written?"""
    return base.unscaled is not None and _rows(base.unscaled) == _rows(component.quota)


def _rows(quota: CallValue | int | float | str) -> int | None:
    """Rows that a quota names; None of a share, a part or `all`."""
    if isinstance(quota, CallValue):
        return int(quota.args[0]) if quota.function in _COUNTED else None
    return quota if isinstance(quota, int) else None


def _with_rows(component: ComponentDecl, rows: int) -> ComponentDecl:
    quota = component.quota
    new = replace(quota, args=(rows, *quota.args[1:])) if isinstance(quota, CallValue) else rows
    return replace(component, quota=new, unscaled=quota)
