"""Answers that call tools, as the store has them: one text with what was said and what is called."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mixwright_runtime.values.rows import canonical_json


def calling_text(said: str, calls: Sequence[Mapping[str, Any]]) -> str:
    """The text of a recorded answer whose `finish` is `tool_calls`."""
    return canonical_json({"content": said, "tool_calls": list(calls)})


def read_calling(text: str) -> tuple[str, tuple[Mapping[str, Any], ...]]:
    """What was said, and the calls, of such a text."""
    found = json.loads(text)
    return str(found["content"]), tuple(found["tool_calls"])
