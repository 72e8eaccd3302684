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

    def get(self, key: str, default: Any = None) -> Any:
        """As of every mapping, without an error that is caught where there is no such key: most are asked for in vain."""
        return self[key] if key in self._raw else default

    def __contains__(self, key: object) -> bool:
        return key in self._raw

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)


class Families(dict[str, Mapping[str, Made]], Generic[Made]):
    """The entries of each family by their names, gathered when it is first asked for."""

    def __init__(self, entries: Mapping[str, Made]) -> None:
        super().__init__()
        self._entries = entries

    def __missing__(self, family: str) -> Mapping[str, Made]:
        start = f"{family}."
        keys = {key.removeprefix(start): key for key in self._entries if key.startswith(start)}
        found = self[family] = StoredEntries(keys, self._entries.__getitem__)
        return found
