"""Did you mean: the nearest of the names that could stand there."""

from __future__ import annotations

from collections.abc import Iterable

from dsl.diagnostic import Applicability, Edit, Fix
from dsl.source import Span


def edit_distance(a: str, b: str, limit: int) -> int:
    """Insertions, deletions, replacements and swaps of neighbours from `a` to `b`; `limit + 1` stands for more."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    before: list[int] = []
    previous = list(range(len(b) + 1))
    for i, ca in enumerate(a, 1):
        row = [i]
        for j, cb in enumerate(b, 1):
            cost = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (ca != cb))
            if i > 1 and j > 1 and ca == b[j - 2] and a[i - 2] == cb:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
        before, previous = previous, row
    return previous[-1]


def nearest(name: str, *groups: Iterable[str]) -> str | None:
    """The candidate within `max(1, len/3)` edits of `name`; an earlier group wins over a nearer later one."""
    limit = max(1, len(name) // 3)
    for group in groups:
        ranked = sorted(
            (edit_distance(name.lower(), candidate.lower(), limit), candidate)
            for candidate in set(group)
            if candidate != name
        )
        if ranked and ranked[0][0] <= limit:
            return ranked[0][1]
    return None


def replace_fix(span: Span, replacement: str) -> Fix:
    """Put a name in the place of another. A guess, so no tool applies it unasked."""
    return Fix(f"write `{replacement}`", (Edit(span, replacement),), Applicability.MAYBE)


def listing(names: Iterable[str], limit: int = 8) -> str:
    """`a, b, c`, at most `limit` of them, in the order given."""
    items = list(names)
    shown = ", ".join(items[:limit])
    return f"{shown}, … ({len(items)} in all)" if len(items) > limit else shown
