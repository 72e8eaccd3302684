"""Stems of English words, by Porter's algorithm (1980), as Snowball keeps it."""

from __future__ import annotations

import re
from functools import lru_cache

import snowballstemmer

_PORTER = snowballstemmer.stemmer("porter")
_WORD = re.compile(r"[a-z]{3,}")


@lru_cache(maxsize=100_000)
def stem_of(word: str) -> str:
    """The stem of a word in small letters a to z; any other word as it is, and one of two letters too."""
    # Of `as` and `is` Snowball leaves one letter; Porter's own program leaves them alone.
    return str(_PORTER.stemWord(word)) if _WORD.fullmatch(word) else word
