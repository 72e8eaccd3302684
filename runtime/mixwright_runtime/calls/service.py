"""One model as a run deals with it: the retry table, the limits on requests in flight, and giving up.

    fault of a try                                   what is done
    rate limited (429, 503 with Retry-After)         wait as told, fewer at once; costs the row nothing
    unreachable                                      wait; costs the row nothing
    server, connection, malformed                    wait with full jitter, try again; the row fails after 5 tries
    timeout                                          the same, after 3 tries
    bad request, too long                            the row fails at once; the run stops where none of its kind got
                                                     through yet and a plain one is refused as well
    denied (401, 403, 404, another model)            the run stops

When nothing is answered any more (`fault.Breaker`) and a probe is not either, the run stops asking and keeps what
was answered. While it looks like that, no row fails: a dead server must not quarantine what it never saw.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from math import ceil, inf
from typing import Any, NoReturn, TypeVar

from mixwright_compiler.plan.plan import ModelSpec
from mixwright_runtime.calls.budget import Spending
from mixwright_runtime.calls.fault import Breaker, BreakerPolicy, Clock, Gate, Pace, RetryPolicy
from mixwright_runtime.calls.recent import Recent
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.calls.width import WidthSearch
from mixwright_runtime.engines.measured import checked_scores, checked_vectors, probe_like
from mixwright_runtime.engines.protocol import (
    Answer,
    EmbedRequest,
    Engine,
    EngineFault,
    Fault,
    Request,
    ScoreRequest,
    Scores,
    Vectors,
)
from mixwright_runtime.errors import EngineUnavailable, RunError, RunStopped
from mixwright_runtime.plugins.loading import plugin_faults

T = TypeVar("T")

WINDOW = 1.1
"""Requests kept at an engine, as a multiple of its slots: enough to refill a slot at once, too few to queue. Chosen."""

KV_SHARE = 0.9
"""Part of a server's key-value cache that open requests may fill: the rest takes the answers that run longer. Chosen."""

CHARACTERS_PER_TOKEN = 4
"""Of English text, roughly; the exact count is the server's."""

PROBE_EVERY_S = 2.0
"""Chosen: a few probes within `BreakerPolicy.patience_s`, whatever number of requests ask for one."""


def plain_like(request: Request) -> Request:
    """A request with the same settings and the same kinds of messages that nothing is wrong with."""
    messages = tuple({**message, "content": "Say ok."} for message in request.messages)
    return replace(request, key=b"", messages=messages)


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


@dataclass
class Used:
    """What a model was used for in this run: answered requests, their tokens, dollars; and what of it lately."""

    requests: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0
    recent_requests: Recent = field(default_factory=Recent)
    recent_tokens: Recent = field(default_factory=Recent)
    """Of answers; of what was read where a model writes nothing, but scores or embeds."""

    def note(self, elapsed_s: float) -> None:
        """Note how much it is now; from then on the rates of the last seconds are known."""
        self.recent_requests.note(elapsed_s, self.requests)
        self.recent_tokens.note(elapsed_s, self.output_tokens or self.prompt_tokens)


class Service:
    """Answers requests through one engine, as its faults allow. Knows nothing of rows or the store."""

    def __init__(
        self,
        spec: ModelSpec,
        engine: Engine,
        *,
        spending: Spending,
        stop: StopSignal,
        clock: Clock,
        retry: RetryPolicy,
        breaker: BreakerPolicy,
    ) -> None:
        self.spec = spec
        self.engine = engine
        self.window = ceil(WINDOW * engine.slots)
        is_limit = bool(getattr(engine, "is_limit", False))
        kv_tokens = spec.attributes.get("kv_tokens")
        self.gate = Gate(
            engine.slots if is_limit else self.window,
            clock.monotonic,
            inf if kv_tokens is None else KV_SHARE * int(kv_tokens),
        )
        # An engine whose user did not say how much it can do: `slots` is then only the most that is tried.
        is_unknown = bool(getattr(engine, "is_width_unknown", False))
        self.search = WidthSearch(self.gate, engine.slots, clock.monotonic) if is_unknown else None
        self._lengths = AnswerLengths()
        rpm, tpm = spec.attributes.get("rpm"), spec.attributes.get("tpm")
        self._requests_pace = Pace(float(rpm), clock.monotonic) if rpm else None
        self._tokens_pace = Pace(float(tpm), clock.monotonic, float(tpm) / 60) if tpm else None
        self._counts_tokens = kv_tokens is not None or tpm is not None
        self.breaker = Breaker(breaker, self.window, clock.monotonic)
        self.price_in = float(spec.attributes.get("price_in") or 0) / 1e6
        self.price_out = float(spec.attributes.get("price_out") or 0) / 1e6
        self.used = Used()
        self._spending = spending
        self._stop = stop
        stop.on_stop(self._refuse_waiters)
        self._clock = clock
        self._retry = retry
        self._starting: asyncio.Task[None] | None = None
        self._is_started = False
        self._paused_until = float("-inf")
        self._limited_since: float | None = None
        self._accepted: dict[int, object] = {}
        """What was asked in a way that the engine takes, by its id; held, so that no other thing gets that id."""
        self._trials: dict[int, asyncio.Task[bool]] = {}
        self._probe: asyncio.Task[bool] | None = None
        self._probed_at = float("-inf")

    @property
    def is_priced(self) -> bool:
        """Whether it is known what its tokens cost."""
        return bool(self.price_in or self.price_out)

    @property
    def pause_s(self) -> float:
        """Seconds for which it is asked nothing, because the server said so; none or less when it is."""
        return self._paused_until - self._clock.monotonic()

    def book(self, prompt_tokens: int, output_tokens: int) -> None:
        """Book an answered request with the model and the run."""
        dollars = prompt_tokens * self.price_in + output_tokens * self.price_out
        self.used.requests += 1
        self.used.prompt_tokens += prompt_tokens
        self.used.output_tokens += output_tokens
        self.used.cost += dollars
        self._spending.answered(prompt_tokens, output_tokens, dollars)

    async def answer(self, request: Request, reasons: dict[str, int]) -> Answer:
        """The engine's answer, good or not; `reasons` counts the tries that failed, by fault.

        Raises:
            EngineFault: the row has failed, by the retry table.
            RunStopped: the run is stopping, perhaps because of this request.
        """
        expected = self._expected_tokens(request) if self._counts_tokens else 0
        answer = await self._answered(
            request.key,
            lambda: self.engine.complete(request),
            lambda: self.engine.complete(plain_like(request)),
            expected,
            reasons,
            request.sampling,
        )
        self._lengths.add(answer.output_tokens)
        return answer

    async def scores(self, request: ScoreRequest, reasons: dict[str, int]) -> Scores:
        """The engine's scores, checked; like `answer` otherwise."""
        score = self._offered("score")

        async def send() -> Scores:
            return checked_scores(request, await score(request))

        texts = [*request.texts, *(message["content"] for message in request.messages)]
        return await self._answered(
            request.key, send, lambda: score(probe_like(request)), _tokens_of(texts), reasons, request.task
        )

    async def vectors(self, request: EmbedRequest, reasons: dict[str, int]) -> Vectors:
        """The engine's vectors, checked; like `answer` otherwise."""
        embed = self._offered("embed")

        async def send() -> Vectors:
            return checked_vectors(request, await embed(request))

        probe = EmbedRequest(b"", ("ok",))
        return await self._answered(
            request.key, send, lambda: embed(probe), _tokens_of(request.texts), reasons, "embed"
        )

    def _offered(self, method: str) -> Callable[[Any], Awaitable[Any]]:
        found: Callable[[Any], Awaitable[Any]] | None = getattr(self.engine, method, None)
        if found is None:
            self._give_up(f"engine '{self.spec.engine}' cannot {method}")
        return found

    async def _answered(
        self,
        key: bytes,
        send: Callable[[], Awaitable[T]],
        probe: Callable[[], Awaitable[Any]],
        tokens: int,
        reasons: dict[str, int],
        way: object,
    ) -> T:
        """What `send` gives, by the retry table.

        Args:
            probe: asks in the same way for something that nothing is wrong with.
            way: what all requests asked in the same way share, such as a step's sampling.
        """
        failures = tries = timeouts = limited = 0
        others = self.breaker.successes
        while True:
            fault = await self._try(send, tokens)
            if not isinstance(fault, EngineFault):
                if self.search is not None:
                    self.search.answered(int(getattr(fault, "output_tokens", 0)))
                self._accepted[id(way)] = way
                return fault
            kind = fault.fault
            reasons[kind.value] = reasons.get(kind.value, 0) + 1
            match kind:
                case Fault.BAD_REQUEST:
                    if id(way) not in self._accepted and await self._is_refused(way, probe):
                        self._give_up(f"{fault} (so it says of every request)")
                    raise fault
                case Fault.TOO_LONG:
                    raise fault
                case Fault.DENIED:
                    self._give_up(str(fault))
                case Fault.RATE_LIMITED:
                    limited += 1
                    if (
                        limited >= self._retry.rate_limited_tries
                        and self.breaker.successes - others >= self._retry.rate_limited_tries
                    ):
                        raise fault
                    wait_s = self._rate_limit_wait(fault, limited)
                case Fault.UNREACHABLE | Fault.SERVER | Fault.CONNECTION | Fault.TIMEOUT | Fault.MALFORMED:
                    self.breaker.failed(key, kind)
                    failures += 1
                    tries += kind is not Fault.UNREACHABLE
                    timeouts += kind is Fault.TIMEOUT
                    spent = tries >= self._retry.tries or timeouts >= self._retry.timeouts
                    if spent and (not self.breaker.is_suspicious or await self._is_alive(probe)):
                        raise fault
                    is_suspect = self.breaker.is_silent or self.breaker.is_mostly_failing
                    if is_suspect and not await self._is_alive(probe):
                        self._give_up(str(fault))
                    asked_s = min(fault.retry_after_s or 0, self._retry.rate_limit_patience_s)
                    wait_s = max(self._retry.wait_s(failures, self._clock.random()), asked_s)
                    if self.breaker.is_suspicious:
                        # The verdict on the engine is due within seconds: be there to hear it.
                        wait_s = min(wait_s, self.breaker.policy.patience_s / 4)
            await self._wait(wait_s)

    def _refuse_waiters(self) -> None:
        self.gate.refuse_waiters(RunStopped(self._stop.reason))

    async def close(self) -> None:
        """Close the engine if it was started."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
            await self.engine.close()

    def _expected_tokens(self, request: Request) -> int:
        """Tokens that a request will hold in the server's cache: its prompt, and the answer most requests stay under."""
        prompt = sum(len(message["content"]) for message in request.messages) // CHARACTERS_PER_TOKEN
        return prompt + self._lengths.bound(int(request.sampling["max_tokens"]))

    async def _try(self, send: Callable[[], Awaitable[T]], tokens: int) -> T | EngineFault:
        """One request, sent when there is a place for it."""
        while True:
            pause_s = self._paused_until - self._clock.monotonic()
            if pause_s > 0:
                # Come back spread over a little time instead of all at once.
                await self._wait(pause_s + self._retry.base_s * self._clock.random())
                continue
            await self.gate.enter(tokens)
            # The server may have asked for a pause while this one stood in line.
            if self._paused_until <= self._clock.monotonic():
                break
            self.gate.leave(tokens)
        try:
            self._stop.check()
            if not self._is_started:
                await self._start()
            if self._requests_pace is not None or self._tokens_pace is not None:
                await self._keep_pace(tokens)
            # Nothing is waited for between the two: what the budget counts is what is sent.
            self._reserve()
            answer = await send()
        except EngineFault as fault:
            return fault
        finally:
            self.gate.leave(tokens)
        if self._tokens_pace is not None:
            used = getattr(answer, "prompt_tokens", 0) + getattr(answer, "output_tokens", 0)
            self._tokens_pace.give_back(tokens - used)
        self.gate.grow()
        self.breaker.succeeded()
        self._limited_since = None
        return answer

    async def _keep_pace(self, tokens: int) -> None:
        """Wait until one more request, of about so many tokens, is within what a minute may have."""
        wait_s = 0.0
        if self._requests_pace is not None:
            wait_s = self._requests_pace.take(1)
        if self._tokens_pace is not None:
            wait_s = max(wait_s, self._tokens_pace.take(tokens))
        await self._wait(wait_s)

    async def _is_refused(self, way: object, plain: Callable[[], Awaitable[Any]]) -> bool:
        """True when the engine refuses a plain request asked in this way too, so that no row is to blame.

        Once for all that wait: a setting that the server does not take must not be found out row by row.
        """
        trial = self._trials.get(id(way))
        # One that ended in a fault of another kind has told nothing.
        if trial is None or (trial.done() and not trial.result()):
            trial = self._trials[id(way)] = asyncio.ensure_future(self._try_plain(way, plain))
        return await asyncio.shield(trial)

    async def _try_plain(self, way: object, plain: Callable[[], Awaitable[Any]]) -> bool:
        self._reserve()
        try:
            await plain()
        except EngineFault as fault:
            return fault.fault is Fault.BAD_REQUEST
        self._accepted[id(way)] = way
        return False

    async def _is_alive(self, probe: Callable[[], Awaitable[Any]]) -> bool:
        """True when the engine answers a request of ours, so that those that fail fail by their own doing.

        Without it a run whose last rows are all poisoned would look like an outage, and never come to an end.
        """
        now = self._clock.monotonic()
        if self._probe is None or (self._probe.done() and now - self._probed_at >= PROBE_EVERY_S):
            self._probe = asyncio.ensure_future(self._ask_probe(probe))
            self._probed_at = now
        return await asyncio.shield(self._probe)

    async def _ask_probe(self, probe: Callable[[], Awaitable[Any]]) -> bool:
        if self._stop.reason:
            return False
        self._spending.requests += 1
        try:
            await probe()
        except EngineFault:
            return False
        self.breaker.acquitted()
        return True

    def _reserve(self) -> None:
        """Count one more request, or stop the run because the budget has none left."""
        spent = self._spending.spent()
        if spent:
            self._stop.stop(f"the budget of {spent} is spent; raise it and run again to go on from there")
        self._stop.check()
        self._spending.requests += 1

    async def _start(self) -> None:
        """Start the engine at its first request, once: a run that finds everything in the store needs none."""
        if self._starting is None:
            self._starting = asyncio.ensure_future(self.engine.start())
        try:
            with plugin_faults():
                await asyncio.shield(self._starting)
        except RunError as error:
            self._stop.stop(str(error), error)
            self._stop.check()
        self._is_started = True
        self._stop.check()

    def _rate_limit_wait(self, fault: EngineFault, limited: int) -> float:
        """Seconds to wait after a 429; slows the whole model down."""
        now = self._clock.monotonic()
        if self.search is not None:
            self.search.refused()
        self.gate.shrink()
        if self._limited_since is None:
            self._limited_since = now
        patience_s = self._retry.rate_limit_patience_s
        asked_s = fault.retry_after_s
        if asked_s is not None and asked_s > patience_s:
            self._give_up(f"{fault}; it asks to wait {asked_s:,.0f} s")
        if now - self._limited_since > patience_s:
            self._give_up(f"{fault}; rate limited for {patience_s:,.0f} s without an answer")
        if asked_s is None:
            return self._retry.wait_s(limited, self._clock.random())
        self._paused_until = max(self._paused_until, now + asked_s)
        return 0.0

    def _give_up(self, why: str) -> NoReturn:
        """Stop the run because of this engine."""
        failure = EngineUnavailable(f"model '{self.spec.name}': {why}")
        self._stop.stop(str(failure), failure)
        raise RunStopped(self._stop.reason)

    async def _wait(self, seconds: float) -> None:
        """Sleep, but not past the moment when the run is stopped."""
        if seconds > 0:
            sleep = asyncio.ensure_future(self._clock.sleep(seconds))
            stopped = asyncio.ensure_future(self._stop.wait())
            try:
                await asyncio.wait((sleep, stopped), return_when=asyncio.FIRST_COMPLETED)
            finally:
                sleep.cancel()
                stopped.cancel()
        self._stop.check()


def _tokens_of(texts: Iterable[str]) -> int:
    return sum(map(len, texts)) // CHARACTERS_PER_TOKEN
