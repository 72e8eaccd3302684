"""What in a text is not prose: code, formulas, addresses, placeholders, tags. A translation keeps it as it is.

One pass over the text, left to right; where two kinds could begin, the first in this order wins: fenced code, inline
code, formulas, URLs, e-mail addresses, placeholders, tags. The expression takes time linear in the text: every
repetition inside it is bounded or consumes what it matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

Kind = Literal["fence", "code", "formula", "url", "email", "placeholder", "tag"]

_KINDS: tuple[tuple[Kind, str], ...] = (
    # To the closing line, or to the end of the text where a model was cut off.
    ("fence", r"^[ \t]{0,3}(?P<mark>`{3,}|~{3,})[^\n`]*\n(?:.*?)(?:^[ \t]{0,3}(?P=mark)[`~]*[ \t]*$|\Z)"),
    ("code", r"(?<!`)(?P<ticks>`{1,2})(?!`)[^`\n]{1,500}(?P=ticks)(?!`)"),
    # Of `$5 and $10` nothing is a formula: before the sign that closes one stands no space, behind it no digit.
    (
        "formula",
        r"\$\$[^$]{1,2000}\$\$|\$(?=[^\s$])[^$\n]{0,200}[^\s$\\]\$(?![\dA-Za-z])"
        r"|\\\((?:[^\\\n]|\\[^()\n]){1,500}\\\)|\\\[(?:[^\\]|\\[^\[\]]){1,500}\\\]",
    ),
    ("url", r"(?:https?|ftp)://[!#-;=?-Z_a-z~\[\]]{3,}|\bwww\.[!#-;=?-Z_a-z~]{3,}"),
    (
        "email",
        r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,4}",
    ),
    (
        "placeholder",
        r"\{\{[^{}\n]{1,100}\}\}|\{%[^{}\n]{1,100}%\}|\$\{[^{}\n]{1,100}\}"
        r"|\{[A-Za-z_][\w.\[\]]{0,60}(?:[!:][^{}\s]{0,20})?\}|\{\d{0,3}\}"
        # ICU messages: the head is kept, what the branches say is translated.
        r"|\{\s?\w{1,60}\s?,\s?(?:plural|selectordinal|select|number|date|time)\b"
        # printf: `50% de` is no placeholder, and neither is `100%d`.
        r"|(?<![\d%])%(?:\(\w{1,60}\)|\d{1,2}\$)?[-+0#]{0,3}\d{0,3}(?:\.\d{1,3})?(?:hh|ll|[hlLzjt])?[diouxXeEfFgGcrsa@]"
        r"(?![a-zA-Z]{2})",
    ),
    ("tag", r"<!--[^<>]{0,1000}-->|</?[A-Za-z][A-Za-z0-9:_-]{0,40}(?:\s[^<>]{0,500})?/?>"),
)
_TRAILING = ".,;:!?'\"*_~"


@dataclass(frozen=True, slots=True)
class Fragment:
    """A stretch of a text that is not prose."""

    kind: Kind
    text: str
    start: int
    end: int


_SIGNS: Mapping[Kind, tuple[str, ...]] = {
    "fence": ("```", "~~~"),
    "code": ("`",),
    "formula": ("$", "\\"),
    "url": ("://", "www."),
    "email": ("@",),
    "placeholder": ("{", "%"),
    "tag": ("<",),
}
"""One of these is in every fragment of a kind. Most texts have few, and are searched for those alone."""


@cache
def _pattern(kinds: tuple[Kind, ...]) -> re.Pattern[str]:
    patterns = [f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS if kind in kinds]
    return re.compile("|".join(patterns), re.MULTILINE | re.DOTALL)


def fragments_of(text: str) -> Iterator[Fragment]:
    """The fragments of a text, in order, none inside another."""
    kinds = tuple(kind for kind, signs in _SIGNS.items() if any(sign in text for sign in signs))
    if not kinds:
        return
    at = 0
    search = _pattern(kinds).search
    while (match := search(text, at)) is not None:
        kind = next(k for k in kinds if match[k] is not None)
        found = match[0]
        if kind == "url":
            found = _without_sentence_end(found)
        elif kind == "fence":
            found = found.strip("\n")
        yield Fragment(kind, found, match.start(), match.start() + len(found))
        at = max(match.start() + len(found), match.start() + 1)


def without_fragments(text: str, fragments: Iterator[Fragment] | list[Fragment]) -> str:
    """The text with a space in the place of each fragment."""
    parts, at = [], 0
    for fragment in fragments:
        parts.append(text[at : fragment.start])
        at = fragment.end
    parts.append(text[at:])
    return " ".join(parts)


def prose_of(text: str) -> str:
    """What is left of a text for a reader of its language."""
    return without_fragments(text, fragments_of(text))


def _without_sentence_end(url: str) -> str:
    """A URL without the punctuation of the sentence around it."""
    while url:
        if url[-1] in _TRAILING or (url[-1] in ")]" and url.count("(["[url[-1] == "]"]) < url.count(url[-1])):
            url = url[:-1]
        else:
            break
    return url
