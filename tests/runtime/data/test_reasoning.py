"""What a model says is told from its reasoning by one rule, whatever marks it uses, and texts about marks stay whole."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixwright_runtime.values import reasoning
from mixwright_runtime.values.parse import names_reasoning
from mixwright_runtime.values.reasoning import Spoken, spoken

THOUGHT = "The user wants a colour.\nBlue, then."


@pytest.mark.parametrize(
    "answer",
    [
        f"<think>\n{THOUGHT}\n</think>\n\nIt is blue.",
        f"<think>{THOUGHT}</think>It is blue.",
        f"<THINKING>{THOUGHT}</THINKING>\nIt is blue.",
        f"\n<reasoning>{THOUGHT}</reasoning> It is blue.",
        f"<seed:think>{THOUGHT}</seed:think>It is blue.",
        f"[THINK]{THOUGHT}[/THINK]It is blue.",
        f"◁think▷{THOUGHT}◁/think▷It is blue.",
        f"<|channel>thought\n{THOUGHT}<channel|>It is blue.",
        f"<|START_THINKING|>{THOUGHT}<|END_THINKING|><|START_RESPONSE|>It is blue.<|END_RESPONSE|>",
        f"<|begin_of_thought|>\n{THOUGHT}\n<|end_of_thought|>\n\n<|begin_of_solution|>\nIt is blue.\n<|end_of_solution|>",
        # gpt-oss, whole, after a prompt that opens the channel, and from a server that drops special tokens
        f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>"
        "It is blue.<|return|>",
        f"analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>It is blue.",
        f"analysis{THOUGHT}assistantfinalIt is blue.",
        # the chat template has written the opening mark
        f"{THOUGHT}\n</think>\n\nIt is blue.",
        f"{THOUGHT}</think>It is blue.",
        f"{THOUGHT}\n[/THINK]\nIt is blue.",
    ],
)
def test_reasoning_is_told_from_what_is_said(answer: str) -> None:
    assert spoken(answer) == Spoken("It is blue.", THOUGHT)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("<think>\n\n</think>\n\nB", "B"),
        ("</think>\n\nB", "B"),
        ("<think>a</think>\n<think>b</think>\nB", "B"),
        ("<think>a<think>b</think>c</think>B", "B"),
        (
            "<think>They ask what </think> does. Fine.</think>The `</think>` mark ends it.",
            "The `</think>` mark ends it.",
        ),
        ("<think>Draft:\n```\n</think>\n```\nGood.</think>B", "B"),
        ("<think>x</think>\n\n    return 1", "    return 1"),
        ("先想一想。</think>你好", "你好"),
        ("a.</think>No, wait.</think>B", "B"),
        ("<think>a</think>\n\n</think>\n\nB", "B"),
        ("\ufeff<think>a</think>B", "B"),
        ("They ask of the `<think>` mark.</think>B", "B"),
        ("They ask of the `<think>` mark.\n</think>\n\nB", "B"),
        ("They ask of the <think> mark.\n</think>\n\nB", "B"),
    ],
)
def test_where_the_reasoning_ends(answer: str, text: str) -> None:
    assert spoken(answer).text == text


@pytest.mark.parametrize(
    "text",
    [
        "Models such as R1 write `<think>` and `</think>` around it.",
        'The mark is called "</think>".',
        "The <think> tag opens it and </think> closes it.",
        "Write </think> to end the block.",
        "It ends with </think>, as said.",
        "It ends with </think>",
        "Models emit text such as <think>...</think> before answers.",
        "Write <think> Let me see. </think> The answer is 4.",
        "<think></think> is the pair of tags that R1 uses.",
        "`</think>` ends it.",
        "The form is:\n```\n<think>\nhm\n</think>\nanswer\n```\nThat is all.",
        "The form is:\n```\n</think>\n```\nThat is all.",
        "R1 writes this:\n\n<think>\nhm\n</think>\n\nanswer",
        "使用</think>来结束。",
        "analysis is a branch of mathematics",
        "Use <|channel|>final<|message|> for the answer.",
        "a < b and </p>",
        "",
    ],
)
def test_a_text_that_speaks_of_marks_stays_whole(text: str) -> None:
    assert spoken(text) == Spoken(text)
    assert spoken(f"<think>They ask of marks.</think>\n{text}").text in (text, text.strip())


@pytest.mark.parametrize(
    "answer", ["<think>hm", "[THINK]a\n\nb", "<|channel|>analysis<|message|>hm", "<think>a</think><think>b"]
)
def test_reasoning_without_an_end_leaves_no_answer(answer: str) -> None:
    found = spoken(answer)
    assert (found.text, found.is_finished) == ("", False)


@given(
    st.lists(
        st.sampled_from(["<think>", "</think>", "a", " b ", "\n", "`", "```", "[THINK]", "。", ". "])
    ).map("".join)
)
def test_nothing_is_made_up_and_nothing_left_in_twice(answer: str) -> None:
    found = spoken(answer)
    assert found.text in answer
    assert all(part in answer for part in found.reasoning.split("\n\n"))


@given(st.text(), st.text(alphabet=st.characters(exclude_characters="<>[]◁|")))
def test_what_follows_a_block_is_what_is_said(thought: str, said: str) -> None:
    thought = re.sub(r"[<\[◁|`~]", "", thought)
    assert spoken(f"<think>\n{thought}\n</think>\n{said}").text.strip() == said.strip()


@pytest.mark.parametrize(
    "part", ["<think>", "<think></think>", "</think> a ", "\n```", "<think>a</think>", "`</think>`"]
)
def test_twice_the_text_takes_twice_the_steps(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    word = reasoning._is_word

    def counted(text: str, start: int, end: int) -> bool:
        nonlocal steps
        steps += 1
        return word(text, start, end)

    monkeypatch.setattr(reasoning, "_is_word", counted)
    spoken(part * 500)
    once, steps = steps, 0
    spoken(part * 1000)
    assert steps <= 2 * once + 2


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (None, False),
        ({"call": "after", "args": ["Problem:"]}, False),
        ({"call": "after", "args": ["</think>"]}, True),
        ({"call": "between", "args": ["<reasoning>", "</reasoning>"]}, True),
        ({"call": "regex", "args": ["(?s)</think>(.*)"]}, True),
    ],
)
def test_a_parse_that_names_a_mark_reads_the_whole_answer(
    call: dict[str, object] | None, names: bool
) -> None:
    assert names_reasoning(call) is names
