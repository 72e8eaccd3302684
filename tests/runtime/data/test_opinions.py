"""What people's verdicts amount to, against figures worked out by hand."""

from __future__ import annotations

import pytest

from mixwright_runtime.values.opinions import cohen_kappa, mean_kappa, share_of_yes, wilson
from mixwright_runtime.verifiers.reviewed import Opinion, figures_of


def test_the_interval_is_wilsons() -> None:
    """8 of 10, z = 1.959964: middle (0.8 + 3.841459 / 20) / 1.3841459 = 0.716740, half 1.959964 / 1.3841459 *
    sqrt(0.016 + 0.00960365) = 0.226577."""
    assert wilson(8, 10) == pytest.approx((0.490162, 0.943318), abs=1e-6)
    assert wilson(1922, 2000) == pytest.approx((0.951594, 0.968639), abs=1e-6)  # InsTag's 96.1% of 2,000


def test_the_interval_stays_within_a_share() -> None:
    low, high = wilson(0, 5)
    assert low == 0.0 and high == pytest.approx(3.841459 / (5 + 3.841459), abs=1e-6)
    low, high = wilson(5, 5)
    assert low == pytest.approx(5 / (5 + 3.841459), abs=1e-6) and high == 1.0
    with pytest.raises(ValueError, match="nothing"):
        wilson(0, 0)


def test_kappa_takes_off_what_chance_agrees_on() -> None:
    """Cohen's table: 20 times both yes, 15 times both no, 5 and 10 otherwise: (0.7 - 0.5) / (1 - 0.5)."""
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    assert cohen_kappa(pairs) == pytest.approx(0.4)
    assert cohen_kappa([(True, False), (False, True)]) == pytest.approx(-1.0)


def test_people_who_always_say_the_same_have_no_kappa() -> None:
    assert cohen_kappa([(True, True)] * 9) is None
    assert cohen_kappa([]) is None
    assert cohen_kappa([(True, True)] * 9 + [(True, False)]) == pytest.approx(0.0)  # one of them always does


def test_of_three_people_the_mean_counts_over_what_two_have_judged() -> None:
    verdicts = [(True, True, None), (False, False, True), (True, False, False), (False, False, False)]
    one_two = cohen_kappa([(True, True), (False, False), (True, False), (False, False)])
    one_three = cohen_kappa([(False, True), (True, False), (False, False)])
    two_three = cohen_kappa([(False, True), (False, False), (False, False)])
    assert mean_kappa(verdicts) == pytest.approx((one_two + one_three + two_three) / 3)
    assert mean_kappa([(True, None)]) is None


def test_as_many_against_as_for_is_no() -> None:
    assert Opinion(True, (True, False)).is_good is False
    assert Opinion(True, (True, True, False)).is_good is True
    assert Opinion(True, (None, None)).is_good is None
    assert share_of_yes((True, False, None)) == 0.5 and share_of_yes((None,)) is None


def test_precision_is_of_the_claimed_and_recall_of_the_good() -> None:
    opinions = [Opinion(True, (True,))] * 6 + [Opinion(True, (False,))] * 2 + [Opinion(False, (True,))] * 3
    opinions += [Opinion(False, (False,))] * 4 + [Opinion(True, (None,))]
    found = figures_of(opinions, seen=opinions)
    assert (found["precision"]["part"], found["precision"]["of"]) == (6, 8)
    assert (found["recall"]["part"], found["recall"]["of"]) == (6, 9)
    found = figures_of(opinions[:8], seen=opinions[:4], missing=1.5)
    assert found["recall"]["value"] == pytest.approx(4 / 5.5)
    assert figures_of(opinions[-1:], seen=None)["precision"] is None
