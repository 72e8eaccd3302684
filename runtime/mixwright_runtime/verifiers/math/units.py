"""Units that answers carry: what each measures and how large it is, so that `5 cm` and `50 mm` are one length.

Conversion factors are exact (SI brochure, 9th edition; the international yard and pound of 1959; US gallon). Months
and years have no fixed number of days and convert only into each other. Temperatures do not convert: they differ by
an offset, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache


@dataclass(frozen=True)
class Unit:
    """What is measured (`length`, `money USD`, ...; `count` for whatever is counted) and how many base units it is.

    `per` is what it is counted for, as in `dollars per day`; a speed is a dimension of its own.
    """

    dimension: str
    factor: Fraction
    per: Unit | None = None

    @property
    def is_count(self) -> bool:
        return self.dimension == "count"


COUNT = Unit("count", Fraction(1))

_TABLE = """
length 1/1000000000: nm nanometer nanometre
length 1/1000000: μm µm um micrometer micron
length 1/1000: mm millimeter millimetre 毫米
length 1/100: cm centimeter centimetre 厘米
length 1/10: dm decimeter decimetre 分米
length 1: m meter metre 米
length 1000: km kilometer kilometre 千米 公里
length 127/5000: in inch
length 381/1250: ft foot feet
length 1143/1250: yd yard
length 201168/125: mi mile
area 1: 平方米
area 1/10000: 平方厘米
area 1000000: 平方千米 平方公里
area 10000: hectare ha 公顷
volume 1: 立方米
volume 1/1000000: cc ml mL milliliter millilitre 立方厘米 毫升
volume 1/1000: L l liter litre 立方分米 升
volume 473176473/125000000000: gallon gal
volume 473176473/500000000000: quart
volume 473176473/1000000000000: pint
mass 1/1000000: mg milligram 毫克
mass 1/1000: g gram gm 克
mass 1: kg kilogram kilo 千克 公斤
mass 1/2: 斤
mass 1000: tonne 吨
mass 45359237/100000000: lb lbs
mass 45359237/1600000000: oz ounce
time 1/1000: ms millisecond 毫秒
time 1: s sec second 秒
time 60: min minute 分钟
time 3600: h hr hour 小时
time 86400: day 天
time 604800: week 周
months 1: month 个月
months 12: year yr 年
angle 1: ^\\circ degree 度
radian 1: radian rad
celsius 1: ^\\circC ℃ celsius 摄氏度
fahrenheit 1: ^\\circF ℉ fahrenheit 华氏度
kelvin 1: K kelvin
money-USD 1: $ dollar USD US$ buck 美元
money-USD 1/100: ¢ cent
money-USD 1/20: nickel
money-EUR 1: € euro EUR 欧元
money-GBP 1: £ GBP 英镑
money-INR 1: ₹ rupee INR Rs
money-CNY 1: yuan 元 RMB CNY 块 人民币 圆
money-CNY 1/10: 角
money-JPY 1: yen 日元 JPY 円
yen-or-yuan 1: ¥
pound 1: pound
force 1: N newton
energy 1: J joule
energy 1000: kJ kilojoule
power 1: W watt
power 1000: kW kilowatt
voltage 1: V volt
frequency 1: Hz hertz
speed 1: mps
speed 1397/3125: mph
speed 5/18: kph kmh
"""

_EITHER = {
    "pound": ("money-GBP", "mass"),
    "yen-or-yuan": ("money-CNY", "money-JPY"),
}
"""Words of which only the other side can tell what they mean."""

_SQUARED = re.compile(r"(?:square|sq\.?)\s+(\S+)|(\S+)\s+squared", re.IGNORECASE)
_CUBED = re.compile(r"(?:cubic|cu\.?)\s+(\S+)|(\S+)\s+cubed", re.IGNORECASE)
_POWER = re.compile(r"\^\{?([23])\}?$")
_PER = re.compile(r"\s*(?:/|\bper\b|\ban?\b|\bevery\b|\beach\b)\s*", re.IGNORECASE)
_COUNTED = re.compile(r"[A-Za-z]{3,}(?:[\s'-]+[A-Za-z']+){0,5}")
_COUNTED_CHINESE = re.compile(r"[\u4e00-\u9fff]{1,6}")
_NOT_COUNTED_WORDS = """
mod times plus minus over sqrt percent pi and or not million billion thousand hundred dozen trillion sin cos tan log exp
less more than greater between to from is are equals divided multiplied remainder third thirds fifth fifths sixths
sevenths eighths ninths tenth tenths hundredths
"""
_NOT_COUNTED = frozenset(_NOT_COUNTED_WORDS.split())
_PROPERTIES = frozenset(
    {"even", "odd", "prime", "composite", "positive", "negative", "rational", "irrational", "real"}
)
"""What is said of a number, and no things that it counts."""


def _built() -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for line in _TABLE.strip().splitlines():
        head, _, names = line.partition(": ")
        dimension, _, size = head.partition(" ")
        for name in names.split():
            units[name] = Unit(dimension, Fraction(size))
    return units


_UNITS = _built()
_IRREGULAR = {"inches": "inch", "feet": "foot"}


@lru_cache(maxsize=4_096)
def unit_of(text: str) -> Unit | None:
    """The unit that a text names, in any usual spelling; `COUNT` for words of no unit (`apples`); None for neither."""
    text = text.strip().strip(".").strip()
    known = _known(text)
    if known is not None:
        return known
    parts = _PER.split(text, maxsplit=1)
    if len(parts) == 2 and parts[0] and parts[1]:
        top, bottom = unit_of(parts[0]), _known(parts[1]) or unit_of(parts[1])
        if top is None or bottom is None or top.per:
            return None
        if top.dimension == "length" and bottom.dimension == "time":
            return Unit("speed", top.factor / bottom.factor)
        return Unit(top.dimension, top.factor, bottom)
    if _COUNTED.fullmatch(text) and not _NOT_COUNTED & set(text.lower().split()):
        if text.lower() in _PROPERTIES:
            return None
        # `dollars in total`, `hours of work`: the first word is the unit.
        return _known(text.split()[0]) or COUNT
    return COUNT if _COUNTED_CHINESE.fullmatch(text) else None


def _known(text: str) -> Unit | None:
    """The unit of the table with this name, singular or plural, squared or cubed."""
    for pattern, dimension in ((_SQUARED, "2"), (_CUBED, "3")):
        found = pattern.fullmatch(text)
        if found:
            return _power(found.group(1) or found.group(2), int(dimension))
    power = _POWER.search(text)
    bare = text[: power.start()].strip() if power else text
    if power:
        return _power(bare, int(power.group(1)))
    name = bare.replace("^\\circ ", "^\\circ")
    for candidate in (name, name.lower() if len(name) > 3 else name):
        for singular in (
            candidate,
            _IRREGULAR.get(candidate, ""),
            candidate[:-1] if len(candidate) > 3 else "",
        ):
            # Only the plural has the `s` that is taken off.
            if singular in _UNITS and (singular != candidate[:-1] or candidate.endswith("s")):
                return _UNITS[singular]
    return None


def _power(name: str, exponent: int) -> Unit | None:
    base = _known(name)
    if base is None or base.dimension != "length":
        return None
    return Unit({2: "area", 3: "volume"}[exponent], base.factor**exponent)


def ratio(gold: Unit, found: Unit) -> Fraction | None:
    """How many of the unit `gold` one of `found` is; None when they measure different things.

    What is counted is not compared (`5 apples` and `5 fruits` are both 5): texts name it in too many ways. What it is
    counted for is compared when both say it: `$5 a day` is not `$5 a week`, and may be meant by `$5`.
    """
    size = _size(gold, found)
    if size is None or gold.per is None or found.per is None:
        is_measure = not gold.dimension.startswith(("money", "count")) and not found.is_count
        return None if is_measure and (gold.per is None) != (found.per is None) else size
    per = ratio(gold.per, found.per)
    return None if per is None else size / per


def _size(gold: Unit, found: Unit) -> Fraction | None:
    if gold.is_count or found.is_count:
        return Fraction(1)
    if gold.dimension == found.dimension:
        return found.factor / gold.factor
    for either, other in ((gold, found), (found, gold)):
        if other.dimension in _EITHER.get(either.dimension, ()):
            # A pound of mass is 0.45359237 kg, of money one.
            of_other = Fraction(45359237, 100000000) if other.dimension == "mass" else Fraction(1)
            return other.factor / of_other if other is found else of_other / other.factor
    return None
