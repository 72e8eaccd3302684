"""Labelled rows of `calibrate`: which of them should pass, and whether they tell right from wrong."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import Any


def is_good(label: Any, good: Any) -> bool:
    """Should a row of this label pass?"""
    # JSON has one kind of number; 1 and true are told apart by it, so labels 0 and 1 need no `good`.
    if good is True and isinstance(label, int | float):
        return bool(label)
    return bool(label == good)


def one_sided(labels: Collection[Any], good: Any) -> str:
    """What all of these labels say, `should pass` or `should fail`; empty where they tell right from wrong."""
    sides = {is_good(label, good) for label in labels}
    return "" if len(sides) != 1 else "should pass" if True in sides else "should fail"


def labels_in_words(labels: Iterable[Any]) -> list[str]:
    """Each label once as it is written, in order of first appearance."""
    return list(dict.fromkeys(json.dumps(label, ensure_ascii=False) for label in labels))
