"""Model calls: each asked at most once, and stored before anybody reads it.

The one way from a step to an engine. A call is named by its rendered request (`call_key`); the same call awaited
twice is sent once; one that the store has is not sent at all. What is sent, and how often, is `service.py`'s.
An answer that is cut off, empty or refused is stored as failed and handed on as failed: its text goes no further.

Scores and vectors go the same way. They have no sampling, so replica, sample and attempt are no part of their names
(`score_key`, `vector_key`); a failed one is asked again by the next run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

from mixwright_compiler.plan.plan import ModelSpec
from mixwright_runtime.calls.budget import Spending
from mixwright_runtime.calls.embedding import Embedding
from mixwright_runtime.calls.fault import BreakerPolicy, Clock, RetryPolicy
from mixwright_runtime.calls.keys import call_key, call_seed, sampling_json
from mixwright_runtime.calls.measuring import Measuring, label_question, loss_question, score_question
from mixwright_runtime.calls.pending import Pending
from mixwright_runtime.calls.recording import CallCounts, CallStore, Recorder
from mixwright_runtime.calls.service import Service
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.calls.tool_calls import calling_text, read_calling
from mixwright_runtime.engines.protocol import Engine, EngineFault, Finish, Replicated, Request
from mixwright_runtime.engines.replicas import not_answering
from mixwright_runtime.plugins.protocol import (
    CUT,
    CallResult,
    LabelResult,
    LossResult,
    ScoreResult,
    StoredVectors,
    VectorResult,
)
from mixwright_runtime.store.records import FoundCall
from mixwright_runtime.store.status import AddressStatus
from mixwright_runtime.values.made_once import MadeOnce
from mixwright_runtime.values.reading import read_beside
from mixwright_runtime.values.reasoning import spoken
from mixwright_runtime.values.rows import canonical_json
from mixwright_runtime.values.stored_text import clean_text

_CALLS = Finish.CALLS.value
SHOWN_CHARACTERS = 200
"""Of an answer that is of no use, shown with the reason."""


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
        self.spending = spending
        self._store = store
        self._recorder = Recorder(store, run_id, clock)
        self._answers: Pending[CallResult] = Pending()
        self._scores = Measuring(store, self._recorder, ScoreResult)
        self._labels = Measuring(store, self._recorder, LabelResult)
        self._losses = Measuring(store, self._recorder, LossResult)
        self._embedding = Embedding(store, self._recorder)
        self._sampling_json = MadeOnce[Mapping[str, object], str](sampling_json)
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
    def counts(self) -> Mapping[str, CallCounts]:
        """What became of each step's calls."""
        return self._recorder.counts

    @property
    def in_flight(self) -> int:
        """Requests that are open now, over all models."""
        return sum(service.admission.gate.in_use for service in self.services.values())

    def warnings(self) -> list[str]:
        """What a user should know of the models while they are asked: addresses that do not answer."""
        found = ((name, not_answering(service.engine)) for name, service in self.services.items())
        return [f"model '{name}': {text}" for name, text in found if text]

    def addresses(self) -> list[AddressStatus]:
        """What each address was asked, of models that have several."""
        return [
            {"model": name, "address": address, "requests": requests, "answers": answers}
            for name, service in self.services.items()
            if isinstance(service.engine, Replicated)
            for address, (requests, answers) in service.engine.sites().items()
        ]

    async def ask(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        sampling: Mapping[str, object],
        *,
        replica: int,
        sample: int,
        attempt: int,
        node: str,
        later: int = 0,
        rounds: Sequence[int] = (),
        takes_cut: bool = False,
    ) -> CallResult:
        """A model's answer to a request, from the store if it is there.

        Args:
            sampling: row-class parameters; hand over the same object for all rows, its JSON is made once.
            later: how many further attempts the caller would make. Where the store has an answer to one of those, this
                one failed in an earlier run and is not asked again. An answer that was cut off counts as asked, too.
            rounds: those of the loops that the row is in.
            takes_cut: the caller uses an answer that was cut off.

        Raises:
            RunStopped: the run is stopping and the call is not in the store.
        """
        service = self.services[model]
        messages_json = canonical_json(messages)
        sampling_json = self._sampling_json.of(sampling)
        keys = [
            call_key(
                service.spec.identity,
                messages_json,
                sampling_json,
                replica=replica,
                sample=sample,
                attempt=n,
                rounds=rounds,
            )
            for n in range(attempt, attempt + later + 1)
        ]
        counts = self._recorder.counts_of(node)

        async def found_or_asked() -> CallResult:
            known = await self._store.find_calls(keys)
            record = known.get(keys[0])
            if record is not None:
                counts.reused += 1
                return await _recorded(record)
            for later in known.values():
                found = await _recorded(later)
                if found.ok or (takes_cut and found.cut is not None):
                    counts.reused += 1
                    return CallResult(keys[0], "", "", False, "failed before")
            request = Request(keys[0], tuple(messages), sampling, call_seed(keys[0]))
            text = f'{{"messages":{messages_json},"sampling":{sampling_json}}}'
            return await self._ask_engine(service, request, text, attempt, node, counts)

        counts.asked += 1
        result, is_shared = await self._answers.once(keys[0], found_or_asked)
        counts.reused += is_shared
        return result

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
        return await self._scores.of(service, score_question(service, messages, texts, step_tag), node)

    async def embed(self, model: str, texts: Sequence[str], *, node: str) -> list[VectorResult]:
        """An embedding model's vector of each text, in order; from the store where they are there.

        Equal texts are asked once, and up to `EMBED_BATCH` go in one request. When a server refuses a request, its
        texts are asked in halves, so that one that is too long fails alone.

        Raises:
            RunStopped: the run is stopping and a vector is not in the store.
        """
        return await self._embedding.vectors(self.services[model], texts, node)

    def stored_vectors(self, model: str, texts: Iterable[str], *, node: str) -> AsyncIterator[StoredVectors]:
        """Vectors that the store has, by the places of their texts: a part after another in the order in which they lie
        there, in which a million cost one reading. Texts are gone through once, in a thread. A place may come twice."""
        return self._embedding.stored(self.services[model], texts, node)

    async def labels(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        labels: Sequence[str],
        *,
        node: str,
        is_text: bool = False,
    ) -> LabelResult:
        """How likely a model finds each label as the first token of its answer, or as the next of a plain text; from the
        store if it is there.

        Raises:
            RunStopped: the run is stopping and the call is not in the store.
        """
        service = self.services[model]
        return await self._labels.of(
            service, label_question(service, messages, labels, is_text=is_text), node
        )

    async def losses(
        self, model: str, prefix: str, text: str, *, node: str, start: int = 0, count: int = 0
    ) -> LossResult:
        """How likely a model finds each token of a text after a prefix, both plain; from the store if it is there.

        start: characters; only tokens from there on are told, and of them `count`, or all where that is 0.

        Raises:
            RunStopped: the run is stopping and the call is not in the store.
        """
        service = self.services[model]
        return await self._losses.of(
            service, loss_question(service, prefix, text, start=start, count=count), node
        )

    async def token_at(self, model: str, prefix: str, text: str, token: str, *, node: str) -> LossResult:
        """How likely a model finds one token in the place of each token of a text; otherwise as `losses`."""
        service = self.services[model]
        return await self._losses.of(service, loss_question(service, prefix, text, token=token), node)

    async def close(self) -> None:
        """Close every engine that was started."""
        for service in self.services.values():
            await service.close()

    async def _ask_engine(
        self, service: Service, request: Request, text: str, attempt: int, node: str, counts: CallCounts
    ) -> CallResult:
        """Ask and record how it ended; what is handed on of a failed attempt is its reason alone."""
        asked = self._recorder.asked(service, request.key, text, node, counts)
        try:
            answer = await service.answer(request, counts.faults)
        except EngineFault as fault:
            detail = self._recorder.put_fault(asked, fault, attempt=attempt, seed=request.seed)
            return CallResult(request.key, "", "", False, fault.fault.value, detail)
        finish = answer.finish.value
        reason = "" if answer.finish in (Finish.STOP, Finish.CALLS) else finish
        text = calling_text(answer.text, answer.calls) if answer.finish is Finish.CALLS else answer.text
        output, reasoning = clean_text(text), clean_text(answer.reasoning)
        counts.prompt_tokens += answer.prompt_tokens
        counts.output_tokens += answer.output_tokens
        service.book(answer.prompt_tokens, answer.output_tokens)
        if reason:
            counts.faults[reason] = counts.faults.get(reason, 0) + 1
        self._recorder.put(
            asked,
            finish=finish,
            text=output,
            reasoning=reasoning,
            reason=reason,
            prompt_tokens=answer.prompt_tokens,
            output_tokens=answer.output_tokens,
            attempt=attempt,
            seed=request.seed,
            engine=canonical_json(answer.engine),
        )
        return await _result(request.key, output, reasoning, reason, finish)


async def _recorded(record: FoundCall) -> CallResult:
    reason = "" if record.status == "ok" else record.reason
    return await _result(record.key, record.text, record.reasoning, reason, record.finish)


async def _result(key: bytes, written: str, reasoning: str, reason: str, finish: str) -> CallResult:
    """What a recorded answer says. Told here and not where it is recorded, so that an old store's answers read alike."""
    if finish == _CALLS and not reason:
        said, calls = read_calling(written)
        spoke = await read_beside(spoken, said)
        reasoning = "\n\n".join(filter(None, (reasoning, spoke.reasoning)))
        return CallResult(key, spoke.text, reasoning, True, written=said, calls=calls)
    if reason not in ("", CUT):
        return CallResult(key, "", "", False, reason, written[:SHOWN_CHARACTERS])
    found = await read_beside(spoken, written)
    reasoning = "\n\n".join(filter(None, (reasoning, found.reasoning)))
    if reason == CUT:
        there = (
            CallResult(key, found.text, reasoning, True, CUT, written=written) if found.text.strip() else None
        )
        return CallResult(key, "", "", False, CUT, written[:SHOWN_CHARACTERS], cut=there)
    if not found.text.strip():
        why = "nothing after the reasoning" if found.is_finished else "the reasoning does not end"
        return CallResult(key, "", "", False, Finish.EMPTY.value, f"{why}: {written[:SHOWN_CHARACTERS]}")
    return CallResult(key, found.text, reasoning, True, written=written)
