"""Operators of Jinja with which a few characters of a template make a value of any size."""

from __future__ import annotations

from typing import Any

GROWING = frozenset(("*", "**"))


def is_too_large(operator: str, left: Any, right: Any, limit: int) -> bool:
    """Would `*` make a text or list longer than `limit`, or `**` a number that takes long to work out?"""
    if operator == "*":
        for one, other in ((left, right), (right, left)):
            if isinstance(one, str | list | tuple):
                return bool(len(one) * other > limit)
    return operator == "**" and bool(abs(left) > 1_000_000 or abs(right) > 64)
