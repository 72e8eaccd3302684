"""MinHash sketches and a locality-sensitive index that grows: near-duplicate candidates without comparing all pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DETECTION = 0.945
"""Least probability that a pair exactly at the threshold becomes a candidate."""
_BLOCK = 2_048
"""Shingles that are hashed at once: bounds memory for long texts to 2,048 x permutations x 8 bytes."""


def bands_of(threshold: float, permutations: int) -> tuple[int, int]:
    """Bands and rows per band: the most selective cut that finds a pair at the threshold with DETECTION.

    P(candidate) = 1 - (1 - threshold^rows)^bands (Leskovec et al., Mining of Massive Datasets, 3.4.2).
    For 0.8 and 128 permutations this is 16 bands of 8.
    """
    for rows in range(permutations, 1, -1):
        bands = permutations // rows
        if 1 - (1 - threshold**rows) ** bands >= DETECTION:
            return bands, rows
    return permutations, 1


class Sketcher:
    """Makes MinHash sketches under one seed.

    Hash function i maps the upper half x of a shingle's hash to the upper half of (a_i * x + b_i) mod 2^64: the
    multiply-add-shift scheme, strongly universal on 32 bits (Thorup 2015, section 3.3).
    """

    def __init__(self, permutations: int, seed: int) -> None:
        import numpy as np

        numbers = np.random.Generator(np.random.PCG64(seed))
        top = np.iinfo(np.uint64).max
        self._a = numbers.integers(1, top, size=permutations, dtype=np.uint64, endpoint=True) | np.uint64(1)
        self._b = numbers.integers(0, top, size=permutations, dtype=np.uint64, endpoint=True)

    def sketch(self, shingles: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """The least value of each hash function over the shingles, at least one: (permutations,) uint32."""
        import numpy as np

        upper = shingles >> np.uint64(32)
        least: NDArray[np.uint64] | None = None
        for start in range(0, len(upper), _BLOCK):
            block = upper[start : start + _BLOCK, None] * self._a
            block += self._b
            found = block.min(axis=0)
            least = found if least is None else np.minimum(least, found)
        assert least is not None
        sketch: NDArray[np.uint32] = (least >> np.uint64(32)).astype(np.uint32)
        return sketch


class BandIndex:
    """Which rows share a band of their sketches: 12 bytes a row and band.

    Keys are kept in a few sorted runs; like runs are merged, so that a row is moved log2(rows) times at most.
    """

    def __init__(self, bands: int, rows: int) -> None:
        self._bands, self._rows = bands, rows
        self._runs: list[tuple[NDArray[np.uint64], NDArray[np.uint32]]] = []

    def keys(self, sketches: NDArray[np.uint32]) -> NDArray[np.uint64]:
        """A key for each band of each sketch, (count, bands) uint64; rows that share a key share that band."""
        import numpy as np

        count = len(sketches)
        parts = (
            sketches[:, : self._bands * self._rows].reshape(count, self._bands, self._rows).astype(np.uint64)
        )
        keys = np.broadcast_to(np.arange(1, self._bands + 1, dtype=np.uint64), (count, self._bands)).copy()
        for k in range(self._rows):
            keys *= np.uint64(0x9E3779B97F4A7C15)
            keys += parts[:, :, k]
            keys ^= keys >> np.uint64(31)
        return keys

    def candidates(self, keys: NDArray[np.uint64]) -> list[set[int]]:
        """For each row of `keys`, the rows added before that share a band with it."""
        import numpy as np

        found: list[set[int]] = [set() for _ in range(len(keys))]
        flat = keys.ravel()
        for run, ids in self._runs:
            first = np.searchsorted(run, flat, side="left")
            last = np.searchsorted(run, flat, side="right")
            for at in np.flatnonzero(last > first):
                found[at // self._bands].update(ids[first[at] : last[at]].tolist())
        return found

    def add(self, keys: NDArray[np.uint64], ids: NDArray[np.uint32]) -> None:
        """Add rows under their keys."""
        import numpy as np

        if not len(ids):
            return
        flat, owners = keys.ravel(), np.repeat(ids, self._bands)
        order = np.argsort(flat, kind="stable")
        self._runs.append((flat[order], owners[order]))
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            later, earlier = self._runs.pop(), self._runs.pop()
            merged = np.concatenate((earlier[0], later[0]))
            owners = np.concatenate((earlier[1], later[1]))
            order = np.argsort(merged, kind="stable")
            self._runs.append((merged[order], owners[order]))


def jaccard(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> float:
    """Jaccard similarity of two sorted arrays without repetitions: shared over all."""
    import numpy as np

    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)
