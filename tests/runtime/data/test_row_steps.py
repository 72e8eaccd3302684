"""filter, derive, draw, render and chat."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import built, expression, row, template

from mixwright_runtime.errors import RunError
from mixwright_runtime.values.rows import Dropped, Row

N = ["col", "n"]


def test_filter_keeps_true_and_drops_false_and_null() -> None:
    step = built("step.filter", where=expression(["op", ">", N, ["lit", 1]], "bool"))
    results = [step.apply(row(n=n)) for n in (2, 1, None)]
    assert [isinstance(result, Row) for result in results] == [True, False, False]
    assert (results[1].step, results[1].reason, results[1].quarantined) == ("step", "filter", False)


def test_derive_sees_the_columns_before_it_and_stores_no_infinity() -> None:
    double, huge = ["op", "*", N, ["lit", 2]], ["op", "*", ["lit", 1e308], ["lit", 10.0]]
    step = built("step.derive", n=expression(double), m=expression(N), h=expression(huge, "float"))
    before = row(n=3)
    assert step.apply(before).columns == {"n": 6, "m": 3, "h": None}
    assert before.columns == {"n": 3}


SHOTS = [{"text": f"t{i}", "kind": "rare" if i == 0 else "common"} for i in range(10)]


def test_draw_depends_on_the_row_and_the_seed_alone() -> None:
    def drawn(seed: int, rows: list[Row], id: str = "draw") -> list[Any]:
        step = built("step.draw", label="shot", id=id, seed=seed, rows={"shots": SHOTS}, **{"from": "shots"})
        return [step.apply(r).columns["shot"] for r in rows]

    rows = [row(n, n=n) for n in range(30)]
    assert drawn(1, rows) == drawn(1, rows[::-1])[::-1]
    assert drawn(1, rows) != drawn(2, rows)
    assert drawn(1, rows) != drawn(1, rows, id="other")


def test_draw_values_are_pinned() -> None:
    step = built("step.draw", label="pick", id="pick", seed=7, values=list("abcdefgh"), count=3)
    assert step.apply(row(n=1)).columns["pick"] == ["b", "h", "c"]


def test_draw_takes_a_column_and_repeats_nothing() -> None:
    step = built("step.draw", label="shots", rows={"s": SHOTS}, count=10, column="text", **{"from": "s"})
    assert sorted(step.apply(row()).columns["shots"]) == [f"t{i}" for i in range(10)]


def test_draw_is_uniform_and_balance_evens_classes_out() -> None:
    plain = built("step.draw", label="x", rows={"s": SHOTS}, **{"from": "s"})
    even = built("step.draw", label="x", rows={"s": SHOTS}, balance="kind", **{"from": "s"})
    rows = [row(n, n=n) for n in range(2000)]
    rare = [sum(s.apply(r).columns["x"]["kind"] == "rare" for r in rows) for s in (plain, even)]
    # 200 and 1000 are expected, with standard deviations of 13 and 22.
    assert 130 < rare[0] < 270
    assert 890 < rare[1] < 1110


def test_draw_with_balance_takes_turns() -> None:
    shots = [{"k": k, "n": n} for k in "abc" for n in range(5)]
    step = built("step.draw", label="x", rows={"s": shots}, balance="k", count=7, **{"from": "s"})
    drawn = step.apply(row()).columns["x"]
    assert sorted(Counter(shot["k"] for shot in drawn).values()) == [2, 2, 3]
    assert len({(shot["k"], shot["n"]) for shot in drawn}) == 7


def test_draw_of_more_than_there_is_stops_the_run() -> None:
    step = built("step.draw", label="x", values=["a"], count=2)
    with pytest.raises(RunError, match="draws 2 rows, values has 1"):
        step.apply(row())


TEMPLATES = [template("one", "1 {{ n }}"), template("two", "2 {{ n }}"), template("three", "3 {{ n }}")]


def rendering(choose: str, seed: int = 0) -> Any:
    names = [spec.name for spec in TEMPLATES]
    return built("step.render", label="text", specs=TEMPLATES, seed=seed, templates=names, choose=choose)


def test_render_cycles_by_start_order_and_keeps_the_template() -> None:
    step = rendering("cycle")
    columns = [step.apply(row(position, n=9)).columns for position in range(4)]
    assert [c["text"] for c in columns] == ["1 9", "2 9", "3 9", "1 9"]
    assert [c["text_template"] for c in columns] == ["one", "two", "three", "one"]


def test_render_at_random_depends_on_row_and_seed_alone() -> None:
    rows = [row(n, n=n) for n in range(300)]
    first, again, other = (
        [step.apply(r).columns["text_template"] for r in rows]
        for step in (rendering("random", 1), rendering("random", 1), rendering("random", 2))
    )
    assert first == again != other
    assert all(70 < count < 130 for count in Counter(first).values())


def test_render_quarantines_a_row_without_a_value() -> None:
    result = rendering("cycle").apply(row(n=None))
    assert isinstance(result, Dropped)
    assert (result.reason, result.quarantined) == ("render", True)
    assert "null" in result.detail


def test_chat_makes_messages() -> None:
    system = expression(["lit", "Be brief."], "text")
    step = built("step.chat", user="q", assistant="a", system=system)
    assert step.apply(row(q="1+1?", a="2")).columns["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "2"},
    ]


def test_chat_takes_turns_as_texts_or_messages() -> None:
    step = built("step.chat", turns="t", system=expression(["col", "s"], "text"))
    expected = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
    assert step.apply(row(t=["hi", "yo"], s=None)).columns["messages"] == expected
    assert step.apply(row(t=[{**turn, "id": 1} for turn in expected], s="")).columns["messages"] == expected
    own = {"role": "system", "content": "own"}
    assert step.apply(row(t=[own, *expected], s=None)).columns["messages"] == [own, *expected]
    replaced = {"role": "system", "content": "S"}
    assert step.apply(row(t=[own, *expected], s="S")).columns["messages"] == [replaced, *expected]


def test_chat_keeps_reasoning_and_calls_of_tools() -> None:
    step = built("step.chat", user="q", assistant="a", reasoning="a.reasoning")
    assert step.apply(row(q="1+1?", a="2", **{"a.reasoning": "One and one."})).columns["messages"][1] == {
        "role": "assistant",
        "content": "2",
        "reasoning_content": "One and one.",
    }
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Bern"}'}}
    turns = [
        {"role": "user", "content": "Weather in Bern?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "rain", "tool_call_id": "c1"},
        {"role": "assistant", "content": "It rains."},
    ]
    weather = {"name": "weather", "parameters": {"type": "object"}}
    made = built("step.chat", turns="t", tools="can").apply(row(t=turns, can=[weather]))
    assert made.columns["messages"] == turns
    assert made.columns["tools"] == [{"type": "function", "function": weather}]
    unanswered = [*turns[:2], {"role": "user", "content": "Well?"}, turns[3]]
    assert isinstance(built("step.chat", turns="t").apply(row(t=unanswered)), Dropped)


@pytest.mark.parametrize(
    "columns",
    [
        {"t": None},
        {"t": []},
        {"t": ["hi"]},
        {"t": ["hi", " "]},
        {"t": [{"role": "assistant", "content": "a"}] * 2},
    ],
)
def test_chat_quarantines_what_cannot_be_trained_on(columns: dict[str, Any]) -> None:
    result = built("step.chat", turns="t").apply(row(**columns))
    assert isinstance(result, Dropped)
    assert (result.reason, result.quarantined) == ("chat", True)


def test_chat_needs_columns() -> None:
    with pytest.raises(RunError, match="user and assistant, turns, or text"):
        built("step.chat", user="q")


_PRINTABLE = st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\n\t"), min_size=1)


@given(st.lists(_PRINTABLE.filter(str.strip), min_size=1, max_size=4))
def test_chat_keeps_texts_unchanged(texts: list[str]) -> None:
    turns = [text for text in texts for _ in range(2)]
    messages = built("step.chat", turns="t").apply(row(t=turns)).columns["messages"]
    assert [m["content"] for m in messages] == turns


def test_a_plain_text_is_one_message_of_the_assistant() -> None:
    step = built("step.chat", text="q")
    made = step.apply(row(q="Two and [calc(2)] two."))
    assert made.columns["messages"] == [{"role": "assistant", "content": "Two and [calc(2)] two."}]
    dropped = step.apply(row(q=" "))
    assert isinstance(dropped, Dropped) and (dropped.reason, dropped.detail) == (
        "chat",
        "column `q` has no text",
    )
