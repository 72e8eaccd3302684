"""Who waits for the answers to items, by the items' keys."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator


class Waiting:
    """Each item is waited for until it is answered or refused, or whoever asked for it has gone."""

    def __init__(self) -> None:
        self._futures: dict[bytes, asyncio.Future[bytes]] = {}

    def begin(self, key: bytes) -> asyncio.Future[bytes]:
        """Somebody waits for this item: for what is returned."""
        future = self._futures[key] = asyncio.get_running_loop().create_future()
        return future

    def end(self, key: bytes) -> bool:
        """Nobody waits for it any more; whether it was neither answered nor refused."""
        return self._futures.pop(key, None) is not None

    def __iter__(self) -> Iterator[bytes]:
        """The keys of items that are waited for now."""
        return iter(list(self._futures))

    def tell(self, key: bytes, body: bytes) -> None:
        """It is answered."""
        future = self._futures.pop(key, None)
        if future is not None and not future.done():
            future.set_result(body)

    def refuse(self, key: bytes, error: Exception) -> None:
        """It will not be answered."""
        future = self._futures.pop(key, None)
        if future is not None and not future.done():
            future.set_exception(error)
