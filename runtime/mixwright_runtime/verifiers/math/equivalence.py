"""Are two answers equal as mathematics? Quickly for texts, numbers and their lists, else in a worker with SymPy.

The slow way computes with formulas that a model wrote, which may take for ever and must not run in this process.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mixwright_runtime.verifiers.math.notation import folded
from mixwright_runtime.verifiers.math.quantities import Quantity, are_equal, quantity_of
from mixwright_runtime.verifiers.math.reading import outcome_of
from mixwright_runtime.workers.pool import WorkerError, is_too_hard

SLOW_FUNCTION = "mixwright_runtime.verifiers.math.mathematics:compare"
FIRST_TRY_S = 0.3
PAIR_LIMIT_S = 2.0
"""CPU seconds for a pair. One that takes longer than the first try is asked again, behind the others and with at most
half of the workers, so that answers that explode do not hold up the rest."""
KILL_AFTER_S = 10.0
"""Seconds until a worker is killed that did not heed its own limit; a busy machine stretches CPU seconds."""
LENGTH_LIMIT = 1_000
"""Characters in an answer that is parsed; longer ones are compared as text alone."""
DEPTH_LIMIT = 40
CACHE_LIMIT = 50_000
SHOWN_CHARACTERS = 200

_INTEGER = re.compile(r"[+-]?\d{1,40}")
_DIGITS = re.compile(r"\d{300}")
_EXPLODING = re.compile(
    r"\^\s*\{?\s*\(?\s*[+-]?\d{6,}"  # 2^{1000000}
    r"|(?:\d\s*|\d[})]\s*)\^\s*\{?\s*\(?\s*\d+\s*[}]?\s*\^"  # 9^{9^9}
    r"|\d{5,}\s*!|!\s*!\s*!|\)\s*!\s*\)\s*!"  # 100000!, ((5!)!)!
    r"|\^\s*\{?\s*\(?\s*\d+\s*!"  # 2^{30!}
)


@dataclass(frozen=True)
class Comparison:
    """How two answers compare.

    outcome: `equal`, `different`, `unparsable` (at least one is no mathematics and the texts differ), `too hard` (they
        cannot be compared within the limits of time and memory), `error`.
    evidence: what each was read as, and by which way: `text`, `number`, `parts` or `mathematics`.
    """

    outcome: str
    evidence: dict[str, Any]


class Equivalence:
    """Compares answers, and remembers what the slow way found. `workers` gives the pool when it is first needed."""

    def __init__(self, workers: Callable[[], Any]) -> None:
        self._workers = workers
        self._known: dict[tuple[str, str], Comparison] = {}
        self._long_ones: asyncio.Semaphore | None = None

    async def compare(self, *, gold: str, found: str) -> Comparison:
        """How the answer `found` compares with the right one, `gold`. The two are not exchangeable: an equation
        `x = 3` may stand for 3, and `b` for the choice `B`."""
        quick = quickly(gold=gold, found=found)
        if quick is not None:
            return quick
        key = (folded(gold), folded(found))
        if key not in self._known:
            comparison = await self._slowly(*key)
            if comparison.outcome == "error":
                return comparison
            if len(self._known) >= CACHE_LIMIT:
                self._known.clear()
            self._known[key] = comparison
        return self._known[key]

    async def _slowly(self, gold: str, found: str) -> Comparison:
        evidence = {**_shortened(gold, found), "by": "mathematics"}
        reason = too_much(gold) or too_much(found)
        if reason is not None:
            return Comparison("unparsable", {**evidence, "reason": reason})
        try:
            result = await self._asked(gold, found)
        except WorkerError as error:
            return Comparison(
                "too hard" if is_too_hard(error) else "error", {**evidence, "reason": str(error)}
            )
        outcome = result.pop("outcome")
        return Comparison("too hard" if outcome == "timeout" else outcome, {**evidence, **result})

    async def _asked(self, gold: str, found: str) -> dict[str, Any]:
        pool = self._workers()
        result: dict[str, Any] = await pool.run(SLOW_FUNCTION, [gold, found, FIRST_TRY_S], KILL_AFTER_S)
        if result["outcome"] != "timeout":
            return result
        if self._long_ones is None:
            self._long_ones = asyncio.Semaphore(max(1, pool.size // 2))
        async with self._long_ones:
            again: dict[str, Any] = await pool.run(SLOW_FUNCTION, [gold, found, PAIR_LIMIT_S], KILL_AFTER_S)
        return again


def quickly(*, gold: str, found: str) -> Comparison | None:
    """The comparison of two answers that are texts, numbers or lists of them; None when only mathematics can tell."""
    if _INTEGER.fullmatch(gold) and _INTEGER.fullmatch(found):
        return _numbers(gold, found, int(gold) == int(found))
    if len(gold) > LENGTH_LIMIT or len(found) > LENGTH_LIMIT:
        if gold.strip() == found.strip():
            return Comparison("equal", {**_shortened(gold, found), "by": "text"})
        return Comparison(
            "unparsable", {**_shortened(gold, found), "by": "text", "reason": "too long to parse"}
        )
    gold, found = folded(gold), folded(found)
    if gold == found:
        return Comparison("equal", {**_shortened(gold, found), "by": "text"})
    a, b = quantity_of(gold), quantity_of(found)
    if a is not None and b is not None:
        return _numbers(gold, found, are_equal(a, b), a, b)
    outcome = outcome_of(gold, found, lambda first, second: None)
    if outcome is None:
        return None
    return Comparison(outcome, {**_shortened(gold, found), "by": "parts"})


def too_much(answer: str) -> str | None:
    """Why an answer is not given to computer algebra, which would take for ever; None when it is."""
    if len(answer) > LENGTH_LIMIT:
        return "too long to parse"
    if _DIGITS.search(answer):
        return "too many digits"
    if _EXPLODING.search(answer):
        return "a number too large to compute"
    depth = deepest = 0
    for character in answer:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    return "too deeply nested" if deepest > DEPTH_LIMIT else None


def _numbers(
    gold: str, found: str, is_equal: bool, a: Quantity | None = None, b: Quantity | None = None
) -> Comparison:
    """The evidence has the values as read where the texts do not show them."""
    evidence = {**_shortened(gold, found), "by": "number"}
    for name, text, quantity in (("gold_as", gold, a), ("found_as", found, b)):
        if quantity is not None and str(quantity) != text:
            evidence[name] = str(quantity)[:SHOWN_CHARACTERS]
    return Comparison("equal" if is_equal else "different", evidence)


def _shortened(gold: str, found: str) -> dict[str, Any]:
    return {"gold": gold[:SHOWN_CHARACTERS], "found": found[:SHOWN_CHARACTERS]}
