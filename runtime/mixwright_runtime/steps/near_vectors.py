"""Vectors of length 1 on disk, and which of them are near others: exactly, without comparing most of them whole.

    sketch(x) = (Q x, |x - Q'Q x|)        Q: the first rows of a rotation, the same for all
    x.y <= sketch(x).sketch(y)            Cauchy-Schwarz on what the sketch leaves out

Unrelated vectors have sketches whose product is far below 1, so that with a cosine of 0.95 a fifth of the numbers tells
of almost every pair that it is none; the others are compared whole, in double precision and rounded, so that neither the
size of a block nor the library that multiplies can change a verdict.

Memory: the sketches, for 384 numbers and a cosine of 0.95 about 300 bytes a vector, and a block of products. The vectors
themselves lie in a file without a name, which goes with the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mixwright_runtime.steps.vector_file import VectorFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCK = 8192
"""Vectors of a block of products. Chosen: with `AT_ONCE` rows it is 32 MiB."""
AT_ONCE = 1024
"""Vectors that are compared with a block at once; who has more hands them over in parts."""
WHOLE = 4096
"""Pairs that are compared whole at once."""
SHARE = 4.0
"""Chosen: numbers of a sketch for each number of a vector and each unit of distance. One would tell vectors at a right
angle apart; embeddings of unrelated texts have a cosine of 0.4 or more, and with 2.5 three in a hundred such pairs were
compared whole, which took four times as long as all products."""
LEAST = 16
SLACK = 1e-4
"""Single precision may put a bound a little too low."""
DIGITS = 6
"""A cosine is rounded to so many: what is equal to the bound but for rounding is at the bound."""

Near = tuple["NDArray[np.intp]", "NDArray[np.intp]", "NDArray[np.float64]"]
"""Place among the vectors asked about, place among those held, cosine: of pairs, in no order."""


def nothing() -> None:
    """What is called between blocks where nobody interrupts."""


class NearVectors:
    """Holds vectors in the order in which they are added.

    cosine: pairs from here on are near; `is_strict`: only those above. between: called now and then, and may raise.
    directory: where the file lies; the system's for temporary files without it.
    """

    def __init__(
        self,
        cosine: float,
        *,
        is_strict: bool = False,
        between: Callable[[], None] = nothing,
        directory: Path | None = None,
    ) -> None:
        self.compared = 0
        """Pairs that were compared whole."""
        self._cosine = round(cosine, DIGITS)
        self._is_strict = is_strict
        self._between = between
        self._count = 0
        self._blocks: list[NDArray[np.float32]] = []
        self._rotation: NDArray[np.float32] | None = None
        self._directory = directory
        self._file: VectorFile | None = None
        self._mapped: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return self._count

    def close(self) -> None:
        """Give the file back."""
        self._mapped = None
        if self._file is not None:
            self._file.close()

    def add(self, vectors: NDArray[np.float32]) -> None:
        """Hold (n, size) more.

        Raises:
            RunError: the disk is full.
        """
        import numpy as np

        if not len(vectors):
            return
        sketches = self._sketches(vectors)
        if self._file is None:
            self._file = VectorFile(self._directory, vectors.shape[1])
        self._file.put(self._count, vectors)
        self._mapped = None
        at = 0
        while at < len(sketches):
            place = self._count % BLOCK
            if place == 0:
                self._blocks.append(np.empty((BLOCK, sketches.shape[1]), dtype=np.float32))
            taken = min(BLOCK - place, len(sketches) - at)
            self._blocks[-1][place : place + taken] = sketches[at : at + taken]
            self._count += taken
            at += taken

    def near(
        self,
        vectors: NDArray[np.float32],
        is_known: Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.bool_]] | None = None,
    ) -> Iterator[Near]:
        """Pairs of (n, size) vectors, n at most `AT_ONCE`, and held ones that are near. `is_known`, asked
        when the pairs before are done with: which pairs need not be looked at."""
        import numpy as np

        if not self._count:
            return
        sketches = self._sketches(vectors)
        for number, block in enumerate(self._blocks):
            self._between()
            start = number * BLOCK
            held = block[: self._count - start]
            # By the one that is held first: so the first of a crowd soon tells of all the others (`is_known`).
            places, rows = np.nonzero(held @ sketches.T >= self._cosine - SLACK)
            places += start
            for at in range(0, len(rows), WHOLE):
                part, whole = rows[at : at + WHOLE], places[at : at + WHOLE]
                if is_known is not None:
                    unknown = ~is_known(part, whole)
                    part, whole = part[unknown], whole[unknown]
                yield self._among(part, whole, vectors[part], self._held()[whole])
        # What was looked at of a mapped file counts as memory of the process for as long as it is mapped.
        self._mapped = None

    def admit(
        self, vectors: NDArray[np.float32], prefer: Literal["nearest", "earliest"]
    ) -> list[tuple[int, float] | None]:
        """Takes (n, size) vectors one after another: one that is near none held before it is held from then on, and gives
        None; of any other the place of the nearest held one, or of the earliest, and their cosine."""
        found: list[tuple[int, float] | None] = []
        for at in range(0, len(vectors), AT_ONCE):
            found += self._admitted(vectors[at : at + AT_ONCE], prefer)
        return found

    def _admitted(
        self, vectors: NDArray[np.float32], prefer: Literal["nearest", "earliest"]
    ) -> list[tuple[int, float] | None]:
        import numpy as np

        near: list[dict[int, float]] = [{} for _ in vectors]
        for rows, places, cosines in self.near(vectors):
            for row, place, cosine in zip(rows.tolist(), places.tolist(), cosines.tolist(), strict=True):
                near[row][place] = cosine
        sketches = self._sketches(vectors)
        before = np.tril(sketches @ sketches.T >= self._cosine - SLACK, -1)
        among: list[list[tuple[int, float]]] = [[] for _ in vectors]
        rows, others = np.nonzero(before)
        for at in range(0, len(rows), WHOLE):
            part, theirs = rows[at : at + WHOLE], others[at : at + WHOLE]
            for row, other, cosine in zip(
                *(a.tolist() for a in self._among(part, theirs, vectors[part], vectors[theirs])), strict=True
            ):
                among[row].append((other, cosine))
        found: list[tuple[int, float] | None] = []
        held: dict[int, int] = {}
        for row in range(len(vectors)):
            for other, cosine in among[row]:
                if other in held:
                    near[row][held[other]] = cosine
            if near[row]:
                nearest = min(near[row], key=lambda place: (-near[row][place], place))
                place = nearest if prefer == "nearest" else min(near[row])
                found.append((place, near[row][place]))
            else:
                held[row] = self._count + len(held)
                found.append(None)
        self.add(vectors[list(held)])
        return found

    def _among(
        self,
        rows: NDArray[np.intp],
        places: NDArray[np.intp],
        vectors: NDArray[np.float32],
        held: NDArray[np.float32],
    ) -> Near:
        """Those of pairs that are near, compared whole."""
        import numpy as np

        self.compared += len(rows)
        cosines = np.einsum("ij,ij->i", vectors.astype(np.float64), held.astype(np.float64)).round(DIGITS)
        is_near = cosines > self._cosine if self._is_strict else cosines >= self._cosine
        return rows[is_near], places[is_near], cosines[is_near]

    def _held(self) -> NDArray[np.float32]:
        if self._mapped is None:
            assert self._file is not None
            self._mapped = self._file.mapped(self._count)
        return self._mapped

    def _sketches(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, numbers of a sketch) float32."""
        import numpy as np

        if self._rotation is None:
            size = vectors.shape[1]
            wanted = min(size, max(LEAST, round(size * SHARE * (1 - self._cosine))))
            chance = np.random.default_rng(0).standard_normal((size, wanted))
            self._rotation = np.linalg.qr(chance)[0].astype(np.float32)
        turned = vectors @ self._rotation
        rest = np.sqrt(np.maximum(0.0, 1.0 - np.einsum("ij,ij->i", turned, turned)))
        return np.concatenate([turned, rest[:, None].astype(np.float32)], axis=1)
