"""Limits of a tag's rows: how many, or which part of the mixture, at least and at most."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from mixwright_compiler.rounding import exact

if TYPE_CHECKING:
    from fractions import Fraction

    from mixwright_compiler.plan.plan import CountQuota, ShareQuota, Tag

Limit = int | float
"""Rows (int), or a share of the mixture (float)."""


def too_few(least: Limit, rows: int, whole: int) -> bool:
    """Whether a tag has fewer rows than `least`. One row less than a share is rounding, not a lack."""
    return rows < least if isinstance(least, int) else rows <= _part(least, whole) - 1


def too_many(most: Limit, rows: int, whole: int | None) -> bool:
    """Whether a tag has more rows than `most`; of a whole that is not known no share is too large."""
    if isinstance(most, int):
        return rows > most
    return whole is not None and rows >= _part(most, whole) + 1


def limit_text(limit: Limit) -> str:
    """`10,000 rows`, `30% of the mixture`."""
    return f"{limit:,} rows" if isinstance(limit, int) else f"{limit * 100:.6g}% of the mixture"


def limits_missed(tag: Tag, rows: int, whole: int) -> Iterator[str]:
    """What of a tag's limits a mixture does not keep, in words."""
    if tag.least is not None and too_few(_value(tag.least), rows, whole):
        yield f"at least {limit_text(_value(tag.least))}"
    if tag.most is not None and too_many(_value(tag.most), rows, whole):
        yield f"at most {limit_text(_value(tag.most))}"


def limits_text(tag: Tag) -> str:
    """Both limits of a tag, empty where there are none: `at least 10,000 rows, at most 30% of the mixture`."""
    stated = (("at least", tag.least), ("at most", tag.most))
    return ", ".join(f"{words} {limit_text(_value(limit))}" for words, limit in stated if limit is not None)


def changed_limits(old: Sequence[Tag], new: Sequence[Tag]) -> Iterator[tuple[str, str, str]]:
    """Tags of both with other limits, and what these were and are: `none` where there is none."""
    before = {tag.name: limits_text(tag) for tag in old}
    for tag in new:
        after = limits_text(tag)
        if before.get(tag.name, after) != after:
            yield tag.name, before[tag.name] or "none", after or "none"


def _value(limit: CountQuota | ShareQuota) -> Limit:
    return limit.count if limit.kind == "count" else float(limit.share)


def _part(share: float, whole: int) -> Fraction:
    return exact(share) * whole
