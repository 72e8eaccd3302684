"""Numbers written as words: English (`twenty-one`, `three hundred`) and Chinese (`三百二十`, `3万`, `百分之五十`)."""

from __future__ import annotations

import re
from fractions import Fraction

_ONES_IN_ORDER = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen
"""
_ONES = {word: n for n, word in enumerate(_ONES_IN_ORDER.split())}
_TENS_IN_ORDER = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_TENS = {word: 10 * n for n, word in enumerate(_TENS_IN_ORDER, start=2)}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SMALL = {**_ONES, **_TENS}

_CHINESE_DIGITS = {character: n for n, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_CHINESE_UNITS = {"十": 10, "百": 100, "千": 1_000}
_CHINESE_SCALES = {"万": 10**4, "亿": 10**8}
_NUMERAL = "[零〇一二两三四五六七八九十百千万亿]+"
_PER_HUNDRED = re.compile(rf"百分之({_NUMERAL}|\d+(?:\.\d+)?)")
_PARTS = re.compile(rf"({_NUMERAL}|\d+)分之({_NUMERAL}|\d+)")
_SCALED = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s*(十|百|千)?(万|亿)")
_WHOLE = re.compile(
    rf"(?<![\u4e00-\u9fff])(负)?({_NUMERAL})(?:点([零〇一二三四五六七八九]+))?(?=$|[^\u4e00-\u9fff]|[个只元人天米年岁条本块斤])"
)


def english_number(text: str) -> int | None:
    """The whole number that English words spell, below 10^15; None for anything else."""
    words = text.lower().replace("-", " ").split()
    if not words or len(words) > 16 or words[0] == "and" or words[-1] == "and":
        return None
    total = group = 0
    is_open = True
    for word in words:
        if word == "and":
            is_open = True
        elif word in _SMALL:
            # `two three` is no number; `twenty three` and `hundred three` are.
            if not is_open and not (group % 100 >= 20 and group % 10 == 0 and 0 < _SMALL[word] < 10):
                return None
            group += _SMALL[word]
            is_open = False
        elif word == "hundred" and 0 < group < 100:
            group *= 100
            is_open = True
        elif word in _SCALES and word != "hundred" and group:
            total += group * _SCALES[word]
            group, is_open = 0, True
        else:
            return None
    return total + group


def chinese_number(text: str) -> int | None:
    """The whole number that a Chinese numeral writes (`一百零五`, `三万二千`); None for anything else."""
    if not text or len(text) > 20:
        return None
    if all(character in _CHINESE_DIGITS for character in text):
        return int("".join(str(_CHINESE_DIGITS[character]) for character in text))
    total = group = digit = 0
    for character in text:
        if character in _CHINESE_DIGITS:
            digit = _CHINESE_DIGITS[character]
        elif character in _CHINESE_UNITS:
            group += (digit or 1) * _CHINESE_UNITS[character]
            digit = 0
        elif character in _CHINESE_SCALES and group + digit:
            total = (
                (total + group + digit) * _CHINESE_SCALES[character]
                if character == "亿"
                else total + (group + digit) * _CHINESE_SCALES[character]
            )
            group = digit = 0
        else:
            return None
    return total + group + digit


def numerals_read(text: str) -> str:
    """Text whose Chinese numerals are digits: `3万` is `30000`, `三分之二` is `2/3`, `百分之五` is `5%`."""
    text = _PER_HUNDRED.sub(lambda found: f"{_digits(found.group(1))}%", text)
    text = _PARTS.sub(lambda found: f"{_digits(found.group(2))}/{_digits(found.group(1))}", text)
    text = _SCALED.sub(_scaled, text)
    return _WHOLE.sub(_whole, text)


def _digits(text: str) -> str:
    number = None if text[0].isdigit() and text.isascii() else chinese_number(text)
    return text if number is None else str(number)


def _scaled(found: re.Match[str]) -> str:
    digits, unit, scale = found.groups()
    if len(digits) > 30:
        return found.group()
    value = Fraction(digits.replace(",", "")) * _CHINESE_UNITS.get(unit or "", 1) * _CHINESE_SCALES[scale]
    return str(value) if value.denominator == 1 else found.group()


def _whole(found: re.Match[str]) -> str:
    sign, numeral, decimals = found.groups()
    number = chinese_number(numeral)
    if number is None:
        return found.group()
    tail = "." + "".join(str(_CHINESE_DIGITS[character]) for character in decimals) if decimals else ""
    return f"{'-' if sign else ''}{number}{tail}"
