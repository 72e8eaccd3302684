"""When one more request may be sent to a model: places, the pace that its user states, pauses that its server wants."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from math import ceil, inf

from mixwright_compiler.plan.plan import ModelSpec
from mixwright_runtime.calls.fault import Clock, Gate, Pace
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.calls.width import WidthSearch
from mixwright_runtime.engines.protocol import Answered, Engine, Limited, Request, WidthSought
from mixwright_runtime.errors import RunStopped

WINDOW = 1.1
"""Requests kept at an engine, as a multiple of its slots: enough to refill a slot at once, too few to queue. Chosen."""

KV_SHARE = 0.9
"""Part of a server's key-value cache that open requests may fill: the rest takes the answers that run longer. Chosen."""

CHARACTERS_PER_TOKEN = 4
"""Of English text, roughly; the exact count is the server's."""


class AnswerLengths:
    """How long answers get: the 90th percentile of the last ones, once there are enough to tell."""

    def __init__(self) -> None:
        # 512 and, below, 32: chosen. Sorting them once in 32 answers costs nothing beside those.
        self._last: deque[int] = deque(maxlen=512)
        self._new = 0
        self._bound: int | None = None

    def add(self, output_tokens: int) -> None:
        """One more answer."""
        self._last.append(output_tokens)
        self._new += 1
        if self._new >= 32:
            self._new = 0
            self._bound = sorted(self._last)[len(self._last) * 9 // 10]

    def bound(self, max_tokens: int) -> int:
        """Tokens that nine of ten answers stay under; `max_tokens` while that is unknown, and never more than it."""
        return max_tokens if self._bound is None else min(self._bound, max_tokens)


class Admission:
    """Lets requests to one model through, so many at once and so many a minute."""

    def __init__(
        self, spec: ModelSpec, engine: Engine, *, stop: StopSignal, clock: Clock, spread_s: float
    ) -> None:
        """`spread_s`: over how long those who waited for a pause come back."""
        self.window = ceil(WINDOW * engine.slots)
        """Requests that are worth having ready."""
        kv_tokens = spec.attributes.get("kv_tokens")
        self.gate = Gate(
            engine.slots if isinstance(engine, Limited) and engine.is_limit else self.window,
            clock.monotonic,
            inf if kv_tokens is None else KV_SHARE * int(kv_tokens),
        )
        # An engine whose user did not say how much it can do: `slots` is then only the most that is tried.
        is_sought = isinstance(engine, WidthSought) and engine.is_width_unknown
        self.search = WidthSearch(self.gate, engine.slots, clock.monotonic) if is_sought else None
        rpm, tpm = spec.attributes.get("rpm"), spec.attributes.get("tpm")
        self._requests_pace = Pace(float(rpm), clock.monotonic) if rpm else None
        self._tokens_pace = Pace(float(tpm), clock.monotonic, float(tpm) / 60) if tpm else None
        self.is_paced = rpm is not None or tpm is not None
        self._counts_tokens = kv_tokens is not None or tpm is not None
        self._lengths = AnswerLengths()
        self._paused_until = float("-inf")
        self._spread_s = spread_s
        self._stop = stop
        stop.on_stop(self._refuse_waiters)
        self._clock = clock

    @property
    def pause_s(self) -> float:
        """Seconds for which nothing is let through, because the server said so; none or less when it is."""
        return self._paused_until - self._clock.monotonic()

    def expected_tokens(self, request: Request) -> int:
        """Tokens that a request will hold in the server's cache: its prompt, and the answer most requests stay under; 0
        where nothing depends on them."""
        if not self._counts_tokens:
            return 0
        prompt = sum(len(message["content"]) for message in request.messages) // CHARACTERS_PER_TOKEN
        return prompt + self._lengths.bound(int(request.sampling["max_tokens"]))

    async def enter(self, tokens: int) -> None:
        """Return when there is a place; whoever enters leaves again, see `leave`.

        Raises:
            RunStopped: the run is stopping.
        """
        while True:
            pause_s = self.pause_s
            if pause_s > 0:
                # Come back spread over a little time instead of all at once.
                await self.wait(pause_s + self._spread_s * self._clock.random())
                continue
            await self.gate.enter(tokens)
            # The server may have asked for a pause while this one stood in line.
            if self._paused_until <= self._clock.monotonic():
                return
            self.gate.leave(tokens)

    def leave(self, tokens: int) -> None:
        """A request is over; `tokens` as it entered."""
        self.gate.leave(tokens)

    async def keep_pace(self, tokens: int) -> None:
        """Wait until one more request, of about so many tokens, is within what a minute may have."""
        wait_s = 0.0
        if self._requests_pace is not None:
            wait_s = self._requests_pace.take(1)
        if self._tokens_pace is not None:
            wait_s = max(wait_s, self._tokens_pace.take(tokens))
        await self.wait(wait_s)

    def answered(self, tokens: int, answer: Answered) -> None:
        """A request that was expected to take so many tokens was answered: there may be room for more."""
        if self._tokens_pace is not None:
            self._tokens_pace.give_back(tokens - answer.prompt_tokens - answer.output_tokens)
        self.gate.grow()
        if self.search is not None:
            self.search.answered(answer.output_tokens)

    def wrote(self, output_tokens: int) -> None:
        """Learn how long answers get."""
        self._lengths.add(output_tokens)

    def refused(self) -> None:
        """The server takes less than it was given."""
        if self.search is not None:
            self.search.refused()
        self.gate.shrink()

    def pause(self, seconds: float) -> None:
        """Let nothing through for so long."""
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    async def wait(self, seconds: float) -> None:
        """Sleep, but not past the moment when the run is stopped.

        Raises:
            RunStopped: it is.
        """
        if seconds > 0:
            sleep = asyncio.ensure_future(self._clock.sleep(seconds))
            stopped = asyncio.ensure_future(self._stop.wait())
            try:
                await asyncio.wait((sleep, stopped), return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleep.cancel()
                stopped.cancel()
        self._stop.check()

    def _refuse_waiters(self) -> None:
        self.gate.refuse_waiters(RunStopped(self._stop.reason))


def tokens_of(texts: Iterable[str]) -> int:
    """Tokens of texts, roughly."""
    return sum(map(len, texts)) // CHARACTERS_PER_TOKEN
