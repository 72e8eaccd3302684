"""Verifier `reward`: how good does a reward model find a response?"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from typing import Any

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.calls.gathering import gather_all
from mixwright_runtime.engines.measured import sigmoid
from mixwright_runtime.errors import MissingExtra
from mixwright_runtime.plugins.attributes import PICK, VERIFIER, threshold
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import Measurement, StepContext
from mixwright_runtime.plugins.shapes import MeasureGroup
from mixwright_runtime.values.rows import Dropped, Row
from mixwright_runtime.verifiers.math.answers import Extract, answer_in
from mixwright_runtime.verifiers.math.equivalence import Equivalence
from mixwright_runtime.verifiers.verdicts import Selection, group_measurements, text_of_response

SHOWN_CHARACTERS = 200
NO_ANSWER = "no answer"


@declare(
    "verify",
    "reward",
    rules=("ratings",),
    asks=(Asks("model"),),
    compares="pick = majority",
    evidence={
        "model": "text",
        "call": "text",
        "reason": "text",
        "detail": "text",
        "aggregate": "text",
        "steps": "list[float]",
        "worst": "struct{step: int, text: text}",
        "found": "text",
        "class": "json",
        "reward": "float",
    },
    attributes=(
        attribute(
            "model",
            "ref:model",
            "the reward model: `task = reward` or `task = process_reward`",
            default=REQUIRED,
            tasks=("reward", "process_reward"),
        ),
        attribute("request", "column", "the column with what the response answers: the user's message"),
        attribute("response", "column", "the column to rate: the assistant's message"),
        attribute("messages", "column", "a chat to rate whole, instead of `request` and `response`"),
        attribute(
            "system", "expr:text", "the system message before them: a text, or a column; null for none"
        ),
        attribute(
            "aggregate",
            "enum:min|product|last|mean",
            "of a process reward model, where it must be stated: the score of a response out of those of its steps",
        ),
        attribute(
            "separator",
            "text",
            "of a process reward model: what stands between the steps of a response",
            default="\n\n",
        ),
        attribute(
            "step_tag",
            "text",
            "of a process reward model: the token behind each step at which it rates",
            default="<extra_0>",
            holds="token",
        ),
        attribute(
            "extract",
            "enum:auto|boxed|hashes|last|final",
            "of `pick = majority`: where the answer stands in the response, as in `verify math`",
            default="auto",
        ),
        threshold("min", "the lowest score that passes; 0 to 1 for a process reward model"),
        PICK,
        *VERIFIER,
    ),
)
class Reward(MeasureGroup):
    """Rates responses with a reward model: best of n, a threshold, or a majority that counts by reward.

    The model sees the whole chat (system, user, assistant), rendered with its own chat template, without a generation
    prompt. A `task = reward` model gives one number, its head's own without an activation: unbounded, higher is
    better, and comparable only between responses to the same request unless its makers say otherwise. A
    `task = process_reward` model sees the response's steps, split at `separator`, each followed by `step_tag`, and
    gives each the probability that it is right; `aggregate` makes one score of them, from 0 to 1. Which of the four
    is right depends on the model, so it has no default.

    `pick = best` takes the best of a row's candidates, `first` the first that reaches `min`, `all` every one that
    does. `pick = majority` groups candidates by equal answers, as mathematics, and takes of the class with the most
    weight the best one:

        weight of a class = sum of w over its candidates that reach `min`
        w = score of a process reward model, 1 / (1 + exp(-score)) of an outcome reward model

    A candidate without an answer has no vote. The logistic function is what such models are trained through
    (-log sigma(better - worse)); it keeps every vote positive, where raw scores may be negative.

    Scores are stored: moving `min` or `pick` asks nothing again. A text too long for the model, or without any, is
    `unmeasurable` and does not pass; a model that fails is an error of the verifier, never a verdict. The evidence holds
    the model, its reward or the scores of the steps with the worst one's text, and the answer of a majority.

    ```mix
    verify reward { model = math_rm, request = problem, response = solution, pick = best }
    verify reward { model = math_prm, request = problem, response = solution, aggregate = min, min = 0.5 }
    ```

    Source: weighted voting of Li et al. 2023 (DiVeRSe), section 3.2, and Wang et al. 2024 (Math-Shepherd), section 3.4;
    the outcome model's chat and last token, the process model's `<extra_0>` and softmax from the model cards of
    Qwen2.5-Math-RM-72B and Qwen2.5-Math-PRM-7B.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._model = str(attributes["model"])
        self._calls = context.calls
        self._request = attributes.get("request")
        self._response = attributes.get("response")
        self._messages = attributes.get("messages")
        system = attributes.get("system")
        self._system = context.expression(system) if isinstance(system, Mapping) else lambda columns: system
        self._is_process = context.plan.models[self._model].attributes.get("task") == "process_reward"
        self._aggregate = str(attributes.get("aggregate") or "")
        self._separator = str(attributes.get("separator") or "\n\n")
        self._tag = str(attributes.get("step_tag") or "<extra_0>") if self._is_process else ""
        self._extract: Extract = attributes.get("extract") or "auto"
        self.selection = self._selection = Selection.of(step, kind="reward", missing="nothing to rate")
        self._equivalence = Equivalence(context.workers)

    async def prepare(self) -> None:
        """Fail before the first request when `pick = majority` and SymPy is not there.

        Raises:
            MissingExtra: the extra `math` is not installed.
        """
        if self._selection.pick == "majority" and importlib.util.find_spec("sympy") is None:
            raise MissingExtra("verify reward with pick = majority needs: pip install 'mixwright[math]'")

    async def measure(self, row: Row) -> Measurement:
        """The model's score of a row's response."""
        chat = self._chat(row.columns)
        if isinstance(chat, str):
            return Measurement("unmeasurable", None, {"model": self._model, "reason": chat})
        steps: list[str] = []
        if self._is_process:
            chat, steps = self._in_steps(chat)
        result = await self._calls.score(self._model, messages=chat, step_tag=self._tag)
        if not result.ok:
            return result.failed(model=self._model)
        evidence: dict[str, Any] = {"model": self._model, "call": result.key.hex()}
        if not self._is_process:
            return Measurement("measured", result.values[0], evidence)
        worst = min(range(len(steps)), key=lambda at: result.values[at])
        evidence |= {
            "aggregate": self._aggregate,
            "steps": [round(value, 6) for value in result.values],
            "worst": {"step": worst + 1, "text": steps[worst][:SHOWN_CHARACTERS]},
        }
        return Measurement("measured", aggregated(result.values, self._aggregate), evidence)

    async def measure_group(self, rows: Sequence[Row]) -> list[Measurement]:
        """Scores with the classes of equal answers, for a majority."""
        rewards = await gather_all(self.measure(row) for row in rows)
        responses = [text_of_response(row.columns.get(self._response or "")) for row in rows]
        answers = [
            answer_in(text, self._extract) if text and reward.outcome == "measured" else None
            for text, reward in zip(responses, rewards, strict=True)
        ]

        async def same(first: str, other: str) -> str:
            return (await self._equivalence.compare(gold=first, found=other)).outcome

        classes = await group_measurements(answers, same, lambda answer: {"found": answer})
        return [_voting(reward, found) for reward, found in zip(rewards, classes, strict=True)]

    def decide(self, rows: Sequence[Row], measurements: Sequence[Measurement]) -> list[Row | Dropped]:
        """Which rows pass; see the protocol."""
        return self._selection.decide(rows, measurements, self._weight)

    def _weight(self, measurement: Measurement) -> float:
        score = measurement.score or 0.0
        return score if self._is_process else sigmoid(score)

    def _chat(self, columns: Mapping[str, object]) -> list[dict[str, str]] | str:
        """The messages to rate, or why there are none."""
        if self._messages:
            turns = columns.get(self._messages)
            if not isinstance(turns, list) or not turns or not all(isinstance(t, Mapping) for t in turns):
                return "no messages"
            chat = [{"role": str(t.get("role")), "content": str(t.get("content") or "")} for t in turns]
            if chat[-1]["role"] != "assistant":
                return "the last message is not the assistant's"
        else:
            request = text_of_response(columns.get(self._request or ""))
            response = self._text(columns.get(self._response or ""))
            if request is None or response is None:
                return f"no {'response' if request is not None else 'request'}"
            chat = [{"role": "user", "content": request}, {"role": "assistant", "content": response}]
        if not chat[-1]["content"].strip():
            return "no response"
        system = self._system(columns)
        if system:
            chat = [m for m in chat if m["role"] != "system"]
            chat.insert(0, {"role": "system", "content": str(system)})
        return chat

    def _text(self, value: object) -> str | None:
        """A response as text; a list of texts is one of steps."""
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            value = self._separator.join(value)
        return text_of_response(value)

    def _in_steps(self, chat: list[dict[str, str]]) -> tuple[list[dict[str, str]], list[str]]:
        """The chat with a tag behind each step of its last message, and the steps.

        A tag in a text would be rated as a step that nobody wrote, so tags are taken out first.
        """
        plain = [{**message, "content": without(message["content"], self._tag)} for message in chat]
        parts = [part.strip() for part in plain[-1]["content"].split(self._separator)]
        steps = [part for part in parts if part] or [plain[-1]["content"].strip()]
        plain[-1]["content"] = "".join(f"{step}{self._tag}" for step in steps)
        return plain, steps


def without(text: str, tag: str) -> str:
    """A text in which a tag does not occur, not even put together from the parts around one that was taken out."""
    while tag in text:
        text = text.replace(tag, "")
    return text


def aggregated(steps: Sequence[float], aggregate: str) -> float:
    """One score out of those of the steps; `steps` is not empty."""
    match aggregate:
        case "min":
            return min(steps)
        case "product":
            return math.prod(steps)
        case "last":
            return steps[-1]
        case "mean":
            return math.fsum(steps) / len(steps)
        case _:
            raise ValueError(f"a process reward model needs `aggregate`, and it is '{aggregate}'")


def _voting(reward: Measurement, found: Measurement) -> Measurement:
    """A candidate's reward with its class; one without a class has no vote."""
    if reward.outcome != "measured":
        return reward
    evidence = {**reward.evidence, "found": found.evidence["found"]}
    match found.outcome:
        case "measured":
            return Measurement("measured", reward.score, {**evidence, "class": found.evidence["class"]})
        case "unmeasurable":
            return Measurement(
                "unmeasurable", None, {**evidence, "reason": NO_ANSWER, "reward": reward.score}
            )
        case _:
            return Measurement(found.outcome, None, evidence)
