"""Typed quantities: `149_960`, `150k`, `4Ki`, `30%`, `10s`, `512MiB`, `5e-6`, `$25` to a value and a unit."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import Enum


class Unit(Enum):
    """What a number counts. Values are normalised: shares to 1.0 = all, time to seconds, sizes to bytes."""

    NUMBER = "number"  # no suffix: an int or a float, taken as whatever the attribute wants
    COUNT = "count"  # k, M, G, Ki, Mi, Gi
    SHARE = "share"  # %
    DURATION = "duration"  # ms, s, m, h, d
    BYTES = "bytes"  # B, KB, MB, GB, TB, KiB, MiB, GiB, TiB
    MONEY = "money"  # $


SUFFIXES: dict[str, tuple[Unit, Decimal]] = {
    "%": (Unit.SHARE, Decimal("0.01")),
    "k": (Unit.COUNT, Decimal(1000)),
    "M": (Unit.COUNT, Decimal(1000) ** 2),
    "G": (Unit.COUNT, Decimal(1000) ** 3),
    "Ki": (Unit.COUNT, Decimal(1024)),
    "Mi": (Unit.COUNT, Decimal(1024) ** 2),
    "Gi": (Unit.COUNT, Decimal(1024) ** 3),
    "ms": (Unit.DURATION, Decimal("0.001")),
    "s": (Unit.DURATION, Decimal(1)),
    "m": (Unit.DURATION, Decimal(60)),
    "h": (Unit.DURATION, Decimal(3600)),
    "d": (Unit.DURATION, Decimal(86400)),
    "B": (Unit.BYTES, Decimal(1)),
    "KB": (Unit.BYTES, Decimal(1000)),
    "MB": (Unit.BYTES, Decimal(1000) ** 2),
    "GB": (Unit.BYTES, Decimal(1000) ** 3),
    "TB": (Unit.BYTES, Decimal(1000) ** 4),
    "KiB": (Unit.BYTES, Decimal(1024)),
    "MiB": (Unit.BYTES, Decimal(1024) ** 2),
    "GiB": (Unit.BYTES, Decimal(1024) ** 3),
    "TiB": (Unit.BYTES, Decimal(1024) ** 4),
}

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
    number = Decimal(digits.replace("_", ""))
    if dollar:
        if suffix:
            raise ValueError(suffix)
        return _finite(number, text), Unit.MONEY
    if not suffix:
        is_whole = "." not in digits and "e" not in digits.lower()
        return (_whole(number, text) if is_whole else _finite(number, text)), Unit.NUMBER
    if suffix not in SUFFIXES:
        raise ValueError(suffix)
    unit, factor = SUFFIXES[suffix]
    scaled = number * factor
    if unit in (Unit.COUNT, Unit.BYTES) and scaled == scaled.to_integral_value():
        return _whole(scaled, text), unit
    return _finite(scaled, text), unit


def _whole(number: Decimal, text: str) -> int:
    if number >= 2**63:
        raise ValueError(text)
    return int(number)


def _finite(number: Decimal, text: str) -> float:
    value = float(number)
    if value == float("inf"):
        raise ValueError(text)
    return value
