"""Verifier `truncation`: does the response end, or was it cut off?"""

from __future__ import annotations

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import PICK, VERIFIER, threshold
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import Measurement, StepContext
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.values.rows import Row
from mixwright_runtime.verifiers.text.endings import signs_of_cutting
from mixwright_runtime.verifiers.verdicts import Selection, text_of_response


@declare(
    "verify",
    "truncation",
    version=2,
    evidence={
        "signs": "list[struct{sign: text, score: float, at: text}]",
        "reason": "text",
    },
    attributes=(
        attribute("response", "column", "the text to check", default=REQUIRED, holds="text"),
        threshold("max", "the surest sign of cutting that passes", default=0.5, minimum=0, maximum=1),
        PICK,
        *VERIFIER,
    ),
)
class Truncation(Measure):
    """Finds responses that stop in the middle: score 0 (ends as texts end) to 1 (something is open for certain).

    An answer that reached `max_tokens` never gets this far (`generate` fails it); this finds those that a data set
    brings along, that an endpoint cut without saying so, or that a model broke off.

    - 1: an open code fence, JSON that ends too early, an open LaTeX environment, `\\[`, `$$` or `\\boxed{`.
    - 0.9: the end is a comma, a colon, an opening bracket, a word that goes on (`the`, `und`), an empty list item, a
      heading with nothing below it, or open `**`.
    - 0.7: a last sentence without a full stop, a list item without one where the others have it, an open quotation.
    - 0.2: no full stop, where the text uses few.

    Latin, Chinese, Japanese, Arabic, Devanagari and other full stops count. Verses, titles, tables, code and hashtags
    may end without. The evidence lists the signs with what they were seen in. An empty text is
    `unmeasurable`. Linear in the text's length.

    Measured with the default `max = 0.5` on answers of 200 characters and more, whole and cut at a random place
    (`benchmarks/text_verifiers.py`): of Alpaca's 0.4 % whole and 88 % cut ones fail, of Chinese Alpaca's (80 characters
    and more) 0.8 % and 84 %. Half of the whole ones that fail were cut off by those who made the data.

    ```mix
    verify truncation { response = answer, on_fail = retry(1) }
    ```
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        self._response = str(step.attributes["response"])
        self.selection = Selection.of(step, kind="truncation", wrong="cut off", missing="no text")

    async def measure(self, row: Row) -> Measurement:
        """How surely the response was cut off."""
        text = text_of_response(row.columns.get(self._response))
        if not text:
            return Measurement("unmeasurable", None, {"reason": "no text"})
        signs = signs_of_cutting(text)
        evidence = {"signs": [{"sign": s.name, "score": s.score, "at": s.at} for s in signs]}
        return Measurement("measured", signs[0].score if signs else 0.0, evidence)
