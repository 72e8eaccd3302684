"""`normalize` in its four stages, on tags planted for each; and the stems that its rules go by."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import built, row

from mixwright_runtime.plugins.protocol import VectorResult
from mixwright_runtime.steps.normalize import tags_in
from mixwright_runtime.steps.tag_stages import by_company, counted, followed
from mixwright_runtime.values.rows import Row
from mixwright_runtime.values.stems import stem_of

POOL: list[list[str]] = [
    *[["Code Generation", "python"]] * 6,  # the most frequent form of its rule
    *[["code-generation", "python"]] * 4,
    *[["code generations"]] * 3,
    *[["mathematics"]] * 7,
    *[["maths", "algebra"]] * 5,  # near `mathematics` in meaning; `algebra` hardly comes without it
    *[["algebra", "mathematics"]] * 4,
    *[["poems"]] * 3,
    *[["once"]],
]
MEANING = {"maths": 2.0, "mathematics": 0.0}
"""Directions in degrees; other tags are each on an axis of their own."""


class Embedder:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def embed(self, model: str, texts: Sequence[str]) -> list[VectorResult]:
        found = []
        for text in texts:
            vector = np.zeros(40, dtype=np.float32)
            if text in MEANING:
                angle = np.radians(MEANING[text])
                vector[:2] = np.cos(angle), np.sin(angle)
            else:
                vector[2 + len(self.asked) % 38] = 1.0
            self.asked.append(text)
            found.append(VectorResult(text.encode(), vector))
        return found


def normalized(pool: Sequence[Any] = POOL, **attributes: Any) -> tuple[Any, list[Row]]:
    defaults = {"min_count": 2, "stem": "auto", "near": 0.05, "support": 4, "confidence": 0.99, "model": "m"}
    step = built(
        "step.normalize", label="tags", **{"from": "raw", **defaults, **attributes}, calls=Embedder()
    )
    rows = [row(n, raw=tags) for n, tags in enumerate(pool)]
    return step, list(asyncio.run(step.table(rows)))


def test_each_stage_leaves_fewer_tags() -> None:
    step, _ = normalized()
    tags = step.report()["tags"]
    assert tags == {"raw": 9, "frequency": 8, "rules": 6, "meaning": 5, "association": 3}
    assert list(tags.values()) == sorted(tags.values(), reverse=True)


def test_planted_tags_are_merged_into_the_most_frequent_form() -> None:
    step, rows = normalized()
    assert step.report()["merged"] == {
        "rules": {"code-generation": "Code Generation", "code generations": "Code Generation"},
        "meaning": {"maths": "mathematics"},
        "association": {"python": "Code Generation", "algebra": "mathematics"},
    }
    left = [tuple(r.columns["tags"]) for r in rows]
    assert dict.fromkeys(left) == dict.fromkeys([("Code Generation",), ("mathematics",), ("poems",), ()])


def test_a_row_tells_what_became_of_its_tags() -> None:
    _, rows = normalized()
    assert rows[6].scores == {
        "step": {
            "outcome": "measured",
            "score": 1.0,
            "evidence": {"tags": {"code-generation": "Code Generation", "python": "Code Generation"}},
        }
    }
    assert rows[-1].scores["step"]["evidence"] == {"tags": {"once": None}}


def test_without_a_model_meaning_is_left_out() -> None:
    step, _ = normalized(model=None)
    assert step.report()["tags"] == {"raw": 9, "frequency": 8, "rules": 6, "association": 4}
    assert step.report()["merged"]["association"] == {"python": "Code Generation", "maths": "algebra"}


def test_without_stems_endings_make_a_difference() -> None:
    step, _ = normalized(stem="none")
    assert step.report()["merged"]["rules"] == {"code-generation": "Code Generation"}


def test_a_tag_that_also_comes_alone_stays() -> None:
    pool = [*[["rare", "large"]] * 98, *[["rare"]] * 2, *[["large"]] * 50]
    assert normalized(pool, confidence=0.99)[0].report()["merged"]["association"] == {}
    assert normalized(pool, confidence=0.98)[0].report()["merged"]["association"] == {"rare": "large"}


def test_of_two_that_always_come_together_the_first_by_name_stays() -> None:
    step, _ = normalized([["b", "a"]] * 5)
    assert step.report()["merged"]["association"] == {"b": "a"}


@given(st.lists(st.lists(st.sampled_from("abcdef"), unique=True), max_size=40), st.integers(1, 4))
def test_associations_are_those_of_a_plain_count(rows: list[list[str]], support: int) -> None:
    counts = counted(rows)
    found = by_company(rows, counts, support=support, confidence=0.75, between=lambda: None)
    for tag in counts:
        both = {o: sum(tag in r and o in r for r in rows) for o in counts if o != tag}
        into = [
            (n / counts[tag], counts[o], o)
            for o, n in both.items()
            if n >= support and n / counts[tag] >= 0.75 and (counts[o], tag) > (counts[tag], o)
        ]
        assert found.get(tag) == (max(into)[2] if into else None)
        followed(found, tag)  # it ends


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        (["a ", "b\n c", "a", "", 3, None], ["a", "b c"]),
        ([{"tag": "x", "explanation": "why"}, {"tag": None}, {"name": "y"}], ["x"]),
        (None, []),
        ("a, b", []),
    ],
)
def test_tags_are_read_from_what_models_write(value: Any, tags: list[str]) -> None:
    assert tags_in(value) == tags


PUBLISHED = {
    "caresses": "caress",
    "ponies": "poni",
    "ties": "ti",
    "cats": "cat",
    "feed": "feed",
    "agreed": "agre",
    "plastered": "plaster",
    "motoring": "motor",
    "sing": "sing",
    "conflated": "conflat",
    "sized": "size",
    "hopping": "hop",
    "falling": "fall",
    "hissing": "hiss",
    "filing": "file",
    "happy": "happi",
    "sky": "sky",
    "relational": "relat",
    "rational": "ration",
    "digitizer": "digit",
    "operator": "oper",
    "decisiveness": "decis",
    "hopefulness": "hope",
    "sensibiliti": "sensibl",
    "triplicate": "triplic",
    "formative": "form",
    "electrical": "electr",
    "goodness": "good",
    "allowance": "allow",
    "airliner": "airlin",
    "replacement": "replac",
    "adoption": "adopt",
    "effective": "effect",
    "probate": "probat",
    "rate": "rate",
    "cease": "ceas",
    "controll": "control",
    "roll": "roll",
}


def test_stems_are_those_that_porter_gives() -> None:
    assert {word: stem_of(word) for word in PUBLISHED} == PUBLISHED
    assert [stem_of(word) for word in ("as", "café", "数学", "C++", "x2")] == [
        "as",
        "café",
        "数学",
        "C++",
        "x2",
    ]
