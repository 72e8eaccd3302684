"""Does a score tell true pairs from shuffled ones, and from which value on?

A model's similarity means nothing by itself: an English model gives cosines for Chinese too. So a threshold on one is
taken only after the model has shown, on parallel texts of the spec's own, that it knows what belongs together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_AUC = 0.95
FEWEST_PAIRS = 20
"""With fewer, an AUC of 0.95 may be luck: one pair in twenty is 0.05."""
MOST_PAIRS = 500
"""Of a larger source, the first; the shuffled pairs grow with its square."""
PASSING_SHUFFLED = 0.01
"""Share of shuffled pairs that the threshold lets pass."""


@dataclass(frozen=True)
class Separation:
    """How well scores of true pairs stand above those of shuffled ones.

    auc: chance that a true pair scores higher than a shuffled one, ties counting half (Hanley and McNeil 1982).
    threshold: the least score that at most 1 % of the shuffled pairs reach; recall: the share of true ones that do.
    """

    auc: float
    threshold: float
    recall: float
    true_pairs: int
    shuffled_pairs: int

    @property
    def is_enough(self) -> bool:
        return self.auc >= LEAST_AUC


def separation(true: Sequence[float], shuffled: Sequence[float]) -> Separation:
    """Compare two samples of scores; neither may be empty."""
    import numpy as np

    mine, others = np.asarray(true, dtype=np.float64), np.sort(np.asarray(shuffled, dtype=np.float64))
    below = np.searchsorted(others, mine, side="left") + np.searchsorted(others, mine, side="right")
    auc = float(below.sum() / 2 / (len(mine) * len(others)))
    # One above the highest score that more than 1 % reach: a tie passes as a whole or not at all.
    allowed = int(PASSING_SHUFFLED * len(others))
    highest = others[len(others) - 1 - allowed]
    threshold = float(np.nextafter(highest, np.inf))
    return Separation(auc, threshold, float((mine >= threshold).mean()), len(mine), len(others))


def separation_of_vectors(
    sources: NDArray[np.float32], targets: NDArray[np.float32], texts: Sequence[tuple[str, str]]
) -> Separation:
    """Of the vectors of parallel texts: every source with its own target against every source with another's.

    Args:
        sources, targets: (pairs, size), float32, each row of length 1.
        texts: the pairs themselves; two that share a text on either side are no shuffled pair of each other.
    """
    import numpy as np

    cosines = sources @ targets.T
    is_shuffled = np.ones(cosines.shape, dtype=bool)
    np.fill_diagonal(is_shuffled, False)
    for side in (0, 1):
        places: dict[str, list[int]] = {}
        for i, pair in enumerate(texts):
            places.setdefault(pair[side], []).append(i)
        for same in places.values():
            if len(same) > 1:
                is_shuffled[np.ix_(same, same)] = False
    return separation([float(c) for c in cosines.diagonal()], [float(c) for c in cosines[is_shuffled]])
