"""One model as a run deals with it: the retry table, and giving up.

    fault of a try                                   what is done
    rate limited (429, 503 with Retry-After)         wait as told, fewer at once; costs the row nothing
    unreachable                                      wait; costs the row nothing
    server, connection, malformed                    wait with full jitter, try again; the row fails after 5 tries
    timeout                                          the same, after 3 tries
    bad request, too long                            the row fails at once; the run stops where none of its kind got
                                                     through yet and a plain one is refused as well
    worker died (the third with this request)        the row fails at once
    denied (401, 403, 404, another model)            the run stops

When nothing is answered any more (`fault.Breaker`) and a probe is not either, the run stops asking and keeps what
was answered. While it looks like that, no row fails: a dead server must not quarantine what it never saw.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NoReturn, TypeVar

from mixwright_compiler.catalog.capabilities import CAPABILITIES, LABELS, LOSSES, TOKEN_AT
from mixwright_compiler.plan.plan import ModelSpec
from mixwright_runtime.calls.admission import Admission, tokens_of
from mixwright_runtime.calls.budget import Spending
from mixwright_runtime.calls.fault import Breaker, BreakerPolicy, Clock, RetryPolicy
from mixwright_runtime.calls.probing import Probe, Probing, reserve
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.calls.used import Used
from mixwright_runtime.engines.measured import (
    checked_labels,
    checked_losses,
    checked_scores,
    checked_vectors,
    probe_like,
)
from mixwright_runtime.engines.protocol import (
    Answer,
    Answered,
    Embedder,
    EmbedRequest,
    Engine,
    EngineFault,
    Fault,
    Labeller,
    LabelRequest,
    Labels,
    Losses,
    LossRequest,
    LossTeller,
    Request,
    Scorer,
    ScoreRequest,
    Scores,
    Vectors,
)
from mixwright_runtime.errors import EngineUnavailable, RunError, RunStopped
from mixwright_runtime.plugins.loading import plugin_faults
from mixwright_runtime.store.underway import asks

T = TypeVar("T", bound=Answered)


def plain_like(request: Request) -> Request:
    """A request with the same settings and the same kinds of messages that nothing is wrong with."""
    messages = tuple({**message, "content": "Say ok."} for message in request.messages)
    return replace(request, key=b"", messages=messages)


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
        self.admission = Admission(spec, engine, stop=stop, clock=clock, spread_s=retry.base_s)
        self.breaker = Breaker(breaker, self.admission.window, clock.monotonic)
        self._probing = Probing(self.breaker, spending=spending, stop=stop, clock=clock)
        self.price_in = float(spec.attributes.get("price_in") or 0) / 1e6
        self.price_out = float(spec.attributes.get("price_out") or 0) / 1e6
        self.used = Used()
        self._spending = spending
        self._stop = stop
        self._clock = clock
        self._retry = retry
        self._starting: asyncio.Task[None] | None = None
        self._is_started = False
        self._limited_since: float | None = None

    @property
    def is_priced(self) -> bool:
        """Whether it is known what its tokens cost."""
        return bool(self.price_in or self.price_out)

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
        answer = await self._answered(
            request.key,
            lambda: self.engine.complete(request),
            lambda: self.engine.complete(plain_like(request)),
            self.admission.expected_tokens(request),
            reasons,
            request.sampling,
        )
        self.admission.wrote(answer.output_tokens)
        return answer

    async def scores(self, request: ScoreRequest, reasons: dict[str, int]) -> Scores:
        """The engine's scores, checked; like `answer` otherwise."""
        engine = self.engine
        if not isinstance(engine, Scorer):
            self._give_up(f"engine '{self.spec.engine}' cannot score")

        async def send() -> Scores:
            return checked_scores(request, await engine.score(request))

        texts = [*request.texts, *(message["content"] for message in request.messages)]
        return await self._answered(
            request.key,
            send,
            lambda: engine.score(probe_like(request)),
            tokens_of(texts),
            reasons,
            request.task,
        )

    async def vectors(self, request: EmbedRequest, reasons: dict[str, int]) -> Vectors:
        """The engine's vectors, checked; like `answer` otherwise."""
        engine = self.engine
        if not isinstance(engine, Embedder):
            self._give_up(f"engine '{self.spec.engine}' cannot embed")

        async def send() -> Vectors:
            return checked_vectors(request, await engine.embed(request))

        probe = EmbedRequest(b"", ("ok",))
        return await self._answered(
            request.key, send, lambda: engine.embed(probe), tokens_of(request.texts), reasons, "embed"
        )

    async def labels(self, request: LabelRequest, reasons: dict[str, int]) -> Labels:
        """The labels' log-probabilities, checked; like `answer` otherwise."""
        engine = self.engine
        if not isinstance(engine, Labeller):
            self._give_up(f"engine '{self.spec.engine}' cannot {CAPABILITIES[LABELS]}")

        async def send() -> Labels:
            return checked_labels(request, await engine.labels(request))

        messages = tuple({**message, "content": "Say ok."} for message in request.messages)
        probe = replace(request, key=b"", messages=messages)
        tokens = tokens_of(message["content"] for message in request.messages)
        return await self._answered(
            request.key, send, lambda: engine.labels(probe), tokens, reasons, ("labels", request.is_text)
        )

    async def losses(self, request: LossRequest, reasons: dict[str, int]) -> Losses:
        """The log-probabilities of a text's tokens, checked; like `answer` otherwise."""
        engine = self.engine
        if not isinstance(engine, LossTeller):
            what = CAPABILITIES[TOKEN_AT if request.token else LOSSES]
            self._give_up(f"engine '{self.spec.engine}' cannot {what}")

        async def send() -> Losses:
            return checked_losses(request, await engine.losses(request))

        probe = replace(request, key=b"", prefix="ok", text="ok", start=0)
        tokens = tokens_of((request.prefix, request.text))
        way = ("losses", bool(request.token))
        return await self._answered(request.key, send, lambda: engine.losses(probe), tokens, reasons, way)

    async def _answered(
        self,
        key: bytes,
        send: Callable[[], Awaitable[T]],
        probe: Probe,
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
                self._probing.accept(way)
                return fault
            kind = fault.fault
            reasons[kind.value] = reasons.get(kind.value, 0) + 1
            match kind:
                case Fault.BAD_REQUEST:
                    if await self._probing.is_refused(way, probe):
                        self._give_up(f"{fault} (so it says of every request)")
                    raise fault
                case Fault.TOO_LONG | Fault.WORKER_DIED:
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
                    if spent and (not self.breaker.is_suspicious or await self._probing.is_alive(probe)):
                        raise fault
                    is_suspect = self.breaker.is_silent or self.breaker.is_mostly_failing
                    if is_suspect and not await self._probing.is_alive(probe):
                        self._give_up(str(fault))
                    asked_s = min(fault.retry_after_s or 0, self._retry.rate_limit_patience_s)
                    wait_s = max(self._retry.wait_s(failures, self._clock.random()), asked_s)
                    if self.breaker.is_suspicious:
                        # The verdict on the engine is due within seconds: be there to hear it.
                        wait_s = min(wait_s, self.breaker.policy.patience_s / 4)
            await self.admission.wait(wait_s)

    async def close(self) -> None:
        """Close the engine if it was started."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
            await self.engine.close()

    async def _try(self, send: Callable[[], Awaitable[T]], tokens: int) -> T | EngineFault:
        """One request, sent when there is a place for it."""
        await self.admission.enter(tokens)
        try:
            self._stop.check()
            if not self._is_started:
                await self._start()
            if self.admission.is_paced:
                await self.admission.keep_pace(tokens)
            # Nothing is waited for between the two: what the budget counts is what is sent.
            reserve(self._spending, self._stop)
            asks()
            answer = await send()
        except EngineFault as fault:
            return fault
        finally:
            self.admission.leave(tokens)
        self.admission.answered(tokens, answer)
        self.breaker.succeeded()
        self._limited_since = None
        return answer

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
        self.admission.refused()
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
        self.admission.pause(asked_s)
        return 0.0

    def _give_up(self, why: str) -> NoReturn:
        """Stop the run because of this engine."""
        failure = EngineUnavailable(f"model '{self.spec.name}': {why}")
        self._stop.stop(str(failure), failure)
        raise RunStopped(self._stop.reason)
