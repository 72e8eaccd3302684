"""Whole numbers as options of commands, for `type=` of argparse."""

from __future__ import annotations


def count(text: str) -> int:
    """0, 1, 2 …; raises ValueError."""
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number


def positive(text: str) -> int:
    """1, 2, 3 …; raises ValueError."""
    number = count(text)
    if number == 0:
        raise ValueError(text)
    return number
