"""What rows grouped by meaning cost: `NearVectors`, which compares every pair exactly, beside whole products in numpy.

    python benchmarks/table_steps.py                     100,000 vectors of 384 numbers, and numpy beside it
    python benchmarks/table_steps.py --rows 1000000 --last    the last 1,024 of a million: memory, and time for one part

Vectors lie around centres, a tenth of them within the bound of an earlier one, as near-duplicates in a pool of
instructions do. Each way runs in a process of its own, whose peak of memory is told; time is the processor's.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import time
from collections.abc import Iterator

import numpy as np

from mixwright_runtime.steps.near_vectors import NearVectors

SIZE = 384
PART = 1024


def parts_of(rows: int) -> Iterator[np.ndarray]:
    """Unit vectors, a part at a time: unrelated ones have a cosine of about 0.4."""
    shared = np.random.default_rng(0).standard_normal(SIZE)
    shared /= np.linalg.norm(shared)
    for start in range(0, rows, PART):
        chance = np.random.default_rng(1 + start)
        own = chance.standard_normal((min(PART, rows - start), SIZE))
        own /= np.linalg.norm(own, axis=1, keepdims=True)
        vectors = 0.63 * shared + 0.78 * own
        copies = chance.random(len(vectors)) < 0.1
        copies[0] = False
        near = vectors[0] + 0.05 * chance.standard_normal((int(copies.sum()), SIZE)) / np.sqrt(SIZE) * 4
        vectors[copies] = near
        yield (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def with_near_vectors(rows: int, cosine: float) -> int:
    """Vectors that are held, one after another."""
    near = NearVectors(cosine)
    for part in parts_of(rows):
        near.admit(part, "nearest")
    print(f"    compared whole: {near.compared:,} of {rows * (rows - 1) // 2:,} pairs")
    return len(near)


def last_part(rows: int, cosine: float) -> int:
    """As `with_near_vectors`, but every part except the last is held without being compared."""
    near = NearVectors(cosine)
    begun = time.process_time()
    for number, part in enumerate(parts_of(rows)):
        if (number + 1) * PART < rows:
            near.add(part)
        else:
            print(f"    made and held: {time.process_time() - begun:.1f} s")
            begun = time.process_time()
            near.admit(part, "nearest")
    print(f"    the last part compared with all: {time.process_time() - begun:.1f} s")
    return len(near)


def with_numpy(rows: int, cosine: float) -> int:
    """The same with every product: a part against all that is held, then one after another."""
    held = np.empty((rows, SIZE), dtype=np.float32)
    count = 0
    for part in parts_of(rows):
        is_near = np.zeros(len(part), dtype=bool)
        for start in range(0, count, 8192):
            is_near |= (part @ held[start : min(count, start + 8192)].T >= cosine).any(axis=1)
        among = part @ part.T >= cosine
        taken: list[int] = []
        for at in range(len(part)):
            if not is_near[at] and not among[at, taken].any():
                taken.append(at)
        held[count : count + len(taken)] = part[taken]
        count += len(taken)
    return count


def measured(what: str, rows: int, cosine: float) -> float:
    """Processor seconds of one way in a process of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        begun = time.process_time()
        held = {"near": with_near_vectors, "last": last_part, "numpy": with_numpy}[what](rows, cosine)
        seconds = time.process_time() - begun
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{what:6} {rows:>9,} rows, cosine {cosine}: {seconds:8.1f} s, peak {peak:7.0f} MiB, {held:,} held",
            flush=True,
        )
        os.write(writer, str(seconds).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    return float(os.read(reader, 100))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--cosine", type=float, default=0.95)
    parser.add_argument("--last", action="store_true", help="compare the last part alone")
    arguments = parser.parse_args()
    if arguments.last:
        measured("last", arguments.rows, arguments.cosine)
        return 0
    ours = measured("near", arguments.rows, arguments.cosine)
    theirs = measured("numpy", arguments.rows, arguments.cosine)
    print(f"ratio: numpy takes {theirs / ours:.1f} times as long")
    return 0


if __name__ == "__main__":
    sys.exit(main())
