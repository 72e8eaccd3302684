"""Escapes in strings: where a character of the value is written."""

from __future__ import annotations

import re

ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
PAIR = r"\\u[dD][89abAB][0-9A-Fa-f]{2}\\u[dD][c-fC-F][0-9A-Fa-f]{2}"
"""Two escapes that are one character beyond the basic plane."""
ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)


def string_offset(raw: str, index: int) -> int:
    """Offset within the quoted string `raw` (quotes included) of the character at `index` of its value."""
    if "\\" not in raw:
        return 1 + index
    pairs = re.compile(PAIR)
    position, seen = 1, 0
    while seen < index and position < len(raw) - 1:
        pair = pairs.match(raw, position)
        match = pair or ESCAPE.match(raw, position)
        if match is None:
            position += 1
            seen += 1
        else:
            position = match.end()
            # An unknown escape stays as the two characters it is.
            is_unknown = not pair and match.group(2) is not None and match.group(2) not in ESCAPES
            seen += 2 if is_unknown else 1
    return position
