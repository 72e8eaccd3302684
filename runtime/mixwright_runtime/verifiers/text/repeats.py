"""How much of a text repeats what it said before: by runs of words, by lines, and as a loop at its end.

Every measure is a share of the text's characters, 0..1. Time is linear in the text's length, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from mixwright_compiler.catalog.scripts import UNSPACED

LIMIT_CHARACTERS = 300_000
"""A longer text is measured at its end alone, where repetition shows."""
LOOP_TIMES = 3
LOOP_CHARACTERS = 24
"""A loop is at least so many times the same, and so long in all: `ha ha ha` is none."""
SUFFIX_CHARACTERS = 16
"""The end that is looked for earlier in the text to find a loop's period."""
PERIODS_TRIED = 8
SAMPLE_CHARACTERS = 200

_UNIT = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")
_UNSPACED_UNIT = re.compile(rf"[{UNSPACED}]")


@dataclass(frozen=True)
class Repeats:
    """What of a text repeats.

    runs, lines, loop: share of characters in runs of words, in lines, and in a loop at the end that came before.
    span, span_words: the longest passage found twice, shortened for show, and how many words it has.
    period: characters of what loops at the end; 0 without a loop.
    """

    runs: float
    lines: float
    loop: float
    span: str
    span_words: int
    period: int

    @property
    def share(self) -> float:
        """The largest of the three."""
        return max(self.runs, self.lines, self.loop)


def repeats_of(text: str, run_words: int) -> Repeats | None:
    """The repetition of a text; None when there is nothing but space in it.

    Args:
        run_words: words of a run that counts as repeated.
    """
    text = text[-LIMIT_CHARACTERS:].strip()
    if not text:
        return None
    runs, span, span_words = _runs(text, run_words)
    period, looped = loop_at_end(text)
    return Repeats(runs, _lines(text), looped / len(text), span[:SAMPLE_CHARACTERS], span_words, period)


def _runs(text: str, run_words: int) -> tuple[float, str, int]:
    """Share of the words' characters in runs of `run_words` words that came before; the longest such passage and its
    number of words. A word counts once, however many runs it is in (Gopher's duplicate n-grams)."""
    words: list[str] = _UNIT.findall(text.casefold())
    if 2 * len(_UNSPACED_UNIT.findall(text)) > len(words):
        run_words *= 2
    runs = list(zip(*(words[i:] for i in range(run_words)), strict=False))
    if len(set(runs)) == len(runs):
        return 0.0, "", 0
    ends = [0, *accumulate(map(len, words))]
    first_at: dict[Sequence[str], int] = {}
    repeated = covered = 0
    previous = (-2, -2)
    start = longest = longest_at = 0
    for i, run in enumerate(runs):
        earlier = first_at.setdefault(run, i)
        if earlier == i:
            continue
        repeated += ends[i + run_words] - ends[max(i, covered)]
        covered = i + run_words
        if previous != (i - 1, earlier - 1):
            start = i
        previous = (i, earlier)
        if covered - start > longest:
            longest, longest_at = covered - start, start
    span = " ".join(words[longest_at : longest_at + min(longest, SAMPLE_CHARACTERS)])
    return repeated / ends[-1], span, longest


def _lines(text: str) -> float:
    """Share of characters in lines that came before, white space at their ends aside."""
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    different = dict.fromkeys(lines)
    if len(different) == len(lines):
        return 0.0
    whole = sum(map(len, lines))
    return (whole - sum(map(len, different))) / whole


def loop_at_end(text: str) -> tuple[int, int]:
    """(period, characters after its first turn) of what a text says over and over at its end; (0, 0) without a loop."""
    suffix = text[-SUFFIX_CHARACTERS:]
    size = len(text)
    at = size - len(suffix)
    for _ in range(PERIODS_TRIED):
        at = text.rfind(suffix, 0, at + len(suffix) - 1)
        if at < 0:
            break
        period = size - len(suffix) - at
        looped = _shared_end(text, period)
        if looped >= (LOOP_TIMES - 1) * period and looped + period >= LOOP_CHARACTERS:
            return period, looped
    return 0, 0


def _shared_end(text: str, period: int) -> int:
    """How many characters at the end equal those `period` before them."""
    size = len(text)
    low, high = 0, size - period
    # Doubling first: most candidates differ within a few characters.
    step = SUFFIX_CHARACTERS
    while low < high:
        reach = min(low + step, high)
        if text[size - reach : size - low] == text[size - reach - period : size - low - period]:
            low, step = reach, step * 2
        elif reach - low == 1:
            break
        else:
            step = max(1, (reach - low) // 2)
    return low
