"""The connected parts of a graph of near things, each named by its first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mixwright_runtime.steps.near_vectors import AT_ONCE, NearVectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Components:
    """Things 0 to n - 1, each at first a part of its own."""

    def __init__(self, count: int) -> None:
        import numpy as np

        self._up = np.arange(count, dtype=np.intp)

    def of(self, at: int) -> int:
        """The first of the part that a thing is in."""
        up = self._up
        while up[at] != at:
            up[at] = up[up[at]]
            at = int(up[at])
        return at

    def join(self, one: int, other: int) -> None:
        """Two things are near."""
        low, high = sorted((self.of(one), self.of(other)))
        self._up[high] = low

    def first_of(self) -> NDArray[np.intp]:
        """The first of each thing's part."""
        import numpy as np

        return self._firsts(np.arange(len(self._up)))

    def join_near(self, near: NearVectors, vectors: NDArray[np.float32], things: Sequence[int]) -> None:
        """Add (n, size) vectors to those held, and join the things that are near. `things`: of each vector that is held
        then, these n the last."""
        import numpy as np

        thing_of = np.asarray(things, dtype=np.intp)
        for at in range(0, len(vectors), AT_ONCE):
            part = vectors[at : at + AT_ONCE]
            start = len(near)
            near.add(part)

            def is_known(
                rows: NDArray[np.intp], places: NDArray[np.intp], start: int = start
            ) -> NDArray[np.bool_]:
                known: NDArray[np.bool_] = self._firsts(thing_of[rows + start]) == self._firsts(
                    thing_of[places]
                )
                return known

            for rows, places, _ in near.near(part, is_known):
                pairs = zip(thing_of[rows + start].tolist(), thing_of[places].tolist(), strict=True)
                for one, other in pairs:
                    self.join(one, other)

    def _firsts(self, things: NDArray[np.intp]) -> NDArray[np.intp]:
        while True:
            above = self._up[things]
            if (above == things).all():
                return things
            things = above
