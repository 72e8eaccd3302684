"""Whose doing a failure is: requests of our own, with which nothing is wrong, tell an engine's faults from a row's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from mixwright_runtime.calls.budget import Spending
from mixwright_runtime.calls.fault import Breaker, Clock
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.engines.protocol import EngineFault, Fault

PROBE_EVERY_S = 2.0
"""Chosen: a few probes within `BreakerPolicy.patience_s`, whatever number of requests ask for one."""

Probe = Callable[[], Awaitable[object]]
"""Sends a request with which nothing is wrong."""


class Probing:
    """Probes one engine, once for all who want to know."""

    def __init__(self, breaker: Breaker, *, spending: Spending, stop: StopSignal, clock: Clock) -> None:
        self._breaker = breaker
        self._spending = spending
        self._stop = stop
        self._clock = clock
        self._accepted: dict[int, object] = {}
        """What was asked in a way that the engine takes, by its id; held, so that no other thing gets that id."""
        self._trials: dict[int, asyncio.Task[bool]] = {}
        self._probe: asyncio.Task[bool] | None = None
        self._probed_at = float("-inf")

    def accept(self, way: object) -> None:
        """A request asked in this way was answered."""
        self._accepted[id(way)] = way

    async def is_refused(self, way: object, plain: Probe) -> bool:
        """True when the engine refuses a plain request asked in this way too, so that no row is to blame.

        Once for all that wait: a setting that the server does not take must not be found out row by row.
        """
        if id(way) in self._accepted:
            return False
        trial = self._trials.get(id(way))
        # One that ended in a fault of another kind has told nothing.
        if trial is None or (trial.done() and not trial.result()):
            trial = self._trials[id(way)] = asyncio.ensure_future(self._try_plain(way, plain))
        return await asyncio.shield(trial)

    async def _try_plain(self, way: object, plain: Probe) -> bool:
        reserve(self._spending, self._stop)
        try:
            await plain()
        except EngineFault as fault:
            return fault.fault is Fault.BAD_REQUEST
        self.accept(way)
        return False

    async def is_alive(self, probe: Probe) -> bool:
        """True when the engine answers a request of ours, so that those that fail fail by their own doing.

        Without it a run whose last rows are all poisoned would look like an outage, and never come to an end.
        """
        now = self._clock.monotonic()
        if self._probe is None or (self._probe.done() and now - self._probed_at >= PROBE_EVERY_S):
            self._probe = asyncio.ensure_future(self._ask(probe))
            self._probed_at = now
        return await asyncio.shield(self._probe)

    async def _ask(self, probe: Probe) -> bool:
        if self._stop.reason:
            return False
        self._spending.requests += 1
        try:
            await probe()
        except EngineFault:
            return False
        self._breaker.acquitted()
        return True


def reserve(spending: Spending, stop: StopSignal) -> None:
    """Count one more request, or stop the run because the budget has none left.

    Raises:
        RunStopped: the run is stopping.
    """
    spent = spending.spent()
    if spent:
        stop.stop(f"the budget of {spent} is spent; raise it and run again to go on from there")
    stop.check()
    spending.requests += 1
