"""Recorded answers in the place of models: each request of a step takes the next one of its kind."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from mixwright_compiler.schema import is_number
from mixwright_runtime.calls.models import RunCalls
from mixwright_runtime.engines.measured import unit_vectors
from mixwright_runtime.engines.protocol import (
    Answer,
    EmbedRequest,
    LabelRequest,
    Labels,
    Losses,
    LossRequest,
    Request,
    ScoreRequest,
    Scores,
    Vectors,
)
from mixwright_runtime.plugins.protocol import (
    CallResult,
    LabelResult,
    LossResult,
    ScoreResult,
    StoredVectors,
    VectorResult,
)
from mixwright_runtime.run.recorded_answers import (
    NoAnswer,
    Passage,
    Recorded,
    WrongAnswer,
    answer_of,
    example_of_losses,
    example_of_places,
    is_for,
    is_of_places,
    is_other,
    losses_of,
    places_of,
)

_SAID: ContextVar[Any] = ContextVar("mixwright_recorded_answer")
"""The recorded answer to the request that is under way."""


class RecordedCalls:
    """Calls that take the next recorded answer of their step along: `mixwright_runtime.calls.models.RunCalls`."""

    def __init__(self, calls: RunCalls, answers: Mapping[str, Any], prefix: int) -> None:
        """prefix: characters of a node's name in front of the step's id."""
        self._calls = calls
        self._answers = {step: Recorded(said) for step, said in answers.items()}
        self._prefix = prefix
        self._asked: dict[str, int] = {}
        self._told: dict[tuple[str, str, Passage, object], Losses] = {}

    @property
    def unasked(self) -> dict[str, int]:
        """Step -> how many of its answers nobody asked for."""
        return {step: answers.left for step, answers in self._answers.items() if answers.left}

    async def ask(
        self, model: str, messages: Sequence[Mapping[str, str]], sampling: Mapping[str, object], **which: Any
    ) -> CallResult:
        step, said = self._next(which["node"], model, messages, "…")
        _SAID.set(answer_of(step, said))
        return await self._calls.ask(model, messages, sampling, **which)

    async def score(self, model: str, *, node: str, **asked: Any) -> ScoreResult:
        shown = asked.get("messages") or [
            {"role": "text", "content": text} for text in asked.get("texts") or ()
        ]
        step, said = self._next(node, model, shown, 0.7)
        values = said if isinstance(said, list) else [said]
        if not all(is_number(value) for value in values):
            raise WrongAnswer(step, "a number, or a list of them")
        _SAID.set(tuple(map(float, values)))
        return await self._calls.score(model, node=node, **asked)

    async def embed(self, model: str, texts: Sequence[str], *, node: str) -> list[VectorResult]:
        vectors: dict[str, list[float]] = {}
        for text in dict.fromkeys(texts):
            step, said = self._next(node, model, [{"role": "text", "content": text}], [1, 0])
            if not isinstance(said, list) or not said or not all(is_number(value) for value in said):
                raise WrongAnswer(step, "a list of numbers for each text")
            vectors[text] = said
        _SAID.set(vectors)
        return await self._calls.embed(model, texts, node=node)

    def stored_vectors(self, model: str, texts: Iterable[str], *, node: str) -> AsyncIterator[StoredVectors]:
        """None: each text takes a recorded answer along."""
        return self._calls.stored_vectors(model, (), node=node)

    async def labels(
        self, model: str, messages: Sequence[Mapping[str, str]], labels: Sequence[str], **which: Any
    ) -> LabelResult:
        example = {label: round(1 / len(labels), 2) for label in labels}
        step, said = self._next(which["node"], model, messages, example)
        if not isinstance(said, dict) or not all(
            is_number(value) and 0 <= value <= 1 for value in said.values()
        ):
            raise WrongAnswer(step, "`{ label = probability }`")
        _SAID.set(said)
        return await self._calls.labels(model, messages, labels, **which)

    async def losses(
        self, model: str, prefix: str, text: str, *, node: str, start: int = 0, count: int = 0
    ) -> LossResult:
        passage = Passage(prefix, text, start)
        if (asked := (node, model, passage, count)) not in self._told:
            step, said = self._next(
                node, model, passage.messages, example_of_losses(passage), is_for(passage)
            )
            self._told[asked] = losses_of(step, said, passage, count)
        _SAID.set(self._told[asked])
        return await self._calls.losses(model, prefix, text, node=node, start=start, count=count)

    async def token_at(self, model: str, prefix: str, text: str, token: str, *, node: str) -> LossResult:
        passage = Passage(prefix, text)
        if (asked := (node, model, passage, token)) not in self._told:
            step, said = self._next(node, model, passage.messages, example_of_places(passage), is_of_places)
            self._told[asked] = places_of(step, said, passage)
        _SAID.set(self._told[asked])
        return await self._calls.token_at(model, prefix, text, token, node=node)

    def _next(
        self,
        node: str,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        example: Any,
        fits: Callable[[Any], bool] = is_other,
    ) -> tuple[str, Any]:
        """The step's id, and its next answer of the kind that is asked for, of which `example` is one."""
        step = node[self._prefix :]
        number = self._asked[step] = self._asked.get(step, 0) + 1
        found = self._answers[step].take(fits) if step in self._answers else []
        if not found:
            raise NoAnswer(step, model, number, messages, example)
        return step, found[0]


class Script:
    """Every model of a trial: answers with what was recorded for the request that is under way."""

    slots = 64
    is_limit = True

    async def start(self) -> None:
        return

    async def close(self) -> None:
        return

    async def complete(self, request: Request) -> Answer:
        answer: Answer = _SAID.get()
        return answer

    async def score(self, request: ScoreRequest) -> Scores:
        return Scores(_SAID.get())

    async def embed(self, request: EmbedRequest) -> Vectors:
        return Vectors(unit_vectors([_SAID.get()[text] for text in request.texts], "recorded vectors"))

    async def labels(self, request: LabelRequest) -> Labels:
        said = _SAID.get()
        found = [said.get(label) for label in request.labels]
        return Labels(tuple(None if p is None else math.log(p) if p > 0 else -math.inf for p in found))

    async def losses(self, request: LossRequest) -> Losses:
        told: Losses = _SAID.get()
        return told
