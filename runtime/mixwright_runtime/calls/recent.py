"""A number that grows, as far back as it matters: how fast it grew lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

WINDOW_S = 30.0
"""The pace is that of at least so many seconds, and of the last third of the run: answers that the store had come at
once, and say nothing of those that are asked for."""


@dataclass
class Recent:
    """A number that grows, at each moment that was noted, as far back as it matters."""

    seen: deque[tuple[float, float]] = field(default_factory=deque)

    def note(self, now_s: float, value: float, *, window_s: float = WINDOW_S) -> None:
        """Note the value after `now_s` seconds; what is older than the window is forgotten, but for its edge."""
        if self.seen and self.seen[-1][0] == now_s:
            self.seen.pop()
        self.seen.append((now_s, value))
        while len(self.seen) > 2 and self.seen[1][0] <= now_s - window_s:
            self.seen.popleft()

    @property
    def a_second(self) -> float | None:
        """How much it grew in a second; None with fewer than two moments."""
        return growth(self.seen) if len(self.seen) > 1 else None


def growth(seen: Sequence[tuple[float, float]]) -> float:
    (began, before), (now, value) = seen[0], seen[-1]
    return (value - before) / (now - began) if now > began else 0.0
