"""Numbers in a text, in the ways that languages write them.

`1,234.5`, `1.234,5`, `1 234,5`, `1'234.5` and `12,34,567` are read by their separators; digits of any script count;
`3.5万`, `3,5 Millionen` and `35 लाख` are read with their multiplier and without. What can be read in two ways
(`1.234`) has both readings, and agrees with a number that has one of them.

Apart from these, words and numerals that may stand for a number: 三百二十, XIX, seven, siebte. They are found so that
a translation may write `XIX` for `19th`, not asked for: `一个` is seldom a one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from mixwright_runtime.verifiers.math.number_words import powers_of_words, values_of_words
from mixwright_runtime.verifiers.math.numerals import chinese_number, english_number

LONGEST = 24
"""Characters of a number that are read, within what `Decimal` keeps exactly; more digits are no quantity."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written.

    readings: its possible values; parts: what it is when the separators part numbers (`12.05.2020`, `3,4`).
    """

    text: str
    readings: frozenset[Decimal]
    parts: tuple[Decimal, ...] = ()


@dataclass(frozen=True)
class Agreement:
    """How the numbers of two texts go together: pairs found, and what each has that the other lacks."""

    matched: int
    missing: tuple[str, ...]
    added: tuple[str, ...]

    @property
    def score(self) -> float | None:
        """Share of all numbers that have a partner, 0..1; None when there are none."""
        whole = self.matched + len(self.missing) + len(self.added)
        return self.matched / whole if whole else None


def compared(source: str, response: str) -> Agreement:
    """The numbers written in digits in two texts, each with a partner on the other side where there is one.

    A partner in digits is used up; words and numerals may serve again, since nobody counts them.
    """
    mine, theirs = numbers_in(source), numbers_in(response)
    pairs, mine, theirs = _paired(mine, theirs)
    # What is left may be a date or a list on one side, or a decade: 1970s, 20世纪70年代.
    again, mine, theirs = _paired(_split(mine, theirs), _split(theirs, mine))
    mine, theirs, there = _without_decades(mine, theirs)
    theirs, mine, here = _without_decades(theirs, mine)
    again += there + here
    words_there, words_here = (
        worded_in(text) if left else frozenset() for text, left in ((response, mine), (source, theirs))
    )
    missing = [n.text for n in mine if _meanings(n).isdisjoint(words_there)]
    added = [n.text for n in theirs if _meanings(n).isdisjoint(words_here)]
    by_word = len(mine) + len(theirs) - len(missing) - len(added)
    return Agreement(pairs + again + by_word, tuple(missing), tuple(added))


def _paired(mine: Sequence[Number], theirs: Sequence[Number]) -> tuple[int, list[Number], list[Number]]:
    """How many pairs agree, and what is left on each side. The numbers with one reading choose first."""
    open_by_value: dict[Decimal, list[int]] = {}
    for i in range(len(theirs) - 1, -1, -1):
        for value in theirs[i].readings:
            open_by_value.setdefault(value, []).append(i)
    used: set[int] = set()
    left: list[Number] = []
    for number in sorted(mine, key=lambda n: len(n.readings)):
        for value in number.readings:
            places = open_by_value.get(value, [])
            while places and places[-1] in used:
                places.pop()
            if places:
                used.add(places.pop())
                break
        else:
            left.append(number)
    return len(used), left, [n for i, n in enumerate(theirs) if i not in used]


def _without_decades(
    years: Sequence[Number], others: Sequence[Number]
) -> tuple[list[Number], list[Number], int]:
    """What is left when decades written by their year (1970) found one by its tens (70) and perhaps its century."""
    left_years, left = [], list(others)
    pairs = 0
    for year in years:
        value = next(iter(year.readings), Decimal(0))
        is_decade = len(year.text) == 4 and 1000 <= value < 2100 and value % 10 == 0
        tens = (
            next((n for n in left if n.readings == {(value % 100).normalize()}), None) if is_decade else None
        )
        if tens is None:
            left_years.append(year)
            continue
        pairs += 1
        left.remove(tens)
        century = next((n for n in left if n.readings == {(value // 100 + 1).normalize()}), None)
        if century is not None:
            left.remove(century)
    return left_years, left, pairs


def _meanings(number: Number) -> frozenset[Decimal]:
    """What a word for a number may stand for: of a decade (1970) its tens too, the Seventies."""
    tens = {(v % 100).normalize() for v in number.readings if 1000 <= v < 2100 and v % 10 == 0}
    return number.readings | tens


def _split(numbers: Sequence[Number], others: Sequence[Number]) -> list[Number]:
    """The numbers, those taken apart whose parts are all on the other side, or that are no single number."""
    there = {value for other in others for value in (*other.readings, *other.parts)}
    return [
        one
        for number in numbers
        for one in (
            [Number(str(p), frozenset([p])) for p in number.parts]
            if number.parts and (not number.readings or there.issuperset(number.parts))
            else [number]
        )
    ]


# Numbers in digits.

_GROUPS = ".,'’٬٫\u00a0\u202f\u2009"
_NUMBER = re.compile(
    rf"(?<![0-9])[0-9](?:[0-9]|[{_GROUPS}](?=[0-9])| (?=[0-9]{{3}}(?![0-9])))*"
    r"(?:(?P<gap>[ \u00a0-]?)(?P<word>[^\W\d_]{1,12}))?"
)
_ARABIC_MARKS = str.maketrans({"٫": ".", "٬": ","})


@cache
def _longest_power() -> int:
    return max(map(len, powers_of_words()))


def numbers_in(text: str) -> list[Number]:
    """The numbers that a text writes in digits, in order."""
    text = _in_ascii_digits(text)
    found = []
    for match in _NUMBER.finditer(text):
        word = match["word"]
        digits = match[0][: match.start("gap") - match.start()] if word else match[0]
        digits = digits[:LONGEST].rstrip(_GROUPS + " ")
        readings, parts = _read(digits)
        if word:
            readings |= {
                value.scaleb(power)
                for value in tuple(readings)
                for power in _power_of(word, text[match.end("word") :])
            }
        found.append(
            Number(digits, frozenset(v.normalize() for v in readings), tuple(p.normalize() for p in parts))
        )
    return found


def _power_of(word: str, rest: str) -> tuple[int, ...]:
    """Powers of ten that a word right behind a number may stand for; scripts without spaces go on behind it."""
    powers, folded = powers_of_words(), word.casefold()
    whole = powers.get(folded)
    if whole is not None:
        # `mil millones` is a Spanish billion.
        following = powers.get((re.match(r"\s?(\w{1,15})", rest) or [""])[0].strip().casefold(), ())
        return (*whole, *(a + b for a in whole for b in following))
    if word[0] <= "\u0e00":
        return ()
    for length in range(min(len(word), _longest_power()), 0, -1):
        if (found := powers.get(word[:length])) is not None:
            inner = _power_of(word[length:], "") if word[length:] else ()
            return (*found, *(a + b for a in found for b in inner))
    return ()


def _in_ascii_digits(text: str) -> str:
    if text.isascii():
        return text
    text = text.translate(_ARABIC_MARKS)
    return re.sub(r"[^\x00-\x7f]", lambda m: str(unicodedata.decimal(m[0], m[0])), text)


def _read(digits: str) -> tuple[set[Decimal], tuple[Decimal, ...]]:
    """Possible values of digits with separators, and the numbers that the separators may part."""
    marks = [c for c in digits if not c.isdigit()]
    if not marks:
        return {Decimal(digits)}, ()
    groups = re.split(r"\D", digits)
    parts = tuple(Decimal(group) for group in groups)
    kinds = list(dict.fromkeys(marks))
    whole = Decimal("".join(groups))
    if len(kinds) == 1:
        mark = kinds[0]
        is_grouped = len(groups[0]) <= 3 and _are_groups(groups[1:])
        decimal = Decimal(f"{groups[0]}.{groups[1]}") if len(groups) == 2 else None
        if mark not in ".,٫٬":
            return ({whole} if is_grouped else set()), parts
        if len(groups) > 2:
            return ({whole} if is_grouped else set()), parts
        assert decimal is not None
        return ({whole, decimal} if is_grouped and groups[0] != "0" else {decimal}), parts
    if len(kinds) == 2 and marks.count(kinds[1]) == 1 and kinds[1] in ".," and _are_groups(groups[1:-1]):
        return {Decimal("".join(groups[:-1]) + "." + groups[-1])}, parts
    return set(), parts


def _are_groups(groups: Sequence[str]) -> bool:
    """Thousands: groups of three, or of two before the last as in India."""
    return bool(groups) and len(groups[-1]) == 3 and all(len(g) in (2, 3) for g in groups[:-1])


# Numbers in words and numerals.

_HAN_DIGITS = "零一二三四五六七八九"
_SIMPLER = str.maketrans("〇两兩壹贰叁萬億", "零二二一二三万亿")
_HAN_RUN = re.compile(f"[{_HAN_DIGITS}十百千万亿〇两兩壹贰叁萬億]+")
_HYPHENED = re.compile(r"\b[a-z]{3,7}-[a-z]{3,5}\b")
_ROMAN = re.compile(r"(?<![A-Za-z])[IVXLCDM]{1,9}(?![A-Za-z])")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_WORD = re.compile(r"[^\W\d_]+")


@cache
def _thai() -> tuple[tuple[str, frozenset[Decimal]], ...]:
    """Words of a script without spaces: they are looked for anywhere."""
    return tuple((w, v) for w, v in values_of_words().items() if "\u0e00" <= w[0] <= "\u0e7f")


def worded_in(text: str) -> frozenset[Decimal]:
    """Values that words and numerals of a text may stand for."""
    found: set[Decimal] = set()
    words = values_of_words()
    for match in _WORD.finditer(text.casefold()):
        found |= words.get(match[0], frozenset())
    for match in _HYPHENED.finditer(text.lower()):
        if (value := english_number(match[0])) is not None:
            found.add(Decimal(value).normalize())
    for match in _ROMAN.finditer(text):
        if (value := roman(match[0])) is not None:
            found.add(Decimal(value).normalize())
    for match in _HAN_RUN.finditer(text):
        found |= {Decimal(v).normalize() for v in han_values(match[0][:LONGEST])}
    if any("\u0e00" <= c <= "\u0e7f" for c in text):
        for word, values in _thai():
            if word in text:
                found |= values
    return frozenset(found)


def roman(numeral: str) -> int | None:
    """Value of a Roman numeral; None when it is not written as one (`IIX`)."""
    total, largest = 0, 0
    for letter in reversed(numeral):
        value = _ROMAN_VALUES[letter]
        total += value if value >= largest else -value
        largest = max(largest, value)
    return total if total > 0 and _as_roman(total) == numeral else None


def _as_roman(value: int) -> str:
    text = ""
    for number, letters in zip(
        (1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1),
        ("M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"),
        strict=True,
    ):
        text += letters * (value // number)
        value %= number
    return text


def han_values(numeral: str) -> set[int]:
    """Values of a Chinese numeral: with units (三百二十), by position (二〇二〇), and each digit by itself (三四)."""
    numeral = numeral.translate(_SIMPLER)
    if all(c in _HAN_DIGITS for c in numeral):
        digits = [_HAN_DIGITS.index(c) for c in numeral]
        return {int("".join(map(str, digits))), *digits}
    value = chinese_number(numeral)
    return set() if value is None else {value}
