"""Make a table of Punkt parameters: lists written by hand, and how words are spelled in a text.

    python -m mixwright_runtime.verifiers.constraints.punkt_training TABLE TEXT...

The first lines of TABLE stay: where the texts are from, abbreviations, and words that often start sentences,
both written by hand. The lines after them are made anew. From the texts only the orthographic context of
words is counted (Kiss and Strunk 2006, section 4.1.1): a word, and whether it was seen with a capital or not,
at a sentence's start, inside one, or after a word that may or may not end one. No run of words of a text goes
into the table.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from mixwright_runtime.verifiers.constraints.punkt import (
    BEGIN_LOWER,
    BEGIN_UPPER,
    INSIDE_LOWER,
    INSIDE_UPPER,
    NUMBER,
    UNKNOWN_LOWER,
    UNKNOWN_UPPER,
    first_pass,
    tokens_of,
)

LEAST_SEEN = 2
"""Words seen less often are left out: most are names of one text, and spellings of one occurrence are no evidence."""

LEAST_SHARE = 0.02
"""A spelling counts when it is this share of a word's occurrences: headings write every word with a capital. Punkt takes
one occurrence for enough; it was made for newspaper text with its headings removed."""

_WRAPPED = re.compile(r"(?<=\S)\n(?=[^\S\n]*\S)")
"""The end of a line inside a paragraph."""

_FLAGS = {
    ("begin", True): BEGIN_UPPER,
    ("inside", True): INSIDE_UPPER,
    ("unknown", True): UNKNOWN_UPPER,
    ("begin", False): BEGIN_LOWER,
    ("inside", False): INSIDE_LOWER,
    ("unknown", False): UNKNOWN_LOWER,
}


def orthography_of(texts: Iterable[str], abbreviations: frozenset[str]) -> dict[str, int]:
    """Word -> flags of how it was seen; see `LEAST_SEEN` and `LEAST_SHARE`."""
    seen: dict[str, Counter[int]] = {}
    for text in texts:
        where = "inside"
        for token in tokens_of(_WRAPPED.sub(" ", text)):
            first_pass(token, abbreviations)
            if token.starts_paragraph and where != "unknown":
                where = "begin"
            if token.starts_line and where == "inside":
                where = "unknown"
            first, word = token.text[0], token.type_of_word
            if word != NUMBER and (first.isupper() or first.islower()):
                seen.setdefault(word, Counter())[_FLAGS[where, first.isupper()]] += 1
            is_open = token.is_ellipsis or token.is_abbreviation
            where = _next(token.ends_sentence, is_open, token.type == NUMBER or token.is_initial)
    return {
        word: sum(flag for flag, count in flags.items() if count >= LEAST_SHARE * flags.total())
        for word, flags in seen.items()
        if flags.total() >= LEAST_SEEN
    }


def _next(ends_sentence: bool, is_open: bool, is_doubtful: bool) -> str:
    if ends_sentence:
        return "unknown" if is_doubtful else "begin"
    return "unknown" if is_open or is_doubtful else "inside"


def table_of(old: str, texts: Iterable[str]) -> str:
    """The table's text: the hand-written lines of the old one, then a line of words for each combination of flags."""
    kept = [line for line in old.splitlines() if not line[:1].isdigit()]
    abbreviations = next(line for line in kept if line.startswith("abbreviations ")).split()[1:]
    by_flags: dict[int, list[str]] = {}
    for word, flags in orthography_of(texts, frozenset(abbreviations)).items():
        if word.isascii() and word.replace("-", "").replace("'", "").isalpha():
            by_flags.setdefault(flags, []).append(word)
    made = [f"{flags} {' '.join(sorted(words))}" for flags, words in sorted(by_flags.items())]
    return "\n".join([*kept, *made]) + "\n"


if __name__ == "__main__":
    table, *names = map(Path, sys.argv[1:])
    text = table_of(table.read_text(encoding="utf-8"), (name.read_text(encoding="utf-8") for name in names))
    table.write_text(text, encoding="utf-8")
