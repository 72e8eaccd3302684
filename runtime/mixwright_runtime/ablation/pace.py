"""How long the cells of an ablation will still take, by those that ended and their steps."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from mixwright_runtime.run.pace import NOTHING_BEFORE


@dataclass(frozen=True)
class Left:
    """Seconds that are left. `is_least`: a part of the work was never seen yet, and comes on top."""

    seconds: float
    is_least: bool = False


class CellsPace:
    """How long the cells of an ablation will still take: each by its steps, and by what it does besides them.

    A step takes as long as those that were seen; loading, asking and grading as long as in the cells that ended. While
    the first cell trains, only its steps are known, and the rest is left out.
    """

    def __init__(self, steps: Sequence[int]) -> None:
        """steps: of each cell that is to be trained, in the order of work."""
        self._waiting = deque(steps)
        self._running = 0
        self._began_s: float | None = None
        self._first: tuple[float, int] | None = None
        self._last: tuple[float, int] | None = None
        self._stepped, self._stepped_s = 0, 0.0
        self._besides_s: list[float] = []

    def begin(self, now_s: float) -> None:
        """The next cell begins."""
        self._running = self._waiting.popleft()
        self._began_s, self._first, self._last = now_s, None, None

    def step(self, now_s: float, step: int) -> None:
        """The cell that was begun has done so many steps."""
        self._first = self._first or (now_s, step)
        self._last = (now_s, step)

    def end(self, now_s: float, *, failed: bool = False) -> None:
        """The cell ended; one that failed says nothing of the others."""
        if self._began_s is not None and not failed:
            steps, seconds = self._span()
            self._stepped += steps
            self._stepped_s += seconds
            # Its first step is over when it is told of, and is none of what comes besides.
            first_s = seconds / steps if steps else 0.0
            self._besides_s.append(max(0.0, now_s - self._began_s - seconds - first_s))
        self._running, self._began_s, self._first, self._last = 0, None, None, None

    def left(self, now_s: float) -> Left | None:
        """What is left; None before there is something measured."""
        steps, seconds = self._span()
        done = self._last[1] if self._last else 0
        seen, seen_s = self._stepped + steps, self._stepped_s + seconds
        if not self._besides_s and (not seen or done < NOTHING_BEFORE * self._running):
            return None
        a_step = seen_s / seen if seen else 0.0
        besides = sum(self._besides_s) / len(self._besides_s) if self._besides_s else 0.0
        total = sum(steps * a_step + besides for steps in self._waiting)
        if self._began_s is not None:
            spent = now_s - self._began_s - seconds - (a_step if self._first else 0.0)
            since = now_s - self._last[0] if self._last else 0.0
            # The step under way is in both: what was waited since the last one is no time besides the steps.
            total += max(0.0, (self._running - done) * a_step)
            total += max(0.0, besides - (spent - since if done < self._running else spent))
        return Left(total, is_least=not self._besides_s)

    def _span(self) -> tuple[int, float]:
        """Steps between the first and the last that the running cell told of, and their seconds."""
        if self._first is None or self._last is None:
            return 0, 0.0
        return self._last[1] - self._first[1], self._last[0] - self._first[0]
