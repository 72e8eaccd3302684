"""Model calls: each asked at most once, and stored before anybody reads it.

The one way from a step to an engine. A call is named by its rendered request (`call_key`); the same call awaited
twice is sent once; one that the store has is not sent at all. What is sent, and how often, is `service.py`'s.
An answer that is cut off, empty or refused is stored as failed and handed on as failed: its text goes no further.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from compiler.plan import ModelSpec
from runtime.budget import Spending
from runtime.engines.protocol import Engine, EngineFault, Finish, Request
from runtime.fault import BreakerPolicy, Clock, RetryPolicy
from runtime.rows import digest
from runtime.service import Service, StopSignal
from runtime.steps.protocol import CallResult
from runtime.store.records import CallRecord, clean_text

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


class CallStore(Protocol):
    """What calls need of the store (`runtime.store.store.Store`)."""

    def put_call(self, record: CallRecord) -> None: ...

    async def find_calls(self, keys: Sequence[bytes]) -> dict[bytes, CallRecord]: ...


@dataclass
class CallCounts:
    """What became of one step's calls: asked = reused + answered + failed, but for those unfinished."""

    asked: int = 0
    reused: int = 0
    """Found in the store, or asked by another row at the same time."""
    answered: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    """Failed tries and bad answers by reason."""


def call_key(
    identity: str, messages_json: str, sampling_json: str, *, replica: int, sample: int, attempt: int
) -> bytes:
    """Name of a call: a hash of everything that decides its text. The two JSON texts must be canonical."""
    # Canonical JSON of the whole object, put together from its parts: its keys are in order already.
    return digest(
        "mixwright.call.v1",
        f'{{"attempt":{attempt},"messages":{messages_json},"model":{_encode(identity)},"replica":{replica},'
        f'"sample":{sample},"sampling":{sampling_json}}}',
    )


def sampling_json(sampling: Mapping[str, Any]) -> str:
    """The canonical JSON of sampling parameters that goes into a call's key: those that are stated."""
    return _encode({name: value for name, value in sampling.items() if value is not None})


def call_seed(key: bytes) -> int:
    """The seed sent with a call, 0..2^31-1: the low 31 bits of its key."""
    return int.from_bytes(key[:4], "little") & 0x7FFFFFFF


class Calls:
    """Asks models for steps. One object serves a run; it is used from one event loop."""

    def __init__(
        self,
        models: Mapping[str, ModelSpec],
        engines: Mapping[str, Engine],
        store: CallStore,
        *,
        run_id: int,
        spending: Spending,
        stop: StopSignal,
        clock: Clock,
        retry: RetryPolicy | None = None,
        breaker: BreakerPolicy | None = None,
    ) -> None:
        self.counts: dict[str, CallCounts] = {}
        self.spending = spending
        self._store = store
        self._run_id = run_id
        self._clock = clock
        self._pending: dict[bytes, asyncio.Future[CallResult]] = {}
        self._sampling: dict[int, tuple[Mapping[str, Any], str]] = {}
        self.services = {
            name: Service(
                models[name],
                engine,
                spending=spending,
                stop=stop,
                clock=clock,
                retry=retry or RetryPolicy(),
                breaker=breaker or BreakerPolicy(),
            )
            for name, engine in engines.items()
        }

    @property
    def in_flight(self) -> int:
        """Requests that are open now, over all models."""
        return sum(service.gate.in_use for service in self.services.values())

    async def ask(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        sampling: Mapping[str, Any],
        *,
        replica: int,
        sample: int,
        attempt: int,
        node: str,
        later: int = 0,
    ) -> CallResult:
        """A model's answer to a request, from the store if it is there.

        Args:
            sampling: row-class parameters; hand over the same object for all rows, its JSON is made once.
            later: how many further attempts the caller would make. Where the store has one of those, this attempt
                failed in an earlier run and is not asked again.

        Raises:
            RunStopped: the run is stopping and the call is not in the store.
        """
        service = self.services[model]
        messages_json = _encode(messages)
        sampling_json = self._sampling_json(sampling)
        keys = [
            call_key(
                service.spec.identity, messages_json, sampling_json, replica=replica, sample=sample, attempt=n
            )
            for n in range(attempt, attempt + later + 1)
        ]
        key = keys[0]
        counts = self.counts.get(node)
        if counts is None:
            counts = self.counts[node] = CallCounts()
        counts.asked += 1
        while (pending := self._pending.get(key)) is not None:
            try:
                result = await asyncio.shield(pending)
            except asyncio.CancelledError:
                if pending.cancelled():
                    continue  # the task that asked was cancelled, not this one
                raise
            counts.reused += 1
            return result
        future: asyncio.Future[CallResult] = asyncio.get_running_loop().create_future()
        self._pending[key] = future
        try:
            known = await self._store.find_calls(keys)
            record = known.get(key)
            if record is not None:
                counts.reused += 1
                result = CallResult(key, record.text, record.reasoning, True)
            elif known:
                counts.reused += 1
                result = CallResult(key, "", "", False, "failed before")
            else:
                request = Request(key, tuple(messages), sampling, call_seed(key))
                text = f'{{"messages":{messages_json},"sampling":{sampling_json}}}'
                result = await self._ask_engine(service, request, text, attempt, node, counts)
        except BaseException as error:
            if isinstance(error, Exception):
                future.set_exception(error)
                future.exception()  # marks it as seen: without waiters nobody else will
            else:
                future.cancel()
            raise
        else:
            future.set_result(result)
            return result
        finally:
            del self._pending[key]

    async def close(self) -> None:
        """Close every engine that was started."""
        for service in self.services.values():
            await service.close()

    def _sampling_json(self, sampling: Mapping[str, Any]) -> str:
        held = self._sampling.get(id(sampling))
        if held is None or held[0] is not sampling:
            held = (sampling, sampling_json(sampling))
            self._sampling[id(sampling)] = held
        return held[1]

    async def _ask_engine(
        self, service: Service, request: Request, text: str, attempt: int, node: str, counts: CallCounts
    ) -> CallResult:
        """Ask and record how it ended; what is handed on of a failed attempt is its reason alone."""
        started = self._clock.wall()
        answer, output, reasoning, detail, provenance = None, "", "", "", "{}"
        try:
            answer = await service.answer(request, counts.faults)
        except EngineFault as fault:
            finish = reason = fault.fault.value
            detail = clean_text(str(fault))
            provenance = _encode({"fault": detail})
        else:
            finish = answer.finish.value
            reason = "" if answer.finish is Finish.STOP else finish
            output, reasoning = clean_text(answer.text), clean_text(answer.reasoning)
            detail = output[:200] if reason else ""
            provenance = _encode(answer.engine)
            counts.prompt_tokens += answer.prompt_tokens
            counts.output_tokens += answer.output_tokens
            dollars = answer.prompt_tokens * service.price_in + answer.output_tokens * service.price_out
            self.spending.answered(answer.prompt_tokens, answer.output_tokens, dollars)
            if reason:
                counts.faults[reason] = counts.faults.get(reason, 0) + 1
        if reason:
            counts.failed += 1
        else:
            counts.answered += 1
        self._store.put_call(
            CallRecord(
                key=request.key,
                run_id=self._run_id,
                node=node,
                model=service.spec.name,
                identity=service.spec.identity,
                request=clean_text(text),
                text=output,
                reasoning=reasoning,
                finish=finish,
                status="failed" if reason else "ok",
                reason=reason,
                prompt_tokens=answer.prompt_tokens if answer else 0,
                output_tokens=answer.output_tokens if answer else 0,
                attempt=attempt,
                seed=request.seed,
                engine=provenance,
                started=started,
                ended=self._clock.wall(),
            )
        )
        if reason:
            return CallResult(request.key, "", "", False, reason, detail)
        return CallResult(request.key, output, reasoning, True)
