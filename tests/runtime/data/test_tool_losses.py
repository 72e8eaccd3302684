"""Where calls are tried, what is a call, whether it helps, and how it comes into a text and out again."""

from __future__ import annotations

import math
import random

import pytest

from mixwright_runtime.steps.tool_losses import (
    Call,
    Candidate,
    Marks,
    call_in,
    interleaved,
    kept_of,
    loss_of,
    positions_in,
    weights_of,
    without,
)

MARKS = Marks(" [", " → ", "]")


def test_five_tokens_count_less_and_less_and_sum_to_one() -> None:
    assert weights_of(5, 0.2) == pytest.approx([w / 3 for w in (1, 0.8, 0.6, 0.4, 0.2)])
    assert weights_of(7, 0.2)[5:] == [0, 0] and math.fsum(weights_of(7, 0.2)) == pytest.approx(1)
    assert weights_of(3, 0) == pytest.approx([1 / 3] * 3)


def test_a_loss_by_hand() -> None:
    told = [(3, math.log(0.5)), (7, math.log(0.25)), (9, math.log(0.1))]
    weights = weights_of(3, 0.5)  # 1, .5, 0 over 1.5
    assert loss_of(told, weights) == pytest.approx(math.log(2) / 1.5 + math.log(4) * 0.5 / 1.5)
    assert loss_of(told[:1], weights) == pytest.approx(math.log(2) / 1.5), "the text ends"
    assert loss_of([(0, None), *told], weights) is None and loss_of([], weights) is None


@pytest.mark.parametrize(
    ("most", "least", "places"),
    [(5, 0.05, [0, 8, 12]), (2, 0.05, [8, 12]), (5, 0.35, [12]), (5, 0.0, [0, 4, 8, 12])],
)
def test_the_likeliest_places_in_their_order(most: int, least: float, places: list[int]) -> None:
    shares = {0: 0.1, 4: 0.04, 8: 0.3, 12: 0.6}
    told = [(at, math.log(share)) for at, share in shares.items()]
    assert positions_in("one two for six", told, " [", most, least) == places


def test_no_place_where_the_text_has_a_bracket_or_inside_a_character() -> None:
    text = "a [1] 文 b"
    told: list[tuple[int, float | None]] = [
        (0, None),
        (1, -0.1),
        (2, -0.1),
        (3, -0.2),
        (6, -0.3),
        (6, -0.1),
        (7, -0.4),
    ]
    assert positions_in(text, told, " [", 9, 0.0) == [3, 6, 7]


@pytest.mark.parametrize(
    ("sampled", "call"),
    [
        ("Calculator(2 + 2)", Call("Calculator(2 + 2)", "2 + 2")),
        (" Calculator (2 + 2) ", Call("Calculator(2 + 2)", "2 + 2")),
        ("Calculator((1 + 2) * 3)", Call("Calculator((1 + 2) * 3)", "(1 + 2) * 3")),
        ("Calculator(2 + 2) → 5", Call("Calculator(2 + 2)", "2 + 2")),
        ('Calculator("2 + 2")', Call('Calculator("2 + 2")', "2 + 2")),
        ("Calculator()", Call("Calculator()", "")),
        ("Calculator(2 + 2", None),
        ("Calculator(2 + 2) is", None),
        ("Calendar()", None),
        ("2 + 2", None),
        ("", None),
    ],
)
def test_what_is_a_call(sampled: str, call: Call | None) -> None:
    assert call_in(sampled, "Calculator", " → ") == call


def test_a_result_opens_and_closes_no_bracket() -> None:
    assert MARKS.call("Search(x)", MARKS.plain("see [1]\n and [2]")) == " [Search(x) → see (1) and (2)]"
    assert MARKS.call("Search(x)") == " [Search(x) →]"


def candidate(tool: int, at: int, gain: float, written: str = "c") -> Candidate:
    return Candidate(tool, at, written, "r", (2.0, 3.0, 2.0 - gain))


def test_the_best_call_of_a_tool_at_a_place_is_kept_where_it_helps_enough() -> None:
    at_nine = [
        candidate(0, 9, gain, written) for gain, written in ((0.4, "low"), (0.7, "best"), (0.7, "late"))
    ]
    found = [candidate(1, 5, 0.9), *at_nine, candidate(0, 3, 0.49), candidate(0, 5, 0.5)]
    kept = kept_of(found, [0.5, 1.0])
    assert [(one.tool, one.at, one.written) for one in kept] == [(0, 5, "c"), (0, 9, "best")]
    assert [one.at for one in kept_of(found, [0.5, 0.8])] == [5, 5, 9]


def test_the_better_of_nothing_and_the_call_alone_is_what_a_result_must_beat() -> None:
    assert Candidate(0, 0, "c", "r", (2.0, 1.5, 1.0)).gain == 0.5
    assert Candidate(0, 0, "c", "r", (1.2, 1.5, 1.0)).gain == pytest.approx(0.2)


def test_brackets_taken_out_again_give_the_text_back() -> None:
    draw = random.Random(7)
    for _ in range(200):
        text = "".join(draw.choice("ab [](→)文\n\t") for _ in range(draw.randrange(40)))
        pieces = [
            (draw.randrange(len(text) + 1), MARKS.call(f"C({n})", draw.choice(["4", "[", "]", ""])))
            for n in range(draw.randrange(6))
        ]
        pieces.sort(key=lambda piece: piece[0])
        made = interleaved(text, pieces)
        assert without(made, pieces) == text
        assert len(made) == len(text) + sum(len(piece) for _, piece in pieces)


def test_calls_of_one_place_stand_in_their_order() -> None:
    assert interleaved("ab", [(1, "[x]"), (1, "[y]"), (2, "[z]")]) == "a[x][y]b[z]"
    with pytest.raises(ValueError, match="is not at its place"):
        without("a[x]b", [(2, "[x]")])
