"""Do two readings say the same?

Formulas are compared by their values at a few fixed points, with 30 digits: two that differ anywhere differ at almost
every point, and what agrees at all of them is equal for any purpose here. So nothing is expanded or simplified, which
may take for ever. Relations are compared by what they leave when one side is taken from the other, and those in one
variable as sets; sets by their ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import sympy

from mixwright_runtime.verifiers.math.formulas.values import (
    DEGREE,
    Combined,
    Parts,
    Reading,
    Relation,
    Residue,
    Span,
)

Outcome = Literal["equal", "different", "unparsable"]

DIGITS = 30
"""Chosen: eight more than `EXACT` looks at."""
EXACT, ROUNDED = sympy.Float("1e-22"), sympy.Float("1.0000001e-6")
"""How far, as a part of the larger, two values may be apart: computed exactly, and where a side writes a decimal."""
POINTS = 7
"""Chosen: values of the variables at which two formulas are compared."""
ORDERED_PARTS_LIMIT = 24
"""Chosen: of two sets each part is compared with each of the other, a pair of formulas every time."""

_OF_WHOLE_NUMBERS = (sympy.factorial, sympy.factorial2, sympy.binomial, sympy.Mod)
_OF_COMPLEX_NUMBERS = (sympy.re, sympy.im, sympy.arg, sympy.conjugate)
_ORDER = {"<", "<=", ">", ">="}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}


class _Unknown(Exception):
    """It cannot be told."""


Set = tuple[Span, ...]
"""Intervals without a common point, in ascending order; a number by itself is one whose ends are equal."""


def compared(gold: Reading, found: Reading, *, is_rounded: bool) -> Outcome:
    """How two readings compare. is_rounded: one of the texts has a decimal with many places."""
    tolerance = ROUNDED if is_rounded else EXACT
    try:
        outcome = _same(gold.value, found.value, tolerance)
        if outcome == "different" and gold.is_percent != found.is_percent:
            # `50%` is 50, too.
            percent, other = (gold, found) if gold.is_percent else (found, gold)
            if isinstance(percent.value, sympy.Expr):
                outcome = _same(percent.value * 100, other.value, tolerance)
        if outcome == "different" and isinstance(gold.value, sympy.Expr):
            outcome = _without_degrees(gold.value, found.value, tolerance)
        return outcome
    except _Unknown:
        return "unparsable"


def _without_degrees(a: Any, b: Any, tolerance: Any) -> Outcome:
    """Degrees that one side leaves off, as units are; or writes as radians."""
    if not isinstance(b, sympy.Expr) or a.has(DEGREE) == b.has(DEGREE):
        return "different"
    with_degrees, other = (a, b) if a.has(DEGREE) else (b, a)
    for value in (1, sympy.pi / 180):
        if _same(with_degrees.subs(DEGREE, value), other, tolerance) == "equal":
            return "equal"
    return "different"


def _same(a: object, b: object, tolerance: object) -> Outcome:
    if isinstance(a, sympy.MatrixBase) or isinstance(b, sympy.MatrixBase):
        return _same_matrices(a, b, tolerance)
    if isinstance(a, sympy.Expr) and isinstance(b, sympy.Expr):
        return _same_values(a, b, tolerance)
    if isinstance(a, Residue) or isinstance(b, Residue):
        return _same_residues(a, b, tolerance)
    if _is_list_of(a, b) or _is_list_of(b, a):
        return _same_parts(a, b, tolerance)
    if isinstance(a, Relation) and isinstance(b, Relation):
        return _same_relations(a, b, tolerance)
    if isinstance(a, Span) and isinstance(b, Span):
        return _same_sets((a,), (b,), tolerance)
    if any(isinstance(value, sympy.Expr) and value.is_number for value in (a, b)):
        return "different"
    first, second = _set_of(a), _set_of(b)
    if first is None or second is None:
        raise _Unknown
    names = {name for name in (_variable(a), _variable(b)) if name is not None}
    return "different" if len(names) > 1 else _same_sets(first, second, tolerance)


def _is_list_of(a: object, b: object) -> bool:
    """Are both several values, where `(1, 2)` may be two?"""
    if not isinstance(a, Parts):
        return False
    return isinstance(b, Parts) or (isinstance(b, Span) and b.is_pair)


# Numbers and formulas.


def _same_values(a: Any, b: Any, tolerance: Any) -> Outcome:
    if a == b:
        return "equal"
    a, b = _computed(a), _computed(b)
    a, b = _without_functions(a), _without_functions(b)
    if a == b:
        return "equal"
    if not (a.is_commutative and b.is_commutative):
        return "equal" if sympy.expand(a - b) == 0 else "different"
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    if not symbols:
        return _same_numbers(a, b, tolerance)
    counted = 0
    are_complex = a.has(*_OF_COMPLEX_NUMBERS) or b.has(*_OF_COMPLEX_NUMBERS)
    are_whole = a.has(*_OF_WHOLE_NUMBERS) or b.has(*_OF_WHOLE_NUMBERS)
    for point in range(POINTS):
        values = _point(symbols, point, are_whole)
        if are_complex:
            values = {symbol: size + sympy.I * (point + 2) / 7 for symbol, size in values.items()}
        first, second = _value(a, values), _value(b, values)
        if first is None or second is None:
            continue
        # With negative numbers a root has more than one value: only real ones are compared.
        if point >= 3 and not are_complex and not (_is_real(first) and _is_real(second)):
            continue
        if not _is_near(first, second, tolerance):
            return "different"
        counted += 1
    if counted < 2:
        raise _Unknown
    return "equal"


def _same_numbers(a: Any, b: Any, tolerance: Any) -> Outcome:
    if a.is_infinite or b.is_infinite:
        return "equal" if a == b else "different"
    if a.is_Rational and b.is_Rational:
        is_same = a == b or (tolerance == ROUNDED and _is_near(a.evalf(DIGITS), b.evalf(DIGITS), tolerance))
        return "equal" if is_same else "different"
    first, second = _value(a, {}), _value(b, {})
    if first is None or second is None:
        raise _Unknown
    if 0 in (a, b):
        # How small a value is that should be nothing, its own digits do not tell.
        other = second if a == 0 else first
        if abs(other) > sympy.Float("1e-25"):
            return "different"
        return "equal" if (a - b).equals(0) else "different"
    return "equal" if _is_near(first, second, tolerance) else "different"


def _computed(value: Any) -> Any:
    """With its sums, integrals and limits computed where they can be."""
    if value.has(sympy.Sum, sympy.Product, sympy.Integral, sympy.Limit):
        return value.doit()
    return value


def _without_functions(value: Any) -> Any:
    """With a name for each function that has no value, and for sums and integrals that nothing computes."""

    def unknown(part: object) -> bool:
        if isinstance(part, sympy.core.function.AppliedUndef):
            return True
        open_ended = (sympy.Sum, sympy.Product, sympy.Integral, sympy.Limit)
        return isinstance(part, open_ended) and bool(part.free_symbols or part.atoms(sympy.Function))

    def named(part: Any) -> Any:
        return sympy.Symbol(f"[{part}]", commutative=part.is_commutative is not False)

    # From the outside in: a sum takes what stands in it along.
    return value.replace(unknown, named) if not unknown(value) else named(value)


def _point(symbols: Sequence[object], number: int, are_whole: bool) -> dict[Any, Any]:
    """A number for each symbol: between 0.5 and 4, from the fourth point on with either sign; or a small whole one."""
    values = {}
    for index, symbol in enumerate(symbols):
        if are_whole:
            values[symbol] = sympy.Integer(2 + (number * (index + 1) + 3 * index) % 5)
            continue
        size = sympy.Rational((7919 * (index + 1) * (number + 2) + 104729 * (index + 3)) % 3491 + 503, 1009)
        is_negative = number >= 3 and (index + number) % 2 == 1
        values[symbol] = -size if is_negative else size
    return values


def _value(expression: Any, values: dict[Any, Any]) -> Any:
    """The number that an expression is at a point, None where it has none there."""
    try:
        found = expression.xreplace(values).evalf(DIGITS, maxn=200)
    except (ArithmeticError, AttributeError, NotImplementedError, TypeError, ValueError):
        return None
    if not found.is_number or found.has(sympy.nan, sympy.oo, sympy.zoo):
        return None
    return found if all(part.is_Float or part.is_Rational for part in found.as_real_imag()) else None


def _is_near(a: Any, b: Any, tolerance: Any) -> bool:
    size = max(abs(a), abs(b))
    return bool(abs(a - b) <= tolerance * size) or bool(size == 0)


def _is_real(value: Any) -> bool:
    real, imaginary = value.as_real_imag()
    return bool(abs(imaginary) <= sympy.Float("1e-20") * max(abs(real), sympy.Float(1)))


# Matrices, remainders, several values.


def _same_matrices(a: object, b: object, tolerance: object) -> Outcome:
    if not (isinstance(a, sympy.MatrixBase) and isinstance(b, sympy.MatrixBase)):
        other = b if isinstance(a, sympy.MatrixBase) else a
        if isinstance(other, sympy.Expr) and other.is_number:
            return "different"
        raise _Unknown
    if a.shape != b.shape:
        return "different"
    return _all([_same_values(x, y, tolerance) for x, y in zip(a, b, strict=True)])


def _same_residues(a: object, b: object, tolerance: object) -> Outcome:
    if not (isinstance(a, Residue) and isinstance(b, Residue)):
        raise _Unknown
    if a.of is not None and b.of is not None and _same(a.of, b.of, tolerance) != "equal":
        return "different"
    if _same(a.modulus, b.modulus, tolerance) != "equal":
        return "different"
    difference = a.value - b.value
    if difference.is_Integer and a.modulus.is_Integer and a.modulus:
        return "equal" if difference % a.modulus == 0 else "different"
    return _same(a.value, b.value, tolerance)


def _same_parts(a: object, b: object, tolerance: object) -> Outcome:
    (kind, items), (other_kind, others) = _parts(a), _parts(b)
    if "tuple" in (kind, other_kind):
        if {kind, other_kind} == {"tuple", "set"} or len(items) != len(others):
            return "different"
        return _all([_same(x, y, tolerance) for x, y in zip(items, others, strict=True)])
    if max(len(items), len(others)) > ORDERED_PARTS_LIMIT:
        raise _Unknown
    return _all([_any(x, others, tolerance) for x in items] + [_any(y, items, tolerance) for y in others])


def _parts(value: Any) -> tuple[str, tuple[Any, ...]]:
    return ("tuple", (value.low, value.high)) if isinstance(value, Span) else (value.kind, value.items)


def _any(value: object, others: Sequence[object], tolerance: object) -> Outcome:
    outcomes = []
    for other in others:
        try:
            outcomes.append(_same(value, other, tolerance))
        except _Unknown:
            outcomes.append("unparsable")
    for word in ("equal", "unparsable"):
        if word in outcomes:
            return word
    return "different"


def _all(outcomes: Sequence[Outcome]) -> Outcome:
    if "different" in outcomes:
        return "different"
    return "unparsable" if "unparsable" in outcomes else "equal"


# Relations.


def _same_relations(a: Relation, b: Relation, tolerance: object) -> Outcome:
    if a == b or _turned(a) == b:
        return "equal"
    if set(a.signs) == {"in"} or set(b.signs) == {"in"}:
        return _same_memberships(a, b, tolerance)
    if a.signs == b.signs == ("=",) and not _are_formulas((*a.terms, *b.terms)):
        return _all([_same(x, y, tolerance) for x, y in zip(a.terms, b.terms, strict=True)])
    if not _are_formulas((*a.terms, *b.terms)):
        raise _Unknown
    if ("=" in a.signs) != ("=" in b.signs):
        return "different"
    if len(a.signs) == len(b.signs) == 1:
        (sign,), (other_sign,) = a.signs, b.signs
        ratio = _ratio(a.terms[0] - a.terms[1], b.terms[0] - b.terms[1])
        if ratio is not None:
            expected = other_sign if ratio > 0 else _TURNED[other_sign]
            return "equal" if sign == expected or (sign == other_sign == "=") else "different"
        if sign == other_sign == "=":
            return _same_solutions(a.terms[0] - a.terms[1], b.terms[0] - b.terms[1], tolerance)
    first, second = _set_of(a), _set_of(b)
    if first is not None and second is not None and _variable(a) == _variable(b):
        return _same_sets(first, second, tolerance)
    for chain in (b, _turned(b)):
        if a.signs == chain.signs:
            if all(
                _same_values(x, y, tolerance) == "equal" for x, y in zip(a.terms, chain.terms, strict=True)
            ):
                return "equal"
            return "different"
    return "different"


def _same_memberships(a: Relation, b: Relation, tolerance: object) -> Outcome:
    if a.signs == b.signs:
        return _all([_same(x, y, tolerance) for x, y in zip(a.terms, b.terms, strict=True)])
    first, second = _set_of(a), _set_of(b)
    if first is None or second is None:
        raise _Unknown
    return _same_sets(first, second, tolerance) if _variable(a) == _variable(b) else "different"


def _turned(relation: Relation) -> Relation:
    if any(sign not in _TURNED for sign in relation.signs):
        return relation
    return Relation(relation.terms[::-1], tuple(_TURNED[sign] for sign in reversed(relation.signs)))


def _are_formulas(terms: Sequence[object]) -> bool:
    return all(isinstance(term, sympy.Expr) and term.is_commutative for term in terms)


def _ratio(a: Any, b: Any) -> Any:
    """What `a` is times `b`, when that is one real number everywhere, and None otherwise."""
    a, b = _without_functions(_computed(a)), _without_functions(_computed(b))
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    ratio = None
    for number in range(POINTS):
        values = _point(symbols, number, False)
        first, second = _value(a, values), _value(b, values)
        if first is None or second is None or second == 0 or first == 0:
            return None
        if ratio is None:
            ratio = first / second
        elif not _is_near(first, ratio * second, EXACT):
            return None
    return sympy.re(ratio) if ratio is not None and _is_real(ratio) else None


def _same_solutions(a: Any, b: Any, tolerance: Any) -> Outcome:
    """Equations by what they say of one of their variables: `y = 1/x` and `xy = 1`."""
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    if a.free_symbols != b.free_symbols or not symbols:
        return "different"
    for symbol in symbols:
        try:
            first, second = sympy.solve(a, symbol), sympy.solve(b, symbol)
        except NotImplementedError:
            continue
        if first and second:
            return _same_parts(Parts("set", tuple(first)), Parts("set", tuple(second)), tolerance)
    return "different"


# Sets of numbers.


def _variable(value: object) -> str | None:
    """The name of what a relation says where it lies, None for a set by itself."""
    if isinstance(value, Relation):
        names = {str(term) for term in value.terms if isinstance(term, sympy.Symbol)}
        symbols = {str(s) for term in value.terms if isinstance(term, sympy.Expr) for s in term.free_symbols}
        if value.signs == ("in",):
            return str(value.terms[0])
        return symbols.pop() if len(symbols) == 1 else (names.pop() if len(names) == 1 else None)
    if isinstance(value, Combined):
        names = {name for part in value.parts if (name := _variable(part)) is not None}
        return ", ".join(sorted(names)) if names else None
    return None


def _set_of(value: object) -> Set | None:
    """The set that a reading is or gives, None when it is none."""
    if isinstance(value, Span):
        return (value,)
    if isinstance(value, Parts) and value.kind == "set":
        return _united(
            [Span(item, item, False, False) for item in value.items if isinstance(item, sympy.Expr)]
        )
    if isinstance(value, Relation):
        return _solved(value)
    if isinstance(value, Combined):
        sets = [_set_of(part) for part in value.parts]
        if any(part is None for part in sets):
            return None
        return _combined(value.by, [part for part in sets if part is not None])
    return None


def _solved(relation: Relation) -> Set | None:
    """The real numbers for which a relation in one variable holds."""
    if relation.signs == ("in",):
        return _set_of(relation.terms[1]) if isinstance(relation.terms[0], sympy.Symbol) else None
    if not _are_formulas(relation.terms) or not set(relation.signs) <= {*_ORDER, "!="}:
        return None
    sets = [
        _solved_pair(left, sign, right)
        for left, sign, right in zip(relation.terms, relation.signs, relation.terms[1:], strict=False)
    ]
    if any(part is None for part in sets):
        return None
    if len(relation.terms) == 3 and isinstance(relation.terms[1], sympy.Symbol):
        low, sign, _, end, high = (x for x in _chain(relation))
        if {sign, end} <= {"<", "<="}:
            return (Span(low, high, sign == "<", end == "<"),)
    return _combined("and", [part for part in sets if part is not None])


def _chain(relation: Relation) -> tuple[Any, ...]:
    if {">", ">="} & set(relation.signs):
        relation = _turned(relation)
    (low, middle, high), (sign, end) = relation.terms, relation.signs
    return low, sign, middle, end, high


def _solved_pair(left: Any, sign: str, right: Any) -> Set | None:
    if isinstance(right, sympy.Symbol) and not isinstance(left, sympy.Symbol) and sign != "!=":
        left, sign, right = right, _TURNED[sign], left
    if isinstance(left, sympy.Symbol) and left not in right.free_symbols:
        below, above = (-sympy.oo, right), (right, sympy.oo)
        is_open = sign in ("<", ">", "!=")
        low, high = Span(*below, True, is_open), Span(*above, is_open, True)
        return {"<": (low,), "<=": (low,), ">": (high,), ">=": (high,), "!=": (low, high)}[sign]
    symbols = left.free_symbols | right.free_symbols
    if len(symbols) != 1:
        return None
    real = sympy.Symbol("x", real=True)
    difference = (left - right).subs(symbols.pop(), real)
    relational = sympy.Rel(difference, 0, {"!=": "ne"}.get(sign, sign))
    try:
        solution = relational.as_set() if relational not in (True, False) else _all_or_nothing(relational)
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return None
    return _spans(solution)


def _all_or_nothing(truth: object) -> Any:
    return sympy.S.Reals if truth == True else sympy.S.EmptySet  # noqa: E712


def _spans(found: object) -> Set | None:
    if found is sympy.S.EmptySet:
        return ()
    if found == sympy.S.Reals:
        return (Span(-sympy.oo, sympy.oo, True, True),)
    if isinstance(found, sympy.Interval):
        return (Span(found.start, found.end, bool(found.left_open), bool(found.right_open)),)
    if isinstance(found, sympy.FiniteSet):
        return _united([Span(item, item, False, False) for item in found.args])
    if isinstance(found, sympy.Union):
        parts = [_spans(part) for part in found.args]
        if all(part is not None for part in parts):
            return _united([span for part in parts if part is not None for span in part])
    return None


def _combined(by: str, sets: list[Set]) -> Set | None:
    if by == "or":
        return _united([span for part in sets for span in part])
    if by == "without":
        return _common([sets[0], *(_complement(part) for part in sets[1:])])
    common = _common(sets)
    # `x < 1, x > 5` cannot be meant to hold at once.
    return _united([span for part in sets for span in part]) if by == "," and not common else common


def _united(spans: Sequence[Span]) -> Set:
    """Spans that touch are one. Ends that are no numbers stay as they are written."""
    if not all(_is_number(end) for span in spans for end in (span.low, span.high)):
        return tuple(spans)
    united: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.low, span.is_low_open)):
        if not _is_empty(span) and united and _touch(united[-1], span):
            last = united.pop()
            ends = (
                (last, span)
                if (last.high, not last.is_high_open) >= (span.high, not span.is_high_open)
                else (span, last)
            )
            united.append(Span(last.low, ends[0].high, last.is_low_open, ends[0].is_high_open))
        elif not _is_empty(span):
            united.append(span)
    return tuple(united)


def _touch(first: Span, second: Span) -> bool:
    return bool(first.high > second.low) or (
        first.high == second.low and not (first.is_high_open and second.is_low_open)
    )


def _is_empty(span: Span) -> bool:
    return bool(span.low > span.high) or (span.low == span.high and (span.is_low_open or span.is_high_open))


def _is_number(end: Any) -> bool:
    return bool(end.is_extended_real and not end.free_symbols)


def _common(sets: Sequence[Set]) -> Set:
    common = sets[0]
    for other in sets[1:]:
        pairs = [(a, b) for a in common for b in other]
        if not all(_is_number(end) for a, b in pairs for end in (a.low, a.high, b.low, b.high)):
            raise _Unknown
        common = _united([_overlap(a, b) for a, b in pairs])
    return common


def _overlap(a: Span, b: Span) -> Span:
    low = max(a, b, key=lambda span: (span.low, span.is_low_open))
    high = min(a, b, key=lambda span: (span.high, not span.is_high_open))
    return Span(low.low, high.high, low.is_low_open, high.is_high_open)


def _complement(spans: Set) -> Set:
    if not all(_is_number(end) for span in spans for end in (span.low, span.high)):
        raise _Unknown
    gaps, low, is_open = [], -sympy.oo, True
    for span in spans:
        gaps.append(Span(low, span.low, is_open, not span.is_low_open))
        low, is_open = span.high, not span.is_high_open
    gaps.append(Span(low, sympy.oo, is_open, True))
    return tuple(
        span for span in gaps if not _is_empty(span) and not (span.low == span.high and span.low.is_infinite)
    )


def _same_sets(a: Set, b: Set, tolerance: object) -> Outcome:
    if len(a) != len(b):
        return "different"
    same: Callable[[Span, Span], bool] = lambda x, y: (  # noqa: E731
        (x.is_low_open or x.low.is_infinite) == (y.is_low_open or y.low.is_infinite)
        and (x.is_high_open or x.high.is_infinite) == (y.is_high_open or y.high.is_infinite)
        and _same_values(x.low, y.low, tolerance) == "equal"
        and _same_values(x.high, y.high, tolerance) == "equal"
    )
    return "equal" if all(any(same(x, y) for y in b) for x in a) else "different"
