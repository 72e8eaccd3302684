"""The messages of a training example, in OpenAI's form: what they may hold, what is wrong with others, and how the
turns of other forms become messages: ShareGPT's `{ from, value }` with its own names of roles, content in parts
(`[{ type = text, text }]`), and calls of functions as they were before `tool_calls`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mixwright_runtime.values.control_characters import control_character_in

ROLES = ("system", "user", "assistant", "tool")
CALL = "call"
_ROLE_OF = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bing", "bard", "model", "bot"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation", "function_response", "tool_response"), "tool"),
    **dict.fromkeys(("function_call", "tool_call"), CALL),
}
"""Roles by the names that data sets give them; a `call` is the assistant's, and its text is the JSON of the call."""
KEYS = frozenset(
    ("role", "content", "reasoning_content", "reasoning", "tool_calls", "tool_call_id", "name", "weight")
)
"""What a message may have; of these each role takes its own."""
_ROLE_AND_TEXT = {"role", "content"}
_TEXT_PARTS = ("text", "input_text", "output_text")
_THOUGHT_PARTS = ("thinking", "reasoning")


class ChatError(ValueError):
    """Messages that cannot be trained on; the text says which and why."""


class ControlCharacter(ChatError):
    """A text with a character that no tokenizer should see; the text says which and where."""


def chat_of(messages: Any) -> list[dict[str, Any]]:
    """Messages with the keys that mean something, in this form:

        {"role": "system" | "user", "content": text}
        {"role": "assistant", "content": text, "reasoning_content": text, "weight": 0 | 1,
         "tool_calls": [{"id": text, "type": "function", "function": {"name": text, "arguments": JSON text}}]}
        {"role": "tool", "content": text, "tool_call_id": text, "name": text}

    Only `role` and `content` must be there; an assistant that calls tools may say nothing. Keys that are null go, line
    ends are `\\n`.

    Raises:
        ChatError: something else, which a format or a chat template could not hold and would drop in silence.
    """
    if not isinstance(messages, list) or not messages:
        raise ChatError("`messages` is not a list of messages")
    found = [_plain(message) or _message(message) for message in messages]
    for number, message in enumerate(found):
        # The names are ours, and so is the role.
        told = message["content"] if len(message) == 2 else list(message.values())
        control = control_character_in(told)
        if control:
            raise ControlCharacter(f"message {number} holds the control character {control}")
    return found


def message_of(turn: Mapping[str, Any]) -> dict[str, Any]:
    """A turn of a conversation under the names that a message has (KEYS), without what else stands in it."""
    found = {key: value for key, value in turn.items() if key in KEYS}
    found.setdefault("role", turn.get("from"))
    if found.get("content") is None:
        found["content"] = next((turn[key] for key in ("value", "text") if turn.get(key) is not None), None)
    role = found["role"]
    found["role"] = _ROLE_OF.get(role.lower(), role) if isinstance(role, str) else role
    if found["role"] == CALL:
        found |= {"role": "assistant", "content": None, "tool_calls": _calls_in(found["content"])}
    elif isinstance(turn.get("function_call"), Mapping) and not found.get("tool_calls"):
        found["tool_calls"] = [{"function": turn["function_call"]}]
    if isinstance(found["content"], list):
        said, thought = _joined(found["content"])
        found["content"] = said
        if thought and not found.get("reasoning_content"):
            found["reasoning_content"] = thought
    return {key: value for key, value in found.items() if value is not None}


def _joined(parts: list[Any]) -> tuple[str, str]:
    """The texts of a content in parts, and those of its reasoning."""
    said: list[str] = []
    thought: list[str] = []
    for part in parts:
        kind = part.get("type", "text") if isinstance(part, Mapping) else "text"
        text = part.get("text", part.get(str(kind))) if isinstance(part, Mapping) else part
        if not isinstance(text, str) or kind not in (*_TEXT_PARTS, *_THOUGHT_PARTS):
            raise ChatError(f"a content has a part of type {kind!r}, and an example holds text alone")
        (thought if kind in _THOUGHT_PARTS else said).append(text)
    return "".join(said), "\n\n".join(thought)


def _calls_in(text: Any) -> list[dict[str, Any]]:
    """The calls that ShareGPT keeps as JSON text: `{ name, arguments }`, or a list of them."""
    try:
        found = json.loads(text) if isinstance(text, str) else text
    except (ValueError, RecursionError):
        raise ChatError("a function call is no JSON of `{ name, arguments }`") from None
    return [{"function": call} for call in (found if isinstance(found, list) else [found])]


def _plain(message: Any) -> dict[str, Any] | None:
    """A message as most are, with nothing but a text; None where it is not."""
    if not isinstance(message, dict) or message.keys() != _ROLE_AND_TEXT or message["role"] not in ROLES:
        return None
    content = message["content"]
    return {"role": message["role"], "content": _lines(content)} if isinstance(content, str) else None


def _message(message: Any) -> dict[str, Any]:
    role = message.get("role") if isinstance(message, Mapping) else None
    if role not in ROLES:
        named = f", here {role!r}" if isinstance(role, str) else ""
        raise ChatError(f"a message needs a `role` that is one of {', '.join(ROLES)}{named}")
    given = {str(key): value for key, value in message.items() if value is not None}
    found: dict[str, Any] = {"role": role}
    content = given.pop("content", "" if given.get("tool_calls") else None)
    if not isinstance(content, str):
        raise ChatError("a message needs a `content` that is text")
    found["content"] = _lines(content)
    del given["role"]
    if role == "assistant":
        # Servers give one or the other, and some both.
        both = given.pop("reasoning_content", None), given.pop("reasoning", None)
        reasoning = both[0] or both[1]
        if reasoning is not None:
            found["reasoning_content"] = _lines(_text(reasoning, "reasoning_content"))
        if given.get("tool_calls"):
            found["tool_calls"] = [_call(call) for call in _list(given.pop("tool_calls"))]
        given.pop("tool_calls", None)
        weight = given.pop("weight", None)
        if weight is not None:
            if isinstance(weight, bool) or weight not in (0, 1):
                raise ChatError(f"a message's `weight` is 0 or 1, here {weight!r}")
            found["weight"] = int(weight)
    elif role == "tool":
        for key in ("tool_call_id", "name"):
            if key in given:
                found[key] = _text(given.pop(key), key)
    if given:
        raise ChatError(f"a message of role {role} has `{min(given)}`, which no training example can hold")
    return found


def _call(call: Any) -> dict[str, Any]:
    """A call with its arguments as JSON text, as OpenAI's servers give it."""
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise ChatError("a call in `tool_calls` needs `function = { name, arguments }`")
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments if arguments is not None else {}, ensure_ascii=False)
    found = {"type": "function", "function": {"name": function["name"], "arguments": arguments}}
    return {"id": call["id"], **found} if isinstance(call.get("id"), str) else found


def tools_of(tools: Any) -> list[dict[str, Any]] | None:
    """The tools that an example's assistant may call, as JSON Schemas; None for none. JSON text is read.

    Raises:
        ChatError: something else.
    """
    if isinstance(tools, str):
        try:
            tools = json.loads(tools) if tools.strip() else None
        except ValueError:
            raise ChatError("`tools` is no JSON") from None
    if not tools:
        return None
    found = []
    for tool in _list(tools):
        function = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise ChatError("a tool needs `function = { name, description, parameters }`")
        found.append({"type": "function", "function": dict(function)})
    control = control_character_in(found)
    if control:
        raise ControlCharacter(f"`tools` hold the control character {control}")
    return found


def _lines(text: str) -> str:
    """A text whose lines end with `\\n`."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ChatError(f"a list is needed, here {type(value).__name__}")
    return value


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise ChatError(f"a message's `{key}` is text")
    return value
