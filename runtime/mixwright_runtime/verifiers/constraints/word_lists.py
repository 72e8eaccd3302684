"""Lists of words, written as text."""

from __future__ import annotations


def word_list(text: str) -> list[str]:
    """The words of a text in order."""
    return text.split()


def word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())
