"""MinHash sketches and a locality-sensitive index that grows: near-duplicate candidates without comparing all pairs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mixwright_runtime.values.spool import Spool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Run = tuple[NDArray[np.uint32], NDArray[np.uint32]]
    """Keys in ascending order, and the row of each."""

DETECTION = 0.945
"""Least probability that a pair exactly at the threshold becomes a candidate."""
RESIDENT_ROWS = 2_000_000
"""Rows of an index from which on its runs lie on disk: 256 MB of 16 bands. Chosen."""
STRETCH = 1_000_000
"""Keys of each of two runs that are merged at once. Chosen."""
_PARTS = 16
"""Parts of an index, each a share of the bands: what is moved at once is as small a part of it. Chosen."""


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

    def sketches(self, shingles: NDArray[np.uint64], starts: NDArray[np.intp]) -> NDArray[np.uint32]:
        """The least value of each hash function over each row's shingles: (rows, permutations) uint32.

        Args:
            shingles: of all rows, one row behind the other; at least one of each.
            starts: where those of each row begin.
        """
        import numpy as np

        upper = shingles >> np.uint64(32)
        hashed = np.empty_like(upper)
        sketches = np.empty((len(starts), len(self._a)), dtype=np.uint32)
        # One function at a time over all rows: what is worked on then lies side by side, and fits the cache.
        for i, (a, b) in enumerate(zip(self._a, self._b, strict=True)):
            np.multiply(upper, a, out=hashed)
            hashed += b
            sketches[:, i] = np.minimum.reduceat(hashed, starts) >> np.uint64(32)
        return sketches


def band_keys(sketches: NDArray[np.uint32], bands: int, rows: int) -> NDArray[np.uint64]:
    """A key for each band of each sketch, (count, bands) uint64; rows that share a key share that band."""
    import numpy as np

    count = len(sketches)
    parts = sketches[:, : bands * rows].reshape(count, bands, rows).astype(np.uint64)
    keys = np.broadcast_to(np.arange(1, bands + 1, dtype=np.uint64), (count, bands)).copy()
    for k in range(rows):
        keys *= np.uint64(0x9E3779B97F4A7C15)
        keys += parts[:, :, k]
        keys ^= keys >> np.uint64(31)
    return keys


class BandIndex:
    """Which rows share a band of their sketches: 8 bytes a row and band, in memory or, of many rows, on disk.

    Of a key 32 bits are kept: with ten million rows one row in twenty-five finds another that it shares nothing with, and
    whoever asks compares one more. Keys are kept in a few sorted runs; like runs are merged, so that a row is moved
    log2(rows) times at most. A run of more than `resident` rows lies in a file without a name, which is mapped.
    """

    def __init__(self, bands: int, *, resident: int | None = None, scratch: Path | None = None) -> None:
        """
        Args:
            resident: rows from which on a run lies on disk; `RESIDENT_ROWS` when None.
            scratch: where; a temporary folder when None.
        """
        self._parts: list[list[Run]] = [[] for _ in range(min(bands, _PARTS))]
        self._resident = RESIDENT_ROWS if resident is None else resident
        self._scratch = scratch

    def candidates(self, keys: NDArray[np.uint64]) -> dict[int, set[int]]:
        """For each row of `keys` that shares a band with any, the rows added before that share one with it, and at times
        one that does not."""
        import numpy as np

        found: dict[int, set[int]] = {}
        for number, part in enumerate(self._parts):
            own = keys[:, number :: len(self._parts)]
            flat = own.ravel().astype(np.uint32)
            order = np.argsort(flat)  # neighbours are sought next to each other
            sought = flat[order]
            for run, ids in part:
                first = run.searchsorted(sought)
                for at in np.flatnonzero(run[np.minimum(first, len(run) - 1)] == sought).tolist():
                    last = int(run.searchsorted(sought[at], side="right"))
                    row = int(order[at]) // own.shape[1]
                    found.setdefault(row, set()).update(ids[int(first[at]) : last].tolist())
        return found

    def add(self, keys: NDArray[np.uint64], ids: NDArray[np.uint32]) -> None:
        """Add rows under their keys.

        Raises:
            OSError: the disk is full.
        """
        import numpy as np

        if not len(ids):
            return
        for number, runs in enumerate(self._parts):
            own = keys[:, number :: len(self._parts)]
            flat = own.ravel().astype(np.uint32)
            order = np.argsort(flat, kind="stable")
            runs.append((flat[order], np.repeat(ids, own.shape[1])[order]))
            while len(runs) > 1 and len(runs[-2][0]) <= 2 * len(runs[-1][0]):
                later, earlier = runs.pop(), runs.pop()
                count = len(earlier[0]) + len(later[0])
                is_large = count > self._resident * own.shape[1]
                runs.append(
                    merged(earlier, later, _on_disk(count, self._scratch) if is_large else _held(count))
                )


def merged(a: Run, b: Run, into: Run) -> Run:
    """Two sorted runs as one, written a stretch at a time into arrays that are as long as both."""
    import numpy as np

    at_a = at_b = 0
    while at_a < len(a[0]) or at_b < len(b[0]):
        # All up to the key with which a stretch of one of the two ends.
        ends = [
            int(run[min(at + STRETCH, len(run)) - 1])
            for run, at in ((a[0], at_a), (b[0], at_b))
            if at < len(run)
        ]
        until = np.uint32(min(ends))
        to_a, to_b = (int(run.searchsorted(until, side="right")) for run in (a[0], b[0]))
        keys = np.concatenate((a[0][at_a:to_a], b[0][at_b:to_b]))
        ids = np.concatenate((a[1][at_a:to_a], b[1][at_b:to_b]))
        order = np.argsort(keys, kind="stable")
        into[0][at_a + at_b : to_a + to_b] = keys[order]
        into[1][at_a + at_b : to_a + to_b] = ids[order]
        at_a, at_b = to_a, to_b
    return into


def _held(count: int) -> Run:
    import numpy as np

    return np.empty(count, dtype=np.uint32), np.empty(count, dtype=np.uint32)


def _on_disk(count: int, scratch: Path | None) -> Run:
    """Room for a run in a file that is gone with the arrays.

    Raises:
        OSError: the disk is full.
    """
    import numpy as np

    with tempfile.TemporaryFile(dir=scratch) as file:
        # A mapped page for which there is no room would be a signal that ends the process, and no error.
        os.posix_fallocate(file.fileno(), 0, 8 * count)
        both = np.memmap(file, dtype=np.uint32, mode="r+", shape=(2, count))
    return both[0], both[1]


class ShingleStore:
    """The shingles of rows, by their number, put aside: 8 bytes of memory a row."""

    def __init__(self, scratch: Path | None, what: str) -> None:
        """As `Spool`."""
        self._spool = Spool(scratch, what)

    def add(self, rows: Sequence[NDArray[np.uint64]]) -> None:
        """Put those of some rows behind the others."""
        self._spool.add(row.tobytes() for row in rows)

    def of(self, number: int) -> NDArray[np.uint64]:
        """Those of one row."""
        import numpy as np

        return np.frombuffer(next(self._spool.read((number,))), dtype=np.uint64)


def jaccard(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> float:
    """Jaccard similarity of two sorted arrays without repetitions: shared over all."""
    import numpy as np

    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)
