"""Model calls: each asked at most once, and stored before anybody reads it.

The one way from a step to an engine. A call is named by its rendered request (`call_key`); the same call awaited
twice is sent once; one that the store has is not sent at all. What is sent, and how often, is `service.py`'s.
An answer that is cut off, empty or refused is stored as failed and handed on as failed: its text goes no further.

Scores and vectors go the same way. They have no sampling, so replica, sample and attempt are no part of their names
(`score_key`, `vector_key`); a failed one is asked again by the next run.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from mixwright_compiler.plan.plan import ModelSpec
from mixwright_runtime.calls.budget import Spending
from mixwright_runtime.calls.fault import BreakerPolicy, Clock, RetryPolicy
from mixwright_runtime.calls.service import Service
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.engines.measured import scores_in, scores_text, vector_in, vector_text
from mixwright_runtime.engines.protocol import (
    EmbedRequest,
    Engine,
    EngineFault,
    Fault,
    Finish,
    Request,
    ScoreRequest,
    Scores,
    ScoreTask,
    Vectors,
)
from mixwright_runtime.plugins.protocol import CallResult, ScoreResult, VectorResult
from mixwright_runtime.store.records import CallRecord
from mixwright_runtime.values.reading import read_beside
from mixwright_runtime.values.reasoning import spoken
from mixwright_runtime.values.rows import digest
from mixwright_runtime.values.stored_text import clean_text

T = TypeVar("T")

SHOWN_CHARACTERS = 200
"""Of an answer that is of no use, shown with the reason."""
EMBED_BATCH = 64
"""Texts in one request for vectors: enough to share its cost, few enough that a failing one holds up little."""

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


class CallStore(Protocol):
    """What calls need of the store (`mixwright_runtime.store.store.Store`)."""

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


def score_key(
    identity: str, task: ScoreTask, messages_json: str, texts: Sequence[str], step_tag: str
) -> bytes:
    """Name of a scoring call."""
    return digest(
        "mixwright.score-call.v1",
        f'{{"messages":{messages_json},"model":{_encode(identity)},"step_tag":{_encode(step_tag)},'
        f'"task":"{task}","texts":{_encode(list(texts))}}}',
    )


def vector_key(identity: str, text: str) -> bytes:
    """Name of the call for one text's vector."""
    return digest("mixwright.vector-call.v1", f'{{"model":{_encode(identity)},"text":{_encode(text)}}}')


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
        self._pending: dict[bytes, asyncio.Future[Any]] = {}
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
            later: how many further attempts the caller would make. Where the store has an answer to one of those, this
                one failed in an earlier run and is not asked again. An answer that was cut off counts as asked, too.

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
        counts = self._counts_of(node)

        async def found_or_asked() -> CallResult:
            known = await self._store.find_calls(keys)
            record = known.get(keys[0])
            if record is not None:
                counts.reused += 1
                if record.status == "ok":
                    return await _result(keys[0], record.text, record.reasoning)
                return CallResult(keys[0], "", "", False, record.reason, record.text[:SHOWN_CHARACTERS])
            if any(
                [
                    later.status == "ok" and (await _result(key, later.text, later.reasoning)).ok
                    for key, later in known.items()
                ]
            ):
                counts.reused += 1
                return CallResult(keys[0], "", "", False, "failed before")
            request = Request(keys[0], tuple(messages), sampling, call_seed(keys[0]))
            text = f'{{"messages":{messages_json},"sampling":{sampling_json}}}'
            return await self._ask_engine(service, request, text, attempt, node, counts)

        return await self._once(keys[0], counts, found_or_asked)

    async def score(
        self,
        model: str,
        *,
        node: str,
        messages: Sequence[Mapping[str, str]] = (),
        texts: Sequence[str] = (),
        step_tag: str = "",
    ) -> ScoreResult:
        """A scoring model's numbers for a chat, or for one or two texts; from the store if they are there.

        How many and on which scale is the model's `task` (table in `engines/protocol.py`). `step_tag`: of a process
        reward model, the token that stands behind each step in the messages.

        Raises:
            RunStopped: the run is stopping and the call is not in the store.
        """
        service = self.services[model]
        task: Any = service.spec.attributes.get("task")
        messages_json = _encode(messages)
        key = score_key(service.spec.identity, task, messages_json, texts, step_tag)
        counts = self._counts_of(node)

        async def found_or_asked() -> ScoreResult:
            record = (await self._store.find_calls([key])).get(key)
            if record is not None:
                counts.reused += 1
                return ScoreResult(key, scores_in(record.text), True)
            steps = sum(m["content"].count(step_tag) for m in messages) if step_tag else 0
            request = ScoreRequest(key, task, tuple(messages), tuple(texts), step_tag, steps)
            text = f'{{"messages":{messages_json},"step_tag":{_encode(step_tag)},"texts":{_encode(list(texts))}}}'
            asked = _Asked(service, key, text, node, counts, self._clock.wall())
            try:
                scores = await service.scores(request, counts.faults)
            except EngineFault as fault:
                return ScoreResult(key, (), False, fault.fault.value, self._put_fault(asked, fault))
            self._spent(asked, scores)
            self._put(
                asked,
                finish="stop",
                text=scores_text(scores.values),
                prompt_tokens=scores.prompt_tokens,
                engine=_encode(scores.engine),
            )
            return ScoreResult(key, scores.values, True)

        return await self._once(key, counts, found_or_asked)

    async def embed(self, model: str, texts: Sequence[str], *, node: str) -> list[VectorResult]:
        """An embedding model's vector of each text, in order; from the store where they are there.

        Equal texts are asked once, and up to `EMBED_BATCH` go in one request. When a server refuses a request, its
        texts are asked in halves, so that one that is too long fails alone.

        Raises:
            RunStopped: the run is stopping and a vector is not in the store.
        """
        service = self.services[model]
        keys = [vector_key(service.spec.identity, text) for text in texts]
        text_of = dict(zip(keys, texts, strict=True))
        counts = self._counts_of(node)
        counts.asked += len(keys)
        counts.reused += len(keys) - len(text_of)
        found: dict[bytes, VectorResult] = {}
        while missing := [key for key in text_of if key not in found]:
            theirs = {key: self._pending[key] for key in missing if key in self._pending}
            mine = {key: text_of[key] for key in missing if key not in theirs}
            if mine:
                found.update(await self._vectors(service, mine, node, counts))
            for key, pending in theirs.items():
                try:
                    found[key] = await asyncio.shield(pending)
                except asyncio.CancelledError:
                    if not pending.cancelled():
                        raise
                else:
                    counts.reused += 1
        return [found[key] for key in keys]

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

    def _counts_of(self, node: str) -> CallCounts:
        counts = self.counts.get(node)
        if counts is None:
            counts = self.counts[node] = CallCounts()
        return counts

    async def _once(self, key: bytes, counts: CallCounts, job: Callable[[], Awaitable[T]]) -> T:
        """The result of `job`, which runs once for all who want `key` at the same time."""
        counts.asked += 1
        while (pending := self._pending.get(key)) is not None:
            try:
                shared: T = await asyncio.shield(pending)
            except asyncio.CancelledError:
                if pending.cancelled():
                    continue  # the task that asked was cancelled, not this one
                raise
            counts.reused += 1
            return shared
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pending[key] = future
        try:
            result = await job()
        except BaseException as error:
            _end([future], error)
            raise
        else:
            future.set_result(result)
            return result
        finally:
            # The job has recorded what it found: whoever comes from here on finds it in the store.
            del self._pending[key]

    async def _vectors(
        self, service: Service, text_of: Mapping[bytes, str], node: str, counts: CallCounts
    ) -> dict[bytes, VectorResult]:
        """Vectors of texts that nobody else is asking for: those stored, then requests side by side."""
        loop = asyncio.get_running_loop()
        futures: dict[bytes, asyncio.Future[VectorResult]] = {key: loop.create_future() for key in text_of}
        self._pending.update(futures)
        try:
            stored = await self._store.find_calls(list(text_of))
            counts.reused += len(stored)
            found = {key: VectorResult(key, vector_in(record.text)) for key, record in stored.items()}
            wanted = [key for key in text_of if key not in found]
            batches = [wanted[at : at + EMBED_BATCH] for at in range(0, len(wanted), EMBED_BATCH)]
            jobs = [
                self._embed_batch(service, {k: text_of[k] for k in batch}, node, counts) for batch in batches
            ]
            # All are awaited, so that none runs on unobserved when another stops.
            for results in await asyncio.gather(*jobs, return_exceptions=True):
                if isinstance(results, BaseException):
                    raise results
                found.update({result.key: result for result in results})
        except BaseException as error:
            _end(futures.values(), error)
            raise
        else:
            for key, future in futures.items():
                future.set_result(found[key])
            return found
        finally:
            for key in futures:
                del self._pending[key]

    async def _embed_batch(
        self, service: Service, text_of: Mapping[bytes, str], node: str, counts: CallCounts
    ) -> list[VectorResult]:
        keys = list(text_of)
        started = self._clock.wall()
        asked = [
            _Asked(service, key, f'{{"text":{_encode(text)}}}', node, counts, started)
            for key, text in text_of.items()
        ]
        try:
            found = await service.vectors(EmbedRequest(keys[0], tuple(text_of.values())), counts.faults)
        except EngineFault as fault:
            if fault.fault in (Fault.BAD_REQUEST, Fault.TOO_LONG) and len(keys) > 1:
                results = []
                for half in (keys[: len(keys) // 2], keys[len(keys) // 2 :]):
                    texts = {key: text_of[key] for key in half}
                    results += await self._embed_batch(service, texts, node, counts)
                return results
            return [
                VectorResult(one.key, None, fault.fault.value, self._put_fault(one, fault)) for one in asked
            ]
        self._spent(asked[0], found)
        for at, (one, vector) in enumerate(zip(asked, found.vectors, strict=True)):
            self._put(
                one,
                finish="stop",
                text=vector_text(vector),
                # Counted for the request as a whole: its first text carries them all.
                prompt_tokens=0 if at else found.prompt_tokens,
                engine=_encode(found.engine),
            )
        return [VectorResult(key, vector) for key, vector in zip(keys, found.vectors, strict=True)]

    def _spent(self, asked: _Asked, found: Scores | Vectors) -> None:
        asked.counts.prompt_tokens += found.prompt_tokens
        asked.service.book(found.prompt_tokens, 0)

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
            detail = output[:SHOWN_CHARACTERS] if reason else ""
            provenance = _encode(answer.engine)
            counts.prompt_tokens += answer.prompt_tokens
            counts.output_tokens += answer.output_tokens
            service.book(answer.prompt_tokens, answer.output_tokens)
            if reason:
                counts.faults[reason] = counts.faults.get(reason, 0) + 1
        self._put(
            _Asked(service, request.key, text, node, counts, started),
            finish=finish,
            text=output,
            reasoning=reasoning,
            reason=reason,
            prompt_tokens=answer.prompt_tokens if answer else 0,
            output_tokens=answer.output_tokens if answer else 0,
            attempt=attempt,
            seed=request.seed,
            engine=provenance,
        )
        if reason:
            return CallResult(request.key, "", "", False, reason, detail)
        return await _result(request.key, output, reasoning)

    def _put_fault(self, asked: _Asked, fault: EngineFault) -> str:
        """Record a call without an answer; returns the fault in words."""
        detail = clean_text(str(fault))
        reason = fault.fault.value
        self._put(asked, finish=reason, reason=reason, engine=_encode({"fault": detail}))
        return detail

    def _put(self, asked: _Asked, *, finish: str, reason: str = "", **fields: Any) -> None:
        if reason:
            asked.counts.failed += 1
        else:
            asked.counts.answered += 1
        stated = {"text": "", "reasoning": "", **fields}
        self._store.put_call(
            CallRecord(
                key=asked.key,
                run_id=self._run_id,
                node=asked.node,
                model=asked.service.spec.name,
                identity=asked.service.spec.identity,
                request=clean_text(asked.request),
                finish=finish,
                status="failed" if reason else "ok",
                reason=reason,
                started=asked.started,
                ended=self._clock.wall(),
                **stated,
            )
        )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is known of a call when it is sent; `request` is its JSON."""

    service: Service
    key: bytes
    request: str
    node: str
    counts: CallCounts
    started: float


async def _result(key: bytes, written: str, reasoning: str) -> CallResult:
    """What a recorded answer says. Told here and not where it is recorded, so that an old store's answers read alike."""
    found = await read_beside(spoken, written)
    reasoning = "\n\n".join(filter(None, (reasoning, found.reasoning)))
    if not found.text.strip():
        why = "nothing after the reasoning" if found.is_finished else "the reasoning does not end"
        return CallResult(key, "", "", False, Finish.EMPTY.value, f"{why}: {written[:SHOWN_CHARACTERS]}")
    return CallResult(key, found.text, reasoning, True, written=written)


def _end(futures: Iterable[asyncio.Future[Any]], error: BaseException) -> None:
    """Hand an error on to those who wait for the same calls."""
    for future in futures:
        if isinstance(error, Exception):
            future.set_exception(error)
            future.exception()  # marks it as seen: without waiters nobody else will
        else:
            future.cancel()
