"""`dedup rouge`: what is dropped is what ROUGE-L with every text before would drop, and nothing else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import built, row

from mixwright_runtime.errors import RunError
from mixwright_runtime.steps.rouge_index import RougeIndex, lcs_length, rouge_tokens
from mixwright_runtime.values.rows import Dropped, Row


def kept(results: Sequence[Row | Dropped]) -> list[int]:
    return [n for n, result in enumerate(results) if isinstance(result, Row)]


def lcs_by_table(first: Sequence[str], second: Sequence[str]) -> int:
    """The textbook's table, to compare with."""
    above = [0] * (len(second) + 1)
    for token in first:
        row_of = [0]
        for place, other in enumerate(second):
            row_of.append(above[place] + 1 if token == other else max(above[place + 1], row_of[place]))
        above = row_of
    return above[-1]


WORDS = st.lists(st.sampled_from("abcdef"), max_size=12)


@given(WORDS, WORDS)
def test_the_longest_common_subsequence_is_that_of_the_table(first: list[str], second: list[str]) -> None:
    assert lcs_length(first, second) == lcs_by_table(first, second)


@given(st.lists(WORDS, max_size=12), WORDS, st.sampled_from([0.0, 0.3, 0.5, 0.7, 0.9, 1.0]))
def test_no_pair_above_the_threshold_is_lost(
    texts: list[list[str]], asked: list[str], threshold: float
) -> None:
    """The bounds leave pairs out that are below, and no other."""
    index = RougeIndex(threshold)
    for text in texts:
        index.add(text)
    share = [Fraction(2 * lcs_by_table(t, asked), max(1, len(t) + len(asked))) for t in texts]
    expected = [n for n, f in enumerate(share) if f > Fraction(str(threshold))]
    assert sorted(n for _, n in index.above(asked)) == expected


def test_most_pairs_are_not_computed() -> None:
    chance = random.Random(1)
    vocabulary = [f"w{n}" for n in range(2_000)]
    index = RougeIndex(0.7)
    for _ in range(1_000):
        tokens = [chance.choice(vocabulary) for _ in range(12)]
        assert index.above(tokens) == []
        index.add(tokens)
    assert index.compared < 10  # of 499,500 pairs


def test_the_first_of_similar_rows_stays_and_the_others_say_which_it_was() -> None:
    texts = [
        "Write a poem about the sea in winter.",
        "Explain how a bicycle stays upright.",
        "write a poem about the sea in summer",
        None,
        "",
    ]
    rows = [row(n, text=text) for n, text in enumerate(texts)]
    step = built("dedup.rouge", on="text")
    results = step.keep(rows)
    assert kept(results) == [0, 1, 3, 4]
    dropped = results[2]
    assert isinstance(dropped, Dropped) and dropped.reason == "too similar"
    nearest = {"of": rows[0].row_id.hex(), "similarity": 0.875}
    assert dropped.detail == {**nearest, "nearest": [nearest]}
    assert step.report() == {"rows": 5, "too_similar": 1, "against": 0, "compared": 1}


def test_a_share_at_the_threshold_is_not_above_it() -> None:
    """Seven of ten tokens in common are 0.7, whatever floating point makes of that."""
    first, second = "a b c d e f g h i j", "a b c d e f g x y z"
    rows = [row(0, text=first), row(1, text=second)]
    assert kept(built("dedup.rouge", on="text", threshold=0.7).keep(rows)) == [0, 1]
    assert kept(built("dedup.rouge", on="text", threshold=0.69).keep(rows)) == [0]


@pytest.mark.parametrize(
    ("text", "kind", "tokens"),
    [
        ("It's 3.5 o'clock_now!", "auto", ["it", "s", "3", "5", "o", "clock", "now"]),
        ("Le café d'été", "words", ["le", "caf", "d", "t"]),
        ("Le café d'été", "auto", ["le", "café", "d", "été"]),
        ("解方程 x+1", "auto", ["解", "方", "程", "x", "1"]),
        ("解方程 x+1", "words", ["x", "1"]),
        ("ab 1.", "characters", ["a", "b", "1"]),
    ],
)
def test_tokens(text: str, kind: str, tokens: list[str]) -> None:
    assert rouge_tokens(text, kind) == tokens  # type: ignore[arg-type]


def test_chinese_texts_are_compared_by_characters() -> None:
    """With the tokens of `rouge_score` they have none, and nothing is ever similar."""
    rows = [row(0, text="请写一首关于冬天大海的诗"), row(1, text="请写一首关于夏天大海的诗")]
    assert kept(built("dedup.rouge", on="text").keep(rows)) == [0]
    assert kept(built("dedup.rouge", on="text", tokens="words").keep(rows)) == [0, 1]


def test_rows_of_sources_count_as_kept_before() -> None:
    seeds = [{"text": "Name three primary colours."}, {"text": "Translate this sentence into French."}]
    step = built("dedup.rouge", on="text", against=["seeds"], rows={"seeds": seeds})
    asyncio.run(step.prepare())
    results = step.keep(
        [row(0, text="Translate this sentence into German."), row(1, text="Sort these words.")]
    )
    assert kept(results) == [1]
    assert isinstance(results[0], Dropped)
    assert results[0].detail["source"] == "seeds" and results[0].detail["row"] == 1
    assert step.report()["against"] == 2


def test_a_source_without_the_column_ends_the_start() -> None:
    step = built("dedup.rouge", on="task", against=["seeds"], rows={"seeds": [{"text": "a"}]})
    with pytest.raises(RunError, match="source 'seeds' has no column `task` to compare"):
        asyncio.run(step.prepare())
