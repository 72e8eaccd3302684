"""From stored scores to verdicts: thresholds, and which of a row's passing candidates goes on."""

from __future__ import annotations

from typing import Any

import pytest
from made import candidates

from mixwright_runtime.plugins.protocol import Measurement
from mixwright_runtime.values.rows import Row
from mixwright_runtime.verifiers.verdicts import Selection, thresholds_of


def score(value: float | None, **evidence: Any) -> Measurement:
    outcome: Any = "measured" if value is not None else "unmeasurable"
    return Measurement(outcome, value, evidence)


def verdicts(selection: Selection, *measurements: Measurement, **options: Any) -> list[str]:
    rows = candidates("text", ["x"] * len(measurements))
    decided = selection.decide(rows, measurements, **options)
    return ["passes" if isinstance(verdict, Row) else verdict.reason for verdict in decided]


def selection(
    pick: str = "all", low: float | None = 0.5, high: float | None = None, **words: str
) -> Selection:
    return Selection("v", "polite", low, high, pick, **words)


def test_thresholds_are_inclusive_and_what_cannot_be_measured_never_passes() -> None:
    found = verdicts(selection(high=0.9), score(0.5), score(0.9), score(0.49), score(0.91), score(None))
    assert found == ["passes", "passes", "polite: below min", "polite: above max", "polite: unmeasurable"]


def test_a_verifier_has_its_own_words() -> None:
    found = verdicts(selection(wrong="rude", missing="no text"), score(0.1), score(None))
    assert found == ["polite: rude", "polite: no text"]


@pytest.mark.parametrize(
    ("pick", "chosen"), [("all", [1, 2, 3, 4]), ("first", [1]), ("best", [2]), ("majority", [4])]
)
def test_pick_chooses_among_the_passing(pick: str, chosen: list[int]) -> None:
    # 2 and 4 have the highest score, so `best` takes the lower candidate; c is the largest class of those that pass.
    measurements = [
        score(0.2, **{"class": "b"}),
        score(0.6, **{"class": "b"}),
        score(0.9, **{"class": "a"}),
        score(0.7, **{"class": "c"}),
        score(0.9, **{"class": "c"}),
        score(0.4, **{"class": "b"}),
    ]
    found = verdicts(selection(pick), *measurements)
    assert [i for i, verdict in enumerate(found) if verdict == "passes"] == chosen
    assert [verdict for i, verdict in enumerate(found) if i not in chosen and 0 < i < 5] == [
        "polite: not picked"
    ] * (4 - len(chosen))


def test_a_majority_of_equal_sizes_goes_to_the_lowest_candidate() -> None:
    measurements = [score(0.6, **{"class": [name]}) for name in "abab"]
    assert verdicts(selection("majority"), *measurements) == ["passes", *["polite: not picked"] * 3]


def test_votes_can_be_weighted_by_score() -> None:
    measurements = [score(0.5, **{"class": "a"}), score(0.5, **{"class": "a"}), score(1.5, **{"class": "b"})]
    found = verdicts(selection("majority"), *measurements, weight=lambda m: m.score or 0.0)
    assert found == ["polite: not picked", "polite: not picked", "passes"]


def test_thresholds_come_from_min_and_max() -> None:
    # A verifier that has neither attribute tells right from wrong: 1 passes.
    assert [thresholds_of(a) for a in ({}, {"min": 0.3, "max": None}, {"min": None, "max": None})] == [
        (1.0, None),
        (0.3, None),
        (None, None),
    ]
