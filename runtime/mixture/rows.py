"""Rows as a mixture holds them: a chat with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime.plugin import RunError

ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True)
class MixtureRow:
    """One training example. `messages` are `{"role", "content"}` in order; `repeat` is 0 for a row's first appearance."""

    row_id: bytes
    messages: list[dict[str, str]]
    component: str
    group: str = ""
    source: str = ""
    license: str = ""
    repeat: int = 0


def mixture_row(
    row_id: bytes,
    columns: Mapping[str, Any],
    *,
    component: str,
    group: str = "",
    source: str = "",
    license: str = "",
    repeat: int = 0,
) -> MixtureRow:
    """The training example of a row. Its column `messages` is the chat; other columns stay in the store.

    Raises:
        RunError: there is no column `messages`, or it is not a list of messages with a known role, a text and
            nothing else: what a format cannot hold is refused, not dropped in silence. Keys that are null go.
    """
    where = f"mixture component '{component}', row {row_id.hex()}"
    if "messages" not in columns:
        raise RunError(
            f"{where}: rows need a column `messages`, these have {', '.join(sorted(columns)) or 'none'}; "
            "make a pipeline that ends with `chat { user = …, assistant = … }` and mix that"
        )
    messages = columns["messages"]
    if not isinstance(messages, list) or not messages:
        raise RunError(f"{where}: `messages` is not a list of messages")
    chat = []
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise RunError(f"{where}: a message needs a `role` that is one of {', '.join(ROLES)}")
        if not isinstance(message.get("content"), str):
            raise RunError(f"{where}: a message needs a `content` that is text")
        others = [
            key for key, value in message.items() if key not in ("role", "content") and value is not None
        ]
        if others:
            raise RunError(f"{where}: a message has `{others[0]}`; only `role` and `content` can be mixed")
        chat.append({"role": message["role"], "content": message["content"]})
    return MixtureRow(row_id, chat, component, group, source, license, repeat)
