"""Did you mean: the nearest of the names that could stand there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mixwright_compiler.findings import Findings
from mixwright_dsl.diagnostic import Applicability, Edit, Fix
from mixwright_dsl.source import Span

if TYPE_CHECKING:
    from typing import TypedDict

    # Here: `typing` compiles the annotations of such a class, and makes the classes of Python's syntax trees for that.
    class Suggestion(TypedDict):
        """Hint and fix of a finding, for its last two arguments."""

        hint: str
        fix: Fix | None


SPELLINGS = {
    **dict.fromkeys(("True", "TRUE"), "true"),
    **dict.fromkeys(("False", "FALSE"), "false"),
    **dict.fromkeys(("None", "nil", "Null", "NULL", "undefined", "NaN"), "null"),
}
"""Words of other languages for `true`, `false` and `null`."""


def misspelt_word(findings: Findings, name: str, span: Span) -> Exception:
    """Report `True` where nothing of that name is declared."""
    right = SPELLINGS[name]
    return findings.error(
        "MIX101",
        f"`{name}` is written `{right}`",
        span,
        hint=f"write `{right}`",
        fix=replace_fix(span, right),
    )


def edit_distance(a: str, b: str, limit: int) -> int:
    """Insertions, deletions, replacements and swaps of neighbours from `a` to `b`; `limit + 1` stands for more."""
    if abs(len(a) - len(b)) > limit:
        return limit + 1
    # What two names begin and end with alike costs nothing, and is most of `personas_12` and `personas_21`.
    while a and b and a[0] == b[0]:
        a, b = a[1:], b[1:]
    while a and b and a[-1] == b[-1]:
        a, b = a[:-1], b[:-1]
    far, size = limit + 1, len(b)
    if not a or not b:
        return min(len(a) or size, far)
    before: list[int] = []
    previous = [*range(far), *[far] * (size - limit)]
    for i, ca in enumerate(a, 1):
        # What is further off the diagonal takes more edits than are of interest.
        first, last = (i - limit if i > limit else 1), (i + limit if i + limit < size else size)
        row = [far] * (size + 1)
        if i <= limit:
            row[0] = i
        least = far
        for j in range(first, last + 1):
            cb, cost = b[j - 1], previous[j - 1]
            if ca != cb:
                cost += 1
                if previous[j] < cost:
                    cost = previous[j] + 1
                if row[j - 1] < cost:
                    cost = row[j - 1] + 1
                if i > 1 and j > 1 and ca == b[j - 2] and a[i - 2] == cb and before[j - 2] < cost:
                    cost = before[j - 2] + 1
            row[j] = cost
            if cost < least:
                least = cost
        if least > limit:
            return far
        before, previous = previous, row
    return previous[-1] if previous[-1] < far else far


def nearest(name: str, *groups: Iterable[str]) -> str | None:
    """The candidate within `max(1, len/3)` edits of `name`; an earlier group wins over a nearer later one, and of
    equally near ones the first by name."""
    # Of one letter nothing is left when it is another one.
    folded, most = name.lower(), max(1, len(name) // 3) if len(name) > 1 else 0
    letters = frozenset(folded)
    for group in groups:
        best: tuple[int, str] | None = None
        limit = most
        for candidate in group:
            other = candidate.lower()
            # Every letter that the other name lacks is an edit of its own: of a large spec's names few are left.
            if len(letters.difference(other)) > limit or candidate == name:
                continue
            distance = edit_distance(folded, other, limit)
            if distance <= limit and (best is None or (distance, candidate) < best):
                best, limit = (distance, candidate), distance
        if best is not None:
            return best[1]
    return None


def replace_fix(span: Span, replacement: str) -> Fix:
    """Put a name in the place of another. A guess, so no tool applies it unasked."""
    return Fix(f"write `{replacement}`", (Edit(span, replacement),), Applicability.MAYBE)


def did_you_mean(near: str | None, otherwise: str = "") -> str:
    """The hint that names the nearest; `otherwise` where nothing is near."""
    return f"did you mean `{near}`?" if near else otherwise


def suggested(near: str | None, span: Span, otherwise: str = "") -> Suggestion:
    """`did_you_mean` with the fix that puts it in the place of what was written."""
    return {"hint": did_you_mean(near, otherwise), "fix": replace_fix(span, near) if near else None}


MOST_KINDS = 40
"""Chosen: kinds of steps, blocks and verifiers that a hint lists: all that there are."""


def one_of(names: Iterable[str], limit: int = 8) -> str:
    """The hint that lists what can stand there."""
    return f"write one of: {listing(names, limit)}"


def listing(names: Iterable[str], limit: int = 8) -> str:
    """`a, b, c`, at most `limit` of them, in the order given."""
    items = list(names)
    shown = ", ".join(items[:limit])
    return f"{shown}, … ({len(items)} in all)" if len(items) > limit else shown
