"""Criteria of a rubric as rows and specs have them: what each asks for, and how much it counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixwright_dsl.lazy_dataclass import dataclass

WEIGHTS: Mapping[str, float] = {"essential": 1.0, "important": 0.7, "optional": 0.3, "pitfall": 0.9}
"""What each word counts (Rubrics as Rewards, Gunjal et al. 2025, explicit aggregation). A pitfall says what a good answer
does not do ("Does not …"), so an answer meets it by not doing it."""
FIELDS = ("criterion", "text", "description")
"""Names of the field that holds a criterion, as rubrics are published with; the first that is there counts."""
LARGEST = 1e6
"""Chosen: a weight beyond it is a slip, and would leave nothing of the others."""


@dataclass(frozen=True)
class Criterion:
    """One thing that is asked of a response. weight: below zero where meeting it is bad."""

    text: str
    weight: float


def criteria_in(value: Any) -> list[Criterion]:
    """The criteria that a column or an attribute holds: texts, or objects with a `criterion` and a `weight`, which is a
    word of `WEIGHTS` or a number. Without one it counts 1.

    Raises:
        ValueError: it holds none, or some cannot be read; says what is wrong, and with which of them.
    """
    if not isinstance(value, list | tuple):
        raise ValueError("no list of criteria")
    if not value:
        raise ValueError("no criteria")
    found = [_criterion(item, number) for number, item in enumerate(value, 1)]
    if not any(one.weight > 0 for one in found):
        raise ValueError("no criterion counts for a response: each weight is 0 or below")
    return found


def _criterion(item: Any, number: int) -> Criterion:
    weight: Any = 1.0
    text: Any = item
    if isinstance(item, Mapping):
        text = next((item[name] for name in FIELDS if name in item), None)
        weight = item.get("weight")
        weight = 1.0 if weight is None else weight
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"criterion {number} has no text")
    return Criterion(text.strip(), _weight(weight, number))


def _weight(weight: Any, number: int) -> float:
    if isinstance(weight, str) and weight.strip().casefold() in WEIGHTS:
        return WEIGHTS[weight.strip().casefold()]
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not abs(weight) <= LARGEST:
        words = ", ".join(WEIGHTS)
        raise ValueError(f"criterion {number} has no weight that counts: write one of {words}, or a number")
    return float(weight)
