"""The forms of conversations that public data has, as `chat` reads them, and what it cannot read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from made import built, row

from mixwright_runtime.mixture.messages import ChatError, chat_of
from mixwright_runtime.values.rows import Dropped

TALK = [{"role": "user", "content": "Hi there"}, {"role": "assistant", "content": "Hello!"}]
CALL = {"type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
WITH_TOOLS = [
    {"role": "user", "content": "Oslo?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "3"},
    {"role": "assistant", "content": "3 C"},
]


def share(*turns: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"from": name, "value": value} for name, value in turns]


def parts(*texts: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text} for text in texts]


def made(**columns: Any) -> Any:
    step = built("step.chat", turns="t")
    result = step.apply(row(**columns))
    return result.detail if isinstance(result, Dropped) else result.columns["messages"]


@pytest.mark.parametrize(
    ("turns", "messages"),
    [
        (share(("human", "Hi there"), ("gpt", "Hello!")), TALK),
        (share(("user", "Hi there"), ("assistant", "Hello!")), TALK),
        (share(("Human", "Hi there"), ("chatgpt", "Hello!")), TALK),
        (json.dumps(share(("human", "Hi there"), ("gpt", "Hello!"))), TALK),
        ([{"role": "human", "text": "Hi there"}, {"role": "model", "text": "Hello!"}], TALK),
        (
            [
                {"from": "human", "value": "Hi there", "weight": None},
                {"from": "gpt", "value": "Hello!", "id": 7},
            ],
            TALK,
        ),
        (
            share(("system", "Be terse"), ("human", "Hi there"), ("gpt", "Hello!")),
            [{"role": "system", "content": "Be terse"}, *TALK],
        ),
        (
            [{"role": "developer", "content": "Be terse"}, *TALK],
            [{"role": "system", "content": "Be terse"}, *TALK],
        ),
        (
            [
                {"role": "user", "content": parts("Hi ", "there")},
                {"role": "assistant", "content": ["Hello!"]},
            ],
            TALK,
        ),
        (
            [
                TALK[0],
                {
                    "role": "assistant",
                    "content": [{"type": "thinking", "thinking": "A greeting."}, *parts("Hello!")],
                },
            ],
            [TALK[0], {**TALK[1], "reasoning_content": "A greeting."}],
        ),
        (
            share(
                ("human", "Oslo?"),
                ("function_call", '{"name": "weather", "arguments": {"city": "Oslo"}}'),
                ("observation", "3"),
                ("gpt", "3 C"),
            ),
            WITH_TOOLS,
        ),
        (
            [
                WITH_TOOLS[0],
                {"role": "assistant", "content": None, "function_call": CALL["function"]},
                {"role": "function", "content": "3"},
                WITH_TOOLS[3],
            ],
            WITH_TOOLS,
        ),
    ],
)
def test_conversations_are_read_as_they_are(turns: Any, messages: list[dict[str, Any]]) -> None:
    assert made(t=turns) == messages


@pytest.mark.parametrize(
    ("turns", "why"),
    [
        (share(("gpt", "Hello!")), "does not alternate"),
        (share(("human", "Hi"), ("human", "Hi?"), ("gpt", "a")), "does not alternate"),
        (share(("human", "Hi"), ("gpt", "")), "`t[1]` has no text"),
        (share(("human", "Hi"), ("narrator", "a")), "system, user, assistant, tool, here 'narrator'"),
        (share(("human", "Hi"), ("function_call", "weather(Oslo)"), ("gpt", "a")), "no JSON"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}, TALK[1]],
            "part of type 'image_url'",
        ),
        ("[" * 100_000, "is a text, and no JSON"),
        ([{"role": "user"}, TALK[1]], "`t[0]` has no text"),
    ],
)
def test_what_is_no_conversation_says_why(turns: Any, why: str) -> None:
    assert why in made(t=turns)


def test_a_mixture_takes_messages_in_one_form_alone() -> None:
    assert chat_of(TALK) == TALK
    for turns in (
        share(("human", "Hi there"), ("gpt", "Hello!")),
        [{"role": "user", "content": parts("Hi")}],
    ):
        with pytest.raises(ChatError, match="a message needs a"):
            chat_of(turns)


@pytest.mark.parametrize(
    ("more", "request_text"), [("3, 4", "Add.\n\n3, 4"), ("", "Add."), (None, "Add."), (" \n", "Add.")]
)
def test_alpacas_columns(more: str | None, request_text: str) -> None:
    step = built("step.chat", user="instruction", input="input", assistant="output")
    messages = step.apply(row(instruction="Add.", input=more, output="7")).columns["messages"]
    assert messages == [{"role": "user", "content": request_text}, {"role": "assistant", "content": "7"}]
