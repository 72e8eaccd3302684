"""Finding words and patterns in a response."""

from __future__ import annotations

import re
import string
from functools import lru_cache

from mixwright_runtime.verifiers.constraints.text import Text

PUNCTUATION = string.punctuation
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


class BadPattern(ValueError):
    """An argument that the original takes for a regular expression is none."""


@lru_cache(maxsize=4096)
def pattern(text: str, ignores_case: bool = True) -> re.Pattern[str]:
    """A compiled pattern out of a constraint's arguments.

    Raises:
        BadPattern: it is not a regular expression.
    """
    try:
        return re.compile(text, re.IGNORECASE if ignores_case else 0)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadPattern(f"`{text[:80]}` is not a regular expression: {error}") from None


def is_plain(text: str) -> bool:
    """Does a text mean itself as a regular expression?"""
    return not set(text) & set(r".^$*+?{}[]\|()")


def occurrences(text: Text, phrase: str, *, ignores_case: bool = True) -> int:
    """How often a phrase stands in a response as words of its own. A phrase that begins or ends with a letter of a script
    without spaces may stand anywhere."""
    return len(_literal(phrase.strip(), ignores_case).findall(text.raw))


@lru_cache(maxsize=4096)
def _literal(phrase: str, ignores_case: bool) -> re.Pattern[str]:
    before = r"(?<!\w)" if _has_boundary(phrase[:1]) else ""
    after = r"(?!\w)" if _has_boundary(phrase[-1:]) else ""
    # White space in the phrase matches any, so that a line break in the response does not hide it.
    body = r"\s+".join(re.escape(part) for part in phrase.split())
    return re.compile(before + body + after, re.IGNORECASE if ignores_case else 0)


def _has_boundary(character: str) -> bool:
    return bool(re.match(r"\w", character)) and (character < "\u0e00" or "\u10a0" <= character < "\u1780")


def without_punctuation(text: str) -> str:
    """Without ASCII's marks."""
    return text.translate(_NO_PUNCTUATION)


def trimmed(word: str) -> str:
    """Without ASCII's marks and spaces at both ends."""
    return word.strip(PUNCTUATION + " ")


def bare(word: str) -> str:
    """Without whatever is no letter or digit at both ends, in any script."""
    start, end = 0, len(word)
    while start < end and not word[start].isalnum():
        start += 1
    while end > start and not word[end - 1].isalnum():
        end -= 1
    return word[start:end]
