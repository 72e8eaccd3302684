"""Vectors that the store has are read in its order, and handed out in the order in which they are wanted."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing

import numpy as np
import pytest
from numpy.typing import NDArray

from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.protocol import StoredVectors, VectorResult
from mixwright_runtime.steps import embedded
from mixwright_runtime.steps.embedded import AT_ONCE, Part, vectors_of
from mixwright_runtime.steps.vector_file import VectorFile

COUNT = 30_000
SIZE = 8


class Half:
    """Has stored the vectors of some texts; of every text whose number ends with 7 the model gives none."""

    def __init__(self, stored: Iterable[int]) -> None:
        self.stored = np.zeros(COUNT, dtype=np.bool_)
        self.stored[list(stored)] = True
        self.stored[7::10] = False
        self.looked_up: list[int] = []
        """How many texts each look-up was about."""
        self.asked: list[int] = []
        """What was not stored and asked for."""

    async def embed(self, model: str, texts: Sequence[str]) -> list[VectorResult]:
        numbers = list(map(int, texts))
        self.asked += [number for number in numbers if not self.stored[number]]
        assert len(texts) <= AT_ONCE
        return [
            VectorResult(b"", None, "too long")
            if number % 10 == 7
            else VectorResult(b"", vector(number), is_stored=bool(self.stored[number]))
            for number in numbers
        ]

    async def stored_vectors(self, model: str, texts: Iterable[str]) -> AsyncIterator[StoredVectors]:
        numbers = np.array(list(map(int, texts)), dtype=np.intp)
        self.looked_up.append(len(numbers))
        there = np.flatnonzero(self.stored[numbers])
        there = there[np.argsort(numbers[there])]
        for start in range(0, len(there), 2_000):
            places = there[start : start + 2_000].tolist()
            yield places, [vector(int(numbers[at])) for at in places]


def vector(number: int) -> NDArray[np.float32]:
    return np.full(SIZE, number, dtype=np.float32)


async def parts_of(calls: Half, places: Sequence[int], most: int = COUNT) -> list[Part]:
    def texts_at(some: Sequence[int]) -> list[str | None]:
        return [None if number % 10 == 3 else str(number) for number in some]

    found = []
    async with aclosing(vectors_of(calls, "m", places, texts_at)) as parts:  # type: ignore[arg-type]
        async for part in parts:
            found.append(part)
            if sum(len(one.places) for one in found) >= most:
                break
    return found


@pytest.mark.parametrize("stored", [range(COUNT), range(0, COUNT, 2), range(20_000), ()], ids=len)
def test_what_is_handed_out_does_not_depend_on_what_is_stored(stored: Sequence[int]) -> None:
    order = np.random.default_rng(2).permutation(COUNT).tolist()
    calls = Half(stored)
    parts = asyncio.run(parts_of(calls, order))
    for number, part in enumerate(parts):
        wanted = order[number * AT_ONCE : (number + 1) * AT_ONCE]
        assert part.places == [at for at in wanted if at % 10 not in (3, 7)]
        assert sorted(part.failed) == sorted(at for at in wanted if at % 10 == 7)
        assert part.textless == [at for at in wanted if at % 10 == 3]
        assert (part.vectors == np.array(part.places, dtype=np.float32)[:, None]).all()
    assert len(parts) == -(-COUNT // AT_ONCE)
    assert calls.asked == [at for at in order if at % 10 != 3 and not calls.stored[at]]


def test_each_look_ahead_is_four_times_as_wide() -> None:
    calls = Half(range(COUNT))
    asyncio.run(parts_of(calls, [at for at in range(COUNT) if at % 10 not in (3, 7)]))
    assert calls.looked_up == [4_096, 16_384, 24_000 - 1_024 - 4_096 - 16_384]


def test_nothing_is_looked_up_ahead_where_nothing_is_stored() -> None:
    """The first 1,024 of the last 2,000 tell that there is something."""
    calls = Half(range(COUNT - 2_000, COUNT))
    asyncio.run(parts_of(calls, range(COUNT)))
    assert len(calls.looked_up) == 1
    first = Half(())
    asyncio.run(parts_of(first, range(COUNT)))
    assert first.looked_up == []


def test_who_has_enough_asks_for_no_more() -> None:
    calls = Half(range(COUNT))
    parts = asyncio.run(parts_of(calls, range(COUNT), most=1_500))
    assert len(parts) == 2 and calls.looked_up == [sum(at % 10 != 3 for at in range(1_024, 5_120))]


def test_what_is_put_aside_has_a_limit_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "AHEAD_BYTES", 4 * SIZE * 5_000)
    calls = Half(range(COUNT))
    asyncio.run(parts_of(calls, [at for at in range(COUNT) if at % 10 not in (3, 7)]))
    assert max(calls.looked_up) == 5_000


def test_stored_vectors_of_another_size_are_told() -> None:
    class Other(Half):
        async def stored_vectors(self, model: str, texts: Iterable[str]) -> AsyncIterator[StoredVectors]:
            list(texts)
            yield [0], [np.zeros(SIZE + 1, dtype=np.float32)]

    with pytest.raises(RunError, match="vectors of 8 and of 9 numbers"):
        asyncio.run(parts_of(Other(range(COUNT)), range(COUNT)))


def test_a_file_of_vectors_is_written_whole_or_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    file, put = VectorFile(None, SIZE), os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda where, raw, at: put(where, raw[:5], at))
    file.put(1, np.stack([vector(1), vector(2)]))
    file.put_each([4], [vector(4)])
    assert file.read(0, 6)[:, 0].tolist() == [0, 1, 2, 0, 4, 0]

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(RunError, match="vectors cannot be put aside: No space left"):
        file.put(0, vector(0)[None])
    file.close()
