"""Vectors of one size in a file without a name, by their numbers; nothing is left of it however the process ends."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mixwright_runtime.errors import RunError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class VectorFile:
    """Single precision, 4 bytes a number. What was never put in front of something that was reads as zeros."""

    def __init__(self, scratch: Path | None, size: int) -> None:
        """
        Args:
            scratch: where the file lies; a temporary folder when None.
            size: numbers of a vector.
        """
        self.size = size
        self._file = tempfile.TemporaryFile(dir=scratch, buffering=0)  # noqa: SIM115 - as long as this object

    def put(self, number: int, vectors: NDArray[np.float32]) -> None:
        """Vectors (n, size) from this number on.

        Raises:
            RunError: the disk is full.
        """
        import numpy as np

        left = np.ascontiguousarray(vectors, dtype="<f4").data.cast("B")
        at = number * 4 * self.size
        try:
            while left:
                written = os.pwrite(self._file.fileno(), left, at)
                left, at = left[written:], at + written
        except OSError as error:
            raise RunError(f"vectors cannot be put aside: {error.strerror}") from None

    def put_each(self, numbers: Iterable[int], vectors: Iterable[NDArray[np.float32]]) -> None:
        """Vectors (size,), each at a number of its own; raises as `put`."""
        for number, vector in zip(numbers, vectors, strict=True):
            self.put(number, vector)

    def read(self, first: int, last: int) -> NDArray[np.float32]:
        """(last - first, size): those from one number up to another."""
        import numpy as np

        wanted = (last - first) * 4 * self.size
        raw = os.pread(self._file.fileno(), wanted, first * 4 * self.size)
        return np.frombuffer(raw.ljust(wanted, b"\0"), dtype="<f4").reshape(-1, self.size)

    def mapped(self, count: int) -> NDArray[np.float32]:
        """(count, size): the first that were put. What is looked at counts as memory of the process as long as this is
        held."""
        import numpy as np

        return np.memmap(self._file, dtype="<f4", mode="r", shape=(count, self.size))

    def close(self) -> None:
        """Give the file back."""
        self._file.close()
