"""How values are distributed, and how far two distributions lie apart."""

from __future__ import annotations

from collections.abc import Mapping

Counts = Mapping[str, float]


def l1(one: Counts, other: Counts) -> float:
    """The sum of the differences of the shares of each value: 0 of equal distributions, 2 of those with no value in
    common.

    Raises:
        ValueError: one of them is of nothing.
    """
    first, second = _shares(one), _shares(other)
    return sum(abs(first.get(value, 0.0) - second.get(value, 0.0)) for value in first.keys() | second.keys())


def chi_square_of_fit(counts: Counts, shares: Counts) -> tuple[float, int]:
    """Pearson's chi-square of counts against shares that are expected, and its degrees of freedom. Values without a share
    are left out, and the shares taken of what they add up to.

    Raises:
        ValueError: nothing is expected, or nothing of it was counted.
    """
    expected = {value: share for value, share in _shares(shares).items() if share > 0}
    total = sum(counts.get(value, 0.0) for value in expected)
    if not total:
        raise ValueError("no value that has a share was counted")
    found = sum(
        (counts.get(value, 0.0) - total * share) ** 2 / (total * share) for value, share in expected.items()
    )
    return found, len(expected) - 1


def chi_square_of_two(one: Counts, other: Counts) -> tuple[float, int]:
    """Pearson's chi-square of two distributions being the same, a table of two rows, and its degrees of freedom.

    Raises:
        ValueError: one of them is of nothing.
    """
    _shares(one), _shares(other)
    values = {value for value in one.keys() | other.keys() if one.get(value, 0) + other.get(value, 0) > 0}
    totals = sum(one.values()), sum(other.values())
    found = 0.0
    for value in values:
        of_value = one.get(value, 0.0) + other.get(value, 0.0)
        for counts, total in zip((one, other), totals, strict=True):
            expected = of_value * total / sum(totals)
            found += (counts.get(value, 0.0) - expected) ** 2 / expected
    return found, len(values) - 1


def _shares(counts: Counts) -> dict[str, float]:
    total = sum(counts.values())
    if total <= 0:
        raise ValueError("a distribution of nothing")
    return {value: count / total for value, count in counts.items()}
