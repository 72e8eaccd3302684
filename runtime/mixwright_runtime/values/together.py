"""What many tasks ask for one by one, found for many at once: a look at a thousand costs little more than one at one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

QUIET_TURNS = 3
"""Chosen: a look waits until nothing came for so many turns. Between two things of one row lie a few turns of the event
loop, in which others may do nothing."""
TOLD_AT_ONCE = 128
"""Tasks that are told in one turn of the event loop: all that their rows do next happens in it. Chosen."""

Asked = TypeVar("Asked")
Found = TypeVar("Found")
_Coming = list[tuple[Asked, "asyncio.Future[Found]"]]


class Together(Generic[Asked, Found]):
    """Gathers what tasks ask for, and tells them what is found, in the order in which they asked."""

    def __init__(
        self, look: Callable[[list[Asked]], Awaitable[Sequence[Found]]], *, most: int, turn_s: float
    ) -> None:
        """
        Args:
            look: finds something for each of many.
            most: things of a look; it begins at once where there are so many.
            turn_s: between two turns in which nothing may come.
        """
        self._look = look
        self._most = most
        self._turn_s = turn_s
        self._coming: _Coming[Asked, Found] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self._seen = self._quiet = 0
        self._last: asyncio.Task[None] | None = None

    async def found(self, asked: Asked, things: int = 1) -> Found:
        """What is found for one task's question, which is about so many things. Errors of `look` come through."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Found] = loop.create_future()
        self._coming.append((asked, future))
        self._count += things
        if self._count >= self._most:
            self._begin(loop)
        elif self._timer is None:
            self._seen, self._quiet = self._count, 0
            self._timer = loop.call_later(self._turn_s, self._wait, loop)
        return await future

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin when nothing more comes."""
        self._quiet = self._quiet + 1 if self._count == self._seen else 0
        self._seen = self._count
        if self._quiet >= QUIET_TURNS:
            self._begin(loop)
        else:
            self._timer = loop.call_later(self._turn_s, self._wait, loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        coming, self._coming, self._count = self._coming, [], 0
        self._last = loop.create_task(self._tell(coming, self._last))

    async def _tell(self, coming: _Coming[Asked, Found], before: asyncio.Task[None] | None) -> None:
        """Look, and tell those who asked, once those of the look before are told."""
        found: Sequence[Found] = ()
        error: Exception | None = None
        try:
            found = await self._look([asked for asked, _ in coming])
        except Exception as raised:
            error = raised
        except asyncio.CancelledError:
            for _, future in coming:
                future.cancel()
            raise
        if before is not None and not before.done():
            await asyncio.wait([before])
        for at, (_, future) in enumerate(coming):
            if future.done():  # its task was cancelled
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(found[at])
            if at % TOLD_AT_ONCE == TOLD_AT_ONCE - 1:
                await asyncio.sleep(0)
