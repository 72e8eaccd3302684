"""Many texts of which few differ, such as names of pipelines: a byte each."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np


class Repeated(Sequence[str]):
    """Texts by their numbers among those that differ."""

    def __init__(self, texts: Sequence[str], numbers: array[int]) -> None:
        self._texts = tuple(texts)
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Repeated: ...
    def __getitem__(self, at: int | slice) -> str | Repeated:
        if isinstance(at, slice):
            return Repeated(self._texts, self._numbers[at])
        return self._texts[self._numbers[at]]

    def __iter__(self) -> Iterator[str]:
        return map(self._texts.__getitem__, self._numbers)


def held(numbers: np.ndarray[tuple[int], np.dtype[np.integer]]) -> array[int]:
    """Numbers from 0 on in as few bytes as the largest needs, which are Python's own when they are read."""
    most = int(numbers.max(initial=0))
    kind = next(kind for kind, limit in (("B", 1 << 8), ("I", 1 << 32), ("q", 1 << 63)) if most < limit)
    found = array(kind)
    found.frombytes(numbers.astype(kind, copy=False).view(np.uint8).data)
    return found
