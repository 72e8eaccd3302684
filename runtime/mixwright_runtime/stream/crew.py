"""Tasks that take rows through a pipeline: so many at once, and others in the stead of rows that wait for the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from mixwright_runtime.errors import error_of

LOOK_AHEAD = 4_096
"""Rows that wait for the store at once, at most: about 10 kB each. The more there are, the less each costs, for they are
looked up by one join (`mixwright_runtime/store/lookup.py`). Measured: in the order of the store twice as many cost as
much, and 40 MB more; at random among a million a row costs 41 µs instead of 54."""


class Crew:
    """Workers of one wave. Each takes one row after the other, and asks `has_too_many` before it takes the next."""

    def __init__(self, size: int, work: Callable[[Crew], Coroutine[Any, Any, None]]) -> None:
        """
        Args:
            size: workers whose rows do not wait for the store.
            work: what a worker does, until there are no more rows.
        """
        self._size = size
        self._work = work
        self._tasks: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.away = 0
        """Rows that wait for the store."""
        self.is_out_of_rows = False
        """No worker will find another row."""
        for _ in range(size):
            self._hire()

    @property
    def has_too_many(self) -> bool:
        """More rows are under way than there are places, since some have come back from the store."""
        return len(self._tasks) - self.away > self._size

    def left(self) -> None:
        """A row begins to wait for the store: another one may start."""
        self.away += 1
        if self.away <= LOOK_AHEAD and not self.is_out_of_rows and len(self._tasks) - self.away < self._size:
            self._hire()

    def returned(self) -> None:
        """A row has what it waited for."""
        self.away -= 1

    async def done(self) -> None:
        """Return when no worker is left; raise the first error as soon as there is one."""
        await self._over

    async def dismiss(self) -> None:
        """Cancel those that are still at work."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _hire(self) -> None:
        task = asyncio.create_task(self._work(self))
        self._tasks.add(task)
        task.add_done_callback(self._gone)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = error_of(task)
        if self._over.done():
            return
        if task.cancelled():
            self._over.cancel()
        elif error is not None:
            self._over.set_exception(error)
        elif not self._tasks:
            self._over.set_result(None)
