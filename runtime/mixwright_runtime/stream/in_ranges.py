"""Rows that come to a step one by one, looked at in ranges of many, where a run has others do that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from mixwright_runtime.plugins.range_apply import RangeApply
from mixwright_runtime.store.lookup import DELIVERED_AT_ONCE, QUIET_TURNS
from mixwright_runtime.store.underway import in_the_store
from mixwright_runtime.values.ranges import Ranges
from mixwright_runtime.values.rows import Row

MOST_ROWS = 500
"""Rows of a range."""
QUIET_S = 0.002
"""A range that is not full is sent when no row came for `QUIET_TURNS` looks in a row, so far apart. Chosen."""

_Waiting = list[tuple[Row, "asyncio.Future[Any]"]]


class InRanges:
    """What is found of the rows of one step. They go on in the order in which they came, so that what the step counts and
    shows is the same as where each is looked at when it comes."""

    def __init__(self, step: RangeApply, ranges: Ranges) -> None:
        self._step = step
        self._ranges = ranges
        self._coming: _Waiting = []
        self._sending: asyncio.Task[None] | None = None
        self._last: asyncio.Task[None] | None = None

    async def found(self, row: Row) -> Any:
        """What is found of a row. Meanwhile another one may start in its stead."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._coming.append((row, future))
        if len(self._coming) >= MOST_ROWS:
            self._send()
        elif self._sending is None:
            self._sending = asyncio.create_task(self._send_when_quiet())
        with in_the_store():
            return await future

    async def _send_when_quiet(self) -> None:
        quiet, before = 0, 0
        while quiet < QUIET_TURNS:
            await asyncio.sleep(QUIET_S)
            quiet = quiet + 1 if len(self._coming) == before else 0
            before = len(self._coming)
        self._sending = None
        self._send()

    def _send(self) -> None:
        coming, self._coming = self._coming, []
        if coming:
            self._last = asyncio.create_task(self._deliver(coming, self._last))

    async def _deliver(self, waiting: _Waiting, before: asyncio.Task[None] | None) -> None:
        """Have a range looked at, and tell its rows, once those of the one before are told."""
        found: Sequence[Any] = ()
        error: Exception | None = None
        try:
            found = await self._ranges.one(self._step.looks(), [row for row, _ in waiting])
        except Exception as raised:
            error = raised
        if before is not None:
            await asyncio.wait([before])
        for at, (_, future) in enumerate(waiting):
            if future.done():
                continue
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(found[at])
            if at % DELIVERED_AT_ONCE == DELIVERED_AT_ONCE - 1:
                await asyncio.sleep(0)
