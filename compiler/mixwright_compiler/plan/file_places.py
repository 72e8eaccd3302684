"""How two places of the file system lie to each other, whatever way they are written."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Literal

Relation = Literal["is", "contains", "lies in", ""]


@lru_cache(maxsize=4096)
def parts_of(path: str) -> tuple[str, ...]:
    """The parts of a path without links and `..`, in one case and one Unicode form: what is one file on any system
    is one here."""
    real = os.path.realpath(path)
    if not real.isascii():
        import unicodedata

        return tuple(unicodedata.normalize("NFC", part).casefold() for part in Path(real).parts)
    return tuple(part.casefold() for part in Path(real).parts)


def relation(one: Path | str, other: Path | str) -> Relation:
    """How `one` lies to `other`, which may be a pattern (`data/*.jsonl`): then to what it can match."""
    mine, theirs = parts_of(str(one)), parts_of(str(other))
    if mine == theirs:
        return "is"
    if mine[: len(theirs)] == theirs:
        return "lies in"
    if theirs[: len(mine)] == mine:
        return "contains"
    if not any(is_pattern(part) for part in theirs):
        return ""
    for part, pattern in zip_longest(mine, theirs):
        if part is None:
            return "contains"
        if pattern is None or pattern == "**":
            return "lies in"
        if not fnmatchcase(part, pattern):
            return ""
    return "is"


def is_pattern(text: str) -> bool:
    """Does it stand for several files?"""
    return any(c in text for c in "*?[")
