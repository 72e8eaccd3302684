"""Characters that no training text holds: controls but line ends and tabs, and halves of surrogate pairs."""

from __future__ import annotations

import re

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def control_character_in(value: object) -> str:
    """The first control character in the texts of a value, as `U+000C`; empty when there is none.

    A tab and the line ends `\\n` and `\\r` are none here.
    """
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            found = _CONTROL.search(one)
            if found:
                return f"U+{ord(found.group()):04X}"
        elif isinstance(one, dict):
            left += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple):
            left += one
    return ""
