"""Features on disk: one fp16 row of unit length an example, mapped into memory, with a mark for each row written.

A directory holds `features.npy`, (examples, k) float16, and `written.npy`, (examples,) uint8. The mark is set after
the row, so that a killed run finds out which rows it has. A row that trains nothing stays zero: its cosine is 0.
The mark is 1, or 2 for a gradient that is not finite, which stays zero: it must not cost the others their features.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLUSH_ROWS = 64


class FeatureStore:
    """The features of some examples under one checkpoint. Opening it again finds what was written."""

    def __init__(self, directory: Path, examples: int, k: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._features = _mapped(directory / "features.npy", (examples, k), np.float16)
        self._written = _mapped(directory / "written.npy", (examples,), np.uint8)
        self._since = 0

    def missing(self) -> NDArray[np.int64]:
        """The rows that are still to be written, ascending."""
        return np.flatnonzero(self._written == 0)

    def broken(self) -> NDArray[np.int64]:
        """The rows whose gradients are not finite, ascending."""
        return np.flatnonzero(self._written == 2)

    def put(self, row: int, feature: NDArray[np.float16] | None) -> None:
        """Write one example's feature; None marks it as broken."""
        if feature is not None:
            self._features[row] = feature
        self._written[row] = 2 if feature is None else 1
        self._since += 1
        if self._since >= FLUSH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Let the operating system write what was put, rows before their marks."""
        self._features.flush()
        self._written.flush()
        self._since = 0

    def read(self) -> NDArray[np.float16]:
        """All features, (examples, k), mapped."""
        found: NDArray[np.float16] = self._features
        return found


def feature_of(values: NDArray[np.floating[Any]]) -> NDArray[np.float16] | None:
    """A projected gradient, (k,), with length 1; zeros stay zeros. None where it is not finite."""
    exact = np.asarray(values, np.float64)
    length = float(np.sqrt((exact * exact).sum()))
    if not np.isfinite(length):
        return None
    return (exact / length if length > 0 else exact).astype(np.float16)


def _mapped(path: Path, shape: tuple[int, ...], dtype: Any) -> Any:
    """A writable map of an array, made with zeros where there is none of this shape."""
    if path.exists():
        found = np.load(path, mmap_mode="r+")
        if found.shape == shape and found.dtype == dtype:
            return found
        del found
    partial = path.with_suffix(".partial.npy")
    made = np.lib.format.open_memmap(partial, "w+", dtype, shape)
    made.flush()
    del made
    partial.replace(path)
    return np.load(path, mmap_mode="r+")
