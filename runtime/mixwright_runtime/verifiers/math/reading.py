"""How two answers compare: by text, as numbers, as choices, part by part; what is left goes to a `leaf`.

The same steps run in the main process, with a leaf that does not know, and in a worker, where the leaf is computer
algebra. So an answer is read in one way wherever it is compared.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal

from mixwright_runtime.verifiers.math.formulas.words import SHORT_WORDS
from mixwright_runtime.verifiers.math.qualifiers import without_qualifier
from mixwright_runtime.verifiers.math.quantities import Quantity, are_equal, quantity_of
from mixwright_runtime.verifiers.math.shapes import (
    Shape,
    choice_and_text,
    choice_in,
    is_equation,
    is_prose,
    shape_of,
    value_named,
)
from mixwright_runtime.verifiers.math.units import Unit, ratio, unit_of

Outcome = Literal["equal", "different", "unparsable"]
Leaf = Callable[[str, str], Outcome | None]
"""Compares two texts that have no parts; None when it cannot tell."""

UNORDERED_LIMIT = 24
"""Parts of a set or list that are matched with each other one by one, which takes their square."""

_WORDS = re.compile(r"[^\W\d_]{2,}(?:[\s'-]+[^\W\d_]+)*")
_CHINESE_OR = re.compile(r"\s*(?:或者|或)\s*")
_SHORT_NAME = re.compile(r"(?<![A-Za-z\\])[A-Z][a-z]{2}(?![A-Za-z])")
_NUMBERS = re.compile(r"\d+")
_CONDITION = re.compile(r"\s*(?:if|when|otherwise|else|for|where)\b", re.IGNORECASE)
_SPACE = re.compile(r"(?<!\d) +| +(?!\d)")
_FORMULA = re.compile(r"[\\^_=<>+*/{}]")
_TRAILING_UNIT = re.compile(
    r"(.*(?:[\d})]|\\(?:pi|circ)))\s+([A-Za-z^{}\d/\\ ]+)|(.*[\d})])\s*(\^\\circ(?:\s?[CF])?)"
)
_ANGLE_OF = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc)(?![a-zA-Z])")
_UNIT_BEHIND_LETTER = re.compile(r"(.*[A-Za-z])\s+([A-Za-z]{2}[A-Za-z^{}\d/\\ ]*)")
"""`3x cm`. One letter would be a factor."""
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d{1,2}|[+-]?\d+,\d{4,}|[+-]?\d{1,3}(?: \d{3})+,\d+")
_MIXED_IN_WORDS = re.compile(r"([+-]?\d+) and (\d+)/(\d+)")
"""`5 and 1/2`: one number, where no list is asked for."""
_PART_WORD = re.compile(
    r"\b(?:half|halves|(?:third|quarter|fourth|fifth|sixth|seventh|eighth|ninth|tenth)s?)\b", re.I
)
_SYLLABLE = re.compile(r"[^\W\d_aeiou][aeiou][^\W\d_aeiou]")
_RATIO = re.compile(r"\d{1,9}(?::\d{1,9}){1,5}")
_MISGROUPED = re.compile(r"[+-]?\d+(?:,\d+)*,0\d+(?:,\d+)*")
"""Digits grouped as no number is: a list has no member that begins with 0."""
_BUILT_SET = re.compile(
    r"^\\\{\s*[a-z]\s*(?:\\in\s*\\mathbb\s*\{?\s*R\s*\}?\s*)?(?:\\mid|\\vert|\||:)\s*(.+)\\\}$"
)
_SEVERAL = re.compile(r"\d+(?: \d+)+")
_TIME = re.compile(r"(\d{1,2})(?::([0-5]\d))?\s*([ap])\.?\s?m\.?", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,2}):([0-5]\d)")


def outcome_of(gold: str, found: str, leaf: Leaf, depth: int = 0) -> Outcome | None:
    """How the folded answer `found` compares with the right one; None when the leaf was asked and could not tell."""
    if gold == found or _squeezed(gold) == _squeezed(found):
        return "equal"
    a, b = quantity_of(gold), quantity_of(found)
    if a is not None and b is not None:
        return "equal" if are_equal(a, b) else "different"
    said, condition = without_qualifier(gold)
    other_said, other_condition = without_qualifier(found)
    if (said, other_said) != (gold, found):
        return _of_qualified(
            outcome_of(said, other_said, leaf, depth + 1), condition, other_condition, leaf, depth
        )
    known = _as_choices(gold, found) or _as_words(gold, found, a, b) or _as_notation(gold, found, a, b)
    if known is not None:
        return known
    if depth > 4:
        return "unparsable"
    stripped = _without_names(gold, found)
    if stripped is None:
        return "different"
    if stripped != (gold, found):
        return outcome_of(*stripped, leaf, depth + 1)
    first, second = _BUILT_SET.sub(r"\1", gold), _BUILT_SET.sub(r"\1", found)
    if (first, second) != (gold, found):
        return outcome_of(first, second, leaf, depth + 1)
    shapes = shape_of(gold), shape_of(found)
    if any(shape.kind != "one" for shape in shapes):
        return _of_shapes(gold, found, *shapes, leaf, depth)
    return _of_bodies(gold, found, leaf, depth)


def _of_qualified(
    said: Outcome | None, condition: str, other_condition: str, leaf: Leaf, depth: int
) -> Outcome | None:
    """What is said under a condition is another answer under another one."""
    if said == "different" or condition == other_condition:
        return said
    if not condition or not other_condition:
        return "unparsable"
    return _all([said, outcome_of(condition, other_condition, leaf, depth + 1)])


def _squeezed(text: str) -> str:
    """A text without spaces, but for those between digits: `1 1/2` is not `11/2`."""
    return _SPACE.sub("", text) if " " in text else text


def _as_choices(gold: str, found: str) -> Outcome | None:
    """Multiple-choice letters; a letter with its text stands for either."""
    letter, other = choice_in(gold), choice_in(found)
    if letter is not None and other is not None:
        return "equal" if letter == other else "different"
    # `b` for `B`: a choice where the right answer is one.
    if letter is not None and len(found) == 1 and found.isalpha():
        return "equal" if found.upper() == letter else "different"
    for choice, answer, is_gold in ((letter, found, True), (other, gold, False)):
        both = choice_and_text(answer)
        if choice is not None and both is not None:
            return "equal" if both[0] == choice else "different"
        if choice is not None and is_gold and quantity_of(answer) is not None:
            # The letter is asked for and its value given: only the question could tell.
            return "unparsable"
    first, second = choice_and_text(gold), choice_and_text(found)
    if first and second:
        return "equal" if first[0] == second[0] else "different"
    return None


def _as_words(gold: str, found: str, a: Quantity | None, b: Quantity | None) -> Outcome | None:
    """Plain words. As mathematics a word is a product of its letters, and `Dynamo` equals `Monday`."""
    is_word, is_other_word = bool(_WORDS.fullmatch(gold)), bool(_WORDS.fullmatch(found))
    if is_word and is_other_word:
        first, second = gold.casefold(), found.casefold()
        if _are_letters(gold) and _are_letters(found) and sorted(first) == sorted(second):
            # `xy` and `yx`. `Tom` and `tom`, `dog` and `god` may be words or products.
            if len(first) < 3:
                return None
            if first == second:
                return "equal" if first[1] in "aeiou" else "unparsable"
            return "unparsable" if _SYLLABLE.fullmatch(first) and _SYLLABLE.fullmatch(second) else None
        if first == second:
            return "equal" if _names_folded(gold) == _names_folded(found) else "unparsable"
        some, more = sorted((set(first.split()), set(second.split())), key=len)
        # `on Monday` says `Monday`, and `not Monday` has it, too.
        return "unparsable" if some <= more else "different"
    if (is_word and b is not None) or (is_other_word and a is not None):
        word = gold if is_word else found
        if len(word.split()) > 2:
            return "unparsable"
        if _PART_WORD.search(word):
            return "unparsable"
        # A single letter is a variable; `xy` may be a product.
        return "different" if len(word) > 3 or not word.isascii() else None
    return None


def _are_letters(text: str) -> bool:
    """True when a text may be a product of letters as well as a word."""
    return len(text) < 4 and text.isascii() and text.isalpha() and text.casefold() not in SHORT_WORDS


def _names_folded(text: str) -> list[str]:
    """The words of a text in lower case, but for one or two letters, which are names (`point A`)."""
    return [word if _are_letters(word) and len(word) < 3 else word.casefold() for word in text.split()]


def _as_notation(gold: str, found: str, a: Quantity | None, b: Quantity | None) -> Outcome | None:
    """Notations that are read wrongly as mathematics: the time of day, and a decimal comma."""
    if _RATIO.fullmatch(gold) and _RATIO.fullmatch(found):
        first, second = ([int(part) for part in text.split(":")] for text in (gold, found))
        if first == second:
            return "equal"
        is_same = len(first) == len(second) and all(
            x * second[0] == y * first[0] for x, y in zip(first, second, strict=True)
        )
        if is_same and any(first):
            return "unparsable" if _CLOCK.fullmatch(gold) or _CLOCK.fullmatch(found) else "equal"
        return "different"
    if (a is None and b is not None and _SEVERAL.fullmatch(gold)) or (
        b is None and a is not None and _SEVERAL.fullmatch(found)
    ):
        return "different"
    times = _TIME.fullmatch(gold), _TIME.fullmatch(found)
    if times[0] and times[1]:
        hours, others = ((int(t[1]), int(t[2] or 0), t[3].lower()) for t in times if t)
        return "equal" if hours == others else "different"
    if _MISGROUPED.fullmatch(gold) or _MISGROUPED.fullmatch(found):
        return "unparsable"
    for text, number in ((gold, b), (found, a)):
        if number is not None and _DECIMAL_COMMA.fullmatch(text):
            as_decimal = quantity_of(text.replace(",", "."))
            # Two numbers, or one as it is written in half of the world.
            return "unparsable" if as_decimal is not None and are_equal(as_decimal, number) else "different"
    return None


def _without_names(gold: str, found: str) -> tuple[str, str] | None:
    """Both without `x =`, when the names agree or only one has any; None when they cannot be equal."""
    (name, value), (other_name, other_value) = value_named(gold), value_named(found)
    if name is not None and other_name is not None and name != other_name:
        is_one_equation = _is_formula_of(value, other_name) or _is_formula_of(other_value, name)
        return (gold, found) if is_one_equation else None
    has_equation, has_other = is_equation(value), is_equation(other_value)
    if has_equation and has_other:
        return value, other_value
    if has_equation or has_other:
        # `y = 2x + 1` may be `2x - y = -1`, but 5 is not `x^2 = 5`.
        return (gold, found) if is_equation(gold) and is_equation(found) else None
    return value, other_value


def _is_formula_of(value: str, name: str) -> bool:
    """True when a value names the other side's variable: `y = 2x` and `x = y/2` may be one equation."""
    return name[0] in value


def _of_shapes(gold: str, found: str, a: Shape, b: Shape, leaf: Leaf, depth: int) -> Outcome | None:
    """Answers of several parts. Parts of a list or a set may come in any order, those of a tuple may not."""
    if a.names and b.names:
        if sorted(a.names) != sorted(b.names):
            return "different"
        values = dict(zip(b.names, b.parts, strict=True))
        return _all(
            [
                outcome_of(part, values[name], leaf, depth + 1)
                for name, part in zip(a.names, a.parts, strict=True)
            ]
        )
    kinds = {a.kind, b.kind}
    if "one" in kinds:
        return _one_with_several(gold, found, a, b, leaf, depth)
    if a.kind != b.kind and not kinds <= {"()", "list"} and not kinds <= {"set", "list"}:
        return "different"
    is_ordered = "()" in kinds or bool(a.names or b.names) or a.kind in ("[]", "(]", "[)")
    compare = _of_cased if _has_both_cases(a.parts) or _has_both_cases(b.parts) else outcome_of
    if is_ordered or len(a.parts) == 1 == len(b.parts):
        if len(a.parts) != len(b.parts):
            return "different"
        return _all([compare(x, y, leaf, depth + 1) for x, y in zip(a.parts, b.parts, strict=True)])
    if max(len(a.parts), len(b.parts)) > UNORDERED_LIMIT:
        return "unparsable"
    outcome = _as_sets(a.parts, b.parts, leaf, depth, compare)
    if outcome == "equal" and (_is_said_in_order(a.parts) or _is_said_in_order(b.parts)):
        # `if n is even, 0, if odd, 1`: what belongs to what its order tells.
        in_order = [compare(x, y, leaf, depth + 1) for x, y in zip(a.parts, b.parts, strict=False)]
        return "equal" if len(a.parts) == len(b.parts) and _all(in_order) == "equal" else "unparsable"
    return outcome


def _is_said_in_order(parts: Sequence[str]) -> bool:
    """Conditions and what holds under them, as a list."""
    return any(_CONDITION.match(part) for part in parts) and not all(_CONDITION.match(part) for part in parts)


def _has_both_cases(parts: Sequence[str]) -> bool:
    """`{a, A}`: its letters are symbols and no choices, of which `a` is `A`."""
    letters = {part for part in parts if len(part) == 1}
    return any(part != part.upper() and part.upper() in letters for part in letters)


def _of_cased(gold: str, found: str, leaf: Leaf, depth: int) -> Outcome | None:
    """`outcome_of` two parts of which the case of a single letter counts."""
    if gold != found and len(gold) == len(found) == 1 and gold.casefold() == found.casefold():
        return "different"
    return outcome_of(gold, found, leaf, depth)


def _one_with_several(gold: str, found: str, a: Shape, b: Shape, leaf: Leaf, depth: int) -> Outcome | None:
    one, several, text = (a, b, gold) if a.kind == "one" else (b, a, found)
    if several.kind == "set" and len(several.parts) == 1:
        pair = (gold, several.parts[0]) if a.kind == "one" else (several.parts[0], found)
        return outcome_of(*pair, leaf, depth + 1)
    mixed = _MIXED_IN_WORDS.fullmatch(found if a.kind == "one" else gold)
    if mixed and int(mixed[2]) < int(mixed[3]):
        number = f"{mixed[1]} {mixed[2]}/{mixed[3]}"
        return outcome_of(*((gold, number) if a.kind == "one" else (number, found)), leaf, depth + 1)
    # A number is not several of them. A formula may stand for an interval, a vector or a set.
    if quantity_of(one.parts[0]) is not None:
        return "different"
    return _of_bodies(gold, found, leaf, depth) if _FORMULA.search(text) else "unparsable"


def _as_sets(
    gold: Sequence[str],
    found: Sequence[str],
    leaf: Leaf,
    depth: int,
    compare: Callable[[str, str, Leaf, int], Outcome | None],
) -> Outcome | None:
    """Equal when each part has an equal one on the other side. Repetition does not count."""
    outcomes = [[compare(x, y, leaf, depth + 1) for y in found] for x in gold]
    rows = [_any(row) for row in outcomes]
    columns = [_any([row[i] for row in outcomes]) for i in range(len(found))]
    return _all([*rows, *columns])


def _all(outcomes: Sequence[Outcome | None]) -> Outcome | None:
    for word in ("different", "unparsable", None):
        if word in outcomes:
            return word
    return "equal"


def _any(outcomes: Sequence[Outcome | None]) -> Outcome | None:
    for word in ("equal", None, "unparsable"):
        if word in outcomes:
            return word
    return "different"


def _of_bodies(gold: str, found: str, leaf: Leaf, depth: int) -> Outcome | None:
    """Formulas: units are compared here, the rest by the leaf."""
    (body, unit), (other_body, other_unit) = _body_and_unit(gold), _body_and_unit(found)
    if unit is not None and other_unit is not None:
        size = ratio(unit, other_unit)
        if size is None:
            return "different"
        if size != 1:
            other_body = rf"({other_body})\cdot\frac{{{size.numerator}}}{{{size.denominator}}}"
    if (body, other_body) != (gold, found):
        return outcome_of(body, other_body, leaf, depth + 1)
    gold, found = (_CHINESE_OR.sub(" or ", text) for text in (gold, found))
    if is_prose(gold) or is_prose(found):
        return _as_texts(gold, found)
    outcome = leaf(gold, found)
    # `Jan 5` is no mathematics either.
    return _as_texts(gold, found) if outcome == "unparsable" and _SHORT_NAME.search(gold) else outcome


def _as_texts(gold: str, found: str) -> Outcome:
    if _names_folded(gold) == _names_folded(found):
        return "equal"
    # `June 20` and `June 21`.
    is_other_number = _NUMBERS.sub("#", gold.casefold()) == _NUMBERS.sub("#", found.casefold())
    is_other_number = is_other_number and _NUMBERS.findall(gold) != _NUMBERS.findall(found)
    return "different" if is_other_number else "unparsable"


def _body_and_unit(text: str) -> tuple[str, Unit | None]:
    """A formula and the unit behind it (`2\\sqrt{3} cm`)."""
    found = _TRAILING_UNIT.fullmatch(text)
    if found:
        body, name = (found.group(1), found.group(2)) if found.group(1) else (found.group(3), found.group(4))
        unit = None if found.group(4) and _ANGLE_OF.search(body) else unit_of(name)
        if unit is not None and not (unit.is_count and not _FORMULA.search(body)):
            return body.strip(), unit
    found = _UNIT_BEHIND_LETTER.fullmatch(text)
    if found and not is_prose(found.group(1)):
        unit = unit_of(found.group(2))
        if unit is not None and not unit.is_count:
            return found.group(1).strip(), unit
    money = re.fullmatch(r"([$€£¥₹])\s*([^$].*)", text)
    if money:
        return money.group(2), unit_of(money.group(1))
    return text, None
