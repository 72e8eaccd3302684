"""Compares two formulas with SymPy. Runs in a worker process: what it is given may never end.

Each pair has its own alarm. It counts CPU time, so that a verdict does not hang on how busy the machine is, and rings
again every half second, because SymPy swallows exceptions in places. What hangs inside one long operation of the
interpreter is ended by the caller, which kills the process.
"""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import FrameType
from typing import Any

from mixwright_runtime.verifiers.math.reading import Outcome, outcome_of

_ROUNDED = re.compile(r"\.\d{4}")
"""A decimal that may be rounded: two numbers then may differ by a millionth."""


class _Late(BaseException):
    """The alarm. No `Exception`: libraries catch those."""


def compare(gold: str, found: str, limit_s: float) -> dict[str, Any]:
    """How two folded answers compare, and as what each was read: `outcome` (a word of `Outcome`, or `timeout`).

    limit_s: CPU seconds.
    """
    _make_ready()
    readings: dict[str, str] = {}

    def note(text: str, reading: object) -> None:
        readings.setdefault(text, _shown(reading))

    def leaf(a: str, b: str) -> Outcome | None:
        return _compared(a, b, note)

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
    for gold, found in (
        (r"\frac{x+1}{\sqrt{2}}", r"\sin(x)^2"),
        (r"\sqrt{8}", r"2\sqrt{2}"),
        ("x^2+y=1", "y=1-x^2"),
        (r"(-\infty,1)\cup[2,3)", "x<1"),
        (r"\{x,2\}", r"\{2,x\}"),
        (r"\begin{pmatrix}1\\2\end{pmatrix}", r"\begin{pmatrix}1\\x\end{pmatrix}"),
        (r"\int_0^1 x dx", r"\sum_{n=1}^{3} n"),
    ):
        _compared(gold, found, lambda text, reading: None)


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
def _reading(text: str, ordered: frozenset[str] = frozenset()) -> Any:
    """What a text writes; the reason, a string, when it writes more than can be kept."""
    from mixwright_runtime.verifiers.math.formulas.reader import read
    from mixwright_runtime.verifiers.math.formulas.values import Unreadable

    try:
        return read(text, ordered)
    except Unreadable as unreadable:
        return str(unreadable)


def _compared(gold: str, found: str, note: Callable[[str, Any], None]) -> Outcome:
    """How two formulas compare; `note` is told what each was read as."""
    from mixwright_runtime.verifiers.math.formulas.sameness import compared

    first, second = _reading(gold), _reading(found)
    note(gold, first)
    note(found, second)
    if isinstance(first, str) or isinstance(second, str):
        return "unparsable"
    is_rounded = bool(_ROUNDED.search(gold) or _ROUNDED.search(found))
    outcome: Outcome = compared(first, second, is_rounded=is_rounded)
    ordered = first.ordered | second.ordered
    if not ordered or outcome != "equal":
        return outcome
    # Numbers may be exchanged and matrices may not: with a mark that only matrices bear it is settled.
    turned = compared(_reading(gold, ordered), _reading(found, ordered), is_rounded=is_rounded)
    return "unparsable" if turned == "different" and ordered == {""} else turned


def _shown(reading: Any) -> str:
    return "" if isinstance(reading, str) else str(reading.value)[:200]
