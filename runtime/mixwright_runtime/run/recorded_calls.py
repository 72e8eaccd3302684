"""Recorded answers in the place of models: each request of a step takes the next one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from mixwright_compiler.catalog.trials import ANSWER_FIELDS
from mixwright_compiler.schema import is_number
from mixwright_runtime.calls.models import RunCalls
from mixwright_runtime.engines.measured import unit_vectors
from mixwright_runtime.engines.protocol import (
    Answer,
    EmbedRequest,
    Finish,
    LabelRequest,
    Labels,
    Request,
    ScoreRequest,
    Scores,
    Vectors,
)
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.protocol import (
    CallResult,
    LabelResult,
    LossResult,
    ScoreResult,
    VectorResult,
)

_SAID: ContextVar[Any] = ContextVar("mixwright_recorded_answer")
"""The recorded answer to the request that is under way."""


class NoAnswer(RunError):
    """A request that no answer is recorded for. messages: the request; number: which one of the step's, from 1."""

    def __init__(self, step: str, model: str, number: int, messages: Sequence[Mapping[str, Any]]) -> None:
        super().__init__(f"step '{step}' asks, and no answer is recorded")
        self.step = step
        self.model = model
        self.number = number
        self.messages = tuple(messages)


class WrongAnswer(RunError):
    """A recorded answer that is no answer to what the step asks."""

    def __init__(self, step: str, wanted: str) -> None:
        super().__init__(f"step '{step}' is answered with {wanted}")
        self.step = step
        self.wanted = wanted


class RecordedCalls:
    """Calls that take the next recorded answer of their step along: `mixwright_runtime.calls.models.RunCalls`."""

    def __init__(self, calls: RunCalls, answers: Mapping[str, Any], prefix: int) -> None:
        """prefix: characters of a node's name in front of the step's id."""
        self._calls = calls
        self._answers = answers
        self._prefix = prefix
        self._taken: dict[str, int] = {}

    @property
    def unasked(self) -> dict[str, int]:
        """Step -> how many of its answers nobody asked for."""
        left = {
            step: (len(answers) if isinstance(answers, list) else 1) - self._taken.get(step, 0)
            for step, answers in self._answers.items()
        }
        return {step: count for step, count in left.items() if count > 0}

    async def ask(
        self, model: str, messages: Sequence[Mapping[str, str]], sampling: Mapping[str, object], **which: Any
    ) -> CallResult:
        step, said = self._next(which["node"], model, messages)
        _SAID.set(_answer(step, said))
        return await self._calls.ask(model, messages, sampling, **which)

    async def score(self, model: str, *, node: str, **asked: Any) -> ScoreResult:
        shown = asked.get("messages") or [
            {"role": "text", "content": text} for text in asked.get("texts") or ()
        ]
        step, said = self._next(node, model, shown)
        values = said if isinstance(said, list) else [said]
        if not all(is_number(value) for value in values):
            raise WrongAnswer(step, "a number, or a list of them")
        _SAID.set(tuple(map(float, values)))
        return await self._calls.score(model, node=node, **asked)

    async def embed(self, model: str, texts: Sequence[str], *, node: str) -> list[VectorResult]:
        vectors: dict[str, list[float]] = {}
        for text in dict.fromkeys(texts):
            step, said = self._next(node, model, [{"role": "text", "content": text}])
            if not isinstance(said, list) or not said or not all(is_number(value) for value in said):
                raise WrongAnswer(step, "a list of numbers for each text")
            vectors[text] = said
        _SAID.set(vectors)
        return await self._calls.embed(model, texts, node=node)

    async def labels(
        self, model: str, messages: Sequence[Mapping[str, str]], labels: Sequence[str], **which: Any
    ) -> LabelResult:
        step, said = self._next(which["node"], model, messages)
        if not isinstance(said, dict) or not all(
            is_number(value) and 0 <= value <= 1 for value in said.values()
        ):
            raise WrongAnswer(step, "`{ label = probability }`")
        _SAID.set(said)
        return await self._calls.labels(model, messages, labels, **which)

    async def losses(self, model: str, prefix: str, text: str, *, node: str, **which: Any) -> LossResult:
        raise self._not_recorded(node)

    async def token_at(self, model: str, prefix: str, text: str, token: str, *, node: str) -> LossResult:
        raise self._not_recorded(node)

    def _not_recorded(self, node: str) -> RunError:
        return RunError(
            f"step '{node[self._prefix :]}' asks how likely tokens are, which a test cannot record"
        )

    def _next(self, node: str, model: str, messages: Sequence[Mapping[str, Any]]) -> tuple[str, Any]:
        """The step's id, and its next answer."""
        step = node[self._prefix :]
        number = self._taken[step] = self._taken.get(step, 0) + 1
        answers = self._answers.get(step)
        if step not in self._answers or (isinstance(answers, list) and number > len(answers)):
            raise NoAnswer(step, model, number, messages)
        return step, answers[number - 1] if isinstance(answers, list) else answers


def _answer(step: str, said: Any) -> Answer:
    """A recorded text, or an object with `text`, `finish`, `reasoning` and `calls`, as an engine answers."""
    if isinstance(said, str):
        return Answer(said, Finish.STOP)
    if not isinstance(said, dict) or said.keys() - set(ANSWER_FIELDS):
        raise WrongAnswer(step, "a text, or `{ text = …, finish = … }`")
    text, reasoning, calls = said.get("text", ""), said.get("reasoning", ""), said.get("calls") or []
    usual = "tool_calls" if calls else "stop"
    try:
        finish = Finish(said.get("finish", usual))
    except ValueError:
        raise WrongAnswer(step, f"`finish` as one of {', '.join(each.value for each in Finish)}") from None
    if not isinstance(text, str) or not isinstance(reasoning, str) or not isinstance(calls, list):
        raise WrongAnswer(step, "texts in `text` and `reasoning`, and a list in `calls`")
    return Answer(text, finish, reasoning=reasoning, calls=tuple(calls))


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
