"""Answers that are one number, with or without a unit: read exactly, compared exactly.

Read are whole numbers and decimals with thousands separators, scientific notation (`6.02e23`, `3\\times 10^8`),
fractions and mixed numbers, recurring decimals, percentages, scales (`5 million`, `3万`), amounts of money and units.

Two decisions that data sets force, since gold answers leave units off:

- A unit that one side leaves off is not missed: `5 cm` equals `5`. Units of both must agree, after conversion: `5 cm`
  equals `50 mm` and neither `5 m` nor `5 kg`. A percent sign is such a unit, and also a number: `50%` equals `50` and
  `0.5`.
- A decimal equals a fraction, or a longer decimal, that rounds to it when it has at least four places and six digits:
  `0.333333` is 1/3 and `0.333` is not. Whole numbers are exact: 1000000 is not 1000001.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from mixwright_runtime.verifiers.math.numerals import english_number
from mixwright_runtime.verifiers.math.units import Unit, ratio, unit_of

EXPONENT_LIMIT = 5_000
"""Digits that an exponent may add to a number: above it, numbers are not computed."""
LENGTH_LIMIT = 1_000
ROUNDED_PLACES, ROUNDED_DIGITS = 4, 6

_INTEGER = re.compile(r"[+-]?\d{1,40}")
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d{1,3}(?: \d{3})+(?!\d)|\d+)(?:\.\d*)?|\.\d+"
_TEN_TO = r"10\s*\^\s*(?:\{\s*([+-]?\d+)\s*\}|([+-]?\d+))"
_DECIMAL = re.compile(
    rf"(?:({_DIGITS})(?:[eE]([+-]?\d+)|\s*(?:\\times|\\cdot|\*|x)\s*{_TEN_TO})?|{_TEN_TO})(?![\d_]|\^(?!\\circ))"
)
_RECURRING = re.compile(r"(\d*)\.(\d*)\\overline\s*\{(\d+)\}")
_PART = r"(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)"
_FRACTION = re.compile(
    rf"\\frac\s*\{{\s*([+-]?{_PART})\s*\}}\s*\{{\s*([+-]?{_PART})\s*\}}|({_PART})\s*/\s*({_PART})(?![\d./])"
)
_WHOLE = r"(\d{1,3}(?:[ ,]\d{3})+|\d+)"
_MIXED = re.compile(
    rf"{_WHOLE}\s*\\frac\s*\{{\s*(\d+)\s*\}}\s*\{{\s*(\d+)\s*\}}|{_WHOLE}\s+(\d+)\s*/\s*(\d+)(?![\d./])"
)
_BASED = re.compile(r"([0-9A-Fa-f]+)_\{?\s*(\d{1,2})\s*\}?")
_MONEY = re.compile(r"(US\$|HK\$|\$|€|£|¥|₹|(?:USD|EUR|GBP|CNY|RMB|Rs)\.?(?=\s*\d))\s*")
_SCALE = re.compile(r"\s*(hundred|thousand|million|billion|trillion|dozen)\b", re.IGNORECASE)
_PER = re.compile(r"\s*(?:/|per|an?|each|every)\b", re.IGNORECASE)
_SCALES = {
    "hundred": 100,
    "thousand": 1_000,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
}
_PERCENT = re.compile(r"\s*(?:%|percent(?:age points)?\b|per cent\b|pct\b)\s*", re.IGNORECASE)
_WORDS = re.compile(r"[A-Za-z]+(?:[\s-]+[A-Za-z]+){0,15}")


@dataclass(frozen=True)
class Quantity:
    """A number as an answer writes it.

    places: decimal places written, None where the number is exact (a fraction, a whole number).
    is_percent: written with a percent sign; `value` is what stands before it.
    base: of `101_2`, whose value is 5; `written` keeps its digits as decimal ones.
    """

    value: Fraction
    places: int | None = None
    unit: Unit | None = None
    is_percent: bool = False
    written: Fraction | None = None

    def __str__(self) -> str:
        mark = "%" if self.is_percent else ""
        return f"{self.value}{mark}" + (f" ({self.unit.dimension})" if self.unit else "")


def quantity_of(text: str) -> Quantity | None:
    """The number that a folded answer is; None when it is anything more or else."""
    if _INTEGER.fullmatch(text):
        return Quantity(Fraction(int(text)))
    if len(text) > LENGTH_LIMIT:
        return None
    text = text.strip()
    if text.startswith("(") and text.endswith(")") and "," not in text:
        text = text[1:-1].strip()
    sign, rest = _signed(text)
    money = _MONEY.match(rest)
    unit = None
    if money:
        unit = unit_of(money.group(1).removesuffix("."))
        inner, rest = _signed(rest[money.end() :])
        sign *= inner
    read = _number_at(rest)
    if read is None:
        return _in_words(text) if _WORDS.fullmatch(text) else None
    value, places, end, written = read
    rest = rest[end:]
    scale = _SCALE.match(rest)
    if scale:
        value, places, rest = value * _SCALES[scale.group(1).lower()], None, rest[scale.end() :]
        rest = rest.removeprefix("s")
    percent = _PERCENT.match(rest)
    if percent and unit is None:
        rest = rest[percent.end() :]
    if rest.strip():
        after = unit_of(f"{money.group(1)} {rest}") if money and _PER.match(rest) else unit_of_rest(rest)
        if after is None or (unit is not None and not after.is_count and ratio(unit, after) is None):
            return None
        unit = after if unit is None or after.per else unit
    return Quantity(sign * value, places, unit, bool(percent) and money is None, written)


def unit_of_rest(rest: str) -> Unit | None:
    """The unit that follows a number; None when what follows is more than that.

    One letter that touches the number is a factor, not a unit: `5m` may be five times m.
    """
    is_apart = rest[0].isspace() or not rest[0].isascii() or rest.lstrip().startswith(("^\\circ", "¢"))
    name = rest.strip().strip("()").strip() if rest.strip().startswith("(") else rest.strip()
    if not is_apart and (len(name) < 2 or not name.isalpha()):
        return None
    unit = unit_of(name)
    if unit is not None and unit.is_count and not is_apart:
        return None
    return unit


def _signed(text: str) -> tuple[int, str]:
    if text[:1] in ("+", "-"):
        return (-1 if text[0] == "-" else 1), text[1:].lstrip()
    return 1, text


def _number_at(text: str) -> tuple[Fraction, int | None, int, Fraction | None] | None:
    """Value, decimal places, where it ends, and for a number with a base its digits read as decimal."""
    found = _MIXED.match(text)
    if found:
        whole, top, bottom = (
            int(group.replace(",", "").replace(" ", "")) for group in found.groups() if group is not None
        )
        if 0 < top < bottom:
            return whole + Fraction(top, bottom), None, found.end(), None
    found = _FRACTION.match(text)
    if found:
        top_text, bottom_text = (group.replace(",", "") for group in found.groups() if group is not None)
        below = Fraction(bottom_text)
        return (Fraction(top_text) / below, None, found.end(), None) if below else None
    found = _RECURRING.match(text)
    if found:
        whole_text, fixed, repeated = found.groups()
        shift, period = 10 ** len(fixed), 10 ** len(repeated) - 1
        tail = Fraction(int(repeated), period * shift)
        return Fraction(int(f"{whole_text or 0}{fixed}"), shift) + tail, None, found.end(), None
    found = _BASED.match(text)
    if found and 2 <= int(found.group(2)) <= 36:
        try:
            value = int(found.group(1), int(found.group(2)))
        except ValueError:
            return None
        digits = Fraction(found.group(1)) if found.group(1).isdigit() else None
        return Fraction(value), None, found.end(), digits
    found = _DECIMAL.match(text)
    if found is None:
        return None
    digits_text, exponent, *powers = found.groups()
    power = int(next((p for p in (exponent, *powers) if p is not None), "0")[:9])
    if abs(power) > EXPONENT_LIMIT:
        return None
    plain = (digits_text or "1").replace(",", "").replace(" ", "")
    places = len(plain.partition(".")[2])
    value_ = Fraction(plain.removesuffix(".")) * Fraction(10) ** power
    return value_, (places - power if places else None), found.end(), None


def _in_words(text: str) -> Quantity | None:
    """`twenty-one`, `three apples`."""
    words = text.split()
    for count in range(len(words), 0, -1):
        is_dozens = count > 1 and words[count - 1].lower() == "dozen"
        number = english_number(" ".join(words[: count - is_dozens]))
        if number is not None:
            number *= 12 if is_dozens else 1
            unit = unit_of(" ".join(words[count:])) if count < len(words) else None
            return None if unit is None and count < len(words) else Quantity(Fraction(number), None, unit)
    return None


def are_equal(gold: Quantity, found: Quantity) -> bool:
    """True when two quantities say the same; the rules are in this module's text."""
    value = found.value
    if gold.unit and found.unit:
        size = ratio(gold.unit, found.unit)
        if size is None:
            return False
        value *= size
    if gold.is_percent != found.is_percent:
        percent, other = (gold, found) if gold.is_percent else (found, gold)
        if other.unit is not None and not other.unit.is_count:
            return False
        return _is_same(percent.value, other.value, percent.places, other.places) or _is_same(
            percent.value / 100, other.value, (percent.places or 0) + 2, other.places
        )
    if _is_same(gold.value, value, gold.places, found.places):
        return True
    # The digits of `101_2` are often given without their base.
    return (gold.written == found.value) if gold.written is not None else found.written == gold.value


def _is_same(a: Fraction, b: Fraction, places_a: int | None, places_b: int | None) -> bool:
    return a == b or _rounds_to(a, b, places_b) or _rounds_to(b, a, places_a)


def _rounds_to(exact: Fraction, rounded: Fraction, places: int | None) -> bool:
    """True when `rounded` is a decimal of `places` places to which the exact value rounds, precise enough to tell."""
    if places is None or places < ROUNDED_PLACES:
        return False
    step = Fraction(1, 10**places)
    if abs(rounded) < step * 10 ** (ROUNDED_DIGITS - 1):
        return False
    return abs(exact - rounded) <= step / 2
