"""What an OpenAI-compatible server answers: a chat completion read into an answer, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mixwright_runtime.engines.protocol import Answer, Finish
from mixwright_runtime.engines.server_json import LONGEST_NAME, document_of, malformed, name_in, tokens_in

LONGEST_CALLS = 1_000_000
"""Chosen: characters of an answer's calls as JSON."""
_FINISH_OF_CALLS = ("tool_calls", "function_call", "tool_use")
_GOOD_FINISH = frozenset({"stop", "eos", "eos_token", "stop_sequence", "end_turn"})


def chat_completion_in(body: bytes) -> tuple[Answer, str]:
    """The answer in the body of a 200, and the name that the model has there; empty where it has none.

    Raises:
        EngineFault: the body is no chat completion.
    """
    document = document_of(body, "a chat completion", once="choices")
    try:
        [choice] = document["choices"]
        message = choice["message"]
        finish = choice.get("finish_reason")
        text = _text(message, "content")
        reasoning = _text(message, "reasoning_content") or _text(message, "reasoning")
        refusal = _text(message, "refusal")
        calls = calls_of(message)
        prompt_tokens = tokens_in(document, "prompt_tokens")
        output_tokens = tokens_in(document, "completion_tokens")
        served_as = name_in(document, "model")
        system = name_in(document, "system_fingerprint")
        if not isinstance(finish, str | None):
            raise TypeError("`finish_reason` is no text")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise malformed(body, "a chat completion", error) from None
    engine: dict[str, object] = {"engine": "openai", "model": served_as}
    if system:
        engine["system_fingerprint"] = system
    kind = finish_of(finish, text, refusal, has_calls=bool(calls))
    if kind is Finish.REFUSED and refusal and not text:
        text = refusal
    elif kind is Finish.MALFORMED:
        engine["finish_reason"] = finish and finish[:LONGEST_NAME]
    calls = calls if kind is Finish.CALLS else ()
    return Answer(text, kind, prompt_tokens, output_tokens, reasoning, engine, calls), served_as


def calls_of(message: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The calls of tools in a message. What stands in them is a model's, and looked at where they are run; here they must
    be a list of objects that can be kept.

    Raises:
        TypeError, ValueError: they are something else.
    """
    found = message.get("tool_calls")
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(call, Mapping) for call in found):
        raise TypeError("`tool_calls` is no list of calls")
    if len(json.dumps(found)) > LONGEST_CALLS:
        raise ValueError(f"`tool_calls` is longer than {LONGEST_CALLS:,} characters")
    return tuple(found)


def completion_in(body: bytes) -> tuple[Answer, str]:
    """How a prompt went on, in the body of a 200 to a plain completion; the rest as in `chat_completion_in`.

    Raises:
        EngineFault: the body is no completion.
    """
    document = document_of(body, "a completion", once="choices")
    try:
        [choice] = document["choices"]
        text, finish = choice["text"], choice.get("finish_reason")
        prompt_tokens = tokens_in(document, "prompt_tokens")
        output_tokens = tokens_in(document, "completion_tokens")
        served_as = name_in(document, "model")
        if not isinstance(text, str) or not isinstance(finish, str | None):
            raise TypeError("`text` or `finish_reason` is no text")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise malformed(body, "a completion", error) from None
    kind = finish_of(finish, text)
    engine = {"engine": "openai", "model": served_as}
    return Answer(text, kind, prompt_tokens, output_tokens, engine=engine), served_as


def _text(message: Mapping[str, object], name: str) -> str:
    found = message.get(name)
    if not isinstance(found, str | None):
        raise TypeError(f"`{name}` is no text")
    return found or ""


def finish_of(finish_reason: str | None, text: str, refusal: str = "", *, has_calls: bool = False) -> Finish:
    """How an answer ended. `length` wins over `empty`: reasoning that ate every token leaves no text. Servers say `stop`
    of an answer that calls tools, too, where it was told which."""
    if finish_reason == "length":
        return Finish.LENGTH
    if refusal or finish_reason == "content_filter":
        return Finish.REFUSED
    if has_calls and finish_reason in (*_GOOD_FINISH, *_FINISH_OF_CALLS):
        return Finish.CALLS
    if finish_reason not in _GOOD_FINISH:
        return Finish.MALFORMED
    return Finish.STOP if text.strip() else Finish.EMPTY
