"""Many identities of rows in little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

ID_BYTES = 16
TOGETHER = 10_000
"""Identities that are read together. Chosen."""


class RowIds(Sequence[bytes]):
    """Identities that only grow in number, 16 bytes each."""

    def __init__(self, ids: Iterable[bytes] = ()) -> None:
        self._raw = bytearray().join(ids)

    def __len__(self) -> int:
        return len(self._raw) // ID_BYTES

    @overload
    def __getitem__(self, at: int) -> bytes: ...
    @overload
    def __getitem__(self, at: slice) -> RowIds: ...
    def __getitem__(self, at: int | slice) -> bytes | RowIds:
        if isinstance(at, slice):
            first, last, step = at.indices(len(self))
            if step != 1:
                raise ValueError("identities are taken one after the other")
            return RowIds((bytes(self._raw[ID_BYTES * first : ID_BYTES * last]),))
        if not -len(self) <= at < len(self):
            raise IndexError(at)
        place = ID_BYTES * (at % len(self))
        return bytes(self._raw[place : place + ID_BYTES])

    def __iter__(self) -> Iterator[bytes]:
        count = len(self)
        for first in range(0, count, TOGETHER):
            part = self[first : min(first + TOGETHER, count)].raw
            yield from (part[at : at + ID_BYTES] for at in range(0, len(part), ID_BYTES))

    def __eq__(self, other: object) -> bool:
        return self._raw == other._raw if isinstance(other, RowIds) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    @property
    def raw(self) -> bytes:
        """All of them, one behind the other."""
        return bytes(self._raw)

    @property
    def view(self) -> memoryview:
        """All of them without a copy; as long as somebody holds it none can be added."""
        return memoryview(self._raw)

    def extend(self, ids: Iterable[bytes]) -> None:
        """Add some behind those there are."""
        self._raw += b"".join(ids)
