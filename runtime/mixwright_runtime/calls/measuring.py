"""Calls that end with numbers: how good something is, how likely labels are. Asked once, and stored."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mixwright_runtime.calls.keys import label_key, loss_key, score_key
from mixwright_runtime.calls.pending import Pending
from mixwright_runtime.calls.recording import CallStore, Recorder
from mixwright_runtime.calls.service import Service
from mixwright_runtime.engines.measured import scores_in, scores_text
from mixwright_runtime.engines.protocol import EngineFault, LabelRequest, LossRequest, ScoreRequest
from mixwright_runtime.plugins.protocol import Numbers
from mixwright_runtime.values.rows import canonical_json

Ended = TypeVar("Ended", bound=Numbers)


@dataclass(frozen=True)
class Told:
    """What an engine said: the numbers, and as the store has them."""

    values: tuple[Any, ...]
    text: str
    engine: Mapping[str, Any]
    prompt_tokens: int
    output_tokens: int = 0


@dataclass(frozen=True)
class MeasuringCall:
    """One call. key: its name. request: its JSON, for the store. ask: sends it, and is handed the count of faults. read:
    the numbers of what is stored."""

    key: bytes
    request: Callable[[], str]
    ask: Callable[[dict[str, int]], Awaitable[Told]]
    read: Callable[[str], tuple[Any, ...]]


class Measuring(Generic[Ended]):
    """Asks for numbers for one run. `ended`: made of key, numbers, whether there are any, and why not."""

    def __init__(
        self,
        store: CallStore,
        recorder: Recorder,
        ended: Callable[[bytes, tuple[Any, ...], bool, str, str], Ended],
    ) -> None:
        self._store = store
        self._recorder = recorder
        self._ended = ended
        self._pending: Pending[Ended] = Pending()

    async def of(self, service: Service, question: MeasuringCall, node: str) -> Ended:
        """The numbers, from the store if they are there.

        Raises:
            RunStopped: the run is stopping and the call is not in the store.
        """
        key = question.key
        counts = self._recorder.counts_of(node)

        async def found_or_asked() -> Ended:
            record = (await self._store.find_calls([key])).get(key)
            if record is not None:
                counts.reused += 1
                return self._ended(key, question.read(record.text), True, "", "")
            asked = self._recorder.asked(service, key, question.request(), node, counts)
            try:
                told = await question.ask(counts.faults)
            except EngineFault as fault:
                return self._ended(key, (), False, fault.fault.value, self._recorder.put_fault(asked, fault))
            counts.prompt_tokens += told.prompt_tokens
            counts.output_tokens += told.output_tokens
            service.book(told.prompt_tokens, told.output_tokens)
            self._recorder.put(
                asked,
                finish="stop",
                text=told.text,
                prompt_tokens=told.prompt_tokens,
                output_tokens=told.output_tokens,
                engine=canonical_json(told.engine),
            )
            return self._ended(key, told.values, True, "", "")

        counts.asked += 1
        result, is_shared = await self._pending.once(key, found_or_asked)
        counts.reused += is_shared
        return result


def score_question(
    service: Service, messages: Sequence[Mapping[str, str]], texts: Sequence[str], step_tag: str
) -> MeasuringCall:
    """How good a chat is, or a text or two; see `mixwright_runtime.calls.calls.Calls.score`."""
    task: Any = service.spec.attributes.get("task")
    messages_json = canonical_json(messages)
    key = score_key(service.spec.identity, task, messages_json, texts, step_tag)

    def request() -> str:
        texts_json = canonical_json(list(texts))
        return f'{{"messages":{messages_json},"step_tag":{canonical_json(step_tag)},"texts":{texts_json}}}'

    async def ask(faults: dict[str, int]) -> Told:
        steps = sum(m["content"].count(step_tag) for m in messages) if step_tag else 0
        found = await service.scores(
            ScoreRequest(key, task, tuple(messages), tuple(texts), step_tag, steps), faults
        )
        return Told(found.values, scores_text(found.values), found.engine, found.prompt_tokens)

    return MeasuringCall(key, request, ask, scores_in)


def label_question(
    service: Service, messages: Sequence[Mapping[str, str]], labels: Sequence[str], *, is_text: bool
) -> MeasuringCall:
    """How likely labels are; see `mixwright_runtime.calls.calls.Calls.labels`."""
    messages_json = canonical_json(list(messages))
    form = "text" if is_text else "chat"
    key = label_key(service.spec.identity, form, messages_json, labels)

    def request() -> str:
        return f'{{"form":"{form}","labels":{canonical_json(list(labels))},"messages":{messages_json}}}'

    async def ask(faults: dict[str, int]) -> Told:
        found = await service.labels(LabelRequest(key, tuple(messages), tuple(labels), is_text), faults)
        text = canonical_json(list(found.logprobs))
        return Told(found.logprobs, text, found.engine, found.prompt_tokens, found.output_tokens)

    return MeasuringCall(key, request, ask, lambda text: tuple(json.loads(text)))


def loss_question(
    service: Service, prefix: str, text: str, *, start: int = 0, count: int = 0, token: str = ""
) -> MeasuringCall:
    """How likely the tokens of a text are; see `mixwright_runtime.calls.calls.Calls.losses` and `token_at`."""
    stated = {"prefix": prefix, "text": text, "start": start, "count": count, "token": token}
    key = loss_key(service.spec.identity, prefix, text, start, count, token)

    async def ask(faults: dict[str, int]) -> Told:
        found = await service.losses(LossRequest(key, prefix, text, start, count, token), faults)
        values = tuple(zip(found.offsets, found.logprobs, strict=True))
        return Told(values, canonical_json(values), found.engine, found.prompt_tokens, found.output_tokens)

    return MeasuringCall(
        key, lambda: canonical_json(stated), ask, lambda text: tuple((at, p) for at, p in json.loads(text))
    )
