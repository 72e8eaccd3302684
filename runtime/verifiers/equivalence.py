"""Are two answers equal as mathematics? Quickly for texts and numbers, else in a worker process with math-verify.

The slow way parses LaTeX that a model wrote with SymPy, which may take for ever and must not run in this process.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from runtime.workers import WorkerError, WorkerTimeout

SLOW_FUNCTION = "runtime.verifiers.equivalence:compare_as_mathematics"
SLOW_LIMIT_S = 6.0
LENGTH_LIMIT = 1_000
"""Characters in an answer that is parsed; longer ones are compared as text alone."""
CACHE_LIMIT = 50_000

_WRAPPERS = ((r"\(", r"\)"), (r"\[", r"\]"), ("$$", "$$"), ("$", "$"), ("**", "**"))
_NUMBER = re.compile(r"([+-]?)(\d{1,3}(?:,\d{3})+|\d+)?(\.\d+)?")
_FRACTION = re.compile(r"([+-]?)(?:\\[dt]?frac\{(\d+)\}\{(\d+)\}|(\d+)\s*/\s*(\d+))")
_WITH_UNIT = re.compile(r"([+-]?[\d.,/]+)\s+([A-Za-z]{3,}(?:\s+[A-Za-z]+)*)")
_NOT_UNITS = frozenset(
    (
        "mod",
        "times",
        "plus",
        "minus",
        "over",
        "sqrt",
        "percent",
        "pi",
        "and",
        "or",
        "million",
        "billion",
        "thousand",
    )
)
_WORDS = re.compile(r"[^\W\d_]{2,}(?:[\s'-]+[^\W\d_]+)*")
_DIGITS = re.compile(r"\d{300}")


@dataclass(frozen=True)
class Comparison:
    """How two answers compare.

    outcome: `equal`, `different`, `unparsable` (at least one is no mathematics and the texts differ), `error`, `timeout`.
    evidence: what each was read as, and by which way: `text`, `number` or `mathematics`.
    """

    outcome: str
    evidence: dict[str, Any]


class Equivalence:
    """Compares answers, and remembers what the slow way found. `workers` gives the pool when it is first needed."""

    def __init__(self, workers: Callable[[], Any]) -> None:
        self._workers = workers
        self._known: dict[tuple[str, str], Comparison] = {}

    async def compare(self, *, gold: str, found: str) -> Comparison:
        """How the answer `found` compares with the right one, `gold`. The two are not exchangeable: an equation
        `x = 3` may stand for 3, and math-verify reads the gold answer more strictly."""
        quick = quickly(gold=gold, found=found)
        if quick is not None:
            return quick
        key = (normalised(gold), normalised(found))
        if key not in self._known:
            comparison = await self._slowly(*key)
            if comparison.outcome in ("error", "timeout"):
                return comparison
            if len(self._known) >= CACHE_LIMIT:
                self._known.clear()
            self._known[key] = comparison
        return self._known[key]

    async def _slowly(self, gold: str, found: str) -> Comparison:
        evidence = {"gold": gold, "found": found, "by": "mathematics"}
        if max(len(gold), len(found)) > LENGTH_LIMIT or _DIGITS.search(gold) or _DIGITS.search(found):
            return Comparison("unparsable", {**_shortened(evidence), "reason": "too long"})
        try:
            result = await self._workers().run(SLOW_FUNCTION, [gold, found], SLOW_LIMIT_S)
        except WorkerTimeout as late:
            return Comparison("timeout", {**evidence, "reason": str(late)})
        except WorkerError as error:
            return Comparison("error", {**evidence, "reason": str(error)})
        return Comparison(result["outcome"], {**evidence, **result["parsed"]})


def quickly(*, gold: str, found: str) -> Comparison | None:
    """The comparison of two answers that are texts or numbers; None when only mathematics can tell."""
    a, b = normalised(gold), normalised(found)
    evidence = _shortened({"gold": a, "found": b})
    if a == b:
        return Comparison("equal", {**evidence, "by": "text"})
    x, y = number_of(a), number_of(b)
    if x is not None and y is not None:
        if x == y:
            return Comparison("equal", {**evidence, "by": "number"})
        # A rounded decimal may stand for a fraction; that is a question for the slow way.
        if abs(x - y) > Fraction(1, 1000) * max(Fraction(1), abs(x)) or (x.denominator == y.denominator == 1):
            return Comparison("different", {**evidence, "by": "number"})
        return None
    words_a, words_b = _WORDS.fullmatch(a), _WORDS.fullmatch(b)
    # As mathematics a word is a product of its letters, and `Dynamo` equals `Monday`.
    if words_a and words_b:
        outcome = "equal" if a.casefold() == b.casefold() else "different"
        return Comparison(outcome, {**evidence, "by": "text"})
    if (words_a and y is not None) or (words_b and x is not None):
        return Comparison("different", {**evidence, "by": "text"})
    return None


def normalised(answer: str) -> str:
    """An answer without what does not change its meaning: dollar signs, spacing, text commands, a full stop, units."""
    text = answer.strip().rstrip(".").strip()
    is_changed = True
    while is_changed and text:
        is_changed = False
        for opening, closing in _WRAPPERS:
            inside = text[len(opening) : len(text) - len(closing)]
            if text.startswith(opening) and text.endswith(closing) and inside and opening not in inside:
                text, is_changed = inside.strip(), True
    text = re.sub(r"\\(?:text|mathrm|textbf|mathbf|mbox)\s*\{([^{}]*)\}", r"\1", text)
    text = re.sub(r"\\[!,;: ]|\\left(?![a-z])|\\right(?![a-z])|~", "", text)
    text = re.sub(r"\{,\}", ",", text)
    text = text.replace("\u2212", "-").replace("\\$", "$")
    text = re.sub(r"^([+-]?)\$\s*(?=[\d.])", r"\1", text.strip().rstrip(".").strip())
    with_unit = _WITH_UNIT.fullmatch(text)
    if with_unit and not _NOT_UNITS & set(with_unit.group(2).lower().split()):
        text = with_unit.group(1)
    return " ".join(text.split())


def number_of(text: str) -> Fraction | None:
    """The rational number that a normalised answer writes as digits, a decimal or a fraction; None for anything else."""
    if len(text) > LENGTH_LIMIT:
        return None
    plain = _NUMBER.fullmatch(text.replace(" ", ""))
    if plain and (plain.group(2) or plain.group(3)):
        whole = (plain.group(2) or "0").replace(",", "")
        return Fraction(f"{plain.group(1)}{whole}{plain.group(3) or ''}")
    fraction = _FRACTION.fullmatch(text)
    if fraction:
        sign, top, bottom = (
            fraction.group(1),
            fraction.group(2) or fraction.group(4),
            fraction.group(3) or fraction.group(5),
        )
        return Fraction(int(f"{sign}{top}"), int(bottom)) if int(bottom) else None
    return None


def compare_as_mathematics(gold: str, found: str) -> dict[str, Any]:
    """Compare two answers with math-verify. Runs in a worker, whose deadline is the only time limit.

    math-verify's own limits are switched off: they answer "different" when time runs out.
    """
    from math_verify import parse, verify

    readings = [
        parse(f"${text}$", parsing_timeout=None) or parse(text, parsing_timeout=None)
        for text in (gold, found)
    ]
    parsed = {"gold_as": _shown(readings[0]), "found_as": _shown(readings[1])}
    if not all(readings):
        return {"outcome": "unparsable", "parsed": parsed}
    is_equal = bool(verify(readings[0], readings[1], timeout_seconds=None))
    return {"outcome": "equal" if is_equal else "different", "parsed": parsed}


def _shown(reading: list[Any]) -> str:
    return str(reading[0])[:200] if reading else ""


def _shortened(evidence: dict[str, Any]) -> dict[str, Any]:
    return {k: v[:200] if isinstance(v, str) else v for k, v in evidence.items()}
