"""Which rows of a component a quota may take, in which order: caps, balanced values, repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mixwright_compiler.plan.plan import Component, TakeQuota
from mixwright_runtime.mixture.allocation import Supply, balanced
from mixwright_runtime.mixture.candidates import Candidates, Integers


@dataclass(frozen=True)
class Stratum:
    """Rows that share a value of the `balance` column, in start order; without `balance` there is one, named ``."""

    value: str
    rows: Integers


@dataclass(frozen=True)
class Taken:
    """What a quota took: indices into the candidates, and 0 for a row's first appearance, 1 for its second …"""

    rows: Integers
    repeats: Integers
    strata: tuple[tuple[str, int, int], ...]


def take_quota(component: Component) -> TakeQuota:
    """The component's `take`; for other quotas one without balance, cap and repeat."""
    quota = component.quota
    return quota if isinstance(quota, TakeQuota) else TakeQuota(count=0)


def eligible(component: Component, candidates: Candidates) -> Integers:
    """Indices of the rows a quota may take, in start order: the first `max` rows of each value of `cap.by`.

    A cap counts rows, not appearances: `repeat` may then use each of them again. It does not look at `balance`
    or the count, so a larger quota has the same rows to choose from.
    """
    order = candidates.order
    cap = take_quota(component).cap
    if cap is None:
        return order
    codes, _ = candidates.codes(component.rows, cap.by)
    return order[occurrence(codes[order]) < cap.max]


def supply(component: Component, candidates: Candidates, *, at_end: bool) -> Supply:
    """How many entries the component can give. `at_end`: nothing more will come, whatever it says."""
    rows = len(candidates) if take_quota(component).cap is None else len(eligible(component, candidates))
    return Supply(rows * take_quota(component).repeat, at_end or candidates.complete)


def missing_rows(component: Component, candidates: Candidates, count: int) -> int:
    """How many more rows must survive, at least, so that `count` can be taken without repeating a row."""
    rows = eligible(component, candidates)
    balance = take_quota(component).balance
    if balance is None:
        return max(0, count - len(rows))
    codes, names = candidates.codes(component.rows, balance)
    if enough_prefix(codes[rows], names, count) is not None:
        return 0
    have: list[int] = np.bincount(codes[rows], minlength=len(names)).tolist()
    need = equal_parts(count, names)
    # At least one: parts are dealt out by first appearance here and by name there, so that these may be there already.
    return max(1, count - len(rows), sum(max(0, n - h) for n, h in zip(need, have, strict=True)))


def take(component: Component, candidates: Candidates, count: int) -> Taken:
    """The `count` entries that the component gives, or all it can give when that is less.

    Rows are taken in start order, each once before any is repeated. With `balance`, numbers are as equal as the
    rows allow (`allocation.balanced`). Of a pipeline, `balance` looks at the shortest prefix of its rows that
    has enough of every value in it, if there is one: so how many rows a run happened to make beyond its
    demand does not matter.
    """
    quota = take_quota(component)
    rows = eligible(component, candidates)
    if quota.balance is None:
        strata = [Stratum("", rows)]
    else:
        codes, names = candidates.codes(component.rows, quota.balance)
        codes = codes[rows]
        if component.kind == "pipeline":
            prefix = enough_prefix(codes, names, count)
            rows, codes = rows[:prefix], codes[:prefix]
        ends = np.cumsum(np.bincount(codes, minlength=len(names)))
        by_code = np.split(rows[np.argsort(codes, kind="stable")], ends[:-1])
        strata = [Stratum(name, of_one) for name, of_one in zip(names, by_code, strict=True)] if names else []
        strata = sorted((s for s in strata if len(s.rows)), key=lambda s: s.value)
    parts = balanced(count, {s.value: len(s.rows) * quota.repeat for s in strata})
    indices: list[Integers] = []
    repeats: list[Integers] = []
    for stratum in strata:
        part, there = parts[stratum.value], len(stratum.rows)
        whole, left = divmod(part, max(1, there))
        indices += [stratum.rows] * whole + [stratum.rows[:left]] * (left > 0)
        repeats.append(np.repeat(np.arange(whole + 1), [there] * whole + [left]))
    shown = tuple((s.value, len(s.rows), parts[s.value]) for s in strata) if quota.balance else ()
    return Taken(joined(indices), joined(repeats), shown)


def joined(arrays: Sequence[np.ndarray[Any, Any]], kind: str = "int64") -> np.ndarray[Any, Any]:
    """Arrays of one kind one behind the other; a single one as it is, since a copy of many rows is megabytes."""
    if len(arrays) == 1:
        return arrays[0]
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=kind)


def enough_prefix(codes: Integers, names: Sequence[str], count: int) -> int | None:
    """Length of the shortest prefix with enough rows of every value seen in it for `count` balanced rows; or None.

    codes: `(rows,)`, the value of each row in start order, an index into `names`.
    """
    have: dict[int, int] = {}
    need: dict[int, int] = {}
    unmet = 0
    for length, code in enumerate(codes.tolist(), start=1):
        if code not in have:
            have[code] = 1
            seen = sorted(have, key=lambda c: names[c])
            need = dict(zip(seen, equal_parts(count, seen), strict=True))
            unmet = sum(have[c] < need[c] for c in seen)
        else:
            have[code] += 1
            unmet -= have[code] == need[code]
        if unmet == 0:
            return length
    return 0 if count == 0 else None


def equal_parts(count: int, names: Sequence[object]) -> list[int]:
    """`count` split equally over names in their order; the first ones get one more."""
    size = max(1, len(names))
    return [count // size + (index < count % size) for index in range(len(names))]


def occurrence(codes: Integers) -> Integers:
    """For each element how many equal ones come before it: `[5, 7, 5] -> [0, 0, 1]`."""
    by_code = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)[:-1])) if len(sizes) else sizes
    result = np.empty(len(codes), np.int64)
    result[by_code] = np.arange(len(codes), dtype=np.int64) - np.repeat(starts, sizes)
    return result
