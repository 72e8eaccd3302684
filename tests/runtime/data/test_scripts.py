"""The table of scripts: held against Unicode's property, as RE2 has it; and what reads by it reads alike."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
import re2

from mixwright_compiler.catalog import scripts
from mixwright_runtime.values.texts import tokens_of
from mixwright_runtime.verifiers.text.endings import signs_of_cutting
from mixwright_runtime.verifiers.text.repeats import repeats_of

NAMES = {
    "Han": scripts.HAN,
    "Hiragana": scripts.HIRAGANA,
    "Katakana": scripts.KATAKANA,
    "Hangul": scripts.HANGUL,
    "Thai": scripts.THAI,
    "Lao": scripts.LAO,
    "Khmer": scripts.KHMER,
}
RARE = "\U00020021\U0002b740\U00031350"
"""Han characters of the extensions B, D and H."""
ELSEWHERE = {
    "Hiragana": "\U0001b001-\U0001b11f\U0001b132\U0001b150-\U0001b152",  # letters of old texts
    "Katakana": "\U0001aff0-\U0001affe\U0001b000\U0001b120-\U0001b122\U0001b155\U0001b164-\U0001b167",
    "Hangul": "\ua960-\ua97c\ud7b0-\ud7fb\uffa0-\uffdc",  # parts of syllables
}


@pytest.mark.parametrize("name", NAMES)
def test_every_letter_of_a_script_is_in_its_table(name: str) -> None:
    inside = re.compile(f"[{NAMES[name]}]")
    known = re2.compile(rf"\\p{{{name}}}")
    elsewhere = re.compile(f"[{ELSEWHERE.get(name, 'x')}]")
    missing = [
        f"U+{code:04X}"
        for code in range(0x80, sys.maxunicode + 1)
        if unicodedata.category(chr(code)) == "Lo"
        and known.fullmatch(chr(code))
        and not inside.match(chr(code))
        and not elsewhere.match(chr(code))
    ]
    assert missing == []


def test_a_rare_character_is_a_word_for_all_that_count_words() -> None:
    assert tokens_of(RARE) == list(RARE)
    found = repeats_of("".join(RARE[i % 3] + chr(0x4E00 + i // 7) for i in range(60)) * 2, 10)
    assert found is not None and found.span_words >= 60
    assert [sign.name for sign in signs_of_cutting("\U00020021" * 60)] == [
        sign.name for sign in signs_of_cutting("\u4e00" * 60)
    ]
