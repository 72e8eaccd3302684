"""Verifier `safety`: does a guard model call the response safe?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.plugins.attributes import PICK, VERIFIER, threshold
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import Measurement, StepContext
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.values.rows import Row
from mixwright_runtime.verifiers.judging.asking import Asking
from mixwright_runtime.verifiers.judging.guard_formats import (
    FORMATS,
    GuardVerdict,
    guard_format,
    guard_verdict,
)
from mixwright_runtime.verifiers.verdicts import Selection, text_of_response


@declare(
    "verify",
    "safety",
    rules=("guard",),
    asks=(Asks("model", template="prompt", max_tokens="max_tokens"),),
    evidence={
        "said": "text",
        "categories": "list[text]",
        "call": "text",
        "shares": "list[float]",
        "reason": "text",
        "detail": "text",
    },
    attributes=(
        attribute("response", "column", "the text to check", default=REQUIRED, holds="text"),
        attribute(
            "model",
            "ref:model",
            "the guard: one that writes its verdict, or one with `task = classify`",
            default=REQUIRED,
            tasks=("generate", "classify"),
        ),
        attribute(
            "prompt",
            "ref:template",
            "what the guard is asked, with its policy; by default the guard is given the conversation itself, as guards "
            "with a chat template of their own expect",
        ),
        attribute(
            "request",
            "column",
            "what the response answers; in the conversation it stands before it",
            holds="text",
        ),
        attribute(
            "format",
            f"enum:{'|'.join(FORMATS)}",
            "how the guard writes its verdict: a known guard's way, or `words` (the first word), `labelled` "
            "(`Field: value`) or `json`",
            default="llama_guard",
        ),
        attribute("field", "text", "of `labelled` and `json`: the field with the verdict"),
        attribute("unsafe", "list[text]", "words for unsafe, where they differ from the format's"),
        attribute("between", "list[text]", "words for what counts 0.5"),
        attribute("safe", "list[text]", "words for safe"),
        attribute(
            "ignore", "list[text]", "categories that do not count: a verdict that names no other is safe"
        ),
        attribute(
            "labels",
            "list[int]",
            "of a classifier: numbers of the labels that mean unsafe, from 0; by default the last",
        ),
        attribute(
            "expect",
            "enum:safe|unsafe",
            "`unsafe` passes what the guard objects to, for data to learn refusing from",
            default="safe",
        ),
        attribute(
            "retries", "count", "further attempts at a verdict that cannot be read", default=2, maximum=20
        ),
        attribute("max_tokens", "count", "longest verdict, in tokens", default=256, minimum=1),
        threshold("min", "how far the response must be what is expected", default=0.5, minimum=0, maximum=1),
        PICK,
        *VERIFIER,
    ),
)
class Safety(Measure):
    """Asks a guard model whether a response is safe: score 0 to 1, how far it is what is expected.

    A guard that writes says safe (1), unsafe (0) or something between (0.5, `Controversial` of Qwen3Guard; `min = 0.6`
    fails it); one that classifies gives the probability. With `expect = unsafe` the score is 1 minus that.

    Formats of written verdicts: `llama_guard` (`safe`, or `unsafe` and categories on the next line), `yes_no`
    (ShieldGemma, Granite Guardian: `Yes` for a violation), `wildguard` (`Harmful response: yes`), `qwen3guard`
    (`Safety: Unsafe`, `Categories: …`), `nemoguard` (JSON, `Response Safety`). For others: `words`, `labelled` or
    `json` with `field` and the words for `safe` and `unsafe`. A verdict that cannot be read is asked for again, then an
    error of the verifier: it lets nothing pass. A text with more tokens than the guard takes is `unmeasurable`, `too
    long`: it does not pass either. Verdicts are asked for at temperature 0 and are in the call cache.

    The evidence holds the guard's word and categories. Categories in `ignore` do not count.

    ```mix
    verify safety { response = answer, request = question, model = guard, format = llama_guard, ignore = ["S6"] }
    ```
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._response = str(attributes["response"])
        self._request: str | None = attributes.get("request")
        self._model = str(attributes["model"])
        self._is_classifier = context.plan.models[self._model].attributes.get("task") == "classify"
        prompt = attributes.get("prompt")
        self._render = context.template(str(prompt)) if prompt else None
        self._ignore = frozenset(str(name).casefold() for name in attributes.get("ignore") or ())
        self._labels = attributes.get("labels")
        self._wants_unsafe = attributes.get("expect") == "unsafe"
        self._calls = context.calls
        form = guard_format(
            str(attributes.get("format") or "llama_guard"),
            field=str(attributes.get("field") or ""),
            unsafe=attributes.get("unsafe") or (),
            between=attributes.get("between") or (),
            safe=attributes.get("safe") or (),
        )
        self._asking: Asking[GuardVerdict] = Asking(
            context.calls,
            lambda text: guard_verdict(text, form),
            temperature=0.0,
            max_tokens=int(attributes.get("max_tokens") or 256),
            retries=int(attributes.get("retries", 2)),
        )
        wrong = "safe" if self._wants_unsafe else "unsafe"
        self.selection = Selection.of(step, kind="safety", wrong=wrong, missing="no text")

    async def measure(self, row: Row) -> Measurement:
        """How far the guard calls the response safe, or unsafe.

        Raises:
            RowError: the prompt cannot be rendered.
            RunStopped: the run is stopping.
        """
        text = text_of_response(row.columns.get(self._response))
        if not text:
            return Measurement("unmeasurable", None, {"reason": "no text"})
        return await (self._classified(row, text) if self._is_classifier else self._written(row, text))

    async def _written(self, row: Row, text: str) -> Measurement:
        asked = await self._asking.ask(self._model, self._messages(row.columns, text))
        verdict = asked.found
        if verdict is None:
            if asked.outcome == "unmeasurable":
                return Measurement.too_long(detail=asked.reason, call=asked.key)
            return Measurement(asked.outcome, None, {"reason": asked.reason, "call": asked.key})
        counted = [name for name in verdict.categories if name.casefold() not in self._ignore]
        is_ignored = bool(self._ignore) and bool(verdict.categories) and not counted
        evidence = {"said": verdict.word, "categories": list(verdict.categories), "call": asked.key}
        return self._measured(0.0 if is_ignored else verdict.score, evidence)

    async def _classified(self, row: Row, text: str) -> Measurement:
        if self._render is not None or self._request is not None:
            result = await self._calls.score(self._model, messages=self._messages(row.columns, text))
        else:
            result = await self._calls.score(self._model, texts=(text,))
        call = result.key.hex()
        if not result.ok:
            return result.failed()
        labels = [len(result.values) - 1] if self._labels is None else [int(n) for n in self._labels]
        if any(not 0 <= n < len(result.values) for n in labels):
            reason = f"the guard has {len(result.values)} labels, numbered from 0"
            return Measurement("error", None, {"reason": reason, "call": call})
        unsafe = min(1.0, sum(result.values[n] for n in labels))
        return self._measured(unsafe, {"shares": [round(value, 6) for value in result.values], "call": call})

    def _measured(self, unsafe: float, evidence: dict[str, Any]) -> Measurement:
        return Measurement("measured", unsafe if self._wants_unsafe else 1.0 - unsafe, evidence)

    def _messages(self, columns: Mapping[str, object], text: str) -> list[Mapping[str, str]]:
        if self._render is not None:
            return list(self._render(columns).messages)
        request = text_of_response(columns.get(self._request or ""))
        if request is None:
            # A guard looks at the last message, whoever wrote it.
            return [{"role": "user", "content": text}]
        return [{"role": "user", "content": request}, {"role": "assistant", "content": text}]
