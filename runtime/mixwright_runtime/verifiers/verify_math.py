"""Verifier `math`: is the final answer of a solution right?"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.errors import MissingExtra
from mixwright_runtime.plugins.attributes import PICK, VERIFIER
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import Measurement, StepContext
from mixwright_runtime.plugins.shapes import MeasureGroup
from mixwright_runtime.values.rows import Dropped, Row
from mixwright_runtime.verifiers.math.answers import Extract, answer_in, gold_in
from mixwright_runtime.verifiers.math.equivalence import Equivalence
from mixwright_runtime.verifiers.verdicts import (
    Selection,
    decide_by_agreement,
    group_measurements,
    text_of_response,
)

NO_ANSWER, NO_RIGHT_ANSWER = "no answer", "no right answer"


@declare(
    "verify",
    "math",
    extra="math",
    modules=("sympy",),
    version=3,
    compares="without answer",
    evidence={
        "gold": "text",
        "found": "text",
        "by": "text",
        "gold_as": "text",
        "found_as": "text",
        "parts_as": "text",
        "reason": "text",
        "detail": "text",
        "of": "int",
        "class": "json",
    },
    attributes=(
        attribute("response", "column", "the column with the solution", default=REQUIRED, holds="text"),
        attribute("answer", "column", "the column with the right answer, or a solution that ends with it"),
        attribute(
            "agree",
            "count",
            "without `answer`: this many of a row's candidates must agree; by default more than half",
            cls="set",
            minimum=1,
        ),
        attribute(
            "extract",
            "enum:auto|boxed|hashes|last|final",
            "where the answer stands in the response",
            default="auto",
        ),
        PICK,
        *VERIFIER,
    ),
)
class MathVerifier(MeasureGroup):
    """Compares the final answer of a solution with the right one, as mathematics.

    The answer is found in the response: the last `\\boxed{}`, `<answer>`, `#### 42`, `Final Answer:`, `the answer is`,
    `答案是`, `故选B`, else the last number (`extract = auto` takes the first of these that is there). Reasoning
    before it is not searched. Texts, numbers, units, choices and lists of them are compared exactly and at once;
    anything else is read as mathematics and compared with SymPy, in a worker process that is killed when it takes too
    long.

    What counts as equal:

    - numbers by value, however written: `1,234`, `6.02e23`, `1 1/2`, `\\frac12`, `3万`, `三分之二`, `twenty-one`. Whole
      numbers are exact; a decimal equals what rounds to it when it has at least four places and six digits.
    - a unit that one side leaves off is not missed (`5 cm` and `5`); two units must agree after conversion (`5 cm` and
      `50 mm`, not `5 m`, and `$5` is not `€5`). What is counted is not compared (`5 apples`, `5 fruits`). `50%` equals
      `50` and `0.5`.
    - brackets count: `(1,2)`, `[1,2]` and `\\{1,2\\}` are three answers; sets and lists without brackets have no order.
    - an inequality and the set where it holds are one answer, both ways: `0 < x < 2` and `(0,2)`, `x < 1 or x > 3` and
      `(-\\infty,1)\\cup(3,\\infty)`.
    - formulas that have the same value whatever their letters stand for. `R` and `r` are two letters; marks
      (`\\hat x`, `f'`, `A^T`), the variable of a derivative and the index of a sum are part of what is compared.
      `\\vec a\\times\\vec b` is not `\\vec b\\times\\vec a`.
    - a condition counts (`2x if x > 0`) and one that always holds does not (`2x for all x`).
    - `x = 5` equals `5`, and neither `y = 5` nor `x^2 = 5`. `B`, `(B)` and `B. 12 cm` are one choice.

    With `answer`, a response passes when its answer equals it: score 1 or 0. Without, a row's candidates are grouped
    by equal answers, and those in the largest group pass when it has `agree` members; the score is the group's size.
    A response without an answer, or with one that cannot be read whole (`between 3 and 5`, `1, 2, \\ldots`), is
    `unmeasurable`, not wrong; it does not pass. Nor does one that computer algebra cannot compare in two CPU seconds
    and 4 GiB (`9^{9^9}` in disguise): it is `unmeasurable`, `too hard`, and without `answer` agrees with nothing but
    itself. A worker's failure is an error of the verifier, never a verdict. The evidence holds both answers, as found
    and as read, and how they were compared.

    The extra `math` must be installed even where every answer is a number: the run says so before its first request.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step_id = step.id
        self._response = str(attributes["response"])
        self._answer: str | None = attributes.get("answer")
        self._agree: int | None = attributes.get("agree")
        self._extract: Extract = attributes.get("extract") or "auto"
        self._pick = str(attributes.get("pick") or "all")
        self._equivalence = Equivalence(context.workers)
        self._selection = None
        if self._answer is not None:
            self._selection = Selection(step.id, "math", 1.0, None, self._pick, "wrong", "unparsable")
        self.selection = self._selection

    async def prepare(self) -> None:
        """Fail before the first request, not after hours, when SymPy is not there.

        Raises:
            MissingExtra: the extra `math` is not installed.
        """
        if importlib.util.find_spec("sympy") is None:
            raise MissingExtra("verify math needs: pip install 'mixwright[math]'")

    async def measure(self, row: Row) -> Measurement:
        """Score 1 when the response's answer equals the right one, 0 when it differs."""
        gold = text_of_response(row.columns.get(self._answer or ""))
        response = text_of_response(row.columns.get(self._response))
        right = gold_in(gold) if gold else None
        found = answer_in(response, self._extract) if response else None
        if right is None or found is None:
            reason = NO_RIGHT_ANSWER if right is None else NO_ANSWER
            return Measurement("unmeasurable", None, {"gold": right, "found": found, "reason": reason})
        comparison = await self._equivalence.compare(gold=right, found=found)
        match comparison.outcome:
            case "equal" | "different":
                return Measurement("measured", float(comparison.outcome == "equal"), comparison.evidence)
            case "unparsable":
                return Measurement("unmeasurable", None, {"reason": "unparsable", **comparison.evidence})
            case "too hard":
                limit = comparison.evidence.get("reason", "")
                return Measurement.too_hard(**{**comparison.evidence, "detail": limit})
            case _:
                return Measurement("error", None, comparison.evidence)

    async def measure_group(self, rows: Sequence[Row]) -> list[Measurement]:
        """Score of each candidate: how many candidates of the row have an equal answer."""
        responses = [text_of_response(row.columns.get(self._response)) for row in rows]
        answers = [answer_in(text, self._extract) if text else None for text in responses]

        async def same(first: str, other: str) -> str:
            return (await self._equivalence.compare(gold=first, found=other)).outcome

        return await group_measurements(answers, same, lambda answer: {"found": answer})

    def decide(self, rows: Sequence[Row], measurements: Sequence[Measurement]) -> list[Row | Dropped]:
        """Which rows pass; see the protocol."""
        if self._selection is None:
            return decide_by_agreement(
                rows, measurements, step_id=self._step_id, kind="math", agree=self._agree, pick=self._pick
            )
        verdicts = self._selection.decide(rows, measurements)
        return [
            replace(verdict, reason=f"math: {measurement.evidence['reason']}")
            if isinstance(verdict, Dropped)
            and measurement.evidence.get("reason") in (NO_ANSWER, NO_RIGHT_ANSWER)
            else verdict
            for verdict, measurement in zip(verdicts, measurements, strict=True)
        ]
