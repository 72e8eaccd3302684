"""Text from data, made safe to show in a page."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup, escape

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufff9-\ufffb]"
)
"""Characters that are invisible, reorder the text around them, or cannot be written."""

NAME_BYTES = 120
"""Escaped bytes shown of a name or a reason."""


def visible(value: Any) -> Any:
    """Text with its unseen characters as their codes; markup, numbers and the like as they are."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return _UNSEEN.sub(lambda match: _code(match[0]), value)


def shown(text: str, limit_bytes: int) -> Markup:
    """`text` for HTML text and quoted attributes, cut to about `limit_bytes` of escaped UTF-8.

    Unseen characters become their code; what is cut is counted in a `span`, so use `brief` in attributes.
    """
    kept, at = _cut(text, limit_bytes)
    if at == len(text):
        return kept
    return kept + Markup(f' <span class="cut">… {len(text) - at:,} more characters</span>')


def sentence(text: str) -> Markup:
    """A message for people; names in backticks become code."""
    return Markup(re.sub("`([^`<>]+)`", r"<code>\1</code>", str(shown(text, 2_000))))


def brief(text: str) -> Markup:
    """A name or a short reason, cut to `NAME_BYTES`; holds no markup, so it may stand in attributes and SVG."""
    kept, at = _cut(text, NAME_BYTES)
    return kept if at == len(text) else kept + "…"


def _code(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"


def _cut(text: str, limit_bytes: int) -> tuple[Markup, int]:
    """The escaped start of the text, and how many of its characters are in it."""
    pieces: list[str] = []
    size = 0
    for at, character in enumerate(text):
        piece = _code(character) if _UNSEEN.match(character) else str(escape(character))
        size += len(piece.encode())
        if size > limit_bytes:
            return Markup("".join(pieces)), at
        pieces.append(piece)
    return Markup("".join(pieces)), len(text)
