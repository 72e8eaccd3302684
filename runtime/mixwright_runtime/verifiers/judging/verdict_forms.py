"""The form of a judge's verdict: the JSON Schema that its engine is held to, the sentence that asks for it, and how
what came back becomes a number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mixwright_runtime.values.json_in_text import ParseFailed, last_json

VerdictKind = Literal["score", "pass", "winner"]

REASON_CHARACTERS = 1_000
"""Of a judge's reason that are kept as evidence."""
MOST_CHOICES = 21
"""Whole numbers on a scale that are listed one by one in the schema; engines know lists better than bounds."""
WINNERS = {"A": 1.0, "tie": 0.5, "B": 0.0}


@dataclass(frozen=True)
class Opinion:
    """What one answer of a judge says: a number, the parts it is the mean of, and why."""

    score: float
    reason: str
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class VerdictForm:
    """One kind of verdict.

    kind: `score`: a number on the scale, or one for each aspect; `pass`: yes or no, 1 or 0; `winner`: A, B or tie, of
        which A counts 1 and a tie 0.5.
    low, high: ends of the scale of a `score`.
    """

    kind: VerdictKind
    low: float = 1.0
    high: float = 10.0
    aspects: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Are the scale's steps whole numbers?"""
        return float(self.low).is_integer() and float(self.high).is_integer() and self.high - self.low > 1

    @property
    def numbers(self) -> tuple[str, ...]:
        """Fields that hold numbers."""
        return self.aspects or ("score",)

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the answer; the reason comes first, so that the verdict follows from it."""
        properties: dict[str, Any] = {"reason": {"type": "string"}}
        match self.kind:
            case "score":
                properties |= dict.fromkeys(self.numbers, self._number())
            case "pass":
                properties["pass"] = {"type": "boolean"}
            case "winner":
                properties["winner"] = {"enum": list(WINNERS)}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def sentence(self) -> str:
        """What is added to the rubric to say how to answer."""
        match self.kind:
            case "score":
                fields = ", ".join(f'"{name}": {self._scale_words()}' for name in self.numbers)
            case "pass":
                fields = '"pass": true or false'
            case "winner":
                fields = '"winner": "A", "B" or "tie"'
        return f'Answer with one JSON object and nothing after it: {{"reason": a few sentences, {fields}}}'

    def opinion(self, text: str) -> Opinion:
        """What an answer says.

        Raises:
            ParseFailed: it holds no verdict of this form.
        """
        found = last_json(text, {"type": "object"})
        if not isinstance(found, dict):
            raise ParseFailed("the verdict is no JSON object")
        reason = found.get("reason")
        reason = reason[:REASON_CHARACTERS] if isinstance(reason, str) else ""
        match self.kind:
            case "score":
                parts = {name: self._number_in(found, name) for name in self.numbers}
                mean = sum(parts.values()) / len(parts)
                return Opinion(mean, reason, parts if self.aspects else {})
            case "pass":
                passes = found.get("pass")
                if not isinstance(passes, bool):
                    raise ParseFailed("`pass` is not true or false")
                return Opinion(float(passes), reason)
            case "winner":
                winner = found.get("winner")
                if not isinstance(winner, str) or winner not in WINNERS:
                    raise ParseFailed("`winner` is not A, B or tie")
                return Opinion(WINNERS[winner], reason)

    def _number_in(self, found: Mapping[str, object], name: str) -> float:
        value = found.get(name)
        if isinstance(value, str):
            # Servers that ignore the schema let models write "8" or "8/10".
            head, slash, of = value.strip().partition("/")
            value = _float_of(head) if not slash or _float_of(of) == self.high else None
        if isinstance(value, int) and not isinstance(value, bool):
            value = _float_of(str(value))  # infinite where no float holds it, as `1e999` is
        if not isinstance(value, float) or not math.isfinite(value):
            raise ParseFailed(f"`{name}` is no number")
        if not self.low <= value <= self.high:
            raise ParseFailed(f"`{name}` is {value:g}, and the scale is {self.low:g} to {self.high:g}")
        return float(value)

    def _number(self) -> dict[str, Any]:
        if not self.is_whole:
            return {"type": "number", "minimum": self.low, "maximum": self.high}
        numbers = range(int(self.low), int(self.high) + 1)
        if len(numbers) <= MOST_CHOICES:
            return {"enum": list(numbers)}
        return {"type": "integer", "minimum": int(self.low), "maximum": int(self.high)}

    def _scale_words(self) -> str:
        return f"a {'whole ' if self.is_whole else ''}number from {self.low:g} to {self.high:g}"


def combined(scores: Sequence[float], how: str) -> float:
    """One score out of several judges'.

    `mean` is their mean; `unanimous` the lowest, which reaches a threshold when all do; `majority` the highest that
    more than half of them give or exceed, so that it reaches a threshold when more than half do.
    """
    match how:
        case "unanimous":
            return min(scores)
        case "majority":
            return sorted(scores, reverse=True)[len(scores) // 2]
        case _:
            return sum(scores) / len(scores)


def _float_of(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
