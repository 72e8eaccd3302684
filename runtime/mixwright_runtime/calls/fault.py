"""What is done about faults of an engine: how long to wait, how many requests to risk, when to give up.

Values and small state machines only; `calls.py` drives them. Time, sleep and chance come through `Clock`, so a
test runs hours of faults in milliseconds.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol

from mixwright_runtime.engines.protocol import Fault


class Clock(Protocol):
    """Time and chance, injected."""

    def monotonic(self) -> float:
        """Seconds that only grow: every duration and deadline."""

    def wall(self) -> float:
        """Seconds since the epoch: labels only."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""

    def random(self) -> float:
        """Uniform in [0, 1); used for waits alone, never for anything in a row."""


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def random(self) -> float:
        return random.random()


@dataclass(frozen=True)
class RetryPolicy:
    """How often one request is tried and how long it waits in between; times in seconds.

    A row's own tries are spent by faults that may be its doing. Being rate limited or finding nobody listening is
    never a row's doing and spends none; these two are bounded by time instead. The numbers are chosen, not measured.
    """

    tries: int = 5
    timeouts: int = 3
    """Tries that end in a timeout; fewer, because each may last ten minutes."""
    base_s: float = 0.5
    cap_s: float = 60.0
    rate_limit_patience_s: float = 600.0
    """Without any answer for this long under rate limits, the engine counts as unavailable."""
    rate_limited_tries: int = 10
    """A request refused this often while others are answered is refused for what it is."""

    def wait_s(self, failures: int, chance: float) -> float:
        """Full jitter: uniform in [0, min(cap, base * 2^(failures-1))], `failures` from 1 (Brooker 2015, AWS)."""
        ceiling = min(self.cap_s, self.base_s * 2.0 ** min(failures - 1, 30))
        return float(ceiling * chance)


@dataclass(frozen=True)
class BreakerPolicy:
    """When an engine is given up. Both rules ask for many different requests, so that a few poisoned rows never
    open the breaker, and for `patience_s`, so that a server that restarts does not either. The numbers are chosen."""

    distinct: int = 20
    """Different requests that must fail; fewer for an engine that takes fewer at once."""
    patience_s: float = 10.0
    window_s: float = 60.0
    share: float = 0.5


class Breaker:
    """Watches one engine's tries and says when to stop asking it.

    There is reason to, when over at least `patience_s` seconds
    - no try succeeded and at least `distinct` different requests failed, or nobody listened at all; or
    - in the last `window_s` seconds more than `share` of the tries failed, of at least `distinct` requests.
    """

    def __init__(self, policy: BreakerPolicy, window: int, now: Callable[[], float]) -> None:
        self.policy = policy
        self.distinct = min(policy.distinct, window)
        self._now = now
        self._failing: set[bytes] = set()
        self._failing_since = 0.0
        self._only_unreachable = True
        self._tries: deque[tuple[float, bytes | None]] = deque()
        self.successes = 0

    def succeeded(self) -> None:
        """A try was answered, whatever the answer is worth."""
        self.successes += 1
        if self._failing:
            self._failing.clear()
            self._only_unreachable = True
        # Successes matter only beside recent failures; without any, nothing is kept per request.
        if self._tries:
            self._tries.append((self._now(), None))

    def acquitted(self) -> None:
        """A probe was answered: what failed so far failed by its own doing."""
        self.succeeded()
        self._tries.clear()

    def failed(self, key: bytes, fault: Fault) -> None:
        """A try of request `key` ended in a fault that may be the engine's."""
        now = self._now()
        if not self._failing:
            self._failing_since = now
        self._failing.add(key)
        self._only_unreachable = self._only_unreachable and fault is Fault.UNREACHABLE
        self._tries.append((now, key))

    @property
    def is_suspicious(self) -> bool:
        """The faults look like the engine's, so a request that has spent its tries should wait for the verdict."""
        return bool(self._failing) and (self._only_unreachable or len(self._failing) >= self.distinct)

    @property
    def is_silent(self) -> bool:
        """Nothing was answered for so long that the engine counts as dead, unless a probe says otherwise."""
        return self.is_suspicious and self._now() - self._failing_since >= self.policy.patience_s

    @property
    def is_mostly_failing(self) -> bool:
        """Too few tries succeed for the engine to be of use."""
        now = self._now()
        while self._tries and now - self._tries[0][0] > self.policy.window_s:
            self._tries.popleft()
        if len(self._tries) < self.distinct or now - self._tries[0][0] < self.policy.patience_s:
            return False
        failed = [key for _, key in self._tries if key is not None]
        return len(failed) > self.policy.share * len(self._tries) and len(set(failed)) >= self.distinct


class Gate:
    """Limits the requests open at once: fewer after a rate limit, slowly more again (AIMD).

    `most_tokens` bounds the tokens that open requests are expected to hold in the server's cache as well, so that it
    need not evict one to finish another; a request that is larger than all of it still goes, alone.
    `shrink` takes a quarter, at most once a second, so that one burst of refusals counts once; every answer adds
    1/limit, which is one more slot a round. Waiters pass in order of arrival.
    """

    def __init__(self, most: int, now: Callable[[], float], most_tokens: float = inf) -> None:
        self.most = most
        self.most_tokens = most_tokens
        self.tokens = 0
        self.limit = float(most)
        self.in_use = 0
        self._now = now
        self._shrunk_at = float("-inf")
        self._waiters: deque[tuple[asyncio.Future[None], int]] = deque()

    async def enter(self, tokens: int = 0) -> None:
        """Return when one more request, expected to hold `tokens`, may be open."""
        if not self._waiters and self._has_room(tokens):
            self._take(tokens)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((waiter, tokens))
        try:
            await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.leave(tokens)  # the place was given to a task that is gone
            else:
                # It may have been the first, too large for the room there is, with smaller ones behind it.
                self._waiters = deque(w for w in self._waiters if w[0] is not waiter)
                self._admit()
            raise

    def leave(self, tokens: int = 0) -> None:
        """One request has ended; `tokens` as it entered."""
        self.in_use -= 1
        self.tokens -= tokens
        self._admit()

    def shrink(self) -> None:
        """The server refuses: a quarter fewer, never below one."""
        now = self._now()
        if now - self._shrunk_at >= 1.0:
            self._shrunk_at = now
            self.limit = max(1.0, self.limit * 0.75)

    def grow(self) -> None:
        """The server answered."""
        if self.limit < self.most:
            self.limit = min(float(self.most), self.limit + 1.0 / self.limit)
            self._admit()

    def set_width(self, most: int) -> None:
        """Let so many requests be open at once from now on, and no more."""
        self.most = most
        self.limit = float(most)
        self._admit()

    @property
    def is_full(self) -> bool:
        """Whether the last place was taken, so that more places might have been used."""
        return bool(self._waiters) or self.in_use + 1 >= self.limit

    def refuse_waiters(self, error: Exception) -> None:
        """Let nobody else in: everyone who waits gets `error`."""
        waiters, self._waiters = self._waiters, deque()
        for waiter, _ in waiters:
            if not waiter.done():
                waiter.set_exception(error)

    def _has_room(self, tokens: int) -> bool:
        return self.in_use < self.limit and (not self.in_use or self.tokens + tokens <= self.most_tokens)

    def _take(self, tokens: int) -> None:
        self.in_use += 1
        self.tokens += tokens

    def _admit(self) -> None:
        while self._waiters and self._has_room(self._waiters[0][1]):
            waiter, tokens = self._waiters.popleft()
            if not waiter.done():
                self._take(tokens)
                waiter.set_result(None)


class Pace:
    """Spreads what is taken over time, so that a minute has no more than `per_minute` of it (a token bucket).

    `burst` may be taken at once after a rest; with the least, 1, requests go at even distances.
    """

    def __init__(self, per_minute: float, now: Callable[[], float], burst: float = 1.0) -> None:
        self.rate = per_minute / 60
        self.burst = max(1.0, burst)
        self._left = self.burst
        self._now = now
        self._at = -inf

    def take(self, amount: float) -> float:
        """Seconds until `amount`, which is taken now, may be used."""
        now = self._now()
        self._left = min(self.burst, self._left + (now - self._at) * self.rate) - amount
        self._at = now
        return max(0.0, -self._left / self.rate)

    def give_back(self, amount: float) -> None:
        """Less was used than was taken; a negative amount: more was."""
        self._left += amount
