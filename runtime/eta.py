"""How long a run will still take: from how full its quotas are, and how fast they filled lately."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.run import Run

NOTHING_BEFORE = 0.05
"""Share of the rows below which a remaining time would be a guess about start-up."""
WINDOW_S = 30.0
"""The pace is that of at least so many seconds, and of the last third of the run: answers that the store had come at
once, and say nothing of those that are asked for."""
SLOWER = 1.5
"""The later end of the range: rows that are left may be the harder ones."""


@dataclass
class Pace:
    """How full the quotas were at each moment that was noted, as far back as it matters."""

    seen: deque[tuple[float, float]] = field(default_factory=deque)

    def note(self, elapsed_s: float, share: float) -> None:
        """Note that after `elapsed_s` seconds `share` (0..1) of the rows is there."""
        self.seen.append((elapsed_s, share))
        begin = elapsed_s - max(WINDOW_S, elapsed_s / 3)
        while len(self.seen) > 2 and self.seen[1][0] <= begin:
            self.seen.popleft()

    def left(self) -> tuple[float, float] | None:
        """Seconds that are left, from and to; None while it cannot be told."""
        if len(self.seen) < 2:
            return None
        (began, before), (now, share) = self.seen[0], self.seen[-1]
        if share < NOTHING_BEFORE or share <= before:
            return None
        seconds = (1 - share) * (now - began) / (share - before)
        return round(seconds, 1), round(SLOWER * seconds, 1)


def filled(run: Run) -> float | None:
    """Which share of the rows that are wanted is there, 0..1; None where it is not known how many are wanted."""
    wanted: dict[str, int | None] = {}
    for mixture in run.mixture_runs.values():
        for name, rows, _ in mixture.progress():
            if name in run.runs:
                wanted[name] = rows
    if not run.mixture_runs:
        wanted = dict.fromkeys(run.runs)
    target = there = 0.0
    for name, rows in wanted.items():
        pipeline = run.runs[name]
        total = pipeline.supply.total if rows is None else rows
        if total is None:
            return None
        done = pipeline.executor.finished if rows is None else run.outcomes[name].kept
        target += total
        there += min(done, total)
    return there / target if target else None
