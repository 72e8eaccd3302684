"""Finding stored results by key: one query for the keys that many tasks ask for at about the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

GATHER_KEYS = 512
GATHER_SECONDS = 0.002

R = TypeVar("R")


class _Absent:
    """Neither put in this session nor known to be in the table."""


_ABSENT = _Absent()


class Lookup(Generic[R]):
    """Records of one table by their 16-byte key: those of this session from memory, older ones by a batched join.

    A record stays in memory until it is durable, its key for the session; so a store that was empty when it was
    opened is never queried for a key that this session has not written.
    """

    def __init__(
        self, query: Callable[[list[bytes]], dict[bytes, R]], reader: Executor, *, was_empty: bool
    ) -> None:
        self._query = query
        self._reader = reader
        self._was_empty = was_empty
        self._session: dict[bytes, R | None] = {}
        self._keys: list[bytes] = []
        self._waiters: list[asyncio.Future[dict[bytes, R]]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, key: bytes, record: R) -> bool:
        """Remember a record that was just put; False when the session already has one for its key (the first counts)."""
        return self._session.setdefault(key, record) is record

    def settle(self, key: bytes) -> None:
        """The record of `key` is durable: its text need not stay in memory."""
        self._session[key] = None

    async def find(self, keys: Sequence[bytes]) -> dict[bytes, R]:
        """What is known for `keys`."""
        found: dict[bytes, R] = {}
        wanted: list[bytes] = []
        for key in keys:
            record = self._session.get(key, _ABSENT)
            if record is None:
                wanted.append(key)
            elif isinstance(record, _Absent):
                if not self._was_empty:
                    wanted.append(key)
            else:
                found[key] = record
        if wanted:
            stored = await self._gathered(wanted)
            found.update((key, stored[key]) for key in wanted if key in stored)
        return found

    async def _gathered(self, keys: list[bytes]) -> dict[bytes, R]:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[dict[bytes, R]] = loop.create_future()
        self._keys.extend(keys)
        self._waiters.append(waiter)
        if len(self._keys) >= GATHER_KEYS:
            self._launch(loop)
        elif self._timer is None:
            self._timer = loop.call_later(GATHER_SECONDS, self._launch, loop)
        return await waiter

    def _launch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        keys, self._keys = self._keys, []
        waiters, self._waiters = self._waiters, []
        reading = loop.run_in_executor(self._reader, self._query, list(dict.fromkeys(keys)))

        def deliver(done: asyncio.Future[dict[bytes, R]]) -> None:
            for waiter in waiters:
                if waiter.done():  # its task was cancelled
                    continue
                if done.cancelled():
                    waiter.cancel()
                elif (error := done.exception()) is not None:
                    waiter.set_exception(error)
                else:
                    waiter.set_result(done.result())

        reading.add_done_callback(deliver)
