"""Scripts of a text: how much of it is written in which, by Unicode block."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from mixwright_compiler.catalog.scripts import BURMESE, HAN, HANGUL, HIRAGANA, KATAKANA, KHMER, LAO, THAI

_BLOCKS = {
    "Latn": "A-Za-zªºÀ-ÖØ-öø-ʯ\u0300-\u036fḀ-ỿＡ-Ｚａ-ｚ",
    "Cyrl": "\u0400-\u052f\u1c80-\u1c8f\u2de0-\u2dff\ua640-\ua69f",
    "Grek": "\u0370-\u03ff\u1f00-\u1fff",
    "Arab": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufeff\u200c\u200d",
    "Hebr": "\u0590-\u05ff\ufb1d-\ufb4f",
    "Deva": "\u0900-\u097f\ua8e0-\ua8ff",
    "Beng": "\u0980-\u09ff",
    "Guru": "\u0a00-\u0a7f",
    "Gujr": "\u0a80-\u0aff",
    "Orya": "\u0b00-\u0b7f",
    "Taml": "\u0b80-\u0bff",
    "Telu": "\u0c00-\u0c7f",
    "Knda": "\u0c80-\u0cff",
    "Mlym": "\u0d00-\u0d7f",
    "Sinh": "\u0d80-\u0dff",
    "Thai": THAI,
    "Laoo": LAO,
    "Tibt": "\u0f00-\u0fff",
    "Mymr": BURMESE + "\uaa60-\uaa7f",
    "Geor": "\u10a0-\u10ff\u1c90-\u1cbf\u2d00-\u2d2f",
    "Ethi": "\u1200-\u139f",
    "Khmr": KHMER,
    "Armn": "\u0530-\u058f",
    "Thaa": "\u0780-\u07bf",
    "Hang": HANGUL,
    "Hira": HIRAGANA,
    "Kana": KATAKANA,
    "Hani": HAN,
}
_NOT_LETTERS = "٠-٩۰-۹०-९০-৯๐-๙"
"""Digits inside the blocks above."""

LETTERS_PER_WORD = {"Hani": 2, "Hira": 3, "Kana": 3, "Thai": 5, "Laoo": 5, "Khmr": 5, "Mymr": 5, "Tibt": 5}
"""Of scripts that put no space between words: about how many letters one takes. Two for Chinese (the usual length
of a word in its dictionaries), the others by their translations of one text (XQuAD)."""

WEIGHT = {"Hani": 3.0, "Hira": 2.0, "Kana": 2.0, "Hang": 2.0}
"""Latin letters that say as much as one letter of this script: 3 for Chinese, from the lengths of XQuAD's paragraphs."""

ALONE = {
    "Grek": "el",
    "Thai": "th",
    "Laoo": "lo",
    "Khmr": "km",
    "Mymr": "my",
    "Tibt": "bo",
    "Hang": "ko",
    "Hira": "ja",
    "Kana": "ja",
    "Armn": "hy",
    "Taml": "ta",
    "Telu": "te",
    "Knda": "kn",
    "Mlym": "ml",
    "Sinh": "si",
    "Gujr": "gu",
    "Guru": "pa",
    "Orya": "or",
    "Thaa": "dv",
}
"""Scripts that one language of the identification is written in: two letters of it tell the language."""


@dataclass(frozen=True)
class Written:
    """How much of a text there is.

    words: about how many words.
    weights: by script, letters in the measure of Latin ones.
    """

    words: float
    weights: Mapping[str, float]

    @property
    def weight(self) -> float:
        return sum(self.weights.values())

    @property
    def main(self) -> str:
        """The script that most is written in; empty of a text without letters."""
        return max(self.weights, key=lambda script: self.weights[script], default="")

    def __add__(self, other: Written) -> Written:
        weights = dict(self.weights)
        for script, weight in other.weights.items():
            weights[script] = weights.get(script, 0.0) + weight
        return Written(self.words + other.words, weights)

    def share(self, *scripts: str) -> float:
        """Share of the text that is written in these scripts; 0 of a text without letters."""
        whole = self.weight
        return sum(self.weights.get(script, 0.0) for script in scripts) / whole if whole else 0.0


NOTHING = Written(0.0, {})


@cache
def _runs() -> re.Pattern[str]:
    groups = "|".join(f"(?P<{script}>[{ranges}]+)" for script, ranges in _BLOCKS.items())
    return re.compile(f"[{_NOT_LETTERS}]+|{groups}")


def written_in(text: str) -> Written:
    """How much of a text is written in which script."""
    weights: dict[str, float] = {}
    words = 0.0
    for run in _runs().finditer(text):
        script = run.lastgroup
        if script is None:
            continue
        letters = run.end() - run.start()
        words += letters / LETTERS_PER_WORD[script] if script in LETTERS_PER_WORD else 1.0
        weights[script] = weights.get(script, 0.0) + letters * WEIGHT.get(script, 1.0)
    return Written(words, weights)


@cache
def _variants() -> tuple[frozenset[str], frozenset[str]]:
    """Characters of simplified Chinese alone, and of traditional Chinese alone: those of GB 2312 and of Big5."""
    simplified = {_decoded((a, b), "gb2312") for a in range(0xB0, 0xF8) for b in range(0xA1, 0xFF)}
    traditional = {
        _decoded((a, b), "big5") for a in range(0xA4, 0xFA) for b in (*range(0x40, 0x7F), *range(0xA1, 0xFF))
    }
    return frozenset(simplified - traditional), frozenset(traditional - simplified)


def _decoded(pair: tuple[int, int], encoding: str) -> str:
    return bytes(pair).decode(encoding, "ignore")


def simplified_share(text: str) -> float | None:
    """Of the characters that tell the two apart, the share that is simplified Chinese; None when there are under 3."""
    simplified, traditional = _variants()
    s = sum(1 for c in text if c in simplified)
    t = sum(1 for c in text if c in traditional)
    return s / (s + t) if s + t >= 3 else None
