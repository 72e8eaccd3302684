"""Verifier `rubric`: does the response meet each of a list of criteria?"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.catalog.criteria import Criterion, criteria_in
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import PICK, VERIFIER, threshold
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import Measurement, StepContext
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.values.rows import Row
from mixwright_runtime.values.texts import conversation_text
from mixwright_runtime.verifiers.judging.asking import Asked, Asking, behind_the_question
from mixwright_runtime.verifiers.judging.rubric_prompts import criterion_text, is_chinese, question
from mixwright_runtime.verifiers.judging.verdict_forms import Opinion, VerdictForm
from mixwright_runtime.verifiers.verdicts import Selection, text_of_response

SHOWN = 300
"""Characters of a criterion, and of a reason, that are kept as evidence."""
NO_VERDICT, TOO_MANY = "no verdict", "too many criteria"


@declare(
    "verify",
    "rubric",
    rules=("criteria",),
    asks=(
        Asks(
            "model",
            template="prompt",
            times=("criteria",),
            max_tokens="max_tokens",
            needs=(("schema", "always"),),
        ),
    ),
    evidence={
        "criteria": "list[struct{criterion: text, weight: float, met: float, reason: text, call: text, error: text}]",
        "reason": "text",
        "count": "int",
    },
    attributes=(
        attribute("response", "column", "the column to judge", default=REQUIRED),
        attribute(
            "criteria",
            "column_or_json",
            'a list of criteria, `[{ criterion = "…", weight = "essential" }]`, or a column with one',
            default=REQUIRED,
        ),
        attribute("model", "ref:model", "who judges", default=REQUIRED),
        attribute(
            "request", "column", "a column with what the response answers: text or a chat; shown to the model"
        ),
        attribute(
            "prompt",
            "ref:template",
            "what the model is asked instead of our own prompt; it shows the response, and the criterion is added to it",
        ),
        attribute(
            "language",
            "enum:auto|en|zh",
            "of our own prompt; `auto`: Chinese where the criterion is",
            default="auto",
        ),
        attribute(
            "scale",
            "count",
            "the verdict on a criterion is a whole number from 0 to this; with 1 it is yes or no",
            default=2,
            minimum=1,
            maximum=20,
        ),
        attribute(
            "most",
            "count",
            "a row with more criteria is not judged",
            default=50,
            minimum=1,
            maximum=1000,
        ),
        attribute(
            "retries", "count", "further attempts at a verdict that cannot be read", default=2, maximum=20
        ),
        attribute("temperature", "float", "of the model", default=0.0, minimum=0, maximum=2),
        attribute("max_tokens", "count", "longest verdict, in tokens", default=512, minimum=1),
        threshold("min", "the lowest share of the weights that passes, 0 to 1", minimum=0, maximum=1),
        PICK,
        *VERIFIER,
    ),
)
class Rubric(Measure):
    """Has a model judge a response by criteria, one by one, and adds up how far it meets them.

    Criteria are a list in the spec, the same for every row, or a column that a `generate` made, with criteria of the
    row's own. A criterion is a text, or an object with a `criterion` (`text` and `description` are read, too) and a
    `weight`: `essential` counts 1, `important` 0.7, `optional` 0.3, `pitfall` 0.9, any other is a number. Without one it
    counts 1. A pitfall is worded as what a good response does not do; a negative weight is for what is bad to do.

    Each criterion is asked about by itself, with the request and the response, and gets a whole number from 0 to
    `scale`. The score is

        sum of weight * verdict / scale   over   sum of the positive weights,   from 0 to 1

    as in Rubrics as Rewards (Gunjal et al. 2025, explicit aggregation). Our own prompt is in English, or in Chinese where
    the criterion is; `prompt` takes its place.

    Where one verdict is missing, because no attempt gave one that can be read, there is no score: the response is
    `unmeasurable`, and so it is with criteria that cannot be read (no list, no text, a weight that is none) or that are
    more than `most`. The evidence holds each criterion with its weight, how far it is met, the reason and the call.
    Scores are stored: moving `min` asks nothing again, nor does adding a criterion, but for the new one.

    ```mix
    template criteria {
      user = <<~JINJA
        What must a good answer to this have? Give 5 criteria, each with a weight: essential, important, optional.

        {{ question }}
        JINJA
    }
    pipeline graded {
      …
      generate wanted {
        prompt = criteria
        model = writer
        parse = json()
      }
      verify rubric {
        response = answer
        request = question
        criteria = wanted
        model = grader
        min = 0.7
        as = grade
      }
    }
    ```

    An export of format `rlvr` with `ground_truth = wanted` hands the criteria on to a trainer that judges by them.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._response = str(attributes["response"])
        self._request: str | None = attributes.get("request")
        self._criteria = attributes["criteria"]
        self._model = str(attributes["model"])
        prompt = attributes.get("prompt")
        self._render = None if prompt is None else context.template(str(prompt))
        self._language = str(attributes.get("language") or "auto")
        self._scale = int(attributes.get("scale") or 2)
        self._most = int(attributes.get("most") or 50)
        kind: Literal["pass", "score"] = "pass" if self._scale == 1 else "score"
        self._form = VerdictForm(kind, 0.0, float(self._scale))
        self._asking = Asking(
            context.calls,
            self._form.opinion,
            temperature=float(attributes.get("temperature") or 0.0),
            max_tokens=int(attributes.get("max_tokens") or 512),
            retries=int(attributes.get("retries", 2)),
            schema=self._form.schema(),
        )
        self.selection = Selection.of(step, kind="rubric", missing="nothing to judge")

    async def measure(self, row: Row) -> Measurement:
        """The share of the criteria's weights that the response earns.

        Raises:
            RowError: the prompt cannot be rendered.
            RunStopped: the run is stopping.
        """
        judged = row.columns.get(self._response)
        response = conversation_text(judged) or text_of_response(judged)
        if response is None:
            return Measurement("unmeasurable", None, {"reason": "null"})
        stated = row.columns.get(self._criteria) if isinstance(self._criteria, str) else self._criteria
        if isinstance(stated, list) and len(stated) > self._most:
            return Measurement("unmeasurable", None, {"reason": TOO_MANY, "count": len(stated)})
        try:
            criteria = criteria_in(stated)
        except ValueError as wrong:
            return Measurement("unmeasurable", None, {"reason": str(wrong)})
        asked = await asyncio.gather(*(self._ask(row.columns, response, one) for one in criteria))
        return self._added_up(criteria, asked)

    async def _ask(self, columns: Mapping[str, Any], response: str, criterion: Criterion) -> Asked[Opinion]:
        is_zh = self._language == "zh" or (self._language == "auto" and is_chinese(criterion.text))
        if self._render is not None:
            messages = list(self._render(columns).messages)
        else:
            request = None if self._request is None else conversation_text(columns.get(self._request))
            messages = question(request, response, is_zh=is_zh)
        told = criterion_text(criterion.text, self._scale, is_zh=is_zh)
        return await self._asking.ask(self._model, behind_the_question(messages, told))

    def _added_up(self, criteria: Sequence[Criterion], asked: Sequence[Asked[Opinion]]) -> Measurement:
        evidence: dict[str, Any] = {
            "criteria": [self._shown(one, found) for one, found in zip(criteria, asked, strict=True)]
        }
        faults = [found for found in asked if found.outcome in ("error", "timeout") and not found.is_unread]
        if faults:
            late = all(found.outcome == "timeout" for found in faults)
            reason = f"{len(faults)} of {len(criteria)} criteria: {faults[0].reason}"
            return Measurement("timeout" if late else "error", None, {"reason": reason, **evidence})
        if any(found.outcome == "unmeasurable" for found in asked):
            return Measurement.too_long(**evidence)
        if any(found.found is None for found in asked):
            return Measurement("unmeasurable", None, {"reason": NO_VERDICT, **evidence})
        earned = math.fsum(one.weight * self._met(found) for one, found in zip(criteria, asked, strict=True))
        of = math.fsum(one.weight for one in criteria if one.weight > 0)
        return Measurement("measured", min(1.0, max(0.0, earned / of)), evidence)

    def _met(self, asked: Asked[Opinion]) -> float:
        """How far a criterion is met, 0 to 1."""
        assert asked.found is not None
        return asked.found.score / self._scale

    def _shown(self, criterion: Criterion, asked: Asked[Opinion]) -> dict[str, Any]:
        shown = {"criterion": criterion.text[:SHOWN], "weight": criterion.weight, "call": asked.key}
        if asked.found is None:
            return {**shown, "error": asked.reason}
        return {**shown, "met": self._met(asked), "reason": asked.found.reason[:SHOWN]}
