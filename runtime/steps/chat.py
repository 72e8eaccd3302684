"""Step `chat`."""

from __future__ import annotations

from runtime.plugin import attribute, declare
from runtime.steps.attributes import COMMON


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
