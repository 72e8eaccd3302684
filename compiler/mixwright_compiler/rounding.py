"""Parts of a number of rows, rounded so that they add up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fractions import Fraction


def exact(number: float) -> Fraction:
    """The decimal number as written: `exact(0.1) == Fraction(1, 10)`."""
    from fractions import Fraction  # here: few specs have shares or a scale

    return Fraction(repr(number))


def largest_remainder(parts: Mapping[str, Fraction]) -> dict[str, int]:
    """The parts rounded to integers whose sum is their sum rounded down; each is off by less than 1."""
    counts = {name: part.numerator // part.denominator for name, part in parts.items()}
    left = int(sum(parts.values())) - sum(counts.values())
    # A count less its part is minus the fraction: the largest come first.
    by_fraction = sorted(parts, key=lambda name: (counts[name] - parts[name], name))
    for name in by_fraction[:left]:
        counts[name] += 1
    return counts
