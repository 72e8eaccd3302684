"""Which vectors are near: what the sketches leave out is never near, and what they let by is compared whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mixwright_runtime.steps.components import Components
from mixwright_runtime.steps.near_vectors import AT_ONCE, NearVectors

Vectors = NDArray[np.float32]


def crowded(count: int, size: int, *, seed: int = 0, crowds: int = 40, spread: float = 0.25) -> Vectors:
    """Unit vectors around some centres, so that pairs lie on both sides of every bound."""
    chance = np.random.default_rng(seed)
    centres = chance.standard_normal((crowds, size))
    vectors = centres[chance.integers(crowds, size=count)] + spread * chance.standard_normal((count, size))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def cosines_of(vectors: Vectors) -> NDArray[np.float64]:
    whole = vectors.astype(np.float64)
    return (whole @ whole.T).round(6)


@pytest.mark.parametrize("cosine", [0.0, 0.5, 0.9, 0.95, 0.99])
def test_no_near_pair_is_lost_and_none_is_added(cosine: float) -> None:
    vectors = crowded(700, 96)
    near = NearVectors(cosine)
    near.add(vectors)
    found = {
        pair
        for rows, places, _ in near.near(vectors)
        for pair in zip(rows.tolist(), places.tolist(), strict=True)
    }
    assert found == set(zip(*(a.tolist() for a in np.nonzero(cosines_of(vectors) >= cosine)), strict=True))


def test_most_pairs_are_not_compared_whole() -> None:
    chance = np.random.default_rng(0).standard_normal((2_000, 384))
    vectors = (chance / np.linalg.norm(chance, axis=1, keepdims=True)).astype(np.float32)
    near = NearVectors(0.95)
    assert near.admit(vectors, "nearest") == [None] * 2_000
    assert near.compared < 1_000  # of 1,999,000 pairs


def test_what_was_added_in_parts_is_found_as_if_at_once() -> None:
    vectors = crowded(3_000, 32)
    whole, parts = NearVectors(0.9), NearVectors(0.9)
    found: list[Any] = []
    for start, end in ((0, 1), (1, 700), (700, 701), (701, 3_000)):
        found += parts.admit(vectors[start:end], "nearest")
    assert found == whole.admit(vectors, "nearest") and len(parts) == len(whole) == found.count(None)


def greedy(vectors: Vectors, cosine: float, prefer: str) -> list[tuple[int, float] | None]:
    """One after another, by the whole table, to compare with."""
    cosines, held, found = cosines_of(vectors), [], []
    for at in range(len(vectors)):
        near = [
            (place, float(cosines[at, other]))
            for place, other in enumerate(held)
            if cosines[at, other] >= cosine
        ]
        if near:
            found.append(min(near, key=lambda one: (-one[1], one[0])) if prefer == "nearest" else near[0])
        else:
            held.append(at)
            found.append(None)
    return found


@pytest.mark.parametrize("prefer", ["nearest", "earliest"])
def test_each_vector_is_held_against_those_that_were_held_before(prefer: Any) -> None:
    vectors = crowded(AT_ONCE + 300, 24, crowds=300)
    expected = greedy(vectors, 0.9, prefer)
    assert 200 < expected.count(None) < 1_000
    assert NearVectors(0.9).admit(vectors, prefer) == expected


def test_equal_vectors_are_at_the_bound_and_not_above_it() -> None:
    same = np.tile(crowded(1, 384), (3, 1))
    assert NearVectors(1.0).admit(same, "nearest") == [None, (0, 1.0), (0, 1.0)]
    assert NearVectors(1.0, is_strict=True).admit(same, "nearest") == [None, None, None]


def test_components_are_those_of_the_whole_graph() -> None:
    vectors = crowded(1_500, 16, crowds=60, spread=0.3)
    parts = Components(1_500)
    near = NearVectors(0.93)
    for start in range(0, 1_500, 400):
        parts.join_near(near, vectors[start : start + 400], range(min(start + 400, 1_500)))
    reached = cosines_of(vectors) >= 0.93
    expected = list(range(1_500))
    for at in range(1_500):  # the first that a walk from each comes to
        seen, open_ = {at}, [at]
        while open_:
            fresh = set(np.nonzero(reached[open_.pop()])[0].tolist()) - seen
            seen |= fresh
            open_ += fresh
        expected[at] = min(seen)
    assert parts.first_of().tolist() == expected and 60 < len(set(expected)) < 1_400


def test_a_crowd_is_not_compared_pair_by_pair() -> None:
    vectors = crowded(4_000, 16, crowds=1, spread=0.01)
    parts, near = Components(4_000), NearVectors(0.9)
    parts.join_near(near, vectors, range(4_000))
    assert set(parts.first_of().tolist()) == {0} and near.compared < 100_000  # of 8 million
