"""Regular expressions of RE2 by which functions of row expressions read texts: the same in rows and in tables."""

from __future__ import annotations

from functools import lru_cache

from mixwright_compiler.catalog.scripts import UNSPACED
from mixwright_compiler.catalog.stop_words import CHINESE_STOP_WORDS, STOP_WORDS

WORD = rf"[{UNSPACED}]|[^\s{UNSPACED}]*[\p{{L}}\p{{N}}][^\s{UNSPACED}]*"
"""One word: a character of a script that puts no spaces between words, or else what stands between such characters and
white space and has a letter or a digit in it. `don't` and `well-known` are one, a lone dash is none."""

LINE = r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+"
"""One line with its end; the last may have none."""


@lru_cache(maxsize=1)
def only_stop_words() -> str:
    """What matches a text in which nothing is left besides stop words, English and Chinese, and signs.

    Between two English words stands a sign or a Chinese word, so that `thea` is not `the` and `a`.
    """
    english = f"(?:{_any_of(STOP_WORDS)})"
    between = rf"(?:[^\p{{L}}\p{{N}}]|{_any_of(CHINESE_STOP_WORDS)})"
    return rf"(?i)\A(?:{english}?{between})*{english}?\z"


def _any_of(words: frozenset[str]) -> str:
    return "|".join(sorted(words))
