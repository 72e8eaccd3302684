"""Text from data, made safe to show in a page."""

from __future__ import annotations

import re
from html import escape

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff\ufff9-\ufffb]"
)
"""Characters that are invisible, reorder the text around them, or cannot be written."""

NAME_BYTES = 120
"""Escaped bytes shown of a name or a reason."""


def shown(text: str, limit_bytes: int) -> str:
    """`text` for HTML text and quoted attributes, cut to about `limit_bytes` of escaped UTF-8.

    Unseen characters become their code; what is cut is counted in a `span`, so use `brief` in attributes.
    """
    kept, at = _cut(text, limit_bytes)
    return (
        kept if at == len(text) else f'{kept} <span class="cut">… {len(text) - at:,} more characters</span>'
    )


def brief(text: str) -> str:
    """A name or a short reason, cut to `NAME_BYTES`; holds no markup, so it may stand in attributes and SVG."""
    kept, at = _cut(text, NAME_BYTES)
    return kept if at == len(text) else kept + "…"


def _cut(text: str, limit_bytes: int) -> tuple[str, int]:
    """The escaped start of the text, and how many of its characters are in it."""
    pieces: list[str] = []
    size = 0
    for at, character in enumerate(text):
        piece = f"⟨U+{ord(character):04X}⟩" if _UNSEEN.match(character) else escape(character)
        size += len(piece.encode())
        if size > limit_bytes:
            return "".join(pieces), at
        pieces.append(piece)
    return "".join(pieces), len(text)
