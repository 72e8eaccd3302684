"""Event loops on virtual time: what happens in them hangs on no clock and on no other program."""

from __future__ import annotations

import asyncio
import heapq
from typing import Any


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer when nothing else is left to do."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__()

    def time(self) -> float:
        return self._now

    def _run_once(self) -> None:
        timers = self._scheduled  # type: ignore[attr-defined]
        # Else the clock stops at a timer that was taken back, and the loop waits in earnest for the one behind it.
        while timers and timers[0]._cancelled:
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
            heapq.heappop(timers)._scheduled = False
        if not self._ready and timers:  # type: ignore[attr-defined]
            self._now = max(self._now, timers[0]._when)
        super()._run_once()  # type: ignore[misc]


class WholeRunLoop(VirtualLoop):
    """Virtual time for a run with its store: what a thread would do is done at once, in the same order every time."""

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        job = self.create_future()
        try:
            job.set_result(func(*args))
        except Exception as error:
            job.set_exception(error)
        return job
