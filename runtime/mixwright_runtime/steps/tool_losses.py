"""The pure parts of `call_tools`: where calls are tried, what is a call, whether it helps, and how it comes into a text.

Toolformer (Schick et al. 2023), section 2. With a text x, a position i, and z in front of the text:

    L_i(z) = - sum over t of w_t * log p(x_{i+t} | z, x_1 .. x_{i+t-1})       w_t ~ max(0, 1 - decay * t), their sum 1
    L+ = L_i(call with its result)     L- = min(L_i(nothing), L_i(call without result))     gain = L- - L+
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Pairs = Sequence[tuple[int, float | None]]
"""Of each token of a text: where it begins, in characters, and a logarithm of a probability there."""

SHOWN_CANDIDATES = 200
"""Chosen: candidates of a row that its evidence has, those that help most; the others are counted."""
SHOWN_CHARACTERS = 300
"""Chosen: of a call and of its result there."""
DIGITS = 4
"""Of losses there."""
QUOTES = ('""', "''", "“”", "「」")


def weights_of(span: int, decay: float) -> list[float]:
    """How much each of the next tokens counts; their sum is 1.

    >>> [round(3 * weight, 6) for weight in weights_of(5, 0.2)]
    [1.0, 0.8, 0.6, 0.4, 0.2]
    """
    plain = [max(0.0, 1 - decay * t) for t in range(span)]
    whole = math.fsum(plain)
    return [weight / whole for weight in plain]


def loss_of(told: Pairs, weights: Sequence[float]) -> float | None:
    """L of the tokens that follow a position; None where one of them has nothing before it, or there is none. Where the
    text ends before the weights do, there are fewer terms."""
    logprobs = [logprob for _, logprob in told[: len(weights)]]
    if not logprobs or None in logprobs:
        return None
    return -math.fsum(weight * (p or 0.0) for weight, p in zip(weights, logprobs, strict=False))


def positions_in(text: str, told: Pairs, opening: str, most: int, least: float) -> list[int]:
    """The places at which a call is likeliest to begin, at most `most`, in their order: those where the probability of
    the opening token is above `least`. None where the text has that token itself, and none inside a character."""
    mark = opening.strip() or opening
    places: dict[int, float] = {}
    for at, logprob in told:
        has_it = text.startswith((opening, mark), at)
        if logprob is not None and not has_it and math.exp(logprob) > least:
            places.setdefault(at, logprob)
    # A second token at a place begins inside a character, and so does not count.
    best = sorted(places, key=lambda at: (-places[at], at))[:most]
    return sorted(best)


@dataclass(frozen=True)
class Call:
    """What a model has called. written: `name(input)`, as it wrote the input. input: without quotes around all of it."""

    written: str
    input: str


def call_in(sampled: str, called: str, arrow: str) -> Call | None:
    """What a model that opened a bracket has called under the name `called`; None where that is no such call. A result
    that it made up behind the arrow counts for nothing.

    >>> call_in('MT("tortuga") → turt', "MT", " → ")
    Call(written='MT("tortuga")', input='tortuga')
    """
    written = sampled.partition(arrow.strip() or arrow)[0].strip()
    found = re.fullmatch(rf"{re.escape(called)}\s*\((.*)\)", written, re.DOTALL)
    if found is None:
        return None
    inner = found.group(1).strip()
    is_quoted = len(inner) > 1 and inner[0] + inner[-1] in QUOTES
    return Call(f"{called}({inner})", inner[1:-1] if is_quoted else inner)


@dataclass(frozen=True)
class Marks:
    """What is around a call in a text: `open` name(input) `arrow` result `close`, each with the spaces that it has."""

    open: str
    arrow: str
    close: str

    def call(self, written: str, result: str | None = None) -> str:
        """A call with its result; without one as far as the arrow."""
        arrow = self.arrow.rstrip() if result is None else self.arrow
        return f"{self.open}{written}{arrow}{result or ''}{self.close}"

    def plain(self, result: str) -> str:
        """A result that ends no bracket by itself: on one line, and with round brackets for those of the marks."""
        line = " ".join(result.split())
        for mark, other in ((self.open.strip(), "("), (self.close.strip(), ")")):
            line = line.replace(mark, other) if mark else line
        return line


@dataclass(frozen=True)
class Candidate:
    """A call that was run. tool: number of the `use`. at: where, in characters. written: `name(input)`. losses: of
    nothing, of the call without its result, of the call with it, in front of the text."""

    tool: int
    at: int
    written: str
    result: str
    losses: tuple[float, float, float]

    @property
    def gain(self) -> float:
        nothing, without, with_result = self.losses
        return min(nothing, without) - with_result


def kept_of(candidates: Iterable[Candidate], thresholds: Sequence[float]) -> list[Candidate]:
    """Of each tool at each position the call that helps most, where it helps enough; by position, then by tool. Of equal
    ones the first."""
    best: dict[tuple[int, int], Candidate] = {}
    for candidate in candidates:
        place = (candidate.at, candidate.tool)
        if place not in best or candidate.gain > best[place].gain:
            best[place] = candidate
    return [best[place] for place in sorted(best) if best[place].gain >= thresholds[place[1]]]


def evidence_of(
    candidates: Iterable[Candidate], kept: Sequence[Candidate], names: Sequence[str]
) -> dict[str, Any]:
    """What is shown of a row: its candidates, those that help most first. names: of the tools, by their numbers."""
    ordered = sorted(candidates, key=lambda one: -one.gain)
    shown = [
        {
            "tool": names[one.tool],
            "at": one.at,
            "call": one.written[:SHOWN_CHARACTERS],
            "result": one.result[:SHOWN_CHARACTERS],
            "losses": [round(loss, DIGITS) for loss in one.losses],
            "gain": round(one.gain, DIGITS),
            "kept": one in kept,
        }
        for one in ordered[:SHOWN_CANDIDATES]
    ]
    left_out = len(ordered) - len(shown)
    return {"candidates": shown, **({"left_out": left_out} if left_out else {})}


def interleaved(text: str, inserted: Sequence[tuple[int, str]]) -> str:
    """The text with each piece in front of the character at its place; pieces of one place in their order. From right to
    left, so that places stay what they are."""
    for at, piece in sorted(inserted, key=lambda one: one[0])[::-1]:
        text = text[:at] + piece + text[at:]
    return text


def without(text: str, inserted: Sequence[tuple[int, str]]) -> str:
    """What `interleaved` had been given.

    Raises:
        ValueError: the pieces are not in the text at their places.
    """
    found, before, end = [], 0, 0
    for at, piece in sorted(inserted, key=lambda one: one[0]):
        start = at + before
        if text[start : start + len(piece)] != piece:
            raise ValueError(f"{piece[:60]!r} is not at its place, {at}")
        found.append(text[end:start])
        end = start + len(piece)
        before += len(piece)
    return "".join([*found, text[end:]])
