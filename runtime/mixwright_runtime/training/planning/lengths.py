"""How many tokens the examples of a mixture have: a histogram, and what batches of them are padded to."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ASSUMED_SPREAD = 0.75
"""Standard deviation of the logarithm of lengths, where only their mean is known: that of Alpaca's."""


@dataclass(frozen=True)
class Lengths:
    """`tokens`: (distinct,) ascending; `counts`: (distinct,) examples of each. `origin` says where they come from."""

    tokens: NDArray[np.int64]
    counts: NDArray[np.int64]
    origin: str

    @property
    def examples(self) -> int:
        return int(self.counts.sum())

    @property
    def total(self) -> int:
        """Tokens of all examples."""
        return int((self.tokens * self.counts).sum())

    @property
    def mean(self) -> float:
        return self.total / max(1, self.examples)

    @property
    def longest(self) -> int:
        return int(self.tokens[-1])

    def limited(self, context: int) -> Lengths:
        """The lengths after cutting at `context`."""
        if self.longest <= context:
            return self
        return lengths_of(np.repeat(np.minimum(self.tokens, context), self.counts), self.origin)

    def expected_longest(self, batch: int) -> float:
        """Mean of the longest of `batch` examples drawn at random: what a batch is padded to.

        E[max] = sum over l of l * (F(l)^batch - F(l - 1)^batch), F the share of examples not longer than l.
        """
        share = np.cumsum(self.counts) / self.examples
        power = share**batch
        return float((self.tokens * np.diff(power, prepend=0.0)).sum())


def lengths_of(tokens: NDArray[np.int64], origin: str) -> Lengths:
    """The histogram of measured lengths.

    Raises:
        ValueError: there are none.
    """
    if len(tokens) == 0:
        raise ValueError("no examples")
    found, counts = np.unique(np.asarray(tokens, np.int64), return_counts=True)
    return Lengths(found, counts.astype(np.int64), origin)


def assumed_lengths(
    examples: int, mean: float, origin: str, *, spread: float = ASSUMED_SPREAD, longest: int | None = None
) -> Lengths:
    """Log-normal lengths of this mean, at the quantiles (i + 0.5) / examples; the same for the same arguments.

    mu = ln(mean) - spread^2 / 2. `longest` cuts longer ones.
    """
    grid = min(examples, 20_000)
    quantiles = _normal_quantiles((np.arange(grid) + 0.5) / grid)
    drawn = np.exp(math.log(mean) - spread**2 / 2 + spread * quantiles)
    tokens = np.maximum(1, np.rint(drawn)).astype(np.int64)
    if longest is not None:
        tokens = np.minimum(tokens, longest)
    found, counts = np.unique(tokens, return_counts=True)
    # Whole numbers that add up to `examples`: the sums up to each length are rounded, so that what rounding takes
    # from one length its neighbour gets, and the mean stays. (Remainders alone would go to the shortest of the tail.)
    upto = np.rint(np.cumsum(counts) * (examples / grid)).astype(np.int64)
    scaled = np.diff(upto, prepend=0)
    kept = scaled > 0
    return Lengths(found[kept], scaled[kept], origin)


def _normal_quantiles(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    from statistics import NormalDist

    inverse = NormalDist().inv_cdf
    return np.asarray([inverse(float(share)) for share in shares])
