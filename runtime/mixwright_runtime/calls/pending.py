"""Calls under way: whoever wants one that another is asking waits for it instead of asking again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Pending(Generic[T]):
    """Results that are on their way, by the names of their calls. Used from one event loop."""

    def __init__(self) -> None:
        self._futures: dict[bytes, asyncio.Future[T]] = {}

    async def once(self, key: bytes, job: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """The result of `job`, which runs once for all who want `key` at the same time, and whether another ran it."""
        while (theirs := self._futures.get(key)) is not None:
            shared = await result_of(theirs)
            if shared is not None:
                return shared[0], True
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._futures[key] = future
        try:
            result = await job()
        except BaseException as error:
            _end([future], error)
            raise
        else:
            future.set_result(result)
            return result, False
        finally:
            # The job has recorded what it found: whoever comes from here on finds it in the store.
            del self._futures[key]

    def of_others(self, keys: Iterable[bytes]) -> dict[bytes, asyncio.Future[T]]:
        """Those of the calls that somebody is asking now; see `result_of`."""
        return {key: self._futures[key] for key in keys if key in self._futures}

    async def together(
        self, keys: Iterable[bytes], job: Callable[[], Awaitable[Mapping[bytes, T]]]
    ) -> Mapping[bytes, T]:
        """The results of `job` for calls that nobody else is asking; others who want one of them wait for it."""
        loop = asyncio.get_running_loop()
        futures: dict[bytes, asyncio.Future[T]] = {key: loop.create_future() for key in keys}
        self._futures.update(futures)
        try:
            results = await job()
        except BaseException as error:
            _end(futures.values(), error)
            raise
        else:
            for key, future in futures.items():
                future.set_result(results[key])
            return results
        finally:
            for key in futures:
                del self._futures[key]


async def result_of(future: asyncio.Future[T]) -> tuple[T] | None:
    """What another's call gives; None when the task that asked was cancelled, not this one."""
    try:
        return (await asyncio.shield(future),)
    except asyncio.CancelledError:
        if future.cancelled():
            return None
        raise


def _end(futures: Iterable[asyncio.Future[T]], error: BaseException) -> None:
    """Hand an error on to those who wait for the same calls."""
    for future in futures:
        if isinstance(error, Exception):
            future.set_exception(error)
            future.exception()  # marks it as seen: without waiters nobody else will
        else:
            future.cancel()
