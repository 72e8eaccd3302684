"""Calls under way: whoever wants one that another is asking waits for it instead of asking again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Pending(Generic[T]):
    """Results that are on their way, by the names of their calls. Used from one event loop."""

    def __init__(self) -> None:
        self._futures: dict[bytes, asyncio.Future[T] | None] = {}
        """None where nobody else waits for it, as of most."""

    async def once(self, key: bytes, job: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """The result of `job`, which runs once for all who want `key` at the same time, and whether another ran it."""
        while key in self._futures:
            shared = await result_of(self._of_another(key))
            if shared is not None:
                return shared[0], True
        self._futures[key] = None
        try:
            result = await job()
        except BaseException as error:
            self._end([key], error)
            raise
        # The job has recorded what it found: whoever comes from here on finds it in the store.
        waiting = self._futures.pop(key)
        if waiting is not None:
            waiting.set_result(result)
        return result, False

    def of_others(self, keys: Iterable[bytes]) -> dict[bytes, asyncio.Future[T]]:
        """Those of the calls that somebody is asking now; see `result_of`."""
        return {key: self._of_another(key) for key in keys if key in self._futures}

    async def together(
        self, keys: Iterable[bytes], job: Callable[[], Awaitable[Mapping[bytes, T]]]
    ) -> Mapping[bytes, T]:
        """The results of `job` for calls that nobody else is asking; others who want one of them wait for it."""
        mine = dict.fromkeys(keys)
        self._futures.update(mine)
        try:
            results = await job()
        except BaseException as error:
            self._end(mine, error)
            raise
        for key in mine:
            waiting = self._futures.pop(key)
            if waiting is not None:
                waiting.set_result(results[key])
        return results

    def _of_another(self, key: bytes) -> asyncio.Future[T]:
        future = self._futures[key]
        if future is None:
            future = self._futures[key] = asyncio.get_running_loop().create_future()
        return future

    def _end(self, keys: Iterable[bytes], error: BaseException) -> None:
        """Hand an error on to those who wait for the same calls."""
        for key in keys:
            future = self._futures.pop(key)
            if future is None:
                continue
            if isinstance(error, Exception):
                future.set_exception(error)
                future.exception()  # marks it as seen: whoever waited may be gone
            else:
                future.cancel()


async def result_of(future: asyncio.Future[T]) -> tuple[T] | None:
    """What another's call gives; None when the task that asked was cancelled, not this one."""
    try:
        return (await asyncio.shield(future),)
    except asyncio.CancelledError:
        if future.cancelled():
            return None
        raise
