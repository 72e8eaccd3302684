"""Text from users' files made safe and measurable for a terminal: no control character gets through."""

from __future__ import annotations

import unicodedata

TAB_COLUMNS = 4
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def cell(character: str) -> str:
    """What is printed for one character of a source line.

    C0 controls become their pictures (ESC is ␛); other characters that cannot be seen or that turn the writing
    direction become their code, `<U+202E>`; a tab becomes four spaces.
    """
    if character == "\t":
        return " " * TAB_COLUMNS
    code = ord(character)
    if code < 32:
        return chr(0x2400 + code)
    if code == 127:
        return "␡"
    if unicodedata.category(character) in _HIDDEN:
        return f"<U+{code:04X}>"
    return character


def width(text: str) -> int:
    """Columns that already visible text takes in a terminal: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in ("W", "F") else 1
        for c in text
    )


def visible(text: str) -> str:
    """Text for a message: every control or hidden character but a line end as its code; safe to print."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c == "\n" else cell(c) for c in text)
