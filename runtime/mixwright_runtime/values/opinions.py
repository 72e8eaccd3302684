"""What people's verdicts amount to: a share with its interval, and how far several people agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist

LEVEL = 0.95
"""Of the intervals: that usual in the field."""


def wilson(part: float, of: float, level: float = LEVEL) -> tuple[float, float]:
    """The interval that holds a share of which `part` of `of` were found (Wilson 1927); it stays within 0 and 1.

    Raises:
        ValueError: there is nothing that the share is of.
    """
    if of <= 0:
        raise ValueError("a share of nothing has no interval")
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, extra = part / of, z * z / of
    middle = (share + extra / 2) / (1 + extra)
    half = z / (1 + extra) * math.sqrt(share * (1 - share) / of + extra / (4 * of))
    # At its ends the formula gives 0 and 1 but for the last bit.
    low = 0.0 if part <= 0 else max(0.0, middle - half)
    high = 1.0 if part >= of else min(1.0, middle + half)
    return low, high


def cohen_kappa(pairs: Sequence[tuple[bool, bool]]) -> float | None:
    """How far two people agree beyond chance (Cohen 1960), by their verdicts on the same things, 1 for always.

    None where there are no such things, or where chance alone makes them agree: both always say the same.
    """
    if not pairs:
        return None
    count = len(pairs)
    agreed = sum(one == other for one, other in pairs) / count
    first, second = (sum(pair[who] for pair in pairs) / count for who in (0, 1))
    by_chance = first * second + (1 - first) * (1 - second)
    # By the pairs: 1 - by_chance may be a last bit off zero.
    return (
        None if set(pairs) in ({(True, True)}, {(False, False)}) else (agreed - by_chance) / (1 - by_chance)
    )


def mean_kappa(verdicts: Sequence[Sequence[bool | None]]) -> float | None:
    """The mean of the kappas of each two people (Light 1971); of two people theirs.

    Args:
        verdicts: on each thing one of each person, None where a person gave none.

    Returns:
        None where no two of them have a kappa.
    """
    people = len(verdicts[0]) if verdicts else 0
    found = []
    for one, other in combinations(range(people), 2):
        pairs = [
            (row[one], row[other]) for row in verdicts if row[one] is not None and row[other] is not None
        ]
        kappa = cohen_kappa([(bool(first), bool(second)) for first, second in pairs])
        if kappa is not None:
            found.append(kappa)
    return sum(found) / len(found) if found else None


def share_of_yes(verdicts: Sequence[bool | None]) -> float | None:
    """The share of those who gave a verdict that says yes; None where nobody did."""
    given = [verdict for verdict in verdicts if verdict is not None]
    return sum(given) / len(given) if given else None
