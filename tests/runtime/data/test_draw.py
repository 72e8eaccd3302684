"""Step `draw`: what a row gets, by its identity or by its place, and where there is too little."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import built, expression, row

from mixwright_runtime.errors import RowError, RunError
from mixwright_runtime.values.rows import Dropped, Row, source_row_id

SHOTS = [{"text": f"t{n}", "topic": "odd" if n % 2 else "even"} for n in range(10)]
TOPIC = expression(
    ["op", "==", ["call", "field", ["col", "drawn"], ["lit", "topic"]], ["col", "topic"]], "bool"
)


def drawn(step: Any, one: Row) -> Any:
    found = step.apply(one)
    assert isinstance(found, Row), found
    return found.columns["x"]


def draw(**attributes: Any) -> Any:
    return built("step.draw", label="x", rows={"shots": SHOTS}, **attributes)


def test_draws_are_pinned() -> None:
    """A new version draws what the last one drew, so that nothing is asked anew."""
    rows = [row(n, n=n) for n in range(4)]
    start = {"from": "shots"}
    one = built("step.draw", label="x", id="x", seed=7, rows={"shots": SHOTS}, column="text", **start)
    assert [drawn(one, r) for r in rows] == ["t4", "t3", "t7", "t0"]
    rare = [{"text": f"t{n}", "kind": "common" if n else "rare"} for n in range(10)]
    three = built(
        "step.draw",
        label="x",
        id="x",
        seed=7,
        rows={"s": rare},
        column="text",
        count=3,
        balance="kind",
        **{"from": "s"},
    )
    assert [drawn(three, r) for r in rows[:2]] == [["t7", "t0", "t1"], ["t6", "t0", "t5"]]
    salted = built("step.draw", label="x", id="x", seed=7, values=list("abc"), salt="s")
    assert [drawn(salted, r) for r in rows] == ["b", "a", "a", "a"]


def test_where_lets_a_row_draw_what_suits_it() -> None:
    step = draw(**{"from": "shots"}, where=TOPIC, count=3, column="text")
    for n in range(20):
        assert {int(text[1:]) % 2 for text in drawn(step, row(n, topic="odd"))} == {1}
        assert {int(text[1:]) % 2 for text in drawn(step, row(n, topic="even"))} == {0}


def test_where_changes_nothing_where_all_suit() -> None:
    always = expression(
        ["op", "!=", ["call", "field", ["col", "drawn"], ["lit", "topic"]], ["col", "topic"]], "bool"
    )
    plain, chosen = draw(**{"from": "shots"}, count=3), draw(**{"from": "shots"}, count=3, where=always)
    assert [drawn(plain, row(n, topic="none")) for n in range(9)] == [
        drawn(chosen, row(n, topic="none")) for n in range(9)
    ]


def test_balance_among_what_suits() -> None:
    short = expression(
        ["op", "<", ["call", "field", ["col", "drawn"], ["lit", "text"]], ["col", "below"]], "bool"
    )
    step = draw(**{"from": "shots"}, where=short, balance="topic", count=4)
    # t0, t1 and t2: one is odd.
    step_of_three = draw(**{"from": "shots"}, where=short, balance="topic", count=2)
    assert Counter(shot["topic"] for shot in drawn(step_of_three, row(below="t3"))) == {"odd": 1, "even": 1}
    with pytest.raises(RunError, match="4 are to be drawn for a row, and 3 can be"):
        step.apply(row(below="t3"))


def test_a_row_never_draws_itself() -> None:
    step = draw(**{"from": "shots"}, **{"except": "self"}, count=9, column="text")
    for n, shot in enumerate(SHOTS):
        own = source_row_id(shot, 0)
        others = drawn(step, Row(source_row_id({"made": n}, 0), dict(shot), own, n))
        assert sorted(others) == [f"t{other}" for other in range(10) if other != n]


def test_of_equal_rows_each_can_draw_the_other() -> None:
    step = built("step.draw", label="x", rows={"s": [{"a": 1}, {"a": 1}]}, **{"from": "s", "except": "self"})
    second = source_row_id({"a": 1}, 1)
    assert drawn(step, Row(second, {"a": 1}, second, 1)) == {"a": 1}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_even_spread_deals_everything_before_it_deals_anything_again(count: int) -> None:
    step = draw(values=list("abcdefgh"), spread="even", count=count)
    hands = [drawn(step, row(n, n=n)) for n in range(8)]
    dealt = Counter(card for hand in hands for card in hand)
    assert set(dealt.values()) == {count}
    assert all(len(set(hand)) == len(hand) for hand in hands)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 40))
def test_hands_differ_and_packs_are_whole(size: int, count: int, rows: int) -> None:
    count = min(size, count)
    step = draw(values=list(range(size)), spread="even", count=count, fewer="ok")
    hands = [drawn(step, row(n, n=n)) for n in range(rows)]
    hands = [hand if isinstance(hand, list) else [hand] for hand in hands]
    assert all(len(set(hand)) == count for hand in hands)
    dealt = Counter(card for hand in hands for card in hand)
    assert max(dealt.values()) - min(dealt.get(card, 0) for card in range(size)) <= 1


def test_even_spread_hangs_on_the_place_alone() -> None:
    values = list(range(7))
    rows = [row(n, n=n) for n in range(40)]
    forwards = [drawn(draw(values=values, spread="even", count=3), one) for one in rows]
    step = draw(values=values, spread="even", count=3)
    backwards = [drawn(step, one) for one in reversed(rows)]
    assert backwards[::-1] == forwards
    other_rows = [row(n, m=n) for n in range(40)]
    assert [drawn(step, one) for one in other_rows] == forwards, "the content of a row is no matter"
    assert [drawn(draw(values=values, spread="even", count=3, salt="b"), one) for one in rows] != forwards


def test_even_spread_shuffles_every_pack_anew() -> None:
    step = draw(values=list(range(20)), spread="even")
    packs = [[drawn(step, row(20 * pack + n, n=n)) for n in range(20)] for pack in range(3)]
    assert sorted(packs[0]) == sorted(packs[1]) == sorted(packs[2])
    assert packs[0] != packs[1] != packs[2]


def test_candidates_of_a_row_have_packs_of_their_own() -> None:
    step = draw(values=list(range(20)), spread="even")
    rows = [row(n, n=n) for n in range(20)]
    hands = [[drawn(step, one.fork("s", candidate)) for one in rows] for candidate in range(2)]
    assert sorted(hands[0]) == sorted(hands[1]) == list(range(20))
    assert hands[0] != hands[1]


def test_every_round_of_a_row_has_packs_of_its_own() -> None:
    step = draw(values=list(range(20)), spread="even")
    rows = [row(n, n=n) for n in range(20)]
    rounds = [[drawn(step, replace(one, path=(number,))) for one in rows] for number in (1, 2)]
    assert sorted(rounds[0]) == sorted(rounds[1]) == list(range(20))
    assert rounds[0] != rounds[1]


def test_weights_are_kept_to() -> None:
    step = draw(values=["a", "b", "c"], weights=[3, 1, 0])
    found = Counter(drawn(step, row(n, n=n)) for n in range(2000))
    # 1500 and 500 are expected, with a standard deviation of 19.
    assert set(found) == {"a", "b"}
    assert 1420 < found["a"] < 1580


def test_weights_without_repetition() -> None:
    step = draw(values=["a", "b", "c"], weights=[8, 1, 1], count=2)
    hands = [drawn(step, row(n, n=n)) for n in range(1000)]
    assert all(len(set(hand)) == 2 for hand in hands)
    assert sum("a" in hand for hand in hands) > 950


TAGS = expression(["col", "tags"], "list[text]")


def test_items_of_a_list_of_the_row() -> None:
    step = draw(of=TAGS, count=3)
    found = drawn(step, row(tags=list("abc")))
    assert sorted(found) == ["a", "b", "c"]
    orders = {tuple(drawn(step, row(n, tags=list("abc")))) for n in range(60)}
    assert len(orders) == 6, "as many as there are is the list shuffled"


def test_one_item_stands_alone() -> None:
    assert drawn(draw(of=TAGS), row(tags=["a"])) == "a"
    assert drawn(draw(of=TAGS, fewer="ok"), row(tags=[])) is None


COUNT = expression(["op", "-", ["lit", 3], ["call", "len", ["col", "tags"]]], "int")


def test_how_many_is_said_by_the_row() -> None:
    step = draw(values=list("uvwxyz"), count=COUNT)
    assert [len(drawn(step, row(tags=["a"] * n))) for n in range(5)] == [3, 2, 1, 0, 0]
    with pytest.raises(RowError, match="`count` is null"):
        step.apply(row(tags=None))


def test_a_run_stands_together() -> None:
    items = [f"line {n}" for n in range(20)]
    step = draw(of=TAGS, run=5, least=2)
    lengths, starts = Counter[int](), Counter[int]()
    for n in range(1500):
        found = drawn(step, row(n, tags=items))
        at = items.index(found[0])
        assert found == items[at : at + len(found)]
        lengths[len(found)] += 1
        starts[at] += 1
    assert set(lengths) == {2, 3, 4, 5}
    assert set(starts) == set(range(19)), "two lines at least stand behind each start"


def test_a_run_without_least_is_whole() -> None:
    step = draw(of=TAGS, run=3)
    assert {len(drawn(step, row(n, tags=list("abcde")))) for n in range(50)} == {3}
    with pytest.raises(RunError, match="3 are to be drawn for a row, and 2 can be"):
        step.apply(row(tags=["a", "b"]))
    assert drawn(draw(of=TAGS, run=3, fewer="ok"), row(tags=["a", "b"])) == ["a", "b"]
    assert drawn(draw(of=TAGS, run=3, least=2), row(tags=["a", "b"])) == ["a", "b"]


@pytest.mark.parametrize("tags", [[], None, "text"])
def test_too_little_drops_the_row_where_that_is_wanted(tags: Any) -> None:
    found = draw(of=TAGS, count=2, fewer="drop").apply(row(tags=tags))
    assert isinstance(found, Dropped)
    assert (found.reason, found.detail, found.quarantined) == (
        "draw: too few",
        {"there": 0, "needed": 2},
        False,
    )


def test_least_is_what_will_do() -> None:
    step = draw(of=TAGS, count=4, least=2, fewer="drop")
    assert sorted(drawn(step, row(tags=list("abc")))) == ["a", "b", "c"]
    assert isinstance(step.apply(row(tags=["a"])), Dropped)


def test_what_there_is_will_do() -> None:
    assert drawn(draw(**{"from": "shots"}, where=TOPIC, count=3, fewer="ok"), row(topic="none")) == []
