"""A card that two hands write: what stands between our marks is ours, everything else belongs to who edits the file."""

from __future__ import annotations

import re

FRONT = ("# mixwright writes from here", "# to here; your own keys stand below")
BODY = (
    "<!-- mixwright writes from here -->",
    "<!-- to here; what you write above or below these lines stays -->",
)


def marked(text: str, marks: tuple[str, str]) -> str:
    """`text` between its marks."""
    return f"{marks[0]}\n{text.strip(chr(10))}\n{marks[1]}"


def merged(old: str | None, new: str) -> str | None:
    """The new card with what somebody wrote around the blocks of the old one; None when the old one has no block of
    ours, so that all of it is theirs.

    A block that was taken out of the old card stays out: the front matter, too, can become theirs alone.
    """
    if old is None:
        return new
    result, is_ours = old, False
    for marks in (FRONT, BODY):
        block = _block(new, marks)
        before, found, after = _split(result, marks)
        if found and block:
            result, is_ours = before + block + after, True
    return result if is_ours else None


def has_own_text(card: str) -> bool:
    """Did somebody write outside our blocks?"""
    for marks in (FRONT, BODY):
        before, _, after = _split(card, marks)
        card = before + after
    return bool(card.replace("---", "").strip())


def _split(card: str, marks: tuple[str, str]) -> tuple[str, str, str]:
    """What stands before the block, the block with its marks, and after; an empty block when there is none."""
    found = re.search(
        rf"^{re.escape(marks[0])}[ \t]*\r?\n.*?^{re.escape(marks[1])}[ \t]*$", card, re.DOTALL | re.MULTILINE
    )
    if found is None:
        return card, "", ""
    return card[: found.start()], found[0], card[found.end() :]


def _block(card: str, marks: tuple[str, str]) -> str:
    return _split(card, marks)[1]
