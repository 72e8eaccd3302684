"""Several addresses of one model: which of them a request is asked of, and what becomes of one that fails.

    a request ─▶ one set aside whose time has come: it alone is sent there, to see
              ─▶ else of those that answer the least loaded, or a near one that has read the request's beginning before
              ─▶ with none that answers, the one that is due first: its fault is the model's

What a replica did not take (nobody listens, rate limited) is asked of the next one at once. What it may have begun goes
back to the retry table (`mixwright_runtime/calls/service.py`), whose next try meets another one. So the budget counts
every request, and a row that kills servers meets no more of them than it has tries.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from hashlib import blake2b
from typing import Any, Generic, TypeVar

from mixwright_runtime.engines.protocol import Engine, EngineFault, Fault, Replicated

E = TypeVar("E")
T = TypeVar("T")

NOT_TAKEN = (Fault.UNREACHABLE, Fault.RATE_LIMITED)
"""Faults by which a server has not begun."""
GONE = (Fault.UNREACHABLE, Fault.CONNECTION)
"""Faults after one of which a server is set aside."""
FAILING = (Fault.SERVER, Fault.TIMEOUT, Fault.MALFORMED)
"""Faults that may be a row's doing: of these it takes `FAILURES` in a row."""

FAILURES = 3
FIRST_ASIDE_S, LONGEST_ASIDE_S = 1.0, 60.0
"""Chosen: doubled each time that it fails again; a server of a large model takes minutes to start."""

NEAR = 4
"""Requests more, or a quarter more, that a replica may have than the least loaded and still be preferred for what it has
read: a cached beginning saves its share of the prompt's time, a longer queue costs all of the request's. Chosen."""

SHORTEST_OPENING = 1024
"""Bytes of a beginning that is worth looking for; about 256 tokens, 16 blocks of vLLM's cache."""
REMEMBERED = 1 << 14
"""Beginnings of which it is known who has read them. Servers forget as well."""


def not_answering(engine: Engine) -> str:
    """Which of several addresses of an engine do not answer at present, in words; empty where all do."""
    sites = engine.sites() if isinstance(engine, Replicated) else {}
    names = [address for address, (_, answers) in sites.items() if not answers]
    if not names:
        return ""
    more = f" and {len(names) - 4} more" * (len(names) > 4)
    return f"{len(names)} of {len(sites)} addresses do not answer: {', '.join(names[:4])}{more}"


def openings(texts: Iterable[str]) -> list[bytes]:
    """Names of a request's beginnings, the shortest first: 1 KiB, 2, 4, …, and all of it; none of a short one.

    Two requests share a name where they begin with the same so many bytes.
    """
    raw = "\0".join(texts).encode("utf-8", "surrogatepass")
    names: list[bytes] = []
    read, size = blake2b(digest_size=8), SHORTEST_OPENING
    if len(raw) < size:
        return names
    at = 0
    while size < len(raw):
        read.update(raw[at:size])
        names.append(read.digest())
        at, size = size, 2 * size
    read.update(raw[at:])
    names.append(read.digest())
    return names


class Replica(Generic[E]):
    """One of several that answer for a model. requests: that it was sent; load: that it has now. turn: the number of its
    last one."""

    def __init__(self, number: int, endpoint: E) -> None:
        self.number = number
        self.endpoint = endpoint
        self.requests = self.load = self.turn = 0
        self.is_aside = self.is_on_trial = False
        self.due = 0.0
        self._since = float("-inf")
        self._failures = self._asides = 0
        self._is_limited = False

    @property
    def is_gone(self) -> bool:
        """Set aside because it does not answer, and not because it asked for it."""
        return self.is_aside and not self._is_limited

    def answered(self, now: float) -> None:
        """It does its work."""
        self._failures = 0
        # What it was still at when it refused more does not say that it takes more.
        if self.is_aside and not (self._is_limited and now < self.due):
            self.is_aside = False
            self._asides = 0

    def failed(self, fault: EngineFault, began: float, now: float) -> None:
        """A request that was sent at `began` got no answer."""
        if fault.fault is Fault.RATE_LIMITED:
            asked_s = FIRST_ASIDE_S if fault.retry_after_s is None else fault.retry_after_s
            self._set_aside(now, asked_s, is_limited=True)
        elif fault.fault in GONE or fault.fault in FAILING:
            self._failures += 1
            is_gone = fault.fault in GONE or self.is_aside or self._failures >= FAILURES
            # One of many that were open when it went says nothing new, nor one that was sent for want of another.
            if is_gone and began >= self._since and (not self.is_aside or now >= self.due):
                self._asides += 1
                wait_s = min(LONGEST_ASIDE_S, FIRST_ASIDE_S * 2.0 ** min(self._asides - 1, 30))
                self._set_aside(now, wait_s, is_limited=False)
        elif fault.fault is not Fault.DENIED:
            self.answered(now)  # it said what is wrong with the request

    def _set_aside(self, now: float, seconds: float, *, is_limited: bool) -> None:
        self.is_aside, self._is_limited = True, is_limited
        self._since, self.due = now, now + seconds


def _load(replica: Replica[Any]) -> tuple[int, int]:
    """What is smaller is chosen first."""
    return replica.load, replica.turn


class Replicas(Generic[E]):
    """Sends each request to one of several endpoints that answer alike."""

    def __init__(self, endpoints: Sequence[E], now: Callable[[], float] = time.monotonic) -> None:
        self.all = [Replica(number, endpoint) for number, endpoint in enumerate(endpoints)]
        self._now = now
        self._turns = 0
        self._readers: OrderedDict[bytes, int] = OrderedDict()
        """Name of a beginning -> a bit for each replica that was sent it."""

    async def ask(self, send: Callable[[E], Awaitable[T]], opening: Sequence[bytes] = ()) -> T:
        """What the first replica that takes a request gives.

        Args:
            send: asks one endpoint.
            opening: names of the request's beginnings (`openings`).

        Raises:
            EngineFault: of the replica that took it, or, where none did, of one of them; a rate limit before the others,
                because who says so is there.
        """
        asked: set[int] = set()
        refusal: EngineFault | None = None
        while (replica := self._next(asked, opening)) is not None:
            asked.add(replica.number)
            try:
                return await self._sent(replica, send)
            except EngineFault as fault:
                if fault.fault not in NOT_TAKEN:
                    raise
                if refusal is None or fault.fault is Fault.RATE_LIMITED:
                    refusal = fault
        assert refusal is not None, "the first round always finds one"
        raise refusal

    def lost(self, endpoint: E, fault: EngineFault) -> None:
        """An endpoint could not be reached before anything was asked of it."""
        now = self._now()
        next(one for one in self.all if one.endpoint is endpoint).failed(fault, now, now)

    async def _sent(self, replica: Replica[E], send: Callable[[E], Awaitable[T]]) -> T:
        began = self._now()
        is_trial = replica.is_aside
        replica.load += 1
        replica.requests += 1
        self._turns += 1
        replica.turn = self._turns
        replica.is_on_trial = replica.is_on_trial or is_trial
        try:
            result = await send(replica.endpoint)
        except EngineFault as fault:
            replica.failed(fault, began, self._now())
            raise
        finally:
            replica.load -= 1
            if is_trial:
                replica.is_on_trial = False
        replica.answered(self._now())
        return result

    def _next(self, asked: set[int], opening: Sequence[bytes]) -> Replica[E] | None:
        rest = [one for one in self.all if one.number not in asked]
        answering = [one for one in rest if not one.is_aside]
        if asked:
            return self._best(answering, opening) if answering else None
        if len(answering) < len(rest):
            now = self._now()
            due = [one for one in rest if one.is_aside and one.due <= now and not one.is_on_trial]
            if due:
                return min(due, key=lambda one: one.due)
        return self._best(answering, opening) if answering else min(rest, key=lambda one: one.due)

    def _best(self, answering: Sequence[Replica[E]], opening: Sequence[bytes]) -> Replica[E]:
        best = min(answering, key=_load)
        bound = best.load + max(NEAR, best.load // 4)
        for name in reversed(opening):
            if readers := self._readers.get(name):
                near = [one for one in answering if readers >> one.number & 1 and one.load <= bound]
                best = min(near, key=_load, default=best)
                break
        for name in opening:
            self._readers[name] = self._readers.get(name, 0) | 1 << best.number
            self._readers.move_to_end(name)
        while len(self._readers) > REMEMBERED:
            self._readers.popitem(last=False)
        return best
