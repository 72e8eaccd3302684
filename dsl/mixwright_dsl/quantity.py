"""Typed quantities: `149_960`, `150k`, `4Ki`, `30%`, `10s`, `512MiB`, `5e-6`, `$25` to a value and a unit."""

from __future__ import annotations

import re
from enum import Enum


class Unit(Enum):
    """What a number counts. Values are normalised: shares to 1.0 = all, time to seconds, sizes to bytes."""

    NUMBER = "number"  # no suffix: an int or a float, taken as whatever the attribute wants
    COUNT = "count"  # k, M, G, Ki, Mi, Gi
    SHARE = "share"  # %
    DURATION = "duration"  # ms, s, m, h, d
    BYTES = "bytes"  # B, KB, MB, GB, TB, KiB, MiB, GiB, TiB
    MONEY = "money"  # $


SUFFIXES: dict[str, tuple[Unit, int, int]] = {
    "%": (Unit.SHARE, 1, 100),
    "k": (Unit.COUNT, 1000, 1),
    "M": (Unit.COUNT, 1000**2, 1),
    "G": (Unit.COUNT, 1000**3, 1),
    "Ki": (Unit.COUNT, 1024, 1),
    "Mi": (Unit.COUNT, 1024**2, 1),
    "Gi": (Unit.COUNT, 1024**3, 1),
    "ms": (Unit.DURATION, 1, 1000),
    "s": (Unit.DURATION, 1, 1),
    "m": (Unit.DURATION, 60, 1),
    "h": (Unit.DURATION, 3600, 1),
    "d": (Unit.DURATION, 86400, 1),
    "B": (Unit.BYTES, 1, 1),
    "KB": (Unit.BYTES, 1000, 1),
    "MB": (Unit.BYTES, 1000**2, 1),
    "GB": (Unit.BYTES, 1000**3, 1),
    "TB": (Unit.BYTES, 1000**4, 1),
    "KiB": (Unit.BYTES, 1024, 1),
    "MiB": (Unit.BYTES, 1024**2, 1),
    "GiB": (Unit.BYTES, 1024**3, 1),
    "TiB": (Unit.BYTES, 1024**4, 1),
}
"""Suffix -> what it counts, and the fraction that it multiplies by."""

_QUANTITY = re.compile(
    r"(\$?)([0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?(?:[eE][+-]?([0-9]+))?)(%|[A-Za-z_][A-Za-z0-9_]*)?\Z"
)
LONGEST = 40
"""Characters of digits that a quantity may have: past that it is a mistake, and slow to turn into a number."""


def parse_quantity(text: str) -> tuple[int | float, Unit]:
    """Value and unit of a quantity as written.

    The value is an int when the text has no point and no exponent and the scaled value is whole.

    Raises:
        ValueError: the unit is unknown (the message is the unit), or the text is no quantity or one beyond
            1e308, or beyond 2**63 - 1 for whole numbers, the largest that a database holds (the message is the
            whole text).
    """
    match = _QUANTITY.match(text)
    if match is None:
        raise ValueError(text)
    dollar, digits, exponent, suffix = match.groups()
    if len(digits) > LONGEST or (exponent and int(exponent) > 308):
        raise ValueError(text)
    # In whole numbers, exact without `decimal`, whose import would be a hundredth of a check's time.
    above, below = _fraction(digits.replace("_", ""))
    if dollar:
        if suffix:
            raise ValueError(suffix)
        return _finite(above, below, text), Unit.MONEY
    if not suffix:
        is_whole = "." not in digits and "e" not in digits.lower()
        return (_whole(above, text) if is_whole else _finite(above, below, text)), Unit.NUMBER
    if suffix not in SUFFIXES:
        raise ValueError(suffix)
    unit, times, over = SUFFIXES[suffix]
    above, below = above * times, below * over
    if unit in (Unit.COUNT, Unit.BYTES):
        whole = _whole(above // below, text)
        if whole * below == above:
            return whole, unit
    return _finite(above, below, text), unit


def _fraction(digits: str) -> tuple[int, int]:
    """The number as a fraction: `2.5e-1` is 25 over 100."""
    mantissa, _, exponent = digits.lower().partition("e")
    before, _, behind = mantissa.partition(".")
    power = int(exponent or 0) - len(behind)
    number = int(before + behind)
    return (number * 10**power, 1) if power >= 0 else (number, 10**-power)


def _whole(number: int, text: str) -> int:
    if number >= 2**63:
        raise ValueError(text)
    return number


def _finite(above: int, below: int, text: str) -> float:
    try:
        return above / below  # the nearest float
    except OverflowError:
        raise ValueError(text) from None
