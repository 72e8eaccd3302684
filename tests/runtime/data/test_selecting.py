"""Selections and balance on tables small enough to work them out by hand, or by a few plain lines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
from made import built, expression, row
from numpy.typing import NDArray

from mixwright_runtime.plugins.protocol import VectorResult
from mixwright_runtime.values.rows import Dropped, Row


def decided(step: Any, rows: Sequence[Row]) -> list[Any]:
    return list(asyncio.run(step.table(rows)))


def kept(places: Sequence[Any]) -> list[int]:
    return [at for at, place in enumerate(places) if not isinstance(place, Dropped)]


TAGGED = [
    ["sums"],
    ["sums", "sets", "code"],
    ["sums", "sets"],
    ["poems", "code"],
    [],
    ["sums"],
    ["code", "code"],
]
"""By number of different tags: 1, then 2 and 3, then 0, 5 and 6, then 4."""


def diverse(count: int, tags: Sequence[Any] = TAGGED) -> Any:
    step = built("select.diverse", by="tags", count=count)
    return step, decided(step, [row(n, tags=found) for n, found in enumerate(tags)])


def test_rows_are_taken_whose_tags_are_new() -> None:
    """Pass 1: row 1 has three tags; row 2 brings none; row 3 brings poems. Pass 2: row 2, and 6 for `code`. Pass 3: 0."""
    taken = [kept(diverse(count)[1]) for count in range(1, 7)]
    assert taken == [[1], [1, 3], [1, 2, 3], [1, 2, 3, 6], [0, 1, 2, 3, 6], [0, 1, 2, 3, 5, 6]]


def test_a_pass_that_adds_nothing_is_the_last() -> None:
    step, places = diverse(7)
    assert kept(places) == [0, 1, 2, 3, 5, 6]
    assert places[4].reason == "no tags"
    facts = {"rows": 7, "kept": 6, "passes": [2, 2, 1, 1], "tags": 4, "tags_kept": 4}
    assert step.report() == facts
    assert kept(diverse(3, [[], None, [1]])[1]) == []


class Embedder:
    """Has the vector of each text, by its number."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self.vectors = vectors
        self.asked: list[int] = []

    async def embed(self, model: str, texts: Sequence[str]) -> list[VectorResult]:
        self.asked += map(int, texts)
        return [VectorResult(text.encode(), self.vectors[int(text)]) for text in texts]


def reference(
    scores: NDArray[np.float64], vectors: NDArray[np.float32], most: float, count: int
) -> list[int]:
    """The selection as the paper has it, with the whole table of cosines."""
    cosines = (vectors.astype(np.float64) @ vectors.astype(np.float64).T).round(6)
    taken: list[int] = []
    for at in sorted(range(len(scores)), key=lambda at: (-scores[at], at)):
        if len(taken) == count:
            break
        if not taken or cosines[at, taken].max() <= most:
            taken.append(at)
    return sorted(taken)


def table(count: int, size: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    chance = np.random.default_rng(7)
    vectors = chance.standard_normal((50, size))[chance.integers(50, size=count)]
    vectors = vectors + 0.35 * chance.standard_normal((count, size))
    scores = chance.integers(1, 37, size=count).astype(np.float64)
    return scores, (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_deita_takes_what_its_paper_takes() -> None:
    scores, vectors = table(2_000, 48)
    rows = [row(n, score=score, text=str(n)) for n, score in enumerate(scores.tolist())]
    for count in (1, 200, 2_000):
        step = built(
            "select.deita",
            by=expression(["col", "score"], "float"),
            on="text",
            model="m",
            max_similarity=0.9,
            count=count,
            calls=Embedder(vectors),
        )
        places = decided(step, rows)
        expected = reference(scores, vectors, 0.9, count)
        assert kept(places) == expected and step.report()["kept"] == len(expected)
        # A row that is left out names one that is kept, and is more like it than is allowed.
        going = {rows[at].row_id.hex() for at in expected}
        left_out = [
            place.detail for place in places if isinstance(place, Dropped) and place.reason == "too similar"
        ]
        assert all(found["of"] in going and found["cosine"] > 0.9 for found in left_out)
    assert 200 < len(expected) < 1_500 and len(left_out) + len(expected) == 2_000


def test_deita_embeds_no_further_down_than_it_looks() -> None:
    scores, vectors = table(5_000, 8)
    calls = Embedder(vectors)
    rows = [row(n, score=score, text=str(n)) for n, score in enumerate(scores.tolist())]
    by = expression(["col", "score"], "float")
    decided(built("select.deita", by=by, on="text", model="m", count=5, calls=calls), rows)
    assert len(calls.asked) == 1_024


CLASSES = ["a", "b", "a", "a", "c", "b", "a", "a"]


def balanced(**how: Any) -> tuple[Any, list[Any]]:
    step = built("step.balance", by="class", **how)
    return step, decided(step, [row(n, **{"class": name}) for n, name in enumerate(CLASSES)])


def test_of_each_value_the_first_rows_are_kept() -> None:
    assert kept(balanced(most=2)[1]) == [0, 1, 2, 4, 5]
    assert kept(balanced(to="smallest")[1]) == [0, 1, 4]


def test_a_cap_is_decided_as_rows_come() -> None:
    step = built("step.balance", by="class", most=2)
    rows = [row(n, **{"class": name}) for n, name in enumerate(CLASSES)]
    assert kept([*decided(step, rows[:3]), *decided(step, rows[3:])]) == [0, 1, 2, 4, 5]


def test_shared_out_evenly_rare_values_are_repeated() -> None:
    """Eight rows of three values are two of each: of `c` there is one, which goes on twice."""
    assert kept(balanced(to="equal")[1]) == [0, 1, 2, 4, 5]
    step, places = balanced(to="equal", up="repeat")
    [itself, again] = places[4]
    assert (
        again.parents == (itself.row_id,)
        and again.columns == itself.columns
        and again.row_id != itself.row_id
    )
    assert step.report() == {
        "values": 3,
        "repeated": 1,
        "rows": {'"a"': [5, 2], '"b"': [2, 2], '"c"': [1, 2]},
    }


def test_repetitions_go_round_and_round() -> None:
    step = built("step.balance", by="class", to="equal", up="repeat")
    rows = [row(n, **{"class": "many" if n < 12 else "few"}) for n in range(14)]
    places = decided(step, rows)
    assert [len(place) for place in places[12:]] == [4, 3] and len(kept(places[:12])) == 7
    ids = [made.row_id for place in places[12:] for made in place]
    assert len(set(ids)) == 7
