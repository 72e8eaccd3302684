"""Vectors of rows' texts, from the store or a model, a part of the rows at a time."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.declare import REQUIRED, attribute
from mixwright_runtime.plugins.protocol import Calls, VectorResult
from mixwright_runtime.steps.near_vectors import nothing
from mixwright_runtime.steps.vector_file import VectorFile
from mixwright_runtime.values.rows import Dropped, Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EMBEDDER = attribute(
    "model",
    "ref:model",
    "the embedding model that gives the vectors",
    default=REQUIRED,
    tasks=("embed",),
)

AT_ONCE = 1024
"""Texts whose vectors are asked for together. Chosen: 16 requests, and 1.5 MB of vectors of 384 numbers."""
WIDER = 4
"""Chosen: how many times as many are read ahead as before, while the store has some. So few vectors are read in vain
where the first of many rows are enough, and the store is read few times where they are not."""
AHEAD_BYTES = 1 << 30
"""Of vectors that are read ahead at most. Chosen: 700,000 of 384 numbers, 65,000 of 4,096."""


class Part(NamedTuple):
    """What became of some texts, by their places."""

    places: list[int]
    """Of those that have a vector."""
    vectors: NDArray[np.float32]
    """Theirs: (n, size)."""
    failed: dict[int, VectorResult]
    """Those that the model could not embed."""
    textless: list[int]
    """None, or the empty text."""


async def vectors_of(
    calls: Calls,
    model: str,
    places: Sequence[int],
    texts_at: Callable[[Sequence[int]], Iterable[str | None]],
    *,
    between: Callable[[], None] = nothing,
    scratch: Path | None = None,
) -> AsyncGenerator[Part]:
    """Vectors of the texts at these places, `AT_ONCE` after `AT_ONCE` in their order; a model is asked for no more than
    these.

    The store has its vectors in the order in which they were made, and reads 2,048 to give one. So where it has some of a
    part, its vectors of the next ones, four times as many each time, are read in its order and put aside in theirs.

    Args:
        texts_at: the texts at some of the places; called in a thread.
        between: called now and then, and may raise.
        scratch: where vectors are put aside; a temporary folder when None.

    Raises:
        RunError: the model gives vectors of several sizes, or the disk is full.
    """
    sought = _Sought(calls, model, places, texts_at, between, scratch)
    start, width = 0, AT_ONCE
    while start < len(places):
        end = min(start + width, len(places))
        try:
            are_there = end - start > AT_ONCE and await sought.look_ahead(start, end)
            for first in range(start, end, AT_ONCE):
                between()
                part, was_there = await sought.part(first, min(first + AT_ONCE, end))
                are_there |= was_there
                yield part
        finally:
            sought.forget()
        start, width = end, sought.most(width * WIDER) if are_there else AT_ONCE


class _Sought:
    """Looks for the vectors of texts, and puts aside what was read ahead."""

    def __init__(
        self,
        calls: Calls,
        model: str,
        places: Sequence[int],
        texts_at: Callable[[Sequence[int]], Iterable[str | None]],
        between: Callable[[], None],
        scratch: Path | None,
    ) -> None:
        self._calls = calls
        self._model = model
        self._places = places
        self._texts_at = texts_at
        self._between = between
        self._scratch = scratch
        self._size = 0
        self._aside: VectorFile | None = None
        self._first = 0
        self._are_aside = bytearray()
        """Which of the places from the first on have their vector there."""

    def most(self, wanted: int) -> int:
        """How many of so many may be read ahead."""
        return min(wanted, max(AT_ONCE, AHEAD_BYTES // (4 * max(1, self._size))))

    async def look_ahead(self, first: int, last: int) -> bool:
        """Put the vectors aside that the store has of these; False when it has none."""
        numbers = array("q")
        """Of those that have a text."""

        def texts() -> Iterator[str]:
            for number, text in enumerate(self._texts_at(self._places[first:last])):
                if number % AT_ONCE == 0:
                    self._between()
                if text:
                    numbers.append(number)
                    yield text

        self._first, self._are_aside = first, bytearray(last - first)
        async for which, vectors in self._calls.stored_vectors(self._model, texts()):
            self._between()
            await asyncio.to_thread(self._put, [numbers[at] for at in which], vectors)
        return any(self._are_aside)

    def forget(self) -> None:
        """Give back what was put aside."""
        self._are_aside = bytearray()
        if self._aside is not None:
            self._aside.close()
            self._aside = None

    async def part(self, first: int, last: int) -> tuple[Part, bool]:
        """These, and whether the store had some of them."""
        import numpy as np

        places = self._places[first:last]
        start = first - self._first
        are_aside = self._are_aside[start : start + len(places)] or bytearray(len(places))
        asked = [at for at, is_aside in enumerate(are_aside) if not is_aside]
        texts = await asyncio.to_thread(self._texts, places, asked)
        results = await self._calls.embed(self._model, [text for text in texts if text])
        of_asked = iter(results)
        found = {at: next(of_asked) for at, text in zip(asked, texts, strict=True) if text}
        for result in results:
            self._check(result.vector)
        sound = [at for at, is_aside in enumerate(are_aside) if is_aside or _has_vector(found.get(at))]
        if self._aside is not None:
            vectors = self._aside.read(start, start + len(places))[sound]
        else:
            vectors = np.zeros((len(sound), self._size), dtype=np.float32)
        for number, at in enumerate(sound):
            if at in found:
                vectors[number] = found[at].vector
        part = Part(
            [places[at] for at in sound],
            vectors,
            {places[at]: result for at, result in found.items() if result.vector is None},
            [places[at] for at in asked if at not in found],
        )
        return part, any(are_aside) or any(result.is_stored for result in results)

    def _texts(self, places: Sequence[int], asked: Sequence[int]) -> list[str | None]:
        if not asked:
            return []
        return list(self._texts_at(places if len(asked) == len(places) else [places[at] for at in asked]))

    def _put(self, numbers: Sequence[int], vectors: Sequence[NDArray[np.float32]]) -> None:
        for vector in vectors:
            self._check(vector)
        if self._aside is None:
            self._aside = VectorFile(self._scratch, self._size)
        self._aside.put_each(numbers, vectors)
        for number in numbers:
            self._are_aside[number] = True

    def _check(self, vector: NDArray[np.float32] | None) -> None:
        if vector is None:
            return
        if self._size and len(vector) != self._size:
            raise RunError(f"model '{self._model}' gave vectors of {self._size} and of {len(vector)} numbers")
        self._size = len(vector)


def _has_vector(result: VectorResult | None) -> bool:
    return result is not None and result.vector is not None


def unembedded(row: Row, step_id: str, result: VectorResult) -> Dropped:
    """A row whose text the model could not embed: what it is near to, nobody can say."""
    detail = {"reason": result.reason, "detail": result.detail[:500], "call": result.key.hex()}
    return Dropped(row, step_id, "no vector", detail, quarantined=True)
