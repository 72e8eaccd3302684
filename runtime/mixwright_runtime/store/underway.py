"""What is told of a row under way to whoever started it: that it waits for the store, and that a model was asked.

A row that waits for the store needs no place at a model, so another one can start in its stead; and how long a row took
tells of a model only where it asked one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar


class Underway:
    """A row that was started, with all that is made of it."""

    __slots__ = ("_left", "_returned", "_waiting", "has_asked")

    def __init__(self, left: Callable[[], None], returned: Callable[[], None]) -> None:
        """left, returned: called when it begins to wait for the store, and when it has what it waited for."""
        self.has_asked = False
        """A model was asked for it in this run."""
        self._left = left
        self._returned = returned
        self._waiting = 0

    def __enter__(self) -> None:
        self._waiting += 1
        if self._waiting == 1:
            self._left()

    def __exit__(self, *_: object) -> None:
        self._waiting -= 1
        if self._waiting == 0:
            self._returned()


_ROW: ContextVar[Underway | None] = ContextVar("row", default=None)


def set_out(row: Underway | None) -> None:
    """What this task does from now on, and those that it starts, is about this row; None: about no single one."""
    _ROW.set(row)


def in_the_store() -> AbstractContextManager[None]:
    """While the row of this task waits for the store. Several may wait for parts of one row: it has left with the first
    and returns with the last."""
    return _ROW.get() or nullcontext()


def asks() -> None:
    """A request is sent for the row of this task."""
    row = _ROW.get()
    if row is not None:
        row.has_asked = True
