"""Quotas to row counts, in exact integers.

One rule serves every proportional split, of a total over components and of a quota over balanced values:

1. water-fill: a part that wants more than there is gets what there is; the rest is split among the others in
   proportion to their weights, until nobody is above what there is;
2. largest remainder: the exact parts are rounded down, and the rows left over go one each to the largest
   fractions, ties in order of name.

So parts always add up to the total or to all there is, and never exceed what there is. Weights are
`fractions.Fraction` made from the digits in the spec: 0.3 is 3/10, not the nearest binary number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import assert_never

from mixwright_compiler.plan.plan import (
    AllQuota,
    Component,
    CountQuota,
    MaxQuota,
    Mixture,
    Quota,
    RateQuota,
    ShareQuota,
    TakeQuota,
    WeightQuota,
)
from mixwright_compiler.rounding import exact, largest_remainder
from mixwright_runtime.errors import RunError


def divide(
    total: int, weights: Mapping[str, Fraction], supply: Mapping[str, int | None]
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Split `total` in proportion to `weights`, nobody above its `supply` (None: no limit).

    Returns the counts and the names that got all they have, because their proportional part was larger. The
    counts add up to min(total, sum of supplies); names of weight 0 get nothing.
    """
    counts = dict.fromkeys(weights, 0)
    open_parts = {name: weight for name, weight in weights.items() if weight > 0}
    left = total
    full: list[str] = []
    # All that are full leave in one round: without them there is more for each weight of the rest, so that what is over
    # its supply now would be so in every later round, too.
    while open_parts and left > 0:
        sum_of_weights = sum(open_parts.values(), Fraction(0))
        over = [
            name
            for name, weight in open_parts.items()
            if (limit := supply.get(name)) is not None and left * weight > limit * sum_of_weights
        ]
        if not over:
            break
        for name in over:
            counts[name] = supply[name] or 0
            left -= counts[name]
            del open_parts[name]
        full += over
    if open_parts and left > 0:
        sum_of_weights = sum(open_parts.values(), Fraction(0))
        # Rounding up cannot pass a supply: a part of at most an integer rounds up to at most that integer.
        counts |= largest_remainder({n: left * w / sum_of_weights for n, w in open_parts.items()})
    return counts, tuple(sorted(full))


def balanced(total: int, supply: Mapping[str, int]) -> dict[str, int]:
    """As equal numbers of each value as there are rows for; adds up to min(total, sum of supplies).

    Never falls for any value when `total` grows: it deals one row each in order of name, round after round, to
    the values that have rows left. (Largest remainder on equal weights is the one case that is monotone.)
    """
    counts, _ = divide(total, dict.fromkeys(supply, Fraction(1)), supply)
    return counts


@dataclass(frozen=True)
class Supply:
    """What a component has. rows: it can give, after `cap` and times `repeat`. complete: there will not be more."""

    rows: int
    complete: bool

    @property
    def limit(self) -> int | None:
        return self.rows if self.complete else None


@dataclass(frozen=True)
class Allocation:
    """What a component is to give. count: None when it is not known yet. arithmetic: how it came about, for people.

    wanted: what the quota asks for before anything is redistributed, None for `all` and while unknown.
    """

    count: int | None
    wanted: int | None
    arithmetic: str


@dataclass(frozen=True)
class Allocations:
    """What each component is to give, by name in their order.

    unplaced: rows of the total that nobody can give, because every `weight` and `rate` component gave all it has.
    notes: sentences for the reader.
    """

    by_name: Mapping[str, Allocation]
    unplaced: int = 0
    notes: tuple[str, ...] = ()


def allocate(mixture: Mixture, supplies: Mapping[str, Supply], *, total: int | None = None) -> Allocations:
    """What each component is to give.

    In this order: counts, `take`, `max` and `all` first; then shares of the total; what is left of the total is
    split by `weight` and `rate`. `rate(cap = K)` weighs min(rows, K), a pipeline always K: how many rows it could
    make is not known. Without a total a share S of components is that part of (fixed rows) / (1 - all shares),
    `rate` takes min(rows, K), and `weight` is an error. Last, `fill` gives its component what the others lack.

    Args:
        total: what an outer mixture asks of this one. Used when it states none and its own quotas do not say
            how large it is.

    Raises:
        RunError: quotas take more than the total, or a quota needs a total and there is none.
    """
    names = [component.rows for component in mixture.components]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RunError(f"mixture '{mixture.name}' has '{twice}' twice; give it one quota")
    if mixture.total is not None or _sizes_itself(mixture):
        total = mixture.total
    fixed = {c.rows: a for c in mixture.components if (a := _fixed(c, supplies[c.rows], total)) is not None}
    proportional = [c for c in mixture.components if c.rows not in fixed]
    unplaced = 0
    notes: list[str] = []
    shared: dict[str, Allocation]
    if any(a.count is None for a in fixed.values()) or any(
        isinstance(c.quota, RateQuota) and rate_weight(c, c.quota, supplies[c.rows]) is None
        for c in proportional
    ):
        shared = {
            c.rows: Allocation(None, None, "waits for the size of another component") for c in proportional
        }
    else:
        taken = sum(a.count or 0 for a in fixed.values())
        shared, unplaced, notes = _proportional(mixture, proportional, supplies, total, taken)
    by_name = fixed | shared
    return Allocations(
        _fill(mixture, {name: by_name[name] for name in names}, supplies, unplaced), unplaced, tuple(notes)
    )


def quota_text(quota: Quota) -> str:
    """The quota as it is written in a spec."""
    match quota:
        case CountQuota():
            return f"{quota.count:_}"
        case AllQuota():
            return "all"
        case ShareQuota():
            return f"{float(exact(quota.share) * 100):g}%"
        case MaxQuota():
            return f"max({quota.count:_})"
        case WeightQuota():
            return f"weight({quota.weight:g})"
        case RateQuota():
            return f"rate(cap = {quota.cap:_})"
        case TakeQuota():
            parts = [f"{quota.count:_}"]
            if quota.balance is not None:
                parts.append(f"balance = {quota.balance}")
            if quota.repeat != 1:
                parts.append(f"repeat = {quota.repeat}")
            if quota.cap is not None:
                parts.append(f"cap = {{ by = {quota.cap.by}, max = {quota.cap.max:_} }}")
            return f"take({', '.join(parts)})"
        case _:
            assert_never(quota)


def _fixed(component: Component, supply: Supply, total: int | None) -> Allocation | None:
    """The allocation of a quota that depends on nothing else; None for the proportional ones."""
    quota = component.quota
    match quota:
        case CountQuota() | TakeQuota():
            return Allocation(quota.count, quota.count, f"{quota.count:,} asked for")
        case MaxQuota():
            if supply.complete and supply.rows < quota.count:
                return Allocation(
                    supply.rows, supply.rows, f"all {supply.rows:,} there are, below {quota.count:,}"
                )
            return Allocation(quota.count, quota.count, f"at most {quota.count:,}")
        case AllQuota():
            count = supply.limit
            return Allocation(count, None, "every row" if count is None else f"all {count:,} there are")
        case RateQuota() if total is None:
            weight = rate_weight(component, quota, supply)
            return Allocation(weight, weight, f"min(rows, {quota.cap:,}) without a total")
        case ShareQuota() | WeightQuota() | RateQuota():
            return None
        case _:
            assert_never(quota)


def rate_weight(component: Component, quota: RateQuota, supply: Supply) -> int | None:
    """min(rows, cap), or None while more rows may come; of a pipeline the cap: what it could make is not known."""
    if component.kind == "pipeline" or supply.rows >= quota.cap:
        return quota.cap
    return supply.limit


def _sizes_itself(mixture: Mixture) -> bool:
    """True when counts say how large the mixture is: what an outer one asks of it then changes nothing inside."""
    quotas = [component.quota for component in mixture.components]
    proportional = [q for q in quotas if isinstance(q, ShareQuota | WeightQuota | RateQuota)]
    return len(proportional) < len(quotas) and all(isinstance(q, ShareQuota) for q in proportional)


def _proportional(
    mixture: Mixture,
    components: list[Component],
    supplies: Mapping[str, Supply],
    total: int | None,
    taken: int,
) -> tuple[dict[str, Allocation], int, list[str]]:
    """Allocations of shares, weights and rates; rows of the total nobody can give; notes."""
    shares = {c.rows: exact(c.quota.share) for c in components if isinstance(c.quota, ShareQuota)}
    weights: dict[str, Fraction] = {}
    for c in components:
        if isinstance(c.quota, WeightQuota):
            weights[c.rows] = exact(c.quota.weight)
        elif isinstance(c.quota, RateQuota):
            weights[c.rows] = Fraction(rate_weight(c, c.quota, supplies[c.rows]) or 0)
    whole, how = _whole(mixture, shares, weights, total, taken)
    share_counts = largest_remainder({name: whole * share for name, share in shares.items()})
    left = int(whole) - taken - sum(share_counts.values())
    if left < 0:
        raise RunError(
            f"mixture '{mixture.name}': fixed quotas take {taken:,} rows and shares {sum(share_counts.values()):,}, "
            f"more than total = {int(whole):_}; raise the total or lower a quota"
        )
    found = {
        name: Allocation(
            count, count, f"{decimal(shares[name] * 100)}% of {how} = {decimal(whole * shares[name])}"
        )
        for name, count in share_counts.items()
    }
    if not weights:
        rest = (
            [f"the quotas make {int(whole) - left:,} rows of {how}; nothing takes the rest"] if left else []
        )
        return found, 0, rest if total is not None else []
    given, full = divide(left, weights, {name: supplies[name].limit for name in weights})
    sum_of_weights = sum(weights.values(), Fraction(0)) or Fraction(1)
    for name, weight in weights.items():
        part = f"{decimal(weight)}/{decimal(sum_of_weights)} of {left:,} left = {decimal(left * weight / sum_of_weights)}"
        found[name] = Allocation(given[name], given[name], part)
    notes = [
        f"`{name}` gives all its {given[name]:,} rows, fewer than its part; the others give the rest"
        for name in full
    ]
    return found, left - sum(given.values()), notes


def _whole(
    mixture: Mixture,
    shares: Mapping[str, Fraction],
    weights: Mapping[str, Fraction],
    total: int | None,
    taken: int,
) -> tuple[Fraction, str]:
    """The size that shares and weights are parts of, and how it came about."""
    if total is not None:
        return Fraction(total), f"total {total:,}"
    if weights:
        raise RunError(
            f"mixture '{mixture.name}': {_names(weights)} take a part of what is left of the total; write `total = …`"
        )
    sum_of_shares = sum(shares.values(), Fraction(0))
    if sum_of_shares >= 1:
        raise RunError(
            f"mixture '{mixture.name}': its shares add up to {decimal(sum_of_shares * 100)}%, so nothing says how "
            "large it is; write `total = …`"
        )
    # whole = taken + shares * whole, solved.
    return taken / (1 - sum_of_shares), f"{taken:,} fixed rows / {decimal(1 - sum_of_shares)}"


def decimal(number: Fraction) -> str:
    """A number for people: at most six decimals, thousands separated, no trailing zeros."""
    if number.denominator == 1:
        return f"{number.numerator:,}"
    return f"{float(number):,.6f}".rstrip("0").rstrip(".")


def _fill(
    mixture: Mixture, found: dict[str, Allocation], supplies: Mapping[str, Supply], unplaced: int
) -> dict[str, Allocation]:
    """`shortfall = fill(x)`: x gives what complete components lack, as far as it has rows."""
    if mixture.shortfall != "fill" or mixture.fill not in found:
        return found
    lacking = {
        name: allocation.count - supplies[name].rows
        for name, allocation in found.items()
        if name != mixture.fill
        and allocation.count is not None
        and supplies[name].complete
        and allocation.count > supplies[name].rows
    }
    extra = sum(lacking.values()) + unplaced
    before = found[mixture.fill]
    if not extra or before.count is None:
        return found
    text = f"{before.arithmetic} + {extra:,} to fill what others lack"
    return found | {mixture.fill: Allocation(before.count + extra, before.wanted, text)}


def _names(of: Mapping[str, object]) -> str:
    return ", ".join(f"`{name}`" for name in of)
