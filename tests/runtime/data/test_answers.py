"""Finding the final answer in a solution."""

from __future__ import annotations

import pytest

from mixwright_runtime.verifiers.math.answers import answer_in, boxed, gold_in


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"so \boxed{1} then \boxed{\frac{1}{2}} ok", r"\frac{1}{2}"),
        (r"\boxed{a\}b} and \boxed{}", r"a\}b"),
        (r"\boxed 7", "7"),
        (r"$x=\boxed{2}$ or $x=\boxed{3}$", "2, 3"),
        (r"\boxed{2} \text{ and } \boxed{2}", "2"),
        ("Final Answer: The final answer is $4$. I hope it is correct.", "4"),
        ("**Final Answer**\n\n42", "42"),
        ("For the final answer: 8 + 7 = 15\n#### 15", "15"),
        ("The answer is 3, no.\n#### 1,234", "1,234"),
        ("The answer is 18 dollars per day.", "18 dollars per day"),
        ("The answer is $5 and not $6.", "$5 and not $6"),
        ("The answer is $5.", "$5"),
        ("**Answer:** 42", "42"),
        (r"The final answer is: \( x=3 \).", "x=3"),
        ("answer: (B)", "(B)"),
        ("16 - 3 = 13\nA: 13 eggs", "13 eggs"),
        ("He had 5, then 7.5.", "7.5"),
        ("So there are 6.02e23 atoms.", "6.02e23"),
        ("<answer> 42 </answer>", "42"),
        ("<think>the answer is 3</think>The answer is 4.", "4"),
        ("<think>the answer is 3", "3"),
        ("I do not know", None),
        ("", None),
        (r"\boxed{1", "1"),
        ("}{" * 5_000 + r"\boxed{", None),
    ],
)
def test_the_answer_is_found(response: str, answer: str | None) -> None:
    assert answer_in(response) == answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("因此答案是3万元。", "3万元"),
        ("答案：12", "12"),
        ("答案为 $x=3$。", "x=3"),
        ("最终答案是：5。", "5"),
        ("故选B。", "B"),
        ("所以，选C。", "C"),
        ("正确选项是 A，排除选项B。", "A"),
        ("他选了3个，答案（D）", "（D）"),
        ("共有１２个，还剩３个", "３"),
        ("答えは15です。", "15"),
    ],
)
def test_chinese_and_japanese_answers_are_found(response: str, answer: str) -> None:
    assert answer_in(response) == answer


def test_extract_takes_one_form_alone() -> None:
    response = "The answer is 3.\n#### 4\n\\boxed{5} 6"
    found = [answer_in(response, how) for how in ("boxed", "hashes", "final", "last")]
    assert found == ["5", "4", "3", "6"]
    assert answer_in("42", "boxed") is None


def test_only_the_end_of_a_response_is_searched() -> None:
    assert answer_in(r"\boxed{1}" + "x" * 30_000) is None


def test_the_right_answer_may_stand_at_the_end_of_a_solution() -> None:
    assert gold_in("48 / 2 = 24\n48 + 24 = 72\n#### 72") == "72"
    assert gold_in("48 / 2 = 24\nThat makes 24.") == "24"
    assert gold_in(" 2 apples ") == "2 apples"
    assert gold_in("5 and 3") == "5 and 3"
    assert gold_in("  ") is None
    assert boxed("no box") is None
