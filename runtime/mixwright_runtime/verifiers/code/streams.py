"""Compares what a program printed with what it should have printed.

lines     trailing white space of each line, and empty lines at the end, do not count (the default)
tokens    only the words count; a number equals a word that is the same number to a relative or absolute 1e-6
exact     every character counts
"""

from __future__ import annotations

import math
import re
from typing import Literal

Whitespace = Literal["lines", "tokens", "exact"]

TOLERANCE = 1e-6
"""As most judges of programming contests allow."""

_DECIMAL = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+)([eE][+-]?\d+)?")


def is_same_output(got: str, expected: str, whitespace: Whitespace) -> bool:
    """Whether the outputs are equal by the rule."""
    if whitespace == "exact":
        return got == expected
    if whitespace == "lines":
        return _lines(got) == _lines(expected)
    words, wanted = got.split(), expected.split()
    return len(words) == len(wanted) and all(map(_is_same_word, words, wanted))


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _is_same_word(got: str, expected: str) -> bool:
    if got == expected:
        return True
    # A whole number is exact: 1000000 is not 1000001.
    if not (_DECIMAL.fullmatch(got) and _DECIMAL.fullmatch(expected)) or "." not in expected:
        return False
    return math.isclose(float(got), float(expected), rel_tol=TOLERANCE, abs_tol=TOLERANCE)
