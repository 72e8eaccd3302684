"""Quotas become exact counts that add up."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixwright_runtime.errors import RunError
from mixwright_runtime.mixture.allocation import (
    Supply,
    allocate,
    balanced,
    divide,
    largest_remainder,
    quota_text,
)
from tests.runtime.mixture.mixtures import at_most, count, everything, mixture, rate, share, take, weight

NAMES = st.text("abcdefgh", min_size=1, max_size=3)
WEIGHTS = st.dictionaries(NAMES, st.fractions(0, 100, max_denominator=50), min_size=1, max_size=12)


def counts(mix, supplies, **more):
    supplies = {name: Supply(rows, complete=True) for name, rows in supplies.items()}
    return {name: a.count for name, a in allocate(mix, supplies, **more).by_name.items()}


@given(WEIGHTS, st.integers(0, 10_000), st.data())
def test_a_division_adds_up_and_exceeds_no_supply(weights, total, data):
    supply = {name: data.draw(st.none() | st.integers(0, 500)) for name in weights}
    found, full = divide(total, weights, supply)
    able = {name: supply[name] for name in weights if weights[name] > 0}
    reachable = total if None in able.values() else min(total, sum(able.values()))
    assert sum(found.values()) == reachable
    assert all(n >= 0 and (supply[name] is None or n <= supply[name]) for name, n in found.items())
    assert all(found[name] == supply[name] for name in full)


@given(WEIGHTS, st.integers(0, 10_000))
def test_each_part_is_its_exact_part_rounded_down_or_up(weights, total):
    whole = sum(weights.values())
    if not whole:
        return
    found, _ = divide(total, weights, {})
    assert all(abs(found[name] - Fraction(total) * w / whole) < 1 for name, w in weights.items())


def test_left_over_rows_go_to_the_largest_fractions_and_ties_by_name():
    assert largest_remainder({"c": Fraction(5, 2), "a": Fraction(5, 2), "b": Fraction(2)}) == {
        "c": 2,
        "a": 3,
        "b": 2,
    }


def test_thirty_percent_is_three_tenths_and_not_a_binary_number():
    # In floats 0.1 + 0.2 + 0.7 of 10 rounds to 9 or 11 with some orders of addition.
    mix = mixture({"a": share(0.1), "b": share(0.2), "c": share(0.7)}, total=10)
    assert counts(mix, {"a": 99, "b": 99, "c": 99}) == {"a": 1, "b": 2, "c": 7}


def test_more_weight_for_one_may_cost_another_a_row_only():
    # The Alabama paradox: with 10 rows instead of 11 everybody's exact part shrinks, and c gains a row.
    weights = {"a": Fraction(6), "b": Fraction(6), "c": Fraction(2)}
    assert divide(10, weights, {})[0] == {"a": 4, "b": 4, "c": 2}
    assert divide(11, weights, {})[0] == {"a": 5, "b": 5, "c": 1}


@given(st.dictionaries(NAMES, st.integers(0, 40), min_size=1, max_size=8), st.integers(0, 200))
def test_balanced_numbers_grow_one_row_at_a_time(supply, total):
    before, after = balanced(total, supply), balanced(total + 1, supply)
    assert all(after[name] >= before[name] for name in supply)
    assert sum(after.values()) - sum(before.values()) == (1 if total < sum(supply.values()) else 0)


def test_a_scarce_value_gives_all_it_has_and_the_others_share_the_rest():
    assert balanced(10, {"de": 100, "en": 100, "zu": 2}) == {"de": 4, "en": 4, "zu": 2}


def test_shares_of_what_counts_leave_define_the_total():
    # 700 rows are the 70% that no share takes, so the mixture has 1,000.
    assert counts(mixture({"fixed": count(700), "more": share(0.3)}), {"fixed": 700, "more": 999}) == {
        "fixed": 700,
        "more": 300,
    }


def test_weights_split_what_counts_and_shares_leave_of_the_total():
    mix = mixture({"a": count(100), "b": share(0.3), "c": weight(2), "d": weight(1)}, total=1000)
    assert counts(mix, dict.fromkeys("abcd", 10_000)) == {"a": 100, "b": 300, "c": 400, "d": 200}


def test_a_component_with_too_few_rows_leaves_its_part_to_the_other_weights():
    mix = mixture({"c": weight(2), "d": weight(1), "e": weight(1)}, total=400)
    found = allocate(mix, {"c": Supply(50, True), "d": Supply(999, True), "e": Supply(999, True)})
    assert {n: a.count for n, a in found.by_name.items()} == {"c": 50, "d": 175, "e": 175}
    assert found.notes == ("`c` gives all its 50 rows, fewer than its part; the others give the rest",)


def test_rates_follow_the_number_of_rows_up_to_the_cap():
    # Raffel et al. 2020, 3.5.2: rate = min(rows, cap). 3,000 + 3,000 + 600 share 2,200 rows.
    mix = mixture({"big": rate(3000), "huge": rate(3000), "small": rate(3000)}, total=2200)
    assert counts(mix, {"big": 5_000, "huge": 1_000_000, "small": 600}) == {
        "big": 1000,
        "huge": 1000,
        "small": 200,
    }


def test_rates_without_a_total_are_the_capped_number_of_rows():
    mix = mixture({"big": rate(3000), "small": rate(3000)})
    assert counts(mix, {"big": 5_000, "small": 600}) == {"big": 3000, "small": 600}


def test_a_pipelines_rate_does_not_depend_on_how_many_rows_it_happened_to_make():
    mix = mixture({"p": rate(300), "s": rate(100)}, kinds={"p": "pipeline"}, total=200)
    few = allocate(mix, {"p": Supply(150, True), "s": Supply(100, True)}).by_name
    many = allocate(mix, {"p": Supply(290, False), "s": Supply(100, True)}).by_name
    assert few["p"].count == many["p"].count == 150


def test_fill_gives_what_the_others_lack():
    mix = mixture({"a": count(100), "b": count(10)}, shortfall="fill", fill="b")
    assert counts(mix, {"a": 60, "b": 500}) == {"a": 60 + 40, "b": 50}


def test_max_takes_what_there_is_up_to_its_count():
    mix = mixture({"a": at_most(100), "b": at_most(100)})
    assert counts(mix, {"a": 60, "b": 500}) == {"a": 60, "b": 100}


def test_parts_wait_while_an_all_component_is_still_growing():
    mix = mixture({"a": everything(), "b": weight(1)}, total=100)
    waiting = allocate(mix, {"a": Supply(30, False), "b": Supply(999, True)}).by_name
    assert waiting["b"].count is None
    known = allocate(mix, {"a": Supply(30, True), "b": Supply(999, True)}).by_name
    assert known["b"].count == 70


def test_a_nested_mixture_without_total_takes_the_outer_ones_number():
    mix = mixture({"a": weight(3), "b": weight(1)})
    assert counts(mix, {"a": 999, "b": 999}, total=40) == {"a": 30, "b": 10}


def test_counts_ignore_what_an_outer_mixture_asks():
    mix = mixture({"a": count(30), "b": everything()})
    assert counts(mix, {"a": 999, "b": 5}, total=10) == {"a": 30, "b": 5}


def test_the_arithmetic_is_written_out():
    mix = mixture({"a": share(0.3), "b": weight(2), "c": weight(1)}, total=1000)
    found = allocate(mix, {name: Supply(10_000, True) for name in "abc"}).by_name
    assert [found[name].arithmetic for name in "abc"] == [
        "30% of total 1,000 = 300",
        "2/3 of 700 left = 466.666667",
        "1/3 of 700 left = 233.333333",
    ]


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        (
            mixture({"a": weight(1)}),
            "mixture 'mix': `a` take a part of what is left of the total; write `total = …`",
        ),
        (
            mixture({"a": share(0.5), "b": share(0.5)}),
            "mixture 'mix': its shares add up to 100%, so nothing says how large it is; write `total = …`",
        ),
        (
            mixture({"a": count(90), "b": share(0.2)}, total=100),
            "mixture 'mix': fixed quotas take 90 rows and shares 20, more than total = 100; "
            "raise the total or lower a quota",
        ),
    ],
)
def test_quotas_that_contradict_each_other_say_what_to_write(mix, message):
    with pytest.raises(RunError) as error:
        allocate(mix, {c.rows: Supply(1000, True) for c in mix.components})
    assert str(error.value) == message


def test_quotas_print_as_they_are_written():
    quotas = [
        count(149_960),
        everything(),
        at_most(50_000),
        share(0.3),
        weight(2),
        take(50_000, balance="language", repeat=2, cap=("user", 1)),
        rate(3000),
    ]
    assert [quota_text(quota) for quota in quotas] == [
        "149_960",
        "all",
        "max(50_000)",
        "30%",
        "weight(2)",
        "take(50_000, balance = language, repeat = 2, cap = { by = user, max = 1 })",
        "rate(cap = 3_000)",
    ]
