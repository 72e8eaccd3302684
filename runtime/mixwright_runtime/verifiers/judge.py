"""Verifier `judge`: what do other models say of the response?"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import PICK, VERIFIER, threshold
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import Measurement, StepContext
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.values.rows import Rendered, Row
from mixwright_runtime.verifiers.judging.asking import Asked, Asking, behind_the_question
from mixwright_runtime.verifiers.judging.verdict_forms import Opinion, VerdictForm, VerdictKind, combined
from mixwright_runtime.verifiers.verdicts import Selection


@dataclass(frozen=True)
class _Question:
    """One question to one judge; `is_swapped`: with the two responses in each other's place."""

    model: str
    sample: int
    is_swapped: bool


@declare(
    "verify",
    "judge",
    rules=("opinions",),
    asks=(
        Asks(
            "models",
            template="rubric",
            times=("samples",),
            twice="with against and with swap",
            max_tokens="max_tokens",
            needs=(("schema", "always"),),
        ),
    ),
    evidence={
        "judges": "json",
        "opinions": "list[struct{judge: text, call: text, sample: int, swapped: bool, score: float, aspects: json, "
        "reason: text, error: text, timeout: text, unmeasurable: text}]",
        "changed_with_order": "list[text]",
        "reason": "text",
    },
    attributes=(
        attribute("response", "column", "the column to judge", default=REQUIRED),
        attribute(
            "rubric",
            "ref:template",
            "what a judge is asked; it must show the response, and may show any other column",
            default=REQUIRED,
        ),
        attribute(
            "models", "list[ref:model]", "the judges; each gives an opinion of its own", default=REQUIRED
        ),
        attribute(
            "against",
            "column",
            "a column to compare with: the judges say which of the two is better",
        ),
        attribute(
            "verdict",
            "enum:score|pass",
            "`score`: a number on the scale; `pass`: yes or no, which counts 1 or 0",
            default="score",
        ),
        attribute("scale", "list[float]", "lowest and highest number of a score", default=[1, 10]),
        attribute(
            "aspects",
            "list[name]",
            "names of what is scored one by one, such as `[accuracy, style]`; the score is their mean",
        ),
        attribute(
            "combine",
            "enum:mean|majority|unanimous",
            "one score of several judges: their `mean`; what more than half of them reach; what all of them reach",
            default="mean",
        ),
        attribute(
            "swap",
            "bool",
            "with `against`: ask twice, the second time with the two in each other's place",
            default=True,
        ),
        attribute("samples", "count", "opinions of each judge", default=1, minimum=1, maximum=64),
        attribute("quorum", "count", "judges that must have a readable opinion; by default all", minimum=1),
        attribute(
            "retries", "count", "further attempts at an opinion that cannot be read", default=2, maximum=20
        ),
        attribute(
            "form",
            "bool",
            "add a sentence to the rubric that says which JSON object to answer with",
            default=True,
        ),
        attribute("temperature", "float", "of the judges", default=0.0, minimum=0, maximum=2),
        attribute("max_tokens", "count", "longest opinion, in tokens", default=1024, minimum=1),
        threshold("min", "the lowest score that passes, on the scale; 0 to 1 for `pass` and with `against`"),
        PICK,
        *VERIFIER,
    ),
)
class Judge(Measure):
    """Asks one or more models for an opinion on a response, and combines their scores.

    A judge gets the rubric, rendered with the row's columns, and answers with a JSON object: a `reason`, then the
    verdict. The object's JSON Schema goes to the engine, which must take one (`openai`, `vllm`), and a sentence that
    describes it to the judge (`form = false` leaves it out). Text around the object does not matter. The score is

    - with `verdict = score` a number on the `scale`, or the mean of several `aspects`;
    - with `verdict = pass` 1 or 0, so that the mean of several judges is the share that says yes;
    - with `against` 1 when the response is better, 0 when the other is, 0.5 for a tie. Judges prefer what stands in the
      first place (Zheng et al. 2023, section 3.3), so each is asked in both orders and the mean counts: who names the
      first both times says 0.5. Call the response A and the other B in the rubric; their columns' values change
      places, the rubric does not.

    Several judges are a panel: `combine = mean`, `majority` (the highest score that more than half of them reach) or
    `unanimous` (the lowest). A threshold `min` on the combined score then asks just that, and moving it asks no judge
    again; nor does anything else that leaves the questions as they are, for every opinion is in the call cache.

    An opinion that cannot be read (no object, a number off the scale, a refusal) is asked for again; when it still
    cannot be read that is an error of the verifier, never a low score. With `quorum` so many judges are enough. A
    question with more tokens than a judge takes makes the response `unmeasurable`, `too long`. The evidence holds each
    opinion with its reason and call, and whether a judge changed its mind with the order.

    ```mix
    template grade {
      user = <<~JINJA
        Rate how well the answer solves the problem.

        Problem: {{ problem }}
        Answer: {{ answer }}
        JINJA
    }
    pipeline graded {
      …
      verify judge {
        response = answer
        rubric = grade
        models = [strict, lenient, other]
        combine = majority
        min = 8
      }
    }
    ```
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._response = str(attributes["response"])
        self._against: str | None = attributes.get("against")
        self._render = context.template(str(attributes["rubric"]))
        self._models = [str(name) for name in attributes["models"]]
        self._combine = str(attributes.get("combine") or "mean")
        self._quorum = int(attributes.get("quorum") or len(self._models))
        self._is_told_the_form = bool(attributes.get("form", True))
        low, high = attributes.get("scale") or (1, 10)
        kind: VerdictKind = "winner" if self._against else attributes.get("verdict") or "score"
        self._form = VerdictForm(kind, float(low), float(high), tuple(attributes.get("aspects") or ()))
        orders = (False, True) if self._against and attributes.get("swap", True) else (False,)
        self._questions = [
            _Question(model, sample, is_swapped)
            for model in self._models
            for sample in range(int(attributes.get("samples") or 1))
            for is_swapped in orders
        ]
        self._asking = Asking(
            context.calls,
            self._form.opinion,
            temperature=float(attributes.get("temperature") or 0.0),
            max_tokens=int(attributes.get("max_tokens") or 1024),
            retries=int(attributes.get("retries", 2)),
            schema=self._form.schema(),
        )
        self.selection = Selection.of(step, kind="judge", missing="nothing to judge")

    async def measure(self, row: Row) -> Measurement:
        """The judges' combined score.

        Raises:
            RowError: the rubric cannot be rendered.
            RunStopped: the run is stopping.
        """
        columns = row.columns
        if columns.get(self._response) is None or (self._against and columns.get(self._against) is None):
            return Measurement("unmeasurable", None, {"reason": "null"})
        asked = await asyncio.gather(*(self._ask(columns, question) for question in self._questions))
        opinions = [self._shown(q, a) for q, a in zip(self._questions, asked, strict=True)]
        scores = self._scores_by_judge(asked)
        evidence: dict[str, Any] = {"judges": scores, "opinions": opinions}
        changed = self._changed_with_order(asked)
        if changed:
            evidence["changed_with_order"] = changed
        if len(scores) < self._quorum:
            if any(a.outcome == "unmeasurable" for a in asked):
                return Measurement.too_long(**evidence)
            late = all(a.outcome == "timeout" for a in asked if a.found is None)
            reason = f"{len(scores)} of {len(self._models)} judges have an opinion that can be read"
            return Measurement("timeout" if late else "error", None, {"reason": reason, **evidence})
        return Measurement("measured", combined(list(scores.values()), self._combine), evidence)

    async def _ask(self, columns: Mapping[str, object], question: _Question) -> Asked[Opinion]:
        if question.is_swapped and self._against:
            exchanged = {self._response: columns[self._against], self._against: columns[self._response]}
            columns = {**columns, **exchanged}
        return await self._asking.ask(question.model, self._messages(self._render(columns)), question.sample)

    def _messages(self, rendered: Rendered) -> list[Mapping[str, str]]:
        if not self._is_told_the_form:
            return list(rendered.messages)
        return behind_the_question(rendered.messages, self._form.sentence())

    def _score(self, question: _Question, opinion: Opinion) -> float:
        """The score of the response: after a swap it is the judge's B."""
        return 1.0 - opinion.score if question.is_swapped else opinion.score

    def _scores_by_judge(self, asked: list[Asked[Opinion]]) -> dict[str, float]:
        """Mean of each judge's opinions, of those judges all of whose opinions can be read."""
        scores: dict[str, float] = {}
        for model in self._models:
            of_judge = [(q, a.found) for q, a in zip(self._questions, asked, strict=True) if q.model == model]
            found = [self._score(q, opinion) for q, opinion in of_judge if opinion is not None]
            if len(found) == len(of_judge):
                scores[model] = sum(found) / len(found)
        return scores

    def _changed_with_order(self, asked: list[Asked[Opinion]]) -> list[str]:
        """Judges who named the same place in both orders."""
        by_question = dict(zip(self._questions, asked, strict=True))
        changed: dict[str, None] = {}
        for question, answer in by_question.items():
            other = by_question.get(_Question(question.model, question.sample, True))
            if question.is_swapped or other is None or answer.found is None or other.found is None:
                continue
            if answer.found.score == other.found.score != 0.5:
                changed[question.model] = None
        return list(changed)

    def _shown(self, question: _Question, asked: Asked[Opinion]) -> dict[str, Any]:
        shown: dict[str, Any] = {"judge": question.model, "call": asked.key}
        if len(self._questions) > len(self._models):
            shown |= {"sample": question.sample, "swapped": question.is_swapped}
        if asked.found is None:
            return {**shown, asked.outcome: asked.reason}
        shown["score"] = self._score(question, asked.found)
        if asked.found.parts:
            shown["aspects"] = dict(asked.found.parts)
        return {**shown, "reason": asked.found.reason}
