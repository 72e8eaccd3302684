"""Step `chat`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compiler.plan import Step
from runtime.plugin import RunError, attribute, declare
from runtime.rows import Dropped, Row
from runtime.steps.attributes import COMMON
from runtime.steps.protocol import StepContext


@declare(
    "step",
    "chat",
    makes={"messages": "chat"},
    attributes=(
        attribute("system", "expr:text", "the system message: a text, or a column; null or empty for none"),
        attribute("user", "column", "the column with the user's message"),
        attribute("assistant", "column", "the column with the assistant's answer"),
        attribute("turns", "column", "a column with messages, instead of `user` and `assistant`"),
        *COMMON,
    ),
)
class Chat:
    """Makes the training example: column `messages`, a list of `{ role, content }`.

    Give `user` and `assistant`, or `turns`: a `chat` column, or a list of texts that alternate between user and
    assistant. A row whose user or assistant text is null or empty cannot be trained on and is quarantined, as are
    turns that do not alternate or do not end with the assistant.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        self.step = step
        attributes = step.attributes
        system = attributes.get("system")
        self._system = context.expression(system) if isinstance(system, Mapping) else lambda columns: system
        self._user = attributes.get("user")
        self._assistant = attributes.get("assistant")
        self._turns = attributes.get("turns")
        if not self._turns and not (self._user and self._assistant):
            raise RunError(f"step '{step.id}': chat needs user and assistant, or turns")

    def apply(self, row: Row) -> Row | Dropped:
        """The row with its `messages`; quarantined when they would not make a training example."""
        try:
            messages = self._messages(row.columns)
        except ValueError as error:
            return Dropped(row, self.step.id, "chat", str(error), quarantined=True)
        return row.with_columns(messages=messages)

    def _messages(self, columns: Mapping[str, Any]) -> list[dict[str, str]]:
        if self._turns:
            messages = _messages_of(columns.get(self._turns), self._turns)
        else:
            messages = [
                {"role": "user", "content": _text(columns.get(self._user or ""), self._user)},
                {"role": "assistant", "content": _text(columns.get(self._assistant or ""), self._assistant)},
            ]
        system = self._system(columns)
        if system:
            messages = [m for m in messages if m["role"] != "system"]
            messages.insert(0, {"role": "system", "content": str(system)})
        return messages


def _text(value: Any, column: str | None) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"column `{column}` has no text")
    return value


def _messages_of(turns: Any, column: str) -> list[dict[str, str]]:
    """Messages of a chat, or of texts that alternate; user and assistant take turns and the assistant ends.

    Raises:
        ValueError: they do not.
    """
    if not isinstance(turns, list) or not turns:
        raise ValueError(f"column `{column}` has no turns")
    messages = []
    for number, turn in enumerate(turns):
        if isinstance(turn, Mapping):
            role, content = turn.get("role"), turn.get("content")
        else:
            role, content = ("user", "assistant")[number % 2], turn
        messages.append({"role": str(role), "content": _text(content, f"{column}[{number}]")})
    talk = [m["role"] for m in messages[messages[0]["role"] == "system" :]]
    if not talk or len(talk) % 2 or talk != ["user", "assistant"] * (len(talk) // 2):
        raise ValueError(f"column `{column}` does not alternate between user and assistant, ending with it")
    return messages
