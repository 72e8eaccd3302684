"""Specs that a change gave another name: a file that is gone and one that is new whose lines are mostly the same."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import SequenceMatcher
from pathlib import Path

LEAST_ALIKE = 0.5
"""Part of the lines that both have, from which on two files are one: what git takes for a rename."""
MOST_PAIRS = 400
"""Pairs of files that are compared; where there are more, only equal texts are paired."""


def renamed(gone: Mapping[Path, str], new: Mapping[Path, str]) -> dict[Path, Path]:
    """New place -> the place where the file was before, each file once; those that are most alike first.

    Args:
        gone: place -> text of the files that are no longer there; `new`: of those that were not there before.
    """
    is_few = len(gone) * len(new) <= MOST_PAIRS
    found = []
    for at, text in new.items():
        for before, old in gone.items():
            alike = 1.0 if text == old else _alike(old, text) if is_few else 0.0
            if alike >= LEAST_ALIKE:
                found.append((-alike, at.name != before.name, before, at))
    pairs: dict[Path, Path] = {}
    for *_, before, at in sorted(found):
        if at not in pairs and before not in pairs.values():
            pairs[at] = before
    return pairs


def _alike(one: str, other: str) -> float:
    matcher = SequenceMatcher(None, one.splitlines(), other.splitlines(), autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() >= LEAST_ALIKE else 0.0
