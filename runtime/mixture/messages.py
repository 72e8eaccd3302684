"""The messages of a training example, in OpenAI's form: what they may hold, and what is wrong with others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

ROLES = ("system", "user", "assistant", "tool")
KEYS = frozenset(
    ("role", "content", "reasoning_content", "reasoning", "tool_calls", "tool_call_id", "name", "weight")
)
"""What a message may have; of these each role takes its own."""


class ChatError(ValueError):
    """Messages that cannot be trained on; the text says which and why."""


def chat_of(messages: Any) -> list[dict[str, Any]]:
    """Messages with the keys that mean something, in this form:

        {"role": "system" | "user", "content": text}
        {"role": "assistant", "content": text, "reasoning_content": text, "weight": 0 | 1,
         "tool_calls": [{"id": text, "type": "function", "function": {"name": text, "arguments": JSON text}}]}
        {"role": "tool", "content": text, "tool_call_id": text, "name": text}

    Only `role` and `content` must be there; an assistant that calls tools may say nothing. Keys that are null go.

    Raises:
        ChatError: something else, which a format or a chat template could not hold and would drop in silence.
    """
    if not isinstance(messages, list) or not messages:
        raise ChatError("`messages` is not a list of messages")
    found = [_message(message) for message in messages]
    try:
        for message in found:
            for value in message.values():
                (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).encode()
    except UnicodeEncodeError:
        raise ChatError("a message holds half of a surrogate pair, which is no character") from None
    return found


def _message(message: Any) -> dict[str, Any]:
    role = message.get("role") if isinstance(message, Mapping) else None
    if role not in ROLES:
        raise ChatError(f"a message needs a `role` that is one of {', '.join(ROLES)}")
    given = {str(key): value for key, value in message.items() if value is not None}
    found: dict[str, Any] = {"role": role}
    content = given.pop("content", "" if given.get("tool_calls") else None)
    if not isinstance(content, str):
        raise ChatError("a message needs a `content` that is text")
    found["content"] = content
    del given["role"]
    if role == "assistant":
        # Servers give one or the other, and some both.
        both = given.pop("reasoning_content", None), given.pop("reasoning", None)
        reasoning = both[0] or both[1]
        if reasoning is not None:
            found["reasoning_content"] = _text(reasoning, "reasoning_content")
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
    return found


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ChatError(f"a list is needed, here {type(value).__name__}")
    return value


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise ChatError(f"a message's `{key}` is text")
    return value
