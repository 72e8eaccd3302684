"""Characters by what they do in a text, beyond ASCII: scripts without spaces, sentence ends, commas, quotes, emoji."""

from __future__ import annotations

import re
from bisect import bisect_right

from mixwright_compiler.catalog.scripts import HAN, HIRAGANA, KATAKANA

KANA = HIRAGANA + KATAKANA
_WITHOUT_SPACES = (
    HAN
    + KANA
    + "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u1000-\u102a\u103f\u1780-\u17b3"
)
"""Han, kana, Thai, Lao, Burmese and Khmer letters, without the marks that stand on them: one count each."""

SENTENCE_ENDS = ".!?…。！？｡．։؟۔।॥፧።᠃᭟‼⁇⁈⁉"
"""From Unicode's property Sentence_Terminal, and the ellipsis."""
COMMAS = ",،，、､՝፣߸᠂︐﹐﹑"
_CLOSERS = "\"'”’»」』›)）］]】》〉*_"

_HAN_CHARACTER = re.compile(f"[{HAN}]")
_KANA = re.compile(f"[{KANA}]")
_PIECE = re.compile(rf"[{_WITHOUT_SPACES}]|[^\W{_WITHOUT_SPACES}]+(?:['’\-][^\W{_WITHOUT_SPACES}]+)*")
_CHUNK = re.compile(rf"[{_WITHOUT_SPACES}]|[^\s{_WITHOUT_SPACES}]+")
_SENTENCE_END = re.compile(rf"(?:[{re.escape(SENTENCE_ENDS)}]+[{re.escape(_CLOSERS)}]*)")
_HAS_SPACE_AFTER = ".…!?‼⁇⁈⁉"
"""Ends that count before white space, an end of text or a letter of a script without spaces: `3.14` and `a.b` go on."""

EMOJI_RANGES = (
    "a9 ae 203c 2049 2122 2139 2194-2199 21a9-21aa 231a-231b 2328 23cf 23e9-23f3 23f8-23fa 24c2 25aa-25ab 25b6 25c0 "
    "25fb-25fe 2600-2604 260e 2611 2614-2615 2618 261d 2620 2622-2623 2626 262a 262e-262f 2638-263a 2640 2642 "
    "2648-2653 265f-2660 2663 2665-2666 2668 267b 267e-267f 2692-2697 2699 269b-269c 26a0-26a1 26a7 26aa-26ab "
    "26b0-26b1 26bd-26be 26c4-26c5 26c8 26ce-26cf 26d1 26d3-26d4 26e9-26ea 26f0-26f5 26f7-26fa 26fd 2702 2705 "
    "2708-270d 270f 2712 2714 2716 271d 2721 2728 2733-2734 2744 2747 274c 274e 2753-2755 2757 2763-2764 2795-2797 "
    "27a1 27b0 27bf 2934-2935 2b05-2b07 2b1b-2b1c 2b50 2b55 3030 303d 3297 3299 1f004 1f0cf 1f170-1f171 1f17e-1f17f "
    "1f18e 1f191-1f19a 1f201-1f202 1f21a 1f22f 1f232-1f23a 1f250-1f251 1f300-1f321 1f324-1f393 1f396-1f397 "
    "1f399-1f39b 1f39e-1f3f0 1f3f3-1f3f5 1f3f7-1f4fd 1f4ff-1f53d 1f549-1f54e 1f550-1f567 1f56f-1f570 1f573-1f57a "
    "1f587 1f58a-1f58d 1f590 1f595-1f596 1f5a4-1f5a5 1f5a8 1f5b1-1f5b2 1f5bc 1f5c2-1f5c4 1f5d1-1f5d3 1f5dc-1f5de "
    "1f5e1 1f5e3 1f5e8 1f5ef 1f5f3 1f5fa-1f64f 1f680-1f6c5 1f6cb-1f6d2 1f6d5-1f6d9 1f6dc-1f6e5 1f6e9 1f6eb-1f6ec "
    "1f6f0 1f6f3-1f6fc 1f7e0-1f7eb 1f7f0 1f90c-1f93a 1f93c-1f945 1f947-1f9ff 1fa70-1fa7c 1fa80-1fac6 1fac8 "
    "1facc-1fadd 1fadf-1faeb 1faef-1fafa"
)
"""Characters that are an emoji by themselves, from Unicode 17's emoji data: code points and ranges, in hexadecimal."""

_RANGES = [tuple(int(end, 16) for end in (part.split("-") * 2)[:2]) for part in EMOJI_RANGES.split()]
_STARTS = [low for low, _ in _RANGES]


def is_emoji(character: str) -> bool:
    """Is one character an emoji by itself?"""
    at = bisect_right(_STARTS, ord(character)) - 1
    return at >= 0 and ord(character) <= _RANGES[at][1]


def chinese_units(text: str) -> list[str]:
    """How Chinese text is counted: a Han character is one, and so is a run of other letters or digits. Punctuation is
    not counted."""
    return _PIECE.findall(text)


def units(text: str) -> list[str]:
    """Words of any language: runs between spaces with a letter or digit in them; letters of scripts that write no spaces
    count one by one."""
    return [chunk for chunk in _CHUNK.findall(text) if any(c.isalnum() for c in chunk)]


def sentences(text: str) -> list[str]:
    """Sentences of any language. A line ends its last sentence; pieces without a letter or digit are no sentence."""
    return [piece for line in text.split("\n") for piece in _of_line(line) if any(c.isalnum() for c in piece)]


def _of_line(line: str) -> list[str]:
    pieces, start = [], 0
    for match in _SENTENCE_END.finditer(line):
        marks = match.group().rstrip(_CLOSERS)
        after = line[match.end() : match.end() + 1]
        is_wide = any(mark not in _HAS_SPACE_AFTER for mark in marks)
        if is_wide or not after or after.isspace() or _HAN_CHARACTER.match(after) or _KANA.match(after):
            pieces.append(line[start : match.end()].strip())
            start = match.end()
    return [*pieces, line[start:].strip()]


def script_language(text: str) -> str:
    """The language that a text's script alone tells, as a two-letter code; empty when several share the script."""
    if _KANA.search(text):
        return "ja"
    if _HAN_CHARACTER.search(text):
        return "zh"
    for code, low, high in _SCRIPTS:
        if any(low <= c <= high for c in text):
            return code
    return ""


_SCRIPTS = (
    ("ko", "\uac00", "\ud7af"),
    ("th", "\u0e00", "\u0e7f"),
    ("el", "\u0370", "\u03ff"),
    ("he", "\u0590", "\u05ff"),
    ("bn", "\u0980", "\u09ff"),
    ("pa", "\u0a00", "\u0a7f"),
    ("gu", "\u0a80", "\u0aff"),
    ("ta", "\u0b80", "\u0bff"),
    ("te", "\u0c00", "\u0c7f"),
    ("kn", "\u0c80", "\u0cff"),
    ("ml", "\u0d00", "\u0d7f"),
)
"""Scripts that one of the languages of the constraint is written in, and no other of them."""
