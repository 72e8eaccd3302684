"""Verifier `agreement`: do a row's candidates say the same?"""

from __future__ import annotations

import importlib.util
import unicodedata
from collections.abc import Sequence
from typing import Any

from compiler.plan import Step
from runtime.plugin import REQUIRED, MissingExtra, attribute, declare
from runtime.rows import Dropped, Row, canonical_json
from runtime.steps.protocol import Measurement, StepContext
from runtime.verifiers.answers import answer_in
from runtime.verifiers.attributes import VERIFIER, pick
from runtime.verifiers.equivalence import Equivalence
from runtime.verifiers.verdicts import decide_by_agreement, group_measurements, text_of_response


@declare(
    "verify",
    "agreement",
    version=2,
    attributes=(
        attribute("response", "column", "the column that must agree", default=REQUIRED),
        attribute(
            "agree",
            "count",
            "at least this many candidates of a row must be equal",
            default=2,
            cls="set",
            minimum=1,
        ),
        attribute(
            "equal",
            "enum:exact|math",
            "`exact`: the same text after folding case and white space; `math`: equal answers as in `verify math`",
            default="exact",
        ),
        pick("first|best|majority|all", "first"),
        *VERIFIER,
    ),
)
class Agreement:
    """Keeps what several candidates of a row agree on (self-consistency, Wang et al. 2023).

    Candidates are grouped by equal responses; those of the largest group pass when it has at least `agree` members.
    Of two groups of the same size the one with the lowest candidate number wins. The score is the size of a
    candidate's group. `pick = first` passes one member on, `all` every one.
    """

    closes_group = True

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step_id = step.id
        self._response = str(attributes["response"])
        self._agree = int(attributes.get("agree") or 2)
        self._is_math = attributes.get("equal") == "math"
        self._pick = str(attributes.get("pick") or "first")
        self._equivalence = Equivalence(context.workers)

    async def prepare(self) -> None:
        """Fail before the first request when `equal = math` and math-verify is not there.

        Raises:
            MissingExtra: the extra `math` is not installed.
        """
        if self._is_math and importlib.util.find_spec("math_verify") is None:
            raise MissingExtra("verify agreement with equal = math needs: pip install 'mixwright[math]'")

    async def measure_group(self, rows: Sequence[Row]) -> list[Measurement]:
        """Score of each candidate: how many candidates of the row are equal to it."""
        values = [row.columns.get(self._response) for row in rows]
        if self._is_math:
            texts = [text_of_response(value) for value in values]
            answers = [answer_in(text) if text else None for text in texts]
        else:
            answers = [None if value is None else _folded(value) for value in values]
        return await group_measurements(answers, self._same, lambda answer: {"found": _short(answer)})

    async def _same(self, first: str, other: str) -> str:
        if self._is_math:
            return (await self._equivalence.compare(gold=first, found=other)).outcome
        return "equal" if first == other else "different"

    def decide(self, rows: Sequence[Row], measurements: Sequence[Measurement]) -> list[Row | Dropped]:
        """Which rows pass; see the protocol."""
        return decide_by_agreement(
            rows, measurements, step_id=self._step_id, kind="agreement", agree=self._agree, pick=self._pick
        )


def _folded(value: Any) -> str | None:
    """Text without the differences that `equal = exact` overlooks; other values as canonical JSON; None for no text."""
    if not isinstance(value, str):
        return canonical_json(value)
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split()) or None


def _short(answer: str | None) -> str | None:
    return answer[:200] if answer else answer
