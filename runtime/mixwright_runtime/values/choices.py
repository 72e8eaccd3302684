"""Random choices that follow from a digest: the same in every run, on every version of Python."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.values.rows import Row, digest, order_key

T = TypeVar("T")

PACKS_HELD = 4
"""Shuffled packs that `Turns` keeps: rows are not far apart, and a pack is as large as a source."""


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
    if weights is not None:
        return several_of(domain, seed, step, row, weights, 1)[0]
    parts = decided_by(step, row)
    return max(range(count), key=lambda i: order_key(seed, digest(domain, *parts, i)))


def several_of(
    domain: str, seed: int, step: Step, row: Row, weights: Sequence[float], count: int
) -> list[int]:
    """Which `count` of as many as there are weights a row gets, in the order in which they are drawn one by one without
    repetition, in proportion to the weights of those that are left; fewer where fewer have a weight above 0."""
    waits = _waits(domain, seed, step, row, weights)
    return sorted(waits, key=waits.__getitem__)[:count]


def _waits(domain: str, seed: int, step: Step, row: Row, weights: Sequence[float]) -> dict[int, float]:
    """Waiting times at rates that are the weights: the shortest is each one's in proportion to its weight."""
    parts = decided_by(step, row)
    drawn = [order_key(seed, digest(domain, *parts, i)) for i in range(len(weights))]
    # One half more, so that no number is 0, whose logarithm is none.
    return {i: -math.log((drawn[i] + 0.5) / 2**63) / w for i, w in enumerate(weights) if w > 0}


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


class Turns:
    """Things dealt out to rows like cards: all are dealt before one is dealt again, and each pack is shuffled anew.

    A row's cards follow from its place among the started rows and from nothing else of it. Rows that a step made of
    one, its candidates, items and rounds, have packs of their own, by their number. Safe to ask from several threads.
    """

    def __init__(self, seed: int, step: Step) -> None:
        salt = step.attributes.get("salt")
        self._parts = (seed, step.identity, *(() if salt is None else (str(salt),)))
        self._packs: dict[tuple[tuple[int, ...], int, int], list[int]] = {}
        self._dealing = threading.Lock()

    def of(self, row: Row, size: int, count: int) -> list[int]:
        """Which of `size` things a row gets, `count` different ones, or all where there are no more."""
        count = min(count, size)
        if count == 0:
            return []
        number = (row.candidate, *row.path)
        first = row.position * count
        found: list[int] = []
        for at in range(first, first + count):
            pack, place = divmod(at, size)
            with self._dealing:
                found.append(self._pack(number, pack, size, count)[place])
        return found

    def _pack(self, number: tuple[int, ...], pack: int, size: int, count: int) -> list[int]:
        """A shuffled pack. Where the last row of the pack before takes its first cards, none of these is one that this
        row has; of a pack that is smaller than two hands, all are shuffled alike, which comes to the same."""
        if size < 2 * count:
            pack = 0
        key = (number, pack, count)
        found = self._packs.get(key)
        if found is None:
            found = self._shuffled(number, pack, size)
            taken = pack * size % count
            if taken:
                before = set(self._shuffled(number, pack - 1, size)[-taken:])
                others = [card for card in found if card not in before]
                first = others[: count - taken]
                chosen = set(first)
                found = first + [card for card in found if card not in chosen]
            if len(self._packs) >= PACKS_HELD:
                del self._packs[next(iter(self._packs))]
            self._packs[key] = found
        return found

    def _shuffled(self, number: tuple[int, ...], pack: int, size: int) -> list[int]:
        choices = Choices(digest("mixwright.turns.v1", *self._parts, *number, pack))
        return choices.sample(range(size), size)
