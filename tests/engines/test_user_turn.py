"""The beginning of a user's turn, out of chat templates: our own renderings of what nine families publish of theirs, each
with the prompt that Magpie keeps by hand for it (magpie-align/magpie@07fc38a configs/model_configs.json)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest

from mixwright_runtime.engines.user_turn import NoUserTurn, UserTurn, user_turn

Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Family:
    """bos: what a text begins with. default: the system message that it adds. turn: a turn of the role {role}. ends: what
    is put behind a conversation that nobody is asked to go on with. fold: a system message goes into the user's turn."""

    specials: tuple[str, ...]
    turn: Callable[[str, str], str]
    answer: str
    bos: str = ""
    default: str = ""
    system: Callable[[str], str] | None = None
    ends: str = ""

    def __call__(self, messages: Messages, is_asked: bool) -> str:
        told = [m["content"] for m in messages if m["role"] == "system"]
        said = "".join(self.turn(m["role"], m["content"]) for m in messages if m["role"] != "system")
        text = told[0] if told else self.default
        system = (self.system or (lambda text: self.turn("system", text)))(text) if text else ""
        return self.bos + system + said + (self.answer if is_asked else self.ends)


def chatml(role: str, content: str) -> str:
    return f"<|im_start|>{role}\n{content}<|im_end|>\n"


def llama3(role: str, content: str) -> str:
    return f"<|start_header_id|>{role}<|end_header_id|>\n\n{content.strip()}<|eot_id|>"


def gemma(role: str, content: str) -> str:
    return f"<start_of_turn>{'model' if role == 'assistant' else role}\n{content.strip()}<end_of_turn>\n"


def phi3(role: str, content: str) -> str:
    return f"<|{role}|>\n{content}<|end|>\n"


def mistral(role: str, content: str) -> str:
    return f" {content}</s>" if role == "assistant" else f"[INST] {content} [/INST]"


def vicuna(role: str, content: str) -> str:
    return f"ASSISTANT: {content}</s>" if role == "assistant" else f"USER: {content} "


LLAMA3 = ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
CHATML = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
LLAMA3_ASKED = "<|start_header_id|>assistant<|end_header_id|>\n\n"
CHATML_ASKED = "<|im_start|>assistant\n"
QWEN = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions."
)
DATES = "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"

FAMILIES = {
    "Llama 3": Family(LLAMA3, llama3, LLAMA3_ASKED, bos="<|begin_of_text|>"),
    "Llama 3.1": Family(LLAMA3, llama3, LLAMA3_ASKED, bos="<|begin_of_text|>", default=DATES),
    "Qwen2": Family(CHATML, chatml, CHATML_ASKED, default="You are a helpful assistant."),
    "Qwen2.5": Family(CHATML, chatml, CHATML_ASKED, default=QWEN),
    "Gemma 1.1": Family(
        ("<bos>", "<start_of_turn>", "<end_of_turn>"), gemma, "<start_of_turn>model\n", bos="<bos>"
    ),
    "Gemma 2": Family(
        ("<bos>", "<start_of_turn>", "<end_of_turn>"), gemma, "<start_of_turn>model\n", bos="<bos>"
    ),
    "Phi-3": Family(
        ("<s>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>", "<|endoftext|>"),
        phi3,
        "<|assistant|>\n",
        bos="<s>",
        ends="<|endoftext|>",
    ),
    "Mistral": Family(("<s>", "</s>", "[INST]", "[/INST]"), mistral, "", bos="<s>"),
    "Vicuna": Family(
        ("<s>", "</s>"),
        vicuna,
        "ASSISTANT:",
        bos="",
        default=VICUNA,
        system=lambda text: f"{text}\n\n",
    ),
}

PUBLISHED = {
    "Llama 3": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n",
    "Llama 3.1": "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n",
    "Qwen2": "<|im_start|>user\n",
    "Qwen2.5": f"<|im_start|>system\n{QWEN}<|im_end|>\n<|im_start|>user\n",
    "Gemma 1.1": "<bos><start_of_turn>user\n",
    "Gemma 2": "<bos><start_of_turn>user\n\n",
    "Phi-3": "<s> <|user|>\n",
    "Mistral": "<s> [INST] ",
    "Vicuna": f"{VICUNA}\n\nUSER: ",
}

DEPARTURES = {
    "Gemma 2": ("<bos><start_of_turn>user\n", "one line end fewer: the template has one"),
    "Phi-3": ("<s><|user|>\n", "without the space that `<s>` leaves when tokens are decoded"),
    "Mistral": ("<s>[INST]", "without that space, and the last one is the first word's"),
    "Vicuna": (f"{VICUNA}\n\nUSER:", "the space at the end is the first word's"),
}
"""Where ours is another one: docs/methods/magpie.md says why."""

LEFT_OUT = ("Llama 3.1", "Qwen2")
"""Of which Magpie leaves out the system message that their templates add."""


def turn_of(family: str, messages: Messages = (), *, leave_out: bool = False) -> UserTurn:
    rendered = FAMILIES[family]
    return user_turn(rendered, rendered.specials, messages, bos=rendered.bos, leave_out=leave_out)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_prompt_is_the_published_one_or_a_departure_that_the_page_tells(family: str) -> None:
    found = turn_of(family, leave_out=family in LEFT_OUT).prefix
    assert found == DEPARTURES.get(family, (PUBLISHED[family], ""))[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_leaving_out_changes_nothing_where_nothing_is_added(family: str) -> None:
    kept, left = turn_of(family).prefix, turn_of(family, leave_out=True).prefix
    assert (kept == left) == (not FAMILIES[family].default)
    assert FAMILIES[family].default.strip() not in left or not FAMILIES[family].default


@pytest.mark.parametrize(
    ("family", "ends", "stops"),
    [
        ("Llama 3", ("<|eot_id|>", "<|start_header_id|>", "<|end_header_id|>"), ()),
        ("Qwen2.5", ("<|im_end|>", "<|im_start|>"), ()),
        ("Gemma 2", ("<end_of_turn>", "<start_of_turn>"), ()),
        ("Phi-3", ("<|end|>", "<|assistant|>"), ()),
        ("Mistral", ("[/INST]",), ()),
        ("Vicuna", (), ("ASSISTANT:",)),
    ],
)
def test_what_follows_a_turn_ends_it(family: str, ends: tuple[str, ...], stops: tuple[str, ...]) -> None:
    found = turn_of(family)
    assert (found.end_tokens, found.stops) == (ends, stops)


def test_a_system_message_and_a_conversation_stand_before_the_turn() -> None:
    talk = [
        {"role": "system", "content": "Mathematics."},
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "2"},
    ]
    before = "<|im_start|>system\nMathematics.<|im_end|>\n<|im_start|>user\n1+1?<|im_end|>\n"
    expected = f"{before}<|im_start|>assistant\n2<|im_end|>\n<|im_start|>user\n"
    assert turn_of("Qwen2.5", talk).prefix == expected
    assert turn_of("Qwen2.5", talk, leave_out=True).prefix == expected, "a message that is given stays"
    assert (
        turn_of("Qwen2.5", talk[1:], leave_out=True).prefix
        == expected[len("<|im_start|>system\nMathematics.<|im_end|>\n") :]
    )


def test_a_template_that_changes_the_turn_is_refused() -> None:
    def shouting(messages: Messages, is_asked: bool) -> str:
        return "".join(m["content"].upper() for m in messages)

    with pytest.raises(NoUserTurn, match="write `prefix`"):
        user_turn(shouting, (), ())


def test_a_template_whose_first_turn_begins_otherwise_does_not_say_what_to_leave_out() -> None:
    def numbered(messages: Messages, is_asked: bool) -> str:
        return "".join(f"<{n}>{m['content']}" for n, m in enumerate(messages))

    assert user_turn(numbered, (), ()).prefix == "<0>"
    with pytest.raises(NoUserTurn, match="instead of `default_system = leave_out`"):
        user_turn(numbered, (), (), leave_out=True)
