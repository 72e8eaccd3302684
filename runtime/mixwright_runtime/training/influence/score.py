"""Scores of training examples against target tasks, and the best of them.

    score(z) = max over tasks j of the mean over its examples t of   sum over epochs i of w_i cos(f_i(z), f_i(t))

w_i is the mean learning rate of epoch i, divided by their sum; all alike where every rate is 0, as in a warm-up of one
step. As in the reference code, cosines are averaged and not
gradients (the paper's formula takes the gradient's mean first); tasks may differ in size.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROWS_AT_ONCE = 4096


def scores(
    features: Sequence[NDArray[np.float16]],
    targets: Sequence[NDArray[np.float16]],
    weights: Sequence[float],
    tasks: Sequence[int],
) -> NDArray[np.float64]:
    """The score of each example, (examples,).

    features, targets: of each epoch, (examples, k) and (target examples, k), rows of unit length. weights: of the epochs.
    tasks: the number of the task of each target example, from 0 without a gap.
    """
    given = np.asarray(weights, np.float64)
    shares = given / given.sum() if given.sum() > 0 else np.full(len(given), 1 / len(given))
    members = np.asarray(tasks)
    count = int(members.max()) + 1
    found = np.zeros((len(features[0]), count))
    # Means of unit vectors: the mean cosine with a task's examples is the product with their mean.
    for share, rows, wanted in zip(shares, features, targets, strict=True):
        means = np.stack([wanted[members == task].astype(np.float32).mean(axis=0) for task in range(count)])
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE].astype(np.float32)
            found[start : start + ROWS_AT_ONCE] += share * (part @ means.T)
    return np.asarray(found.max(axis=1), np.float64)


def scores_file(directory: Path, tasks: Sequence[int]) -> Path:
    """Where the scores of a job's rows for its targets in these tasks are: other tasks need no other features."""
    digest = blake2b(json.dumps(list(tasks)).encode(), digest_size=6).hexdigest()
    return directory / f"scores-{digest}.npy"


def best(found: NDArray[np.float64], keys: Sequence[bytes], count: int) -> NDArray[np.int64]:
    """The `count` best examples, best first; of equal scores the one with the smaller key."""
    order = sorted(range(len(found)), key=lambda i: (-found[i], keys[i]))
    return np.asarray(order[: max(0, count)], np.int64)
