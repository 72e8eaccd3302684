"""How far two distributions lie apart, against figures worked out by hand."""

from __future__ import annotations

import pytest

from mixwright_runtime.values.distributions import chi_square_of_fit, chi_square_of_two, l1


def test_chi_square_of_fit_is_pearsons() -> None:
    """A die thrown 60 times: 25 + 4 + 4 + 1 + 4 + 16 over 10."""
    thrown = {"1": 5, "2": 8, "3": 12, "4": 11, "5": 8, "6": 16}
    assert chi_square_of_fit(thrown, dict.fromkeys("123456", 1.0)) == (
        pytest.approx((25 + 4 + 4 + 1 + 4 + 36) / 10),
        5,
    )
    assert chi_square_of_fit({"a": 30, "b": 10, "x": 7}, {"a": 0.5, "b": 0.5, "c": 0}) == (
        pytest.approx(10.0),
        1,
    )
    assert chi_square_of_fit({"a": 30}, {"a": 0.5, "b": 0.5}) == (pytest.approx(30.0), 1)


def test_chi_square_of_two_is_that_of_their_table() -> None:
    """20 and 30 beside 30 and 20: each is expected 25 times, so it is four times 25 / 25."""
    assert chi_square_of_two({"a": 20, "b": 30}, {"a": 30, "b": 20}) == (pytest.approx(4.0), 1)
    assert chi_square_of_two({"a": 20, "b": 40}, {"a": 1, "b": 2}) == (pytest.approx(0.0), 1)


def test_l1_is_of_shares_and_of_all_values() -> None:
    assert l1({"a": 1, "b": 1}, {"a": 3, "b": 1}) == pytest.approx(0.5)
    assert l1({"a": 1}, {"b": 9}) == 2.0 and l1({"a": 2}, {"a": 7}) == 0.0


def test_of_nothing_there_is_no_figure() -> None:
    for figure in (l1, chi_square_of_two, chi_square_of_fit):
        with pytest.raises(ValueError, match="nothing"):
            figure({"a": 1}, {})
    with pytest.raises(ValueError, match="no value"):
        chi_square_of_fit({"x": 3}, {"a": 1.0})
