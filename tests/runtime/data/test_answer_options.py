"""Answers to choose from, written out; and templates that say both sides."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from made import built, row

from mixwright_compiler.plan.plan import TemplateMessage, TemplateSpec
from mixwright_runtime.steps.options import ENDS, ITEMS, STARTS
from mixwright_runtime.values.rows import Dropped
from tests.runtime.data.made import ORIGIN

CHOICES = {"tree": ["col", "choices"], "type": "list[text]", "sql": "", "columns": ["choices"]}


def options(**attributes: Any) -> Any:
    return built("step.options", label="shown", of=CHOICES, **attributes)


def test_plain_options_are_dashes() -> None:
    made = options(gold="answer").apply(row(choices=["yes", "no"], answer="no"))
    assert made.columns["shown"] == "OPTIONS:\n- yes\n- no"
    assert made.columns["shown.gold"] == "no"


def test_where_items_have_names_the_right_answer_is_the_item() -> None:
    step = options(gold="answer", items="any")
    named = bulleted = 0
    for number in range(2_000):
        made = step.apply(row(number, choices=["yes", "no", "maybe"], answer="maybe", n=number)).columns
        (line,) = (line for line in made["shown"].split("\n") if line.endswith(" maybe"))
        item = line.removesuffix(" maybe")
        if made["shown.gold"] == "maybe":
            bulleted += 1
            assert made["shown"].count(f"{item} ") >= 3
        else:
            named += 1
            assert made["shown.gold"] == item and made["shown"].count(f"{item} ") == 1
    assert named > 1_300 and bulleted > 350


def test_every_form_is_drawn_and_the_same_again() -> None:
    step = options(items="any")
    rows = [row(n, choices=["a", "b"], n=n) for n in range(20_000)]
    shown = [step.apply(r).columns["shown"] for r in rows]
    assert shown == [options(items="any").apply(r).columns["shown"] for r in rows]
    starts = Counter(
        next(s for s in sorted(STARTS, key=len, reverse=True) if text.startswith(s)) for text in shown
    )
    assert len(starts) == 16
    # 1,250 are expected of each, with a standard deviation of 34.
    assert all(1_090 < count < 1_420 for count in starts.values())
    assert (len(ITEMS), len(set(ITEMS)), len(ENDS)) == (87, 87, 3)


def test_a_row_whose_answer_is_no_option_is_dropped() -> None:
    dropped = options(gold="answer").apply(row(choices=["yes", "no"], answer="perhaps"))
    assert isinstance(dropped, Dropped) and dropped.reason == "options: gold is none of them"
    dropped = options().apply(row(choices=[str(n) for n in range(27)]))
    assert isinstance(dropped, Dropped) and dropped.reason == "options: too many"


def both_sides(name: str, user: str, assistant: str) -> TemplateSpec:
    messages = (TemplateMessage(role="user", text=user), TemplateMessage(role="assistant", text=assistant))
    return TemplateSpec(name=name, messages=messages, inputs=(), origin=ORIGIN)


def test_a_template_may_ask_for_the_answer_or_for_the_question() -> None:
    specs = [both_sides("asked", "{{ q }}?", "{{ a }}"), both_sides("inverted", "Why {{ a }}?", "{{ q }}")]
    step = built(
        "step.render",
        label="task",
        specs=specs,
        templates=["asked", "inverted"],
        choose="cycle",
        targets=True,
    )
    made = [step.apply(row(position, q="1 + 1", a="2")).columns for position in range(2)]
    assert [(c["task"], c["task_target"], c["task_template"]) for c in made] == [
        ("1 + 1?", "2", "asked"),
        ("Why 2?", "1 + 1", "inverted"),
    ]


def test_roman_numbers_are_right() -> None:
    (roman,) = (items for items in ITEMS if items[:4] == ("i)", "ii)", "iii)", "iv)"))
    assert roman[8:10] == ("ix)", "x)") and roman[13] == "xiv)" and roman[25] == "xxvi)"
    assert all(re.fullmatch(r"[ivx]+\)", item) for item in roman)
