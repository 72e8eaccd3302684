"""Entries of a stored catalog, each made of its JSON when it is first asked for: a spec names few of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

Made = TypeVar("Made")


class StoredEntries(Mapping[str, Made], Generic[Made]):
    """raw: what stands in the file, by key."""

    def __init__(self, raw: Mapping[str, Any], make: Callable[[Any], Made]) -> None:
        self._raw, self._make = raw, make
        self._made: dict[str, Made] = {}

    def __getitem__(self, key: str) -> Made:
        found = self._made.get(key)
        if found is None:
            # Of two threads that make it at once both get the same.
            found = self._made.setdefault(key, self._make(self._raw[key]))
        return found

    def __contains__(self, key: object) -> bool:
        return key in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)
