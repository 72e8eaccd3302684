"""Many keys of 16 bytes in little memory."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mixwright_runtime.store.database import Database

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_PACKED = 65_536
"""Keys that are put away together, at least. Chosen."""


class KeySet:
    """Keys that only grow in number: 16 bytes each, and about 100 for the fifth of them that came last.

    The others stand in two arrays by the first eight bytes of theirs, the second of which has the last eight. One thread
    adds keys, any may ask for them: what was added is there at every moment.
    """

    def __init__(self, heads: NDArray[Any], tails: NDArray[Any]) -> None:
        """The first and the last eight bytes of each key, as big-endian numbers."""
        self._fresh: set[bytes] = set()
        self._pack(heads, tails)

    @classmethod
    def empty(cls) -> KeySet:
        """Without any key yet."""
        import numpy as np

        return cls(np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint64))

    @classmethod
    def of_column(cls, database: Database, table: str, column: str) -> KeySet:
        """The keys in a column of a table, as it is now."""
        found = database.arrays(
            f"SELECT {column}[1:8]::BIT::UBIGINT AS head, {column}[9:16]::BIT::UBIGINT AS tail FROM {table}"
        )
        return cls(found["head"], found["tail"])

    def __len__(self) -> int:
        return len(self._heads) + len(self._fresh)

    def __contains__(self, key: bytes) -> bool:
        if key in self._fresh:
            return True
        # numpy takes five times as long to search for one number.
        head = int.from_bytes(key[:8], "big")
        heads, tails = self._sought
        at = bisect_left(heads, head)
        while at < len(heads) and heads[at] == head:
            if tails[at] == int.from_bytes(key[8:], "big"):
                return True
            at += 1
        return False

    def update(self, keys: Iterable[bytes]) -> None:
        """Add keys that are not there."""
        import numpy as np

        self._fresh.update(keys)
        # A fourth more at a time, so that a key is put in order few times.
        if len(self._fresh) < max(FEWEST_PACKED, len(self._heads) // 4):
            return
        fresh = np.frombuffer(b"".join(self._fresh), dtype=">u8").astype(np.uint64).reshape(-1, 2)
        self._pack(
            np.concatenate((self._heads, fresh[:, 0])),
            np.concatenate((self._tails, fresh[:, 1])),
        )
        # Behind that, and sought there first: another thread finds a key in one of the two.
        self._fresh = set()

    def _pack(self, heads: NDArray[Any], tails: NDArray[Any]) -> None:
        import numpy as np

        order = np.argsort(heads, kind="stable")
        self._heads = heads[order].astype(np.uint64, copy=False)
        self._tails = tails[order].astype(np.uint64, copy=False)
        self._sought = self._heads.data, self._tails.data
