"""Repetition and truncation: what the two verifiers see in a text, and what they let pass."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from made import built, candidates, row

from mixwright_runtime.plugins.protocol import Measurement
from mixwright_runtime.values.rows import Row
from mixwright_runtime.verifiers.text.endings import signs_of_cutting
from mixwright_runtime.verifiers.text.repeats import loop_at_end, repeats_of

# Repetition.

GOOD = (
    "The moon has no light of its own. It shines because the sun does, and what we call its phases is only the part of "
    "the lit half that can be seen from here. When it stands between us and the sun we see none of it at all."
)


def share(text: str, words: int = 10) -> float:
    repeats = repeats_of(text, words)
    assert repeats is not None
    return round(repeats.share, 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD, 0.0),
        (f"{GOOD}\n\n{GOOD}", 0.5),
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0.97),
        ("Ha ha ha!", 0.0),
        (f"{GOOD} So it is. " + "I am done. " * 40, 0.65),
        ("yes\n" * 25, 0.96),
        ("好的，我明白了你的意思。" * 10, 0.9),
        ("def f(x):\n    return x\n\n\ndef g(x):\n    return x\n", 0.24),
    ],
)
def test_the_share_that_repeats(text: str, expected: float) -> None:
    assert share(text) == pytest.approx(expected, abs=0.02)


def test_the_passage_said_twice_is_named_and_measured() -> None:
    repeats = repeats_of(f"{GOOD} And now once more: {GOOD}", 10)
    assert repeats is not None
    assert repeats.span_words == len(GOOD.split())
    assert repeats.span.startswith("the moon has no light of its own")


@pytest.mark.parametrize(
    ("text", "loop"),
    [
        ("x = " + "01" * 20, (2, 38)),
        ("start " + "the cat sat. " * 5, (13, 52)),
        ("start " + "the cat sat. " * 4 + "the ca", (13, 46)),
        # What it ends with stands twice in each turn.
        ("start " + "one, and then some more. two, and then some more. " * 4, (50, 150)),
        ("the cat sat. the cat sat.", (0, 0)),
        ("abc", (0, 0)),
        ("", (0, 0)),
    ],
)
def test_a_loop_at_the_end_may_break_off_in_its_middle(text: str, loop: tuple[int, int]) -> None:
    assert loop_at_end(text.strip()) == loop


def test_a_loop_is_found_as_a_search_through_all_periods_finds_it() -> None:
    rng = random.Random(7)
    for _ in range(300):
        unit = "".join(rng.choice("abc ") for _ in range(rng.randint(1, 40)))
        text = "".join(rng.choice("abcdefgh ") for _ in range(rng.randint(0, 60))) + unit * rng.randint(1, 9)
        text = text.strip()
        found = []
        for period in range(1, len(text) // 3 + 1):
            looped = 0
            while looped + period < len(text) and text[-1 - looped] == text[-1 - looped - period]:
                looped += 1
            if looped >= 2 * period and looped + period >= 24:
                found.append((period, looped))
        expected = found[0] if found else (0, 0)
        assert loop_at_end(text) == expected, text


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "ab " * 330_000,
        "的一" * 500_000,
        "\n".join("ab" * (i % 7) for i in range(200_000)),
        " " * 1_000_000,
    ],
)
def test_a_million_characters_are_measured_in_linear_time(text: str) -> None:
    """Each takes under a second."""
    signs_of_cutting(text)
    repeats = repeats_of(text, 10)
    assert repeats is None or repeats.share > 0.9


# Truncation.


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "Paris",
        "42",
        "Yes",
        "It is 3 + 4 = 7, which is the right answer to the question (see above).",
        'She said: "Come in and sit down with us before the rain begins."',
        "```python\nprint('hi')\n```",
        "Use this:\n\n```\nls -l\n```\n",
        '{"name": "Ada", "tags": ["a", "b"]}',
        "\\begin{align} x &= 1 \\end{align} and so \\[ y = 2 \\] holds, with \\$5 left.",
        "The answer is \\boxed{\\frac{1}{2}}",
        "- apples\n- pears\n- plums",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "月亮自己不会发光，它只是反射太阳的光。",
        "Great news for everyone who likes long walks in the rain! #rain #walks",
        "[1] is a citation and not a list, as anyone can see from this.",
        "Thank you all, and good night 😀",
        "1. Wash your hands with soap.\n2. Dry them with a clean towel.\n3. Close the tap!",
    ],
)
def test_texts_that_end(text: str) -> None:
    assert [s for s in signs_of_cutting(text) if s.score > 0.5] == []


@pytest.mark.parametrize(
    ("text", "sign", "score"),
    [
        ("Here is it:\n```python\nprint('hi')", "open code fence", 1.0),
        ("````\n```\ncode\n```\n", "open code fence", 1.0),
        ('{"name": "Ada", "tags": ["a", ', "open JSON", 1.0),
        ('{"name": "Ad', "open JSON", 1.0),
        ("We get \\begin{align} x &= 1", "open LaTeX", 1.0),
        ("so that $$ x = 1", "open LaTeX", 1.0),
        ("and \\[ y = 2", "open LaTeX", 1.0),
        ("The answer is \\boxed{\\frac{1}{2}", "open LaTeX", 1.0),
        ("He brought apples, pears,", "ends with a mark that goes on", 0.9),
        ("The steps are the following:", "ends with a colon", 0.9),
        ("It was found by the", "ends with a word that goes on", 0.9),
        ("1. Wash your hands.\n2. Dry them.\n3.", "empty list item", 0.9),
        ("Text.\n\n## Summary", "heading without text", 0.9),
        ("1. **Wash** your hands.\n2. **Dry", "open emphasis", 0.9),
        ("1. Wash your hands.\n2. Dry them.\n3. Close", "unfinished list item", 0.7),
        ("The moon has no light of its own and we see it beca", "unfinished sentence", 0.7),
        ("月亮自己不会发光，它只是反射太阳的光。我们看到的月相只是被照亮的", "unfinished sentence", 0.7),
        ('She opened the door and said "come in and s', "open quotation", 0.7),
    ],
)
def test_texts_that_were_cut_off(text: str, sign: str, score: float) -> None:
    first = signs_of_cutting(text)[0]
    assert (first.name, first.score) == (sign, score)


# The verifiers.


def measured(step: Any, rows: list[Row]) -> list[Measurement]:
    async def main() -> list[Measurement]:
        return [await step.measure(one) for one in rows]

    return asyncio.run(main())


def test_verdicts_say_what_was_wrong() -> None:
    rows = candidates("out", [GOOD, GOOD * 2, "", None])
    step = built("verify.repetition", response="out", max=0.3)
    verdicts = step.decide(rows, measured(step, rows))
    reasons = ["passes" if isinstance(v, Row) else v.reason for v in verdicts]
    assert reasons == ["passes", "repetition: repetitive", "repetition: no text", "repetition: no text"]
    assert verdicts[1].detail["twice_words"] == len(GOOD.split())
    step = built("verify.truncation", response="out", max=0.5)
    rows = candidates("out", [GOOD, GOOD[:-30]])
    verdicts = step.decide(rows, measured(step, rows))
    assert isinstance(verdicts[0], Row)
    assert verdicts[1].reason == "truncation: cut off"
    assert verdicts[1].detail["signs"][0]["at"].endswith("between us and the")


def test_the_best_candidate_is_the_one_that_repeats_least() -> None:
    step = built("verify.repetition", response="out", max=1.0, pick="best")
    rows = candidates("out", [GOOD * 3, GOOD, GOOD * 2])
    verdicts = step.decide(rows, measured(step, rows))
    assert [isinstance(v, Row) for v in verdicts] == [False, True, False]


def test_numbers_are_texts_too() -> None:
    step = built("verify.truncation", response="out", max=0.5)
    assert measured(step, [row(out=42)])[0].score == 0.0
