"""Conversations that requests go on from: what is sent of each message, and where new ones come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mixwright_runtime.errors import RowError

SAID_BY = ("system", "user", "assistant", "tool")


def conversation(value: object) -> list[Mapping[str, Any]]:
    """The messages of a conversation, with what is sent of each; none of null.

    Raises:
        RowError: it is none.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise RowError(f"`history` is no list of messages: {str(value)[:60]!r}")
    return [_sent(message, number) for number, message in enumerate(value, start=1)]


def _sent(message: object, number: int) -> Mapping[str, Any]:
    said = message if isinstance(message, Mapping) else {}
    role, calls = said.get("role"), said.get("tool_calls") if said.get("role") == "assistant" else None
    content = "" if calls and said.get("content") is None else said.get("content")
    if role not in SAID_BY or not isinstance(content, str):
        wrong = f"its role is {role!r}" if role not in SAID_BY else "its content is no text"
        raise RowError(f"message {number} of `history` is none of {', '.join(SAID_BY)}: {wrong}")
    sent: dict[str, Any] = {"role": str(role), "content": content}
    if calls:
        sent["tool_calls"] = calls
    if role == "tool":
        sent |= {key: said[key] for key in ("tool_call_id", "name") if isinstance(said.get(key), str)}
    return sent


def after(
    history: Sequence[Mapping[str, Any]], messages: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """A conversation with further messages. Their system message is that of the whole."""
    systems = [message for message in messages if message["role"] == "system"]
    if systems:
        history = [message for message in history if message["role"] != "system"]
    return [*systems, *history, *(message for message in messages if message["role"] != "system")]
