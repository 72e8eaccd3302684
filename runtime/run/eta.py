"""How far work is and how long it will still take: the one owner of remaining times.

Of a run from how full its quotas are and how fast they filled lately; of an ablation from the cells that ended and their
steps.
"""

from __future__ import annotations

from bisect import bisect
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.run.run import Run

NOTHING_BEFORE = 0.05
"""Share of the rows, or of the steps of a first cell, below which a remaining time would be a guess about start-up."""
WINDOW_S = 30.0
"""The pace is that of at least so many seconds, and of the last third of the run: answers that the store had come at
once, and say nothing of those that are asked for."""
MUCH_FASTER = 4
"""So many times the pace of a window's later half is no chance any more: what came then came from the store."""
SLOWER = 1.5
"""The later end of the range: rows that are left may be the harder ones."""


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
        return _growth(self.seen) if len(self.seen) > 1 else None


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


def quotas_of(run: Run) -> list[Quota]:
    """Every quota of the run, in the order of the spec; of nested mixtures those inside, once they are known."""
    if not run.mixture_runs:
        return [_all_of(run, "", name, run.outcomes[name].kept) for name in run.runs]
    found = []
    for mixture in run.mixture_runs.values():
        for component, wanted, there in mixture.progress():
            if component in run.mixture_runs and run.mixture_runs[component].progress():
                continue
            if wanted is None and component in run.runs:
                found.append(_all_of(run, mixture.name, component, there))
            elif wanted is None:
                found.append(Quota(mixture.name, component, there, None, None, there, fills=False))
            elif wanted:
                fills = component in run.runs or component in run.mixture_runs
                share = min(1.0, there / wanted)
                found.append(Quota(mixture.name, component, there, wanted, share, wanted, fills))
    return found


def _all_of(run: Run, mixture: str, pipeline: str, there: int) -> Quota:
    made = run.runs[pipeline]
    total = made.supply.total
    share = None if total is None else min(1.0, made.executor.finished / total) if total else 1.0
    return Quota(mixture, pipeline, there, None, share, total or 0)


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
            late = _growth(seen[middle - 1 :])
            if late <= 0 or _growth(seen[:middle]) <= MUCH_FASTER * late:
                break
            seen = seen[middle - 1 :]
        a_second = _growth(seen)
        return (1 - seen[-1][1]) / a_second if a_second > 0 else None


def _growth(seen: Sequence[tuple[float, float]]) -> float:
    (began, before), (now, value) = seen[0], seen[-1]
    return (value - before) / (now - began) if now > began else 0.0


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


def note(run: Run) -> None:
    """Note how far the run is now, and what its models did; to be called every second or so."""
    run.pace.note(run.spending.seconds, quotas_of(run))
    for service in run.calls.services.values():
        service.used.note(run.spending.seconds)


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
