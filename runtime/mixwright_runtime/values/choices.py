"""Random choices that follow from a digest: the same in every run, on every version of Python."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.values.rows import Row, digest, order_key

T = TypeVar("T")


def decided_by(step: Step, row: Row) -> tuple[str | bytes, ...]:
    """What, besides the pipeline's seed, decides a step's choices for a row: parts of a digest."""
    salt = step.attributes.get("salt")
    return step.identity, row.row_id, *(() if salt is None else (str(salt),))


def turn_of(row: Row, count: int) -> int:
    """Whose turn of `count` it is: rows take turns in the order in which they are started."""
    return row.position % count


def one_of(
    domain: str, seed: int, step: Step, row: Row, count: int, weights: Sequence[float] | None = None
) -> int:
    """Which of `count` a row gets, in proportion to `weights`, each as likely without them.

    Each draws a number for the row, and the largest wins; with weights it is the shortest of waiting times at those
    rates, which comes to the same. So one more at the end takes rows from the others and moves none between them.
    """
    parts = decided_by(step, row)
    drawn = [order_key(seed, digest(domain, *parts, i)) for i in range(count)]
    if weights is None:
        return max(range(count), key=drawn.__getitem__)
    # One half more, so that no number is 0, whose logarithm is none.
    waits = {i: -math.log((drawn[i] + 0.5) / 2**63) / weights[i] for i in range(count) if weights[i] > 0}
    return min(waits, key=waits.__getitem__)


class Choices:
    """Choices in order; each depends on the digest and on how many were made before."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._taken = 0

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        self._taken += 1
        return order_key(self._taken, self._seed) % limit

    def shuffled(self, items: Sequence[T]) -> Iterator[T]:
        """The items in random order; those not asked for cost nothing."""
        moved: dict[int, int] = {}
        for i in range(len(items)):
            j = i + self.below(len(items) - i)
            yield items[moved.get(j, j)]
            moved[j] = moved.get(i, i)

    def sample(self, items: Sequence[object], count: int) -> list[Any]:
        """`count` different items in random order, in time that does not depend on how many items there are."""
        return list(islice(self.shuffled(items), count))
