"""Are two answers equal? Hundreds of pairs labelled by hand, properties of numbers, and texts that should do harm."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixwright_runtime.verifiers.math.equivalence import Comparison, Equivalence, quickly, too_much
from mixwright_runtime.verifiers.math.mathematics import compare
from mixwright_runtime.verifiers.math.notation import folded
from mixwright_runtime.verifiers.math.numerals import chinese_number, english_number
from mixwright_runtime.verifiers.math.quantities import quantity_of
from mixwright_runtime.verifiers.math.units import ratio, unit_of
from mixwright_runtime.workers.pool import WorkerPool

PAIRS = Path(__file__).parents[2] / "data" / "answer_pairs.tsv"


def labelled_pairs() -> list[tuple[str, str, str]]:
    lines = PAIRS.read_text(encoding="utf-8").splitlines()
    return [tuple(line.split("\t")[:3]) for line in lines if not line.startswith("#")]  # type: ignore[misc]


def compared(pairs: Sequence[tuple[str, str]], workers: int = 1) -> list[Comparison]:
    """Each (gold, found) compared, with a real pool."""

    async def main() -> list[Comparison]:
        pool = WorkerPool(workers)
        equivalence = Equivalence(lambda: pool)
        try:
            return await asyncio.gather(
                *(equivalence.compare(gold=gold, found=found) for gold, found in pairs)
            )
        finally:
            await pool.close()

    return asyncio.run(main())


def test_every_pair_is_judged_as_labelled() -> None:
    pairs = labelled_pairs()
    found = compared([(gold, answer) for _, gold, answer in pairs])
    wrong = [
        (*pair, comparison.outcome)
        for pair, comparison in zip(pairs, found, strict=True)
        if comparison.outcome != pair[0]
    ]
    assert wrong == []
    assert len(pairs) >= 800
    # Computer algebra is the last resort: plain answers need no worker.
    plain = [
        comparison
        for (_, *texts), comparison in zip(pairs, found, strict=True)
        if all(re.fullmatch(r"[\d .,/%$€£¥+:−-]+", text) for text in texts)
    ]
    assert len(plain) > 60
    assert all(comparison.evidence["by"] != "mathematics" for comparison in plain)


@pytest.mark.parametrize(
    ("gold", "found", "by"),
    [
        ("72", "72.0", "number"),
        (r"\frac{1}{2}", "0.5", "number"),
        ("5 cm", "50 mm", "number"),
        (r"\text{blue}", "Blue", "parts"),
        ("(1, 1/2)", "(1, 0.5)", "parts"),
        ("$x+1$", r"\(x + 1\)", "parts"),
        (r"\sqrt{8}", r"2\sqrt{2}", None),
    ],
)
def test_plain_answers_need_no_worker(gold: str, found: str, by: str | None) -> None:
    comparison = quickly(gold=gold, found=found)
    assert (comparison.evidence["by"] if comparison else None) == by


def test_evidence_has_both_answers_as_read() -> None:
    quick = quickly(gold="3万", found="5 cm")
    assert quick is not None
    assert quick.evidence == {"gold": "30000", "found": "5 cm", "found_as": "5 (length)", "by": "number"}
    assert compare("x+1", "1 + x^2", 2.0) == {
        "outcome": "different",
        "gold_as": "x + 1",
        "found_as": "x**2 + 1",
    }
    assert compare("(x, 1)", "(y, 1)", 2.0) == {"outcome": "different", "parts_as": "x -> x; y -> y"}
    assert compare(r"\frac{1}{", "1", 2.0) == {"outcome": "unparsable", "gold_as": "", "found_as": "1"}
    assert compare(r"(-\infty,1)\cup[2,y)", r"0 < x \le 1", 2.0) == {
        "outcome": "different",
        "gold_as": "(-oo, 1) or [2, y)",
        "found_as": "0 < x <= 1",
    }


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("1, 2, \\ldots", r"the command \ldots"),
        ("x is odd", "the word 'is'"),
        ("3x cm", "the unit 'cm'"),
        ("x + \\foo y", r"the command \foo"),
        ("x 2", "a number behind a factor"),
        ("1/2x", "a denominator that may end in two places"),
        ("x^2^3", "two exponents"),
        ("\\int x", "an integral without its variable"),
        ("\\sum_k k", "a sum without its bounds"),
        ("x ? y", "unknown sign '?'"),
        ("(1, 2", "it ends early"),
    ],
)
def test_what_cannot_be_kept_is_not_read(text: str, lost: str) -> None:
    from mixwright_runtime.verifiers.math.formulas.reader import read
    from mixwright_runtime.verifiers.math.formulas.values import Unreadable

    with pytest.raises(Unreadable, match=re.escape(lost)):
        read(text)


letters = st.sampled_from("abcxyzABCXYZ")
MARKS = ["{}", r"\hat{{{}}}", r"\vec{{{}}}", r"\bar{{{}}}", "{}'", "{}_1", "{}_2", r"\dot{{{}}}", "{}^T"]


@given(letters, st.sampled_from(MARKS), letters, st.sampled_from(MARKS))
def test_a_letter_with_its_marks_equals_itself_alone(a: str, mark: str, b: str, other_mark: str) -> None:
    gold, found = f"2{mark.format(a)} + 1", f"1 + 2{other_mark.format(b)}"
    outcome = compare(gold, found, 2.0)["outcome"]
    assert (outcome == "equal") == ((a, mark) == (b, other_mark)), (gold, found, outcome)


whole_numbers = st.integers(-(10**30), 10**30)


@given(whole_numbers, whole_numbers)
def test_whole_numbers_are_compared_exactly(a: int, b: int) -> None:
    for gold in (str(a), f"{a:,}", rf"\boxed{{{a}}}"[7:-1], f"${a}$"):
        for found in (str(b), f"{b:,}", f"{b}.0", f"{b} apples"):
            comparison = quickly(gold=gold, found=found)
            assert comparison is not None
            assert (comparison.outcome == "equal") == (a == b), (gold, found)


@given(st.integers(-999, 999), st.integers(1, 999), st.integers(-999, 999), st.integers(1, 999))
def test_fractions_are_compared_exactly(a: int, b: int, c: int, d: int) -> None:
    comparison = quickly(gold=rf"\frac{{{a}}}{{{b}}}", found=f"{c}/{d}")
    assert comparison is not None
    assert (comparison.outcome == "equal") == (Fraction(a, b) == Fraction(c, d))


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_is_too_odd(gold: str, found: str) -> None:
    assert quickly(gold=gold, found=gold) is not None or not folded(gold)
    quickly(gold=gold, found=found)


@given(st.text(alphabet=r"0123456789.,/%$\{}()[]^_eE+- cmx万亿½", max_size=24))
def test_an_answer_equals_itself_whatever_it_is(text: str) -> None:
    comparison = quickly(gold=text, found=f" {text} ")
    assert comparison is not None
    assert comparison.outcome == "equal"


def test_numbers_as_words() -> None:
    english = {"zero": 0, "twenty-one": 21, "one hundred and five": 105, "two thousand ten": 2010, "three": 3}
    assert {text: english_number(text) for text in english} == english
    assert [english_number(text) for text in ("two three", "and", "hundred", "twenty thirty", "of")] == [
        None
    ] * 5
    chinese = {
        "三百二十": 320,
        "一万二千": 12_000,
        "十五": 15,
        "一百零五": 105,
        "三亿": 300_000_000,
        "二〇二六": 2026,
    }
    assert {text: chinese_number(text) for text in chinese} == chinese


def test_units_convert_within_what_they_measure() -> None:
    def times(gold: str, found: str) -> Fraction | None:
        a, b = unit_of(gold), unit_of(found)
        assert a is not None and b is not None
        return ratio(a, b)

    assert times("m", "km") == 1000
    assert times("square feet", "in^2") == Fraction(1, 144)
    assert times("m/s", "km per hour") == Fraction(5, 18)
    assert times("dollars a day", "cents per day") == Fraction(1, 100)
    assert times("kg", "pounds") == times("kg", "lbs") == Fraction(45359237, 100000000)
    assert times("pounds", "£") == 1
    assert [times(*pair) for pair in (("m", "s"), ("m", "m^2"), ("$", "€"), ("km", "km/h"))] == [None] * 4
    assert unit_of("plus 3") is None


@pytest.mark.parametrize(
    "text", ["1e999999999", "10^{99999999}", "9" * 5_000, "1/0", r"\frac{1}{0}", "1" * 999 + "%"]
)
def test_numbers_too_large_to_hold_are_not_built(text: str) -> None:
    quantity = quantity_of(folded(text))
    assert quantity is None or quantity.value.denominator == 1
    assert quickly(gold="7", found=text) is None or quickly(gold="7", found=text).outcome != "equal"  # type: ignore[union-attr]


# Texts that should do harm.


@pytest.mark.parametrize(
    "bomb",
    [
        "9^{9^{9^{9}}}",
        "7 ^ { 7 ^ { 7 ^ 7 } }",
        "2^{123456789012}",
        "100!!!",
        "((9!)!)!",
        "99999999!",
        "x" + "+x" * 5_000,
        "(" * 400 + "x" + ")" * 400,
        "x^{" + "7" * 400 + "}",
    ],
)
def test_what_cannot_be_computed_is_not_tried(bomb: str) -> None:
    assert too_much(folded(bomb)) is not None
    assert [comparison.outcome for comparison in compared([("x", bomb), (bomb, "x")])] == ["unparsable"] * 2


def test_a_bomb_is_too_hard_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ordinary pairs are asked last, and done before the bombs' second try."""
    monkeypatch.setattr("mixwright_runtime.verifiers.math.equivalence.PAIR_LIMIT_S", 0.6)
    monkeypatch.setattr("mixwright_runtime.verifiers.math.equivalence.FIRST_TRY_S", 0.1)
    bombs = [
        ("1", r"\prod_{n=1}^{9000} (1+\frac{1}{n^2+n\pi})"),
        ("x^7-x^5+3x^2=x-11", "x^{31}-x^{17}+x^{11}=x^5-x+7"),
        ("1", r"\int_0^1\int_0^1\int_0^1 e^{xyz\sin(x+y+z)} dx dy dz"),
    ]
    ordinary = [(rf"\sqrt{{{2 * n * n}}}", rf"{n}\sqrt{{2}}") for n in range(2, 8)]
    done: list[int] = []

    async def main() -> list[str]:
        pool = WorkerPool(1)
        equivalence = Equivalence(lambda: pool)

        async def one(number: int, gold: str, found: str) -> str:
            outcome = (await equivalence.compare(gold=gold, found=found)).outcome
            done.append(number)
            return outcome

        try:
            return await asyncio.gather(*(one(n, *pair) for n, pair in enumerate(bombs + ordinary)))
        finally:
            await pool.close()

    outcomes = asyncio.run(main())
    assert outcomes == ["too hard"] * 3 + ["equal"] * 6
    assert sorted(done[:6]) == [3, 4, 5, 6, 7, 8]


def test_a_worker_that_hangs_for_good_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The alarm of `compare` cannot ring inside one long operation: here, one that never comes back."""
    monkeypatch.setattr("mixwright_runtime.verifiers.math.equivalence.SLOW_FUNCTION", "builtins:sorted")
    monkeypatch.setattr("mixwright_runtime.verifiers.math.equivalence.KILL_AFTER_S", 0.2)

    class Hanging(WorkerPool):
        async def run(self, function: str, args: Sequence[Any], timeout_s: float) -> Any:
            return await super().run("re:match", ["(a+)+$", "a" * 64 + "b"], timeout_s)

    async def main() -> Comparison:
        pool = Hanging(1)
        try:
            return await Equivalence(lambda: pool).compare(gold="x+1", found="x+2")
        finally:
            await pool.close()

    comparison = asyncio.run(main())
    assert (comparison.outcome, comparison.evidence["reason"]) == ("too hard", "no result after 0.2 s")


@pytest.mark.parametrize(
    "template",
    [
        '__import__("os").system("touch {path}")',
        r'$__import__("os").system("touch {path}")$',
        r"\text{{__import__('os').system('touch {path}')}}+1",
        r"exec('open(\'{path}\',\'w\')')+x",
        r"\operatorname{{eval}}(open('{path}','w'))",
        r"x_{{__import__('os').system('touch {path}')}}",
        r"\input{{{path}}}\write18{{touch {path}}}+2x",
        "(lambda: open('{path}', 'w'))()+1",
    ],
)
def test_answers_are_never_executed(template: str, tmp_path: Path) -> None:
    path = tmp_path / "executed"
    text = template.replace("{{", "{").replace("}}", "}").replace("{path}", str(path))
    quickly(gold="x+1", found=text)
    outcome = compare("x+1", folded(text), 2.0)["outcome"]
    assert outcome in ("different", "unparsable")
    assert not path.exists()
