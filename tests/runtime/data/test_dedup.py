"""Duplicates and evaluation overlap: what is removed, and that nothing else is."""

from __future__ import annotations

import errno
import random
import tracemalloc
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import built, row

from mixwright_runtime.errors import RunError
from mixwright_runtime.steps import minhash
from mixwright_runtime.steps.minhash import BandIndex, Sketcher, band_keys, bands_of, jaccard
from mixwright_runtime.values.rows import Dropped, Row
from mixwright_runtime.values.texts import folded, ngram_hashes, ngram_sets, tokens_of


def rows(texts: Sequence[Any], column: str = "text") -> list[Row]:
    return [row(n, **{column: text}) for n, text in enumerate(texts)]


def kept(results: Sequence[Row | Dropped]) -> list[int]:
    return [n for n, result in enumerate(results) if isinstance(result, Row)]


def test_exact_overlooks_case_width_and_space_alone() -> None:
    texts = ["A b", "a\n b ", "Ａ b", "a b.", None, None, "STRASSE", "straße"]
    results = built("dedup.exact", on="text").keep(rows(texts))
    assert kept(results) == [0, 3, 4, 5, 6]
    assert isinstance(results[1], Dropped)
    assert (results[1].reason, results[1].detail) == ("duplicate", {"of": rows(texts)[0].row_id.hex()})


def test_a_chat_is_compared_by_its_user_messages() -> None:
    def chat(question: str, answer: str) -> list[dict[str, str]]:
        return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]

    chats = [chat("q", "a"), chat("Q", "b"), chat("r", "a")]
    assert kept(built("dedup.exact", on="text").keep(rows(chats))) == [0, 2]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It's 3.5 o'clock!", ["it", "s", "3", "5", "o", "clock"]),
        ("解方程 x+1", ["解", "方", "程", "x", "1"]),
        ("カタカナ test", ["カ", "タ", "カ", "ナ", "test"]),
        ("안녕 세상", ["안녕", "세상"]),
        ("...", []),
    ],
)
def test_tokens(text: str, tokens: list[str]) -> None:
    assert tokens_of(text) == tokens


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert folded(folded(text)) == folded(text)


def test_ngram_hashes_are_pinned_and_tell_order() -> None:
    assert [int(h) for h in ngram_hashes(["a", "b", "c"], 2)] == [964747650646794898, 8957805314305668791]
    assert ngram_hashes(["b", "a"], 2)[0] != ngram_hashes(["a", "b"], 2)[0]
    assert len(ngram_hashes(["a"], 2)) == 0


WORDS = [f"word{n}" for n in range(300)]


def sentence(chance: random.Random, words: int = 60) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(words))


def edited(chance: random.Random, text: str, changes: int) -> str:
    words = text.split()
    for _ in range(changes):
        words[chance.randrange(len(words))] = "changed"
    return " ".join(words)


def shingles(text: str) -> Any:
    return np.unique(ngram_hashes(tokens_of(text), 5))


def planted(seed: int) -> list[str]:
    chance = random.Random(seed)
    texts = [sentence(chance) for _ in range(60)]
    texts += [
        edited(chance, chance.choice(texts), changes) for changes in (0, 1, 1, 2, 3, 5) for _ in range(10)
    ]
    chance.shuffle(texts)
    return texts


def brute_force(texts: Sequence[str], threshold: float) -> list[int]:
    found: list[int] = []
    for n, text in enumerate(texts):
        if all(jaccard(shingles(text), shingles(texts[k])) < threshold for k in found):
            found.append(n)
    return found


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8])
def test_minhash_removes_what_brute_force_removes(threshold: float) -> None:
    # With 1,024 functions a pair at the threshold is missed with a probability below 1e-3.
    texts = planted(seed=3)
    step = built("dedup.minhash", on="text", threshold=threshold, permutations=512)
    assert kept(step.keep(rows(texts))) == brute_force(texts, threshold)
    assert step.report()["duplicates"] == len(texts) - len(brute_force(texts, threshold))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 120), max_size=5), st.integers(0, 3))
def test_minhash_does_not_depend_on_waves(cuts: list[int], seed: int) -> None:
    texts = rows(planted(seed))
    whole = kept(built("dedup.minhash", on="text").keep(texts))
    step, results = built("dedup.minhash", on="text"), []
    bounds = [0, *sorted(cuts), len(texts)]
    for start, end in pairwise(bounds):
        results += step.keep(texts[start:end])
    assert kept(results) == whole


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_minhash_decides_the_same_where_its_index_lies_on_disk(
    threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = rows(planted(seed=7) + planted(seed=8))

    def decided() -> list[Row | Dropped]:
        step, results = built("dedup.minhash", on="text", threshold=threshold), []
        for start in range(0, len(texts), 13):
            results += step.keep(texts[start : start + 13])
        is_mapped = [isinstance(keys, np.memmap) for part in step._index._parts for keys, _ in part]
        assert any(is_mapped) == (minhash.RESIDENT_ROWS == 20)
        return results

    in_memory = decided()
    monkeypatch.setattr(minhash, "RESIDENT_ROWS", 20)
    monkeypatch.setattr(minhash, "STRETCH", 5)
    assert decided() == in_memory


RUNS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 99)), max_size=40)


@given(RUNS, RUNS, st.integers(1, 6))
def test_runs_are_merged_by_stretches(a: list[Any], b: list[Any], stretch: int) -> None:
    def run(pairs: list[Any]) -> Any:
        keys, ids = zip(*sorted(pairs), strict=True) if pairs else ((), ())
        return np.array(keys, dtype=np.uint32), np.array(ids, dtype=np.uint32)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(minhash, "STRETCH", stretch)
        keys, ids = minhash.merged(run(a), run(b), minhash._held(len(a) + len(b)))
    assert keys.tolist() == sorted(key for key, _ in a + b)
    assert sorted(zip(keys.tolist(), ids.tolist(), strict=True)) == sorted(a + b)


def test_a_full_disk_ends_the_run_and_not_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(minhash, "RESIDENT_ROWS", 1)
    monkeypatch.setattr(minhash.os, "posix_fallocate", full)
    step = built("dedup.minhash", on="text")
    with pytest.raises(RunError, match="cannot be put aside: No space left"):
        for number in range(4):
            step.keep(rows([sentence(random.Random(number))]))


def test_a_longer_prefix_keeps_what_a_shorter_one_kept() -> None:
    texts = rows(planted(seed=1))
    short = kept(built("dedup.minhash", on="text").keep(texts[:50]))
    assert [n for n in kept(built("dedup.minhash", on="text").keep(texts)) if n < 50] == short


def test_a_duplicate_says_of_what_and_how_similar() -> None:
    chance = random.Random(0)
    text = sentence(chance)
    results = built("dedup.minhash", on="text").keep(rows([text, text.upper() + "!", sentence(chance)]))
    assert kept(results) == [0, 2]
    assert isinstance(results[1], Dropped)
    assert results[1].detail == {"of": rows([text])[0].row_id.hex(), "similarity": 1.0}


def test_short_empty_and_unspaced_texts() -> None:
    texts = [
        "yes",
        "Yes!",
        "no",
        "",
        "",
        None,
        "🙂",
        "🙂",
        "今天天气很好我们去公园吧好吗",
        "今天天气很好我们去公园吧好吗。",
        "今天",
    ]
    assert kept(built("dedup.minhash", on="text").keep(rows(texts))) == [0, 2, 3, 4, 5, 6, 8, 10]


@pytest.mark.parametrize(
    ("threshold", "permutations", "expected"),
    [(0.8, 128, (16, 8)), (0.5, 128, (42, 3)), (1.0, 128, (1, 128)), (0.1, 128, (128, 1))],
)
def test_bands_follow_from_the_threshold(
    threshold: float, permutations: int, expected: tuple[int, int]
) -> None:
    bands, band_rows = bands_of(threshold, permutations)
    assert (bands, band_rows) == expected
    assert bands * band_rows <= permutations
    assert 1 - (1 - threshold**band_rows) ** bands > 0.94


def test_a_sketch_estimates_jaccard_similarity() -> None:
    sketcher = Sketcher(1024, seed=1)
    numbers = np.random.Generator(np.random.PCG64(0)).integers(0, 2**63, 3000, dtype=np.uint64)
    a, b = np.sort(numbers[:2000]), np.sort(numbers[1000:])
    of_a, of_b = sketcher.sketches(np.concatenate((a, b)), np.array([0, len(a)]))
    agreeing = float(np.mean(of_a == of_b))
    # The similarity is 1/3; the estimate's standard deviation is 0.015.
    assert abs(agreeing - jaccard(a, b)) < 0.06


@given(st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=9), max_size=8), st.integers(1, 6))
def test_ngrams_of_many_texts_are_those_of_each(texts: list[list[str]], n: int) -> None:
    flat, starts = ngram_sets(texts, n)
    found = np.split(flat, starts[1:]) if texts else []
    expected = [np.unique(ngram_hashes(text, min(n, len(text)))) for text in texts]
    assert [one.tolist() for one in found] == [one.tolist() for one in expected]


def test_shingles_of_rows_are_not_held() -> None:
    step = built("dedup.minhash", on="text")
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(3):
            step.keep(
                rows(
                    [f"{number} {n} " + " ".join(f"w{n * k % 997}" for k in range(60)) for n in range(1_000)]
                )
            )
        spooled = len(step._shingles._spool._memory)
        held = tracemalloc.get_traced_memory()[0] - before - 2 * spooled
    finally:
        tracemalloc.stop()
    assert held < 190 * 3_000


def test_the_band_index_finds_what_shares_a_band() -> None:
    index = BandIndex(bands=2)
    first = band_keys(np.array([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=np.uint32), 2, 2)
    index.add(first, np.array([10, 11], dtype=np.uint32))
    asked = band_keys(np.array([[1, 2, 9, 9], [3, 4, 1, 2], [5, 6, 7, 8]], dtype=np.uint32), 2, 2)
    assert index.candidates(asked) == {0: {10}, 2: {11}}


# Decontamination.

TOKENS = [f"t{n}" for n in range(20)]


def covering(tokens: int) -> str:
    """A row that covers exactly so many of the evaluation text's 20 tokens."""
    return "before " + " ".join(TOKENS[:tokens]) + " after"


def decontaminated(texts: Sequence[Any], evaluation: Sequence[dict[str, Any]], **attributes: Any) -> Any:
    step = built(
        "decontaminate.ngram", rows={"gsm8k": evaluation}, against=["gsm8k"], **{"overlap": 0.5, **attributes}
    )
    return step, [step.apply(one) for one in rows(texts)]


@pytest.mark.parametrize(
    ("tokens", "overlap", "is_kept"),
    [(7, 0.5, True), (10, 0.5, True), (11, 0.5, False), (20, 0.5, False), (10, 0.49, False), (20, 1.0, True)],
)
def test_a_row_is_contaminated_above_the_overlap(tokens: int, overlap: float, is_kept: bool) -> None:
    _, results = decontaminated([covering(tokens)], [{"q": " ".join(TOKENS)}], overlap=overlap)
    assert kept(results) == ([0] if is_kept else [])


def test_coverage_is_of_one_row_not_of_several() -> None:
    half, other_half = " ".join(TOKENS[:10]), " ".join(TOKENS[10:])
    _, apart = decontaminated([half, other_half], [{"q": " ".join(TOKENS)}])
    assert kept(apart) == [0, 1]
    _, together = decontaminated([f"{half} x {other_half}"], [{"q": " ".join(TOKENS)}])
    assert kept(together) == []


def test_case_and_punctuation_do_not_hide_a_copy() -> None:
    text = "Natalia sold clips to 48 of her friends in April, and then she sold half as many."
    disguised = text.upper().replace(",", " --").replace(" ", "  ")
    step, results = decontaminated(
        [f"Q: {disguised} A: 72", "Nothing of the kind"], [{"q": text}, {"q": covering(20)}]
    )
    assert kept(results) == [1]
    assert results[0].reason == "contaminated"
    assert results[0].detail == {"set": "gsm8k", "evaluation_row": 0, "evaluation_text": text, "overlap": 1.0}
    report = step.report()["gsm8k"]
    example = report.pop("examples")[0]
    assert report == {"rows": 2, "matched": 1, "share": 0.5, "removed": 1}
    assert example["row"] == rows([f"Q: {disguised} A: 72"])[0].row_id.hex()
    assert (example["evaluation_row"], example["overlap"]) == (0, 1.0)


def test_one_copied_column_is_enough() -> None:
    evaluation = [{"q": " ".join(TOKENS), "a": " ".join(f"long{n}" for n in range(200))}]
    _, results = decontaminated([covering(20)], evaluation)
    assert kept(results) == []


def test_texts_shorter_than_n_need_the_whole_row() -> None:
    evaluation = [{"q": "who wrote the iliad"}, {"q": "yes"}]
    _, results = decontaminated(["Who wrote the Iliad?", "tell me who wrote the iliad", "yes"], evaluation)
    assert kept(results) == [1, 2]


def test_user_messages_of_a_chat_and_chinese_are_checked() -> None:
    question = "小明有五个苹果他给了小红两个请问他还剩下几个苹果"
    chat = [{"role": "user", "content": f"请解答：{question}"}, {"role": "assistant", "content": "三个"}]
    answer = [{"role": "user", "content": "讲个故事"}, {"role": "assistant", "content": question}]
    _, results = decontaminated([chat, answer], [{"q": question}])
    assert kept(results) == [1]


def test_on_names_the_one_column_to_check() -> None:
    step = built(
        "decontaminate.ngram",
        rows={"e": [{"q": " ".join(TOKENS)}]},
        against=["e"],
        on="question",
        overlap=0.5,
    )
    results = [step.apply(row(question="x", other=covering(20))), step.apply(row(question=covering(20)))]
    assert kept(results) == [0]


def test_every_set_has_its_own_report() -> None:
    sets = {"a": [{"q": " ".join(TOKENS)}], "b": [{"q": " ".join(TOKENS)}, {"q": "x y z w v"}], "empty": []}
    step = built("decontaminate.ngram", rows=sets, against=list(sets), overlap=0.5)
    step.apply(row(text=covering(20)))
    report = step.report()
    assert {name: (found["rows"], found["matched"], found["removed"]) for name, found in report.items()} == {
        "a": (1, 1, 1),
        "b": (2, 1, 1),
        "empty": (0, 0, 0),
    }
