"""What many tasks ask for is found for many at once, and each is told its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np

from mixwright_runtime.values.sorting import order_of
from mixwright_runtime.values.together import TOLD_AT_ONCE, Together


class Looks:
    """Doubles numbers, many at once; the first look takes as long as it is held."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.held: asyncio.Event | None = None

    async def look(self, numbers: list[int]) -> Sequence[int]:
        self.sizes.append(len(numbers))
        if len(self.sizes) == 1 and self.held is not None:
            await self.held.wait()
        if -1 in numbers:
            raise ValueError("no number")
        return [2 * number for number in numbers]


def test_what_comes_at_the_same_time_shares_a_look() -> None:
    async def scenario() -> None:
        looks = Looks()
        together = Together(looks.look, most=1_000, turn_s=0.001)
        assert await asyncio.gather(*map(together.found, range(300))) == [2 * n for n in range(300)]
        assert await together.found(7) == 14
        assert looks.sizes == [300, 1]

    asyncio.run(scenario())


def test_a_look_begins_at_once_where_it_is_full_and_is_told_in_order() -> None:
    async def scenario() -> None:
        looks, told = Looks(), list[int]()
        looks.held = asyncio.Event()
        # Nothing is ever quiet: a look begins because it is full.
        together = Together(looks.look, most=TOLD_AT_ONCE + 50, turn_s=3_600)

        async def ask(number: int) -> None:
            told.append(await together.found(number, 10))

        tasks = [asyncio.create_task(ask(number)) for number in range(36)]
        for _ in range(20):
            await asyncio.sleep(0)
        assert looks.sizes == [18, 18] and not told
        looks.held.set()
        await asyncio.gather(*tasks)
        assert told == [2 * n for n in range(36)]

    asyncio.run(scenario())


def test_an_error_is_told_to_those_of_its_look_alone_and_who_has_gone_to_nobody() -> None:
    async def scenario() -> None:
        together = Together(Looks().look, most=2, turn_s=0.001)
        bad, one, gone, other = (asyncio.create_task(together.found(n)) for n in (-1, 1, 2, 3))
        await asyncio.sleep(0)
        gone.cancel()
        results: list[Any] = await asyncio.gather(bad, one, gone, other, return_exceptions=True)
        assert [type(result) for result in results] == [ValueError, ValueError, asyncio.CancelledError, int]
        assert results[3] == 6

    asyncio.run(scenario())


def test_equal_keys_stand_by_what_tells_them_apart_and_then_as_they_came() -> None:
    keys = np.array([3, 1, 3, 2, 3, 1])
    assert order_of(keys[[0, 1, 3]]).tolist() == [1, 2, 0]
    assert order_of(keys).tolist() == [1, 5, 3, 0, 2, 4]
    first, second = np.array([0, 9, 0, 0, -1, 8]), np.array([2, 0, 1, 0, 0, 0])
    assert order_of(keys, first, second).tolist() == [5, 1, 3, 4, 2, 0]
