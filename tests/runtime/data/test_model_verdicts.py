"""What judges and guards write, and what it is read as."""

from __future__ import annotations

import pytest

from mixwright_runtime.values.json_in_text import ParseFailed
from mixwright_runtime.verifiers.judging.guard_formats import guard_format, guard_verdict
from mixwright_runtime.verifiers.judging.verdict_forms import Opinion, VerdictForm, combined

# Judges.

SCORE = VerdictForm("score", 1, 10)
PASS = VerdictForm("pass")
WINNER = VerdictForm("winner")


@pytest.mark.parametrize(
    ("form", "text", "opinion"),
    [
        (SCORE, '{"reason": "Right.", "score": 8}', Opinion(8.0, "Right.")),
        (SCORE, 'Let me see {what}.\n```json\n{"reason": "Right.", "score": 8}\n```', Opinion(8.0, "Right.")),
        (SCORE, '<think>{"score": 1}</think>{"score": 9.5}', Opinion(9.5, "")),
        (SCORE, '{"reason": "", "score": "7/10"}', Opinion(7.0, "")),
        (PASS, '{"reason": "No.", "pass": false}', Opinion(0.0, "No.")),
        (WINNER, '{"reason": "Shorter.", "winner": "A"}', Opinion(1.0, "Shorter.")),
        (WINNER, '{"reason": "Same.", "winner": "tie"}', Opinion(0.5, "Same.")),
        (
            VerdictForm("score", 1, 5, ("accuracy", "style")),
            '{"reason": "", "accuracy": 5, "style": 2}',
            Opinion(3.5, "", {"accuracy": 5.0, "style": 2.0}),
        ),
    ],
)
def test_opinions(form: VerdictForm, text: str, opinion: Opinion) -> None:
    assert form.opinion(text) == opinion


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (SCORE, "I would give it an 8."),
        (SCORE, '{"reason": "wow", "score": 11}'),
        (SCORE, '{"reason": "hm", "score": true}'),
        (SCORE, '{"reason": "hm", "score": null}'),
        (SCORE, '{"reason": "hm", "score": NaN}'),
        (SCORE, '{"reason": "hm", "score": 1' + "0" * 400 + "}"),
        (SCORE, '{"reason": "hm", "score": "1e999"}'),
        (SCORE, '{"reason": "hm", "score": "7/5"}'),
        (SCORE, '{"reason": "cut off", "score": '),
        (PASS, '{"reason": "hm", "pass": "yes"}'),
        (WINNER, '{"reason": "hm", "winner": "C"}'),
        (WINNER, '{"reason": "hm", "winner": ["A"]}'),
        (VerdictForm("score", 1, 5, ("accuracy", "style")), '{"reason": "", "accuracy": 5}'),
        (SCORE, "{" * 100_000),
        (SCORE, ""),
    ],
)
def test_what_cannot_be_read_is_no_opinion(form: VerdictForm, text: str) -> None:
    with pytest.raises(ParseFailed):
        form.opinion(text)


def test_the_engine_is_held_to_the_verdicts_form() -> None:
    assert VerdictForm("score", 1, 3, ("style",)).schema() == {
        "type": "object",
        "properties": {"reason": {"type": "string"}, "style": {"enum": [1, 2, 3]}},
        "required": ["reason", "style"],
        "additionalProperties": False,
    }
    assert VerdictForm("score", 0, 1).schema()["properties"]["score"] == {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
    }
    assert WINNER.schema()["properties"]["winner"] == {"enum": ["A", "tie", "B"]}
    assert SCORE.sentence().endswith('{"reason": a few sentences, "score": a whole number from 1 to 10}')


@pytest.mark.parametrize(
    ("scores", "how", "expected"),
    [
        ([2, 8, 9], "mean", 19 / 3),
        ([2, 8, 9], "unanimous", 2),
        ([2, 8, 9], "majority", 8),
        ([2, 8, 9, 9], "majority", 8),
        ([8, 2], "majority", 2),
        ([7], "majority", 7),
    ],
)
def test_a_panel_reaches_a_threshold_as_its_members_do(
    scores: list[float], how: str, expected: float
) -> None:
    assert combined(scores, how) == pytest.approx(expected)
    for threshold in range(1, 11):
        reach = sum(score >= threshold for score in scores)
        needed = {"mean": None, "unanimous": len(scores), "majority": len(scores) // 2 + 1}[how]
        if needed is not None:
            assert (combined(scores, how) >= threshold) == (reach >= needed)


# Guards.


@pytest.mark.parametrize(
    ("name", "text", "score", "categories"),
    [
        ("llama_guard", "safe", 0.0, ()),
        ("llama_guard", "\n\nunsafe\nS1,S10", 1.0, ("S1", "S10")),
        ("yes_no", "Yes\n<confidence> High </confidence>", 1.0, ("<confidence> High </confidence>",)),
        ("yes_no", "**No**, it does not violate the policy.", 0.0, ()),
        ("wildguard", "Harmful request: yes\nResponse refusal: yes\nHarmful response: no", 0.0, ()),
        (
            "qwen3guard",
            "Safety: Controversial\nCategories: Politically Sensitive Topics",
            0.5,
            ("Politically Sensitive Topics",),
        ),
        ("qwen3guard", "<think>hm</think>\nSafety: Safe\nCategories: None\nRefusal: Yes", 0.0, ()),
        (
            "nemoguard",
            '{"User Safety": "safe", "Response Safety": "unsafe", "Safety Categories": "Violence, Threat"}',
            1.0,
            ("Violence", "Threat"),
        ),
    ],
)
def test_known_guards(name: str, text: str, score: float, categories: tuple[str, ...]) -> None:
    found = guard_verdict(text, guard_format(name))
    assert (found.score, found.categories) == (score, categories)


def test_other_guards_are_described_in_the_spec() -> None:
    form = guard_format(
        "labelled", field="Urteil", unsafe=["gefährlich"], between=["unklar"], safe=["unbedenklich"]
    )
    said = [
        guard_verdict(f"Grund: lang\n- **Urteil**: {word}.", form).score
        for word in ("Gefährlich", "unklar", "unbedenklich")
    ]
    assert said == [1.0, 0.5, 0.0]
    assert guard_verdict('{"flagged": true}', guard_format("json", field="flagged")).score == 1.0
    longer = guard_format("words", unsafe=["not ok"], safe=["not", "ok"])
    assert [guard_verdict(text, longer).score for text in ("Not OK.", "not bad", "OK")] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("llama_guard", ""),
        ("llama_guard", "I cannot classify this."),
        ("llama_guard", "unsafely worded"),
        ("yes_no", "Not sure"),
        ("wildguard", "Harmful request: yes"),
        ("nemoguard", '["Response Safety"]'),
        ("qwen3guard", "Safety:"),
        ("llama_guard", "a" * 1_000_000),
        ("wildguard", ":\n" * 500_000),
    ],
)
def test_what_is_no_verdict_says_nothing(name: str, text: str) -> None:
    with pytest.raises(ParseFailed):
        guard_verdict(text, guard_format(name))
