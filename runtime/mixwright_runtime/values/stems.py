"""Stems of English words, by Porter's algorithm (1980) as it was published."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

_PLURALS = (("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", ""))
_SECOND = (
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("abli", "able"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
)
_THIRD = (
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
)
_FOURTH = (
    *("al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent"),
    *("ion", "ou", "ism", "ate", "iti", "ous", "ive", "ize"),
)
_WORD = re.compile(r"[a-z]+")


@lru_cache(maxsize=100_000)
def stem_of(word: str) -> str:
    """The stem of a word in small letters a to z; any other word as it is, and one of two letters too."""
    if len(word) <= 2 or not _WORD.fullmatch(word):
        return word
    word = _replaced(word, _PLURALS, 0)
    word = _first_b(word)
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = word[:-1] + "i"
    word = _replaced(word, _SECOND, 1)
    word = _replaced(word, _THIRD, 1)
    word = _fourth(word)
    return _fifth(word)


def _is_consonant(word: str, at: int) -> bool:
    letter = word[at]
    if letter in "aeiou":
        return False
    return letter != "y" or at == 0 or not _is_consonant(word, at - 1)


def _measure(stem: str) -> int:
    """How often a consonant follows a vowel: m of [C](VC)^m[V]."""
    kinds = [_is_consonant(stem, at) for at in range(len(stem))]
    return sum(not before and after for before, after in pairwise(kinds))


def _has_vowel(stem: str) -> bool:
    return not all(_is_consonant(stem, at) for at in range(len(stem)))


def _is_double(word: str) -> bool:
    return len(word) > 1 and word[-1] == word[-2] and _is_consonant(word, len(word) - 1)


def _is_short(word: str) -> bool:
    """It ends consonant, vowel, consonant, the last of them none of w, x, y."""
    if len(word) < 3 or word[-1] in "wxy":
        return False
    return [_is_consonant(word, len(word) - back) for back in (3, 2, 1)] == [True, False, True]


def _replaced(word: str, rules: tuple[tuple[str, str], ...], above: int) -> str:
    """By the longest ending that there is a rule for, where the measure of what stands before it is at least `above`."""
    found = [(ending, other) for ending, other in rules if word.endswith(ending)]
    if not found:
        return word
    ending, other = max(found, key=lambda rule: len(rule[0]))
    stem = word[: len(word) - len(ending)]
    return stem + other if _measure(stem) >= above else word


def _first_b(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for ending in ("ed", "ing"):
        stem = word[: len(word) - len(ending)]
        if word.endswith(ending) and _has_vowel(stem):
            if stem.endswith(("at", "bl", "iz")):
                return stem + "e"
            if _is_double(stem) and stem[-1] not in "lsz":
                return stem[:-1]
            return stem + "e" if _measure(stem) == 1 and _is_short(stem) else stem
    return word


def _fourth(word: str) -> str:
    found = [ending for ending in _FOURTH if word.endswith(ending)]
    if not found:
        return word
    ending = max(found, key=len)
    stem = word[: len(word) - len(ending)]
    if _measure(stem) <= 1 or (ending == "ion" and not stem.endswith(("s", "t"))):
        return word
    return stem


def _fifth(word: str) -> str:
    if word.endswith("e"):
        stem = word[:-1]
        if _measure(stem) > 1 or (_measure(stem) == 1 and not _is_short(stem)):
            word = stem
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word
