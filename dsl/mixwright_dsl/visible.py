"""Text that others wrote, made safe and measurable for a terminal: no control character gets through."""

from __future__ import annotations

import re

# C0 without tab and newline, DEL, C1, and the characters that reorder or hide text (Unicode TR 36: bidi controls, tags).
_CONTROLS = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)

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
    import unicodedata

    if unicodedata.category(character) in _HIDDEN:
        return f"<U+{code:04X}>"
    return character


def width(text: str) -> int:
    """Columns that already visible text takes in a terminal: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in ("W", "F") else 1
        for c in text
    )


def visible(text: str) -> str:
    """Text for a message: every control or hidden character but a line end as its code; safe to print."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c == "\n" else cell(c) for c in text)


def printable(text: str) -> str:
    """`text` with control characters as escapes such as `\\u001b`; tabs and newlines stay.

    The escapes are those of JSON, so that a document stays one, and still says the same.
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return re.sub(_CONTROLS, _escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found.group())
    if code < 0x10000:
        return f"\\u{code:04x}"
    return f"\\u{0xD800 + ((code - 0x10000) >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


class Painted(str):
    """Text whose escape sequences are our own, with all that others wrote in it made `visible` or `printable`.

    A terminal's guard (`mixwright/terminal.py`) lets nothing else through.
    """

    __slots__ = ()

    def __str__(self) -> str:
        return self  # print() writes what this returns
