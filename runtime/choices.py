"""Random choices that follow from a digest: the same in every run, on every version of Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runtime.rows import order_key


class Choices:
    """Choices in order; each depends on the digest and on how many were made before."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._taken = 0

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        self._taken += 1
        return order_key(self._taken, self._seed) % limit

    def sample(self, items: Sequence[Any], count: int) -> list[Any]:
        """`count` different items in random order, in time that does not depend on how many items there are."""
        moved: dict[int, int] = {}
        drawn = []
        for i in range(count):
            j = i + self.below(len(items) - i)
            drawn.append(items[moved.get(j, j)])
            moved[j] = moved.get(i, i)
        return drawn
