"""Regular expressions on single texts, by RE2: linear time, whatever the pattern and the text.

Rows stream through Python, tables through DuckDB, and a pattern must find the same in both. DuckDB's regular
expressions are RE2's too; the compiler refuses the little that the two copies of RE2 read differently (MIX124).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=1024)
def compile_regex(pattern: str) -> Regex:
    """A compiled pattern.

    Raises:
        ValueError: it is not a regular expression in RE2 syntax.
    """
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return Regex(re2.compile(pattern, options))
    except re2.error as error:
        raise ValueError(f"not a regular expression: {error.args[0].decode()}") from None


class Regex:
    """A pattern that is searched for anywhere in a text. `groups` is how many groups it has."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self.groups: int = compiled.groups

    def matches(self, text: str) -> bool:
        """Is there a match anywhere?"""
        return self._compiled.search(_bytes(text)) is not None

    def extract(self, text: str, group: int) -> str | None:
        """A group of the first match (0: all of it); None without a match, or when the group took no part."""
        found = self._compiled.search(_bytes(text))
        return None if found is None else _text(found[group])

    def extract_all(self, text: str, group: int) -> list[str | None]:
        """A group of every match that does not overlap the one before."""
        return [_text(found[group]) for found in self._matches_in(_bytes(text))]

    def parts(self, text: str) -> list[str]:
        """What stands between the matches, with what is ahead of the first and behind the last. A match of nothing, as
        `\\b` has it, parts a single character from the rest: so tables do it, and rows after them."""
        raw, start = _bytes(text), 0
        parts = []
        while start < len(raw) and (found := self._compiled.search(raw, start)) is not None:
            begin, end = found.span()
            if begin == end == start:
                begin = end = _next_character(raw, start)
                if end >= len(raw):
                    break
            parts.append(raw[start:begin])
            start = end
        return [part.decode("utf-8", "surrogatepass") for part in (*parts, raw[start:])]

    def _matches_in(self, text: bytes) -> Iterator[Any]:
        # The package's `finditer` gives an empty match ahead of where it looked twice: `$` in "ab" is found two times.
        start = 0
        while start <= len(text) and (found := self._compiled.search(text, start)) is not None:
            yield found
            begin, start = found.span()
            if begin == start:
                start = _next_character(text, start)


# Half surrogates, which models write, have no UTF-8; as three bytes they are a character that only classes match.
def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(found: bytes | None) -> str | None:
    return None if found is None else found.decode("utf-8", "surrogatepass")


def _next_character(text: bytes, at: int) -> int:
    """Where the character behind that at `at` begins."""
    at += 1
    while at < len(text) and text[at] & 0xC0 == 0x80:  # inside a character of UTF-8
        at += 1
    return at
