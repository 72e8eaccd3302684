"""Finds matching brackets and separators in source text of C-like languages, with strings and comments passed over.

Enough to take `assert(candidate(x) == (y));` apart; no parser. What it cannot read it reports, and the caller leaves the
program as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_QUOTES = "\"'`"


class Unreadable(ValueError):
    """Brackets or quotes do not match, or something that must be there is not."""


def characters_of(text: str, start: int = 0) -> Iterator[tuple[int, str]]:
    """(position, character) of every character outside strings and comments, from `start` on.

    Raises:
        Unreadable: a string or a comment does not end.
    """
    at = start
    while at < len(text):
        c = text[at]
        if c in _QUOTES and not (c == "'" and _is_lifetime(text, at)):
            at = _string_end(text, at)
        elif text.startswith("//", at):
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
        elif text.startswith("/*", at):
            end = text.find("*/", at + 2)
            if end < 0:
                raise Unreadable("a comment does not end")
            at = end + 2
        else:
            yield at, c
            at += 1


def closing_of(text: str, opening: int) -> int:
    """Position of the bracket that closes the one at `opening`.

    Raises:
        Unreadable: none does.
    """
    expected: list[str] = []
    for at, c in characters_of(text, opening):
        if c in _CLOSING:
            expected.append(_CLOSING[c])
        elif c in ")]}":
            if expected.pop() != c:
                raise Unreadable(f"`{c}` closes another bracket")
            if not expected:
                return at
    raise Unreadable("a bracket is not closed")


def split_once(text: str, separator: str) -> tuple[str, str] | None:
    """The two sides of the first `separator` outside brackets and strings; None when there is none."""
    depth = 0
    for at, c in characters_of(text):
        if depth == 0 and text.startswith(separator, at):
            return text[:at].strip(), text[at + len(separator) :].strip()
        depth += (c in _CLOSING) - (c in ")]}")
    return None


def balance_of(text: str) -> int:
    """How many `{` of a text are left open; negative for `}` too many.

    Raises:
        Unreadable: a string or a comment does not end.
    """
    return sum((c == "{") - (c == "}") for _, c in characters_of(text))


def _string_end(text: str, at: int) -> int:
    quote, end = text[at], at + 1
    while end < len(text) and text[end] != quote:
        end += 2 if text[end] == "\\" else 1
    if end >= len(text):
        raise Unreadable("a string does not end")
    return end + 1


def _is_lifetime(text: str, at: int) -> bool:
    """Rust's `'a` is no string; `'a'` and `'\\n'` are."""
    return text[at + 1 : at + 2] != "\\" and text[at + 2 : at + 3] != "'"
