"""Verifier `agreement`: do a row's candidates say the same?"""

from __future__ import annotations

import importlib.util
import unicodedata
from collections.abc import Sequence
from contextlib import suppress

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.errors import MissingExtra
from mixwright_runtime.plugins.attributes import VERIFIER, pick
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import Measurement, StepContext
from mixwright_runtime.plugins.shapes import MeasureGroup
from mixwright_runtime.values.json_in_text import ParseFailed, last_json
from mixwright_runtime.values.rows import Dropped, Row, canonical_json
from mixwright_runtime.verifiers.math.answers import answer_in
from mixwright_runtime.verifiers.math.equivalence import Equivalence
from mixwright_runtime.verifiers.verdicts import (
    class_measurements,
    decide_by_agreement,
    group_measurements,
    text_of_response,
)


@declare(
    "verify",
    "agreement",
    version=3,
    compares="always",
    evidence={
        "found": "text",
        "of": "int",
        "class": "json",
    },
    attributes=(
        attribute("response", "column", "the column that must agree", default=REQUIRED, holds="text"),
        attribute(
            "agree",
            "count",
            "at least this many candidates of a row must be equal; by default more than half",
            cls="set",
            minimum=1,
        ),
        attribute(
            "equal",
            "enum:exact|math|json",
            "`exact`: the same text after folding case and white space; `math`: equal answers as in `verify math`; "
            "`json`: the same JSON, wherever it stands in the text and in whatever order its fields are",
            default="exact",
        ),
        attribute(
            "key",
            "expr:any",
            "candidates are equal when this is: a part of the response, such as the letter of a choice; in place of "
            "`equal`",
        ),
        pick("first|best|majority|all", "first"),
        *VERIFIER,
    ),
)
class Agreement(MeasureGroup):
    """Keeps what several candidates of a row agree on (self-consistency, Wang et al. 2023).

    Candidates are grouped by equal responses, or by equal values of `key`; those of the largest group pass when it has
    at least `agree` members, by default more than half of the candidates that got here. Of two groups of the same size
    the one with the lowest candidate number wins. The score is the size of a candidate's group; a response that is
    null or empty, holds no answer (`math`) or no JSON (`json`), or has a null `key`, is `unmeasurable` and in no group,
    but counts among the candidates. The evidence has what was compared, the group, and how many candidates there were.
    `pick = first` passes one member on, `all` every one.

    ```mix
    generate answer { prompt = quiz, model = teacher, samples = 5, temperature = 0.8 }
    verify agreement { response = answer, key = upper(extract(answer, "answer is \\(?([A-Da-d])\\b")) }
    ```
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step_id = step.id
        self._response = str(attributes["response"])
        self._agree: int | None = attributes.get("agree")
        self._key = context.expression(attributes["key"]) if attributes.get("key") else None
        self._is_math = attributes.get("equal") == "math" and self._key is None
        self._is_json = attributes.get("equal") == "json"
        self._pick = str(attributes.get("pick") or "first")
        self._equivalence = Equivalence(context.workers)

    async def prepare(self) -> None:
        """Fail before the first request when `equal = math` and SymPy is not there.

        Raises:
            MissingExtra: the extra `math` is not installed.
        """
        if self._is_math and importlib.util.find_spec("sympy") is None:
            raise MissingExtra("verify agreement with equal = math needs: pip install 'mixwright[math]'")

    async def measure_group(self, rows: Sequence[Row]) -> list[Measurement]:
        """Score of each candidate: how many candidates of the row are equal to it."""
        if self._is_math:
            texts = [text_of_response(row.columns.get(self._response)) for row in rows]
            answers = [answer_in(text) if text else None for text in texts]
            return await group_measurements(answers, self._same, _found)
        return class_measurements([self._class_of(row) for row in rows], _found)

    def _class_of(self, row: Row) -> str | None:
        """What candidates of one group share; None for a candidate in no group."""
        if self._key is not None:
            value = self._key(row.columns)
            return None if value is None else canonical_json(value)
        value = row.columns.get(self._response)
        if self._is_json and isinstance(value, str):
            with suppress(ParseFailed):
                return canonical_json(last_json(value))
            return None
        return None if value is None else _folded(value)

    async def _same(self, first: str, other: str) -> str:
        return (await self._equivalence.compare(gold=first, found=other)).outcome

    def decide(self, rows: Sequence[Row], measurements: Sequence[Measurement]) -> list[Row | Dropped]:
        """Which rows pass; see the protocol."""
        return decide_by_agreement(
            rows, measurements, step_id=self._step_id, kind="agreement", agree=self._agree, pick=self._pick
        )


def _folded(value: object) -> str | None:
    """Text without the differences that `equal = exact` overlooks; other values as canonical JSON; None for no text."""
    if not isinstance(value, str):
        return canonical_json(value)
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split()) or None


def _found(answer: str | None) -> dict[str, object]:
    return {"found": answer[:200] if answer else answer}
