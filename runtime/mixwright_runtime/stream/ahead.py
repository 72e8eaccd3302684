"""The rows of a wave on their way to those who start them: read beside the event loop, some at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from mixwright_runtime.stream.outcomes import Start
from mixwright_runtime.values.beside import beside


class Ahead:
    """Gives rows to whoever asks next, in their order."""

    def __init__(
        self, parts: Iterator[Sequence[Start]], check: Callable[[], None], *, is_in_memory: bool
    ) -> None:
        """
        Args:
            parts: rows that are read together. The next part is asked for when all of one are given away.
            check: raises when no more rows are to be read.
            is_in_memory: no row has to be read from anywhere, so that no thread is needed.
        """
        self._parts = parts
        self._check = check
        self._is_in_memory = is_in_memory
        self._there: deque[Start] = deque()
        self._is_over = False
        self._lock = asyncio.Lock()

    async def next(self) -> Start | None:
        """The next row; None when there is none.

        Raises:
            RunStopped: no more are to be read.
            RunError: they cannot be read.
        """
        while not self._there and not self._is_over:
            async with self._lock:
                if not self._there and not self._is_over:
                    self._there.extend(await self._part())
        return self._there.popleft() if self._there else None

    async def _part(self) -> Sequence[Start]:
        return self._read() if self._is_in_memory else await beside(self._check, self._read)

    def _read(self) -> Sequence[Start]:
        for part in self._parts:
            return list(part)
        self._is_over = True
        return ()
