"""What the messages of a row say: as chat templates expect it, every text of it, and whether a rendering has a call."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from mixwright_runtime.training.provenance import thought_in


def for_template(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as chat templates expect it: arguments of calls as objects, reasoning under the common name."""
    found = {key: value for key, value in message.items() if value is not None and key != "weight"}
    if "reasoning" in found:
        found.setdefault("reasoning_content", found.pop("reasoning"))
    if found.get("tool_calls"):
        found["tool_calls"] = [_call(call) for call in found["tool_calls"]]
    found.setdefault("content", "")
    if isinstance(found["content"], list):
        found["content"] = "".join(str(part.get("text") or "") for part in found["content"])
    return found


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = dict(call.get("function") or {})
    if isinstance(function.get("arguments"), str):
        with suppress(ValueError):  # what is no JSON stays a text, as the model wrote it
            function["arguments"] = json.loads(function["arguments"])
    return {"type": "function", **call, "function": function}


def texts_of(messages: Sequence[Mapping[str, Any]], tools: Any) -> Iterator[str]:
    """Every text of a conversation that a template may write."""
    for message in messages:
        for name, value in message.items():
            is_said = message["role"] == "assistant" and name == "content" and isinstance(value, str)
            inline = thought_in(value) if is_said else None
            if inline:
                # The marks of its reasoning are control tokens to some tokenizers.
                begin, end, answer_at = inline
                yield from (value[begin:end], value[answer_at:])
                continue
            # Calls as templates write them: JSON in which no character of a control token is escaped.
            yield value if isinstance(value, str) else json.dumps({name: value}, ensure_ascii=False)
    if tools:
        yield json.dumps(tools, ensure_ascii=False)


def has_call(whole: str, function: Mapping[str, object], form: str) -> bool:
    """Are the parts of a call there that have no code?"""
    arguments = function.get("arguments")
    is_pythons = form == "object" and isinstance(arguments, Mapping | list) and repr(arguments) in whole
    if is_pythons and repr(arguments) != json_text(arguments):
        return False  # Python's notation for an object is no JSON
    return str(function.get("name")) in whole and all(
        any(spelled in whole for spelled in (json_text(value), str(value))) for value in _bare(arguments)
    )


def _bare(value: object) -> Iterator[Any]:
    """Keys, numbers and truth values of a call's arguments."""
    match value:
        case Mapping():
            for key, each in value.items():
                yield key
                yield from _bare(each)
        case list():
            for each in value:
                yield from _bare(each)
        case bool() | int() | float():
            yield value


def json_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
