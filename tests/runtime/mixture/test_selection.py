"""The rows a mixture takes do not depend on anything but the rows, the seed and the quotas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixwright_runtime.errors import RunError
from mixwright_runtime.mixture import Candidates, required_rows, select, start_positions
from mixwright_runtime.mixture.selection import entry_key
from mixwright_runtime.values.rows import order_key
from tests.runtime.mixture.mixtures import count, everything, ids, mixture, rate, rows, share, take, weight

LANGUAGES = st.lists(st.sampled_from(["de", "en", "zu"]), min_size=1, max_size=40)


def taken(selection, name):
    return {(row_id, repeat) for leaf, row_id, repeat in selection.entries() if leaf == name}


def test_a_components_first_rows_in_start_order_are_taken():
    mix = mixture({"a": count(3)})
    shuffled = Candidates(ids("a", 5), [40, 10, 30, 0, 20])
    assert taken(select(mix, {"a": shuffled}), "a") == {(ids("a", 5)[i], 0) for i in (3, 1, 4)}


@given(st.permutations(range(12)), st.integers(1, 15))
def test_the_order_in_which_candidates_are_listed_does_not_matter(order, wanted):
    languages = ["de", "en", "en", "zu"] * 3
    listed = Candidates(ids("a", 12), list(range(12)), {"lang": languages})
    permuted = Candidates(
        [listed.row_ids[i] for i in order], list(order), {"lang": [languages[i] for i in order]}
    )
    mix = mixture({"a": take(wanted, balance="lang", repeat=2)})
    assert list(select(mix, {"a": permuted}).entries()) == list(select(mix, {"a": listed}).entries())


@given(LANGUAGES, st.integers(0, 90), st.integers(0, 30), st.integers(1, 3), st.data())
def test_a_larger_quota_selects_a_superset(languages, small, more, repeat, data):
    users = data.draw(st.lists(st.integers(0, 5), min_size=len(languages), max_size=len(languages)))
    candidates = {"a": rows("a", len(languages), lang=languages, user=users)}

    def selected(n):
        quota = take(n, balance="lang", repeat=repeat, cap=("user", 4))
        return taken(select(mixture({"a": quota}), candidates), "a")

    assert selected(small) <= selected(small + more)


@given(LANGUAGES, st.integers(1, 40), st.integers(0, 20))
def test_rows_a_pipeline_made_beyond_its_demand_change_nothing(languages, wanted, beyond):
    """Waves of any size end in the same rows: selection looks at the shortest prefix that meets the demand."""
    mix = mixture({"p": take(wanted, balance="lang")}, kinds={"p": "pipeline"})

    def made(n):
        return {"p": rows("p", n, lang=languages[:n], complete=False)}

    enough = [n for n in range(len(languages) + 1) if required_rows(mix, made(n))["p"].is_met]
    if enough:
        n = min(enough[0] + beyond, len(languages))
        assert required_rows(mix, made(n))["p"].is_met
        assert list(select(mix, made(n)).entries()) == list(select(mix, made(enough[0])).entries())


def test_variants_share_every_row_they_both_have():
    candidates = {"math": rows("math", 50), "chat": rows("chat", 50)}
    full = select(mixture({"math": count(20), "chat": count(30)}), candidates)
    no_math = select(mixture({"chat": count(30)}, name="no_math", variant_of="mix"), candidates)
    assert list(no_math.entries()) == [entry for entry in full.entries() if entry[0] == "chat"]


def test_another_seed_gives_another_order():
    candidates = {"a": rows("a", 20)}
    one, two = (select(mixture({"a": everything()}, seed=seed), candidates) for seed in (1, 2))
    assert sorted(one.row_ids) == sorted(two.row_ids)
    assert one.row_ids != two.row_ids


def test_the_final_order_is_that_of_the_entry_keys():
    selection = select(
        mixture({"a": take(9, repeat=2), "b": count(4)}), {"a": rows("a", 5), "b": rows("b", 4)}
    )
    entries = list(selection.entries())
    assert entries == sorted(entries, key=lambda entry: entry_key(42, *entry))
    assert len(set(entries)) == 13


def test_the_order_of_a_mixture_is_pinned():
    # A change of the hash would silently reorder every published dataset.
    assert entry_key(42, "math", bytes(range(16)), 1) == 9732917777466300287


def test_source_rows_start_in_the_order_every_pipeline_uses():
    row_ids = ids("s", 30)
    assert start_positions(7, row_ids).tolist() == [order_key(7, row_id) for row_id in row_ids]


def test_every_row_appears_once_before_any_is_repeated():
    selection = select(mixture({"a": take(7, repeat=3)}), {"a": rows("a", 3)})
    first, second, third = ids("a", 3)
    assert taken(selection, "a") == {
        (first, 0), (second, 0), (third, 0), (first, 1), (second, 1), (third, 1), (first, 2),
    }  # fmt: skip


def test_a_cap_keeps_the_first_rows_of_each_value_and_lets_them_repeat():
    candidates = {"a": rows("a", 5, user=["u", "u", "v", "u", "v"])}
    selection = select(mixture({"a": take(10, repeat=2, cap=("user", 1))}), candidates)
    chosen = [ids("a", 5)[i] for i in (0, 2)]
    assert taken(selection, "a") == {(row_id, repeat) for row_id in chosen for repeat in (0, 1)}
    assert selection.shortfall == "6 rows are missing: `a` 6 of 10"


def test_balance_reports_what_each_value_had_and_gave():
    candidates = {"a": rows("a", 8, lang=["en"] * 5 + ["de"] * 2 + [None])}
    result = select(mixture({"a": take(6, balance="lang")}), candidates).results[0]
    assert result.strata == (("de", 2, 2), ("en", 5, 3), ("null", 1, 1))


def test_a_fill_that_has_the_rows_ends_the_shortfall():
    mix = mixture({"a": count(10), "b": count(5)}, shortfall="fill", fill="b")
    selection = select(mix, {"a": rows("a", 7), "b": rows("b", 20)})
    assert [(r.wanted, r.asked, r.got) for r in selection.results] == [(10, 10, 7), (5, 8, 8)]
    assert selection.shortfall is None


def test_a_fill_that_has_too_few_says_what_is_left():
    mix = mixture({"a": count(10), "b": count(5)}, shortfall="fill", fill="b")
    selection = select(mix, {"a": rows("a", 7), "b": rows("b", 6)})
    assert selection.shortfall == "3 rows are missing: `a` 3 of 10; `b` filled 1 of them"


def test_a_total_that_no_weight_can_reach_is_a_shortfall():
    selection = select(
        mixture({"a": weight(1), "b": weight(1)}, total=100), {"a": rows("a", 30), "b": rows("b", 40)}
    )
    assert selection.shortfall == "30 rows are missing: 30 of the total that no component has rows for"


def test_a_nested_mixture_is_a_component_whose_rows_keep_their_own_names():
    inner = select(
        mixture({"a": take(4, repeat=2), "b": count(3)}, name="inner"), {"a": rows("a", 2), "b": rows("b", 9)}
    )
    outer = mixture({"inner": everything(), "c": count(2)}, kinds={"inner": "mixture"})
    selection = select(outer, {"inner": inner.as_candidates(), "c": rows("c", 9)})
    assert {entry for entry in selection.entries() if entry[0] != "c"} == set(inner.entries())
    assert [(r.component, r.got) for r in selection.results] == [("inner", 7), ("c", 2)]


def test_a_repeated_nested_mixture_numbers_every_appearance():
    inner = select(mixture({"a": take(4, repeat=2)}, name="inner"), {"a": rows("a", 2)})
    outer = mixture({"inner": take(8, repeat=2)}, kinds={"inner": "mixture"})
    entries = list(select(outer, {"inner": inner.as_candidates()}).entries())
    assert len(set(entries)) == 8


def test_a_quota_that_names_a_column_the_rows_lack_is_an_error():
    with pytest.raises(RunError, match="mixture component 'a': its quota needs column 'lang'"):
        select(mixture({"a": take(1, balance="lang")}), {"a": rows("a", 3)})


def test_demand_is_what_is_still_missing():
    mix = mixture({"p": count(10), "s": everything()}, kinds={"p": "pipeline"})
    demand = required_rows(mix, {"p": rows("p", 4, complete=False), "s": rows("s", 3)})
    assert [(d.rows, d.missing) for d in demand.values()] == [(10, 6), (None, 0)]
    assert required_rows(mix, {})["p"].missing == 10
    assert required_rows(mix, {})["s"].missing is None


def test_demand_grows_when_another_component_runs_dry():
    mix = mixture({"p": weight(1), "q": weight(1)}, kinds={"p": "pipeline", "q": "pipeline"}, total=100)
    both_go_on = {"p": rows("p", 50, complete=False), "q": rows("q", 20, complete=False)}
    assert [d.missing for d in required_rows(mix, both_go_on).values()] == [0, 30]
    q_ran_dry = both_go_on | {"q": rows("q", 20)}
    assert [d.rows for d in required_rows(mix, q_ran_dry).values()] == [80, 20]


def test_demand_of_a_fill_grows_by_what_the_others_lack():
    mix = mixture({"s": count(50), "p": count(10)}, kinds={"p": "pipeline"}, shortfall="fill", fill="p")
    assert required_rows(mix, {"s": rows("s", 45)})["p"].missing == 15


def test_balanced_demand_counts_only_rows_of_values_that_still_lack_some():
    mix = mixture({"p": take(6, balance="lang")}, kinds={"p": "pipeline"})
    lopsided = {"p": rows("p", 6, lang=["en"] * 5 + ["de"], complete=False)}
    assert required_rows(mix, lopsided)["p"].missing == 2


def test_a_share_of_an_unfinished_all_demands_nothing_yet():
    mix = mixture({"s": everything(), "p": share(0.5)}, kinds={"s": "pipeline", "p": "pipeline"})
    assert required_rows(mix, {"s": rows("s", 9, complete=False)})["p"].missing == 0
    assert required_rows(mix, {"s": rows("s", 9)})["p"].missing == 9


def test_a_source_that_is_balanced_shows_every_row_before_any_is_taken():
    # A run feeds sources bit by bit; stopping at the first rows that look balanced would miss a rare value.
    mix = mixture({"s": take(4, balance="lang")})
    assert (
        required_rows(mix, {"s": rows("s", 4, lang=["en", "en", "de", "de"], complete=False)})["s"].missing
        is None
    )
    assert required_rows(mix, {"s": rows("s", 5, lang=["en", "en", "de", "de", "zu"])})["s"].missing == 0


def test_rates_of_sources_are_known_before_anything_else_is_demanded():
    mix = mixture({"s": rate(10), "p": weight(10)}, kinds={"p": "pipeline"}, total=100)
    first = required_rows(mix, {"s": rows("s", 4, complete=False)})
    assert [(d.missing, d.waits) for d in first.values()] == [(6, False), (0, True)]
    assert [d.rows for d in required_rows(mix, {"s": rows("s", 10, complete=False)}).values()] == [50, 50]
    assert [d.rows for d in required_rows(mix, {"s": rows("s", 4)}).values()] == [4, 96]
