"""Verifier `score`: the number that a model expects to give, by how likely it finds each."""

from __future__ import annotations

import math

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.engines.measured import softmax
from mixwright_runtime.plugins.attributes import PICK, VERIFIER, threshold
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import Measurement, StepContext
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.values.rows import Row
from mixwright_runtime.verifiers.verdicts import Selection

MISSING = "a label is missing"


@declare(
    "verify",
    "score",
    rules=("labels",),
    asks=(Asks("model", template="prompt", needs=(("labels", "always"), ("text", "form = text"))),),
    evidence={
        "model": "text",
        "call": "text",
        "reason": "text",
        "detail": "text",
        "shares": "list[float]",
        "mass": "float",
        "missing": "list[text]",
    },
    attributes=(
        attribute(
            "labels",
            "list[text]",
            'the scores as the model writes them, each one token of it: `["1", "2", "3"]`',
            default=REQUIRED,
            holds="token",
        ),
        attribute(
            "prompt",
            "ref:template",
            "the template that asks for one of them as the first token of the answer",
            default=REQUIRED,
        ),
        attribute("model", "ref:model", "who is asked", default=REQUIRED),
        attribute(
            "values",
            "list[float]",
            "what each label counts for, in their order; without it they are read as numbers",
        ),
        attribute(
            "form",
            "enum:chat|text",
            "`text` where the label is the next token of the prompt as a plain text, without a chat template, as of "
            "models that were trained to score; `chat`, as without it, where it is the first of an answer",
            unsaid="chat",
        ),
        attribute("response", "column", "the column that is rated, for `on_fail` and reports"),
        threshold("min", "the lowest score that passes"),
        threshold("max", "the highest score that passes"),
        PICK,
        *VERIFIER,
    ),
)
class Score(Measure):
    """Scores rows by what a model would write, before it writes anything: the expected score over label tokens.

    The model is asked once, and says how likely each label is as its next token. The score is

        sum of value * share over the labels,   shares = softmax of their log-probabilities

    so that a model which wavers between 4 and 5 gives a number between them, the same in every run, where a written
    score would be one of the two (DEITA, Liu et al. 2024, section 2.2).

    A label that the server does not tell, because twenty other tokens were likelier, is no number at all: the row is
    `unmeasurable`, is counted as that, and does not pass. The evidence names the labels that were missing, the shares of
    the others, and the `mass`, the part of all probability that the labels have together; where that is small the model
    meant to write something else, and the prompt should say better how the answer begins.

    ```mix
    verify score {
      labels = ["1", "2", "3", "4", "5", "6"]
      prompt = complexity
      model = scorer
      as = complexity
      min = 1
    }
    ```

    Scores are stored: moving `min` or `max` asks nothing again. Log-probabilities come from a model in this process
    (`transformers`), from vLLM's server and from OpenAI (`serves`).
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._model = str(attributes["model"])
        self._prompt = context.template(str(attributes["prompt"]))
        self._labels: list[str] = list(attributes["labels"])
        self._values = [float(value) for value in attributes.get("values") or self._labels]
        self._is_text = attributes.get("form") == "text"
        self._calls = context.calls
        self.selection = Selection.of(step, kind="score", missing=MISSING)

    async def measure(self, row: Row) -> Measurement:
        """The expected score of a row."""
        messages = self._prompt(row.columns).messages
        result = await self._calls.labels(self._model, messages, self._labels, is_text=self._is_text)
        if not result.ok:
            return result.failed(model=self._model)
        evidence: dict[str, object] = {"model": self._model, "call": result.key.hex()}
        missing = [label for label, found in zip(self._labels, result.values, strict=True) if found is None]
        if missing:
            return Measurement("unmeasurable", None, {**evidence, "reason": MISSING, "missing": missing})
        told = [value for value in result.values if value is not None]
        shares = softmax(told)
        score = math.fsum(value * share for value, share in zip(self._values, shares, strict=True))
        mass = math.fsum(map(math.exp, told))
        evidence = {**evidence, "shares": [round(share, 6) for share in shares], "mass": round(mass, 6)}
        return Measurement("measured", score, evidence)
