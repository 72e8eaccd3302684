"""Compares two expressions with math-verify and SymPy. Runs in a worker process: what it is given may never end.

Each pair has its own alarm. It counts CPU time, so that a verdict does not hang on how busy the machine is, and rings
again every half second, because SymPy swallows exceptions in places. What hangs inside one long operation of the
interpreter is ended by the caller, which kills the process.
"""

from __future__ import annotations

import contextlib
import logging
import re
import signal
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from types import FrameType
from typing import Any

from runtime.verifiers.reading import Outcome, outcome_of

RELATIVE_ERROR = 1e-6
"""Two numbers that differ by more than this part of the larger are different, whatever rounding says."""

_IMAGINARY = re.compile(r"(?<![A-Za-z\\])i(?![A-Za-z])")
_RELATION = re.compile(r"(<=|>=|<|>|\\[lg]e(?![a-z]))")
_OR = re.compile(r"\s*,?\s*(?:\bor\b|或者?)\s*")
_TURNED = {">": "<", ">=": "<=", r"\ge": r"\le"}


class _Late(BaseException):
    """The alarm. No `Exception`: libraries catch those."""


def compare(gold: str, found: str, limit_s: float) -> dict[str, Any]:
    """How two folded answers compare, and as what each was read: `outcome` (a word of `Outcome`, or `timeout`).

    limit_s: CPU seconds.
    """
    _make_ready()
    readings: dict[str, str] = {}

    def leaf(a: str, b: str) -> Outcome | None:
        first, second = _expression(a), _expression(b)
        readings.setdefault(a, _shown(first))
        readings.setdefault(b, _shown(second))
        if first is None or second is None:
            return "unparsable"
        return "equal" if _are_equal(a, b, first, second) else "different"

    try:
        with _alarm(limit_s):
            outcome: str = outcome_of(gold, found, leaf) or "unparsable"
    except _Late:
        return {"outcome": "timeout", "reason": f"no result after {limit_s:g} CPU seconds"}
    except RecursionError:
        return {"outcome": "unparsable", "reason": "too deeply nested"}
    return {"outcome": outcome, **_named(gold, found, readings)}


@lru_cache(maxsize=1)
def _make_ready() -> None:
    """Import what is used, before any alarm: one that rings during an import leaves half a module behind."""
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    for gold, found in (
        (r"\frac{x+1}{\sqrt{2}}", r"\sin(x)^2"),
        (r"\sqrt{8}", r"2\sqrt{2}"),
        ("x^2+y=1", "y=1-x^2"),
        (r"(-\infty,1)\cup[2,3)", "x<1"),
        (r"\{x,2\}", r"\{2,x\}"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1\\x\end{pmatrix}"),
        (r"\int_0^1 x dx", r"\sum_{n=1}^{3} n"),
    ):
        first, second = _expression(gold), _expression(found)
        if first is not None and second is not None:
            _are_equal(gold, found, first, second)


def _named(gold: str, found: str, readings: dict[str, str]) -> dict[str, str]:
    """Both readings; of an answer of several parts, the parts that were read."""
    if gold in readings and found in readings:
        return {"gold_as": readings[gold], "found_as": readings[found]}
    return {"parts_as": "; ".join(f"{text} -> {reading}" for text, reading in readings.items())[:400]}


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise _Late

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@lru_cache(maxsize=512)
def _expression(text: str) -> Any:
    """The SymPy expression that a text writes; None when it cannot be parsed.

    math-verify's search for answers inside a text is not used: `between 3 and 5` is not 5. Nor is its second parser,
    which hands text to SymPy's `parse_expr`, which evaluates Python.
    """
    alternatives = _OR.split(text)
    if len(alternatives) > 1 and all(_RELATION.search(part) for part in alternatives):
        return _union([_expression(part) for part in alternatives])
    from latex2sympy2_extended import NormalizationConfig
    from math_verify import LatexExtractionConfig, parse

    plain = NormalizationConfig(
        basic_latex=True, units=False, malformed_operators=True, nits=True, boxed="none", equations=False
    )
    found = parse(
        f"${_as_latex(text)}$",
        [LatexExtractionConfig(boxed_match_priority=-1, normalization_config=plain)],
        fallback_mode="no_fallback",
        extraction_mode="first_match",
        parsing_timeout=None,
    )
    if not found:
        return None
    expression = found[0]
    if _IMAGINARY.search(text):
        with contextlib.suppress(Exception):
            import sympy

            named = {s: sympy.I for s in expression.free_symbols if s.name == "i"}
            expression = expression.subs(named) if named else expression
    return expression


def _union(inequalities: list[Any]) -> Any:
    """The set where one of the inequalities holds; None when one is no inequality in one variable."""
    import sympy

    try:
        return sympy.Union(*(inequality.as_set() for inequality in inequalities))
    except (AttributeError, NotImplementedError, ValueError, TypeError):
        return None


def _ascending(text: str) -> str:
    """`2 > x > 1` as `1 < x < 2`: math-verify compares chains from left to right."""
    parts = _RELATION.split(text)
    if len(parts) < 5 or any(sign not in _TURNED for sign in parts[1::2]):
        return text
    return " ".join(_TURNED.get(part, part) for part in reversed(parts))


def _as_latex(text: str) -> str:
    """Plain-text operators as LaTeX: `sqrt(2)`, `3*x`, `x**2`, `pi`."""
    text = _ascending(text).replace("**", "^").replace("*", r"\cdot ")
    text = re.sub(r"(?<![\\A-Za-z])sqrt\s*\(([^()]*)\)", r"\\sqrt{\1}", text)
    text = re.sub(r"\^\(([^()]*)\)", r"^{\1}", text)
    text = re.sub(r"(?<![\\A-Za-z])(sin|cos|tan|log|ln|exp|pi|infty)(?![A-Za-z])", r"\\\1 ", text)
    text = re.sub(r"(?<![\\A-Za-z])(?:oo|infinity)(?![A-Za-z])", r"\\infty ", text)
    return re.sub(
        r"<=|>=|!=", lambda found: {"<=": r"\le ", ">=": r"\ge ", "!=": r"\ne "}[found.group()], text
    )


def _are_equal(gold_text: str, found_text: str, gold: Any, found: Any) -> bool:
    from math_verify import verify

    # An inequality may stand for an interval where the right answer can be nothing else.
    is_interval = "\\infty" in gold_text or gold_text[:1] + gold_text[-1:] in ("[)", "(]", "[]")
    is_equal = bool(
        verify([gold], [found], timeout_seconds=None, allow_set_relation_comp=is_interval, float_rounding=6)
    )
    return is_equal and not _differ_as_numbers(gold, found)


def _differ_as_numbers(gold: Any, found: Any) -> bool:
    """True when both are numbers and too far apart: math-verify rounds at six places, whatever the size."""
    try:
        if gold.free_symbols or found.free_symbols or not (gold.is_number and found.is_number):
            return False
        a, b = gold.evalf(20), found.evalf(20)
        # A percentage is 100 times its number, and both are allowed.
        return all(
            bool(abs(a - b * k) > RELATIVE_ERROR * max(abs(a), abs(b * k)))
            for k in (1, 100, Fraction(1, 100))
        )
    except (AttributeError, TypeError, ValueError, OverflowError):
        return False


def _shown(expression: Any) -> str:
    return "" if expression is None else str(expression)[:200]
