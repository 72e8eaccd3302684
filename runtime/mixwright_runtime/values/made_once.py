"""What is made of an object that many rows share, such as a step's sampling, and not of its equals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Thing = TypeVar("Thing")
Made = TypeVar("Made")

KEPT = 64
"""Objects that are remembered, at most: steps, of which a spec has few. Chosen."""


class MadeOnce(Generic[Thing, Made]):
    """A function whose argument is mutable and never changed: it is told by which object it is."""

    def __init__(self, make: Callable[[Thing], Made]) -> None:
        self._make = make
        self._held: dict[int, tuple[Thing, Made]] = {}

    def of(self, thing: Thing) -> Made:
        """What is made of it."""
        held = self._held.get(id(thing))
        # Held with what was made of it, so that no other object gets its number.
        if held is None:
            if len(self._held) >= KEPT:
                self._held.clear()
            held = self._held[id(thing)] = (thing, self._make(thing))
        return held[1]
