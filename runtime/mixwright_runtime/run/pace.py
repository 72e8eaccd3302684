"""How fast the quotas of a run filled lately, and how long the rest will still take."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from mixwright_runtime.calls.recent import WINDOW_S, Recent, growth

NOTHING_BEFORE = 0.05
"""Share of the rows, or of the steps of an ablation's first cell, below which a remaining time would be a guess about
start-up."""
MUCH_FASTER = 4
"""So many times the pace of a window's later half is no chance any more: what came then came from the store."""
SLOWER = 1.5
"""The later end of the range: rows that are left may be the harder ones."""


@dataclass(frozen=True)
class Quota:
    """How far a component of a mixture is, or a pipeline that is run for itself (`mixture` is empty).

    wanted: rows; None for all there are, of which `share` says how far those that may become one are through.
    share: 0..1; None where it cannot be told.
    rows: `wanted`, or of all there are those that may become one.
    fills: rows are made for it; those of a source are there at once.
    """

    mixture: str
    component: str
    there: int
    wanted: int | None
    share: float | None
    rows: int
    fills: bool = True


@dataclass
class Pace:
    """How full something was at each moment that was noted."""

    recent: Recent = field(default_factory=Recent)

    def note(self, elapsed_s: float, share: float) -> None:
        """Note that after `elapsed_s` seconds `share` (0..1) of the rows is there."""
        self.recent.note(elapsed_s, share, window_s=max(WINDOW_S, elapsed_s / 3))

    @property
    def seconds(self) -> float | None:
        """What is left at this pace; None while it cannot be told."""
        seen = list(self.recent.seen)
        if len(seen) < 2 or seen[-1][1] < NOTHING_BEFORE:
            return None
        # A window that begins while the store gives its rows is cut until that is out of it.
        while len(seen) > 3:
            middle = bisect(seen, ((seen[0][0] + seen[-1][0]) / 2, inf))
            late = growth(seen[middle - 1 :])
            if late <= 0 or growth(seen[:middle]) <= MUCH_FASTER * late:
                break
            seen = seen[middle - 1 :]
        a_second = growth(seen)
        return (1 - seen[-1][1]) / a_second if a_second > 0 else None


class RunPace:
    """How the quotas of a run fill.

    A run ends when its slowest quota is full. Models that are done with one serve the others, so it may be as early as
    all rows together say, and as late as the slowest says by itself.
    """

    def __init__(self) -> None:
        self._whole = Pace()
        self._by_quota: dict[tuple[str, str], Pace] = {}
        self._lacking: list[Pace | None] = []

    def note(self, elapsed_s: float, quotas: Sequence[Quota]) -> None:
        """Note how full the quotas are after so many seconds."""
        self._lacking = []
        total = there = 0.0
        for quota in quotas:
            if not quota.fills:
                continue
            if quota.share is None:
                self._lacking.append(None)
                continue
            pace = self._by_quota.setdefault((quota.mixture, quota.component), Pace())
            pace.note(elapsed_s, quota.share)
            if quota.share < 1:
                self._lacking.append(pace)
            total += quota.rows
            there += quota.rows * quota.share
        if total:
            self._whole.note(elapsed_s, there / total)

    @property
    def least(self) -> float | None:
        """Seconds that those quotas need of which it can be told, the slowest of them; None while there is none."""
        return max((pace.seconds or 0.0 for pace in self._lacking if pace is not None), default=0.0) or None

    def left(self) -> tuple[float, float] | None:
        """Seconds that are left, from and to; None while it cannot be told, of one quota that is not full or of all."""
        whole = self._whole.seconds
        each = [None if pace is None else pace.seconds for pace in self._lacking]
        known = [seconds for seconds in each if seconds is not None]
        if whole is None or not known or len(known) < len(each):
            return None
        soonest, latest = min(whole, max(known)), max(whole, *known)
        return round(soonest, 1), round(max(latest, SLOWER * soonest), 1)
