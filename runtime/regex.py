"""Regular expressions with the meaning they have in DuckDB (RE2), on single texts.

Rows stream through Python, tables through DuckDB, and a pattern must find the same in both. A pattern made of parts
that mean the same in Python's `re` once translated runs there; any other, and any on a text so long that `re` could
take noticeably more than linear time, is answered by DuckDB (0.2 ms a call). So no text can make a pattern hang.
"""

from __future__ import annotations

import atexit
import re
import threading
from abc import ABC, abstractmethod
from functools import lru_cache
from importlib import import_module
from typing import Any

_SPACE = r"\t\n\f\r "
"""RE2's `\\s`; Python's also has the vertical tab."""
_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": _SPACE}
_PLAIN_ESCAPES = frozenset("ntrf") | frozenset(r"""\.+*?()[]{}^$|-/:;,=!"'<>@#%&~` """)
QUADRATIC_CHARACTERS = 4_000
"""Longest text on which a pattern that repeats something runs in `re`, which may look at it once for each character."""
_COUNT = re.compile(r"\{(\d{1,3})(?:,(\d{0,3}))?\}")


@lru_cache(maxsize=1024)
def compile_regex(pattern: str) -> Regex:
    """A compiled pattern.

    Raises:
        ValueError: it is not a regular expression in RE2 syntax.
    """
    translated = _translated(pattern)
    if translated is not None:
        try:
            return _PythonRegex(re.compile(translated), pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
    return _DuckdbRegex(pattern)


class Regex(ABC):
    """A pattern that is searched for anywhere in a text. `groups` is how many groups it has."""

    groups: int

    @abstractmethod
    def matches(self, text: str) -> bool:
        """Is there a match anywhere?"""

    def extract(self, text: str, group: int) -> str | None:
        """A group of the first match (0: all of it); None without a match, or when the group took no part."""
        found = self.extract_all(text, group)
        return found[0] if found else None

    @abstractmethod
    def extract_all(self, text: str, group: int) -> list[str | None]:
        """A group of every match that does not overlap the one before."""


class _PythonRegex(Regex):
    def __init__(self, compiled: re.Pattern[str], pattern: str) -> None:
        self._compiled = compiled
        self._pattern = pattern
        self._repeats = any(sign in pattern for sign in "*+{")
        self.groups = compiled.groups

    def matches(self, text: str) -> bool:
        if self._is_slow(text):
            return _DuckdbRegex(self._pattern).matches(text)
        return self._compiled.search(text) is not None

    def extract(self, text: str, group: int) -> str | None:
        if self._is_slow(text):
            return _DuckdbRegex(self._pattern).extract(text, group)
        found = self._compiled.search(text)
        return None if found is None else found.group(group)

    def _is_slow(self, text: str) -> bool:
        return self._repeats and len(text) > QUADRATIC_CHARACTERS

    def extract_all(self, text: str, group: int) -> list[str | None]:
        if self._is_slow(text):
            return _DuckdbRegex(self._pattern).extract_all(text, group)
        return [found.group(group) for found in self._compiled.finditer(text)]


class _DuckdbRegex(Regex):
    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        try:
            self.groups = re.compile(pattern).groups
        except re.error:
            # RE2 has syntax that Python lacks, such as \pL; groups are then counted by their parentheses.
            self.groups = len(re.findall(r"(?<!\\)\((?!\?)|\(\?P?<[A-Za-z_]", pattern))
        self.matches("")

    def matches(self, text: str) -> bool:
        return bool(self._ask("SELECT regexp_matches($1, $2)", [text, self._pattern]))

    def extract_all(self, text: str, group: int) -> list[str | None]:
        found: list[str | None] = self._ask(
            "SELECT regexp_extract_all($1, $2, $3)", [text, self._pattern, group]
        )
        return found

    def _ask(self, query: str, parameters: list[Any]) -> Any:
        import duckdb

        try:
            row = _connection().execute(query, parameters).fetchone()
        except duckdb.Error as error:
            raise ValueError(f"not a regular expression: {str(error).splitlines()[0]}") from None
        return row[0]


_local = threading.local()


def _connection() -> Any:
    connection = getattr(_local, "connection", None)
    if connection is None:
        import duckdb

        connection = duckdb.connect(":memory:", config={"threads": 1})
        _local.connection = connection
        # DuckDB complains on standard error about connections that are alive when the interpreter ends.
        atexit.register(connection.close)
    return connection


def _translated(pattern: str) -> str | None:
    """The pattern for Python's `re` with RE2's meaning; None when it should be left to DuckDB.

    Accepted are literals, classes, groups, alternatives and `^ $ . \\b`, with at most one unbounded repetition
    outside of any repeated group, so that `re` needs at most quadratic time, and no empty match.
    """
    out: list[str] = []
    i, depth, unbounded = 0, 0, 0
    while i < len(pattern):
        c = pattern[i]
        if c == "\\":
            piece, i = _escape(pattern, i)
        elif c == "[":
            piece, i = _class(pattern, i)
        elif c == "(":
            if pattern.startswith("(?:", i):
                piece, i = "(?:", i + 3
            elif pattern.startswith("(?", i):
                return None
            else:
                piece, i = "(", i + 1
            depth += 1
        elif c == ")":
            depth -= 1
            if pattern[i + 1 : i + 2] in ("*", "+", "{"):
                return None
            piece, i = c, i + 1
        elif c in "*+?{":
            piece, i, is_unbounded = _repetition(pattern, i)
            unbounded += is_unbounded
        elif c in "^|.":
            piece, i = c, i + 1
        elif c == "$":
            piece, i = r"\Z", i + 1
        elif c in "]}":
            return None
        else:
            piece, i = re.escape(c), i + 1
        if not piece or unbounded > 1:
            return None
        out.append(piece)
    translated = "".join(out)
    try:
        # The engines differ in how they go on after an empty match.
        width: int = import_module("re._parser").parse(translated).getwidth()[0]
    except (re.error, RecursionError, OverflowError):
        return None
    return translated if width > 0 else None


def _escape(pattern: str, i: int) -> tuple[str, int]:
    after = pattern[i + 1 : i + 2]
    if after in _CLASSES:
        return f"[{_CLASSES[after]}]", i + 2
    if after and after.lower() in _CLASSES:
        return f"[^{_CLASSES[after.lower()]}]", i + 2
    if after == "b":
        # RE2's word boundary is ASCII's.
        return r"(?a:\b)", i + 2
    return (pattern[i : i + 2], i + 2) if after in _PLAIN_ESCAPES else ("", i)


def _class(pattern: str, i: int) -> tuple[str, int]:
    """A bracket expression and where it ends; empty for one with parts that the engines may read differently."""
    out, i = ["["], i + 1
    if pattern.startswith("^", i):
        out, i = ["[^"], i + 1
    is_first = True
    while i < len(pattern):
        c = pattern[i]
        if c == "]" and not is_first:
            return "".join([*out, "]"]), i + 1
        if c == "\\":
            after = pattern[i + 1 : i + 2]
            if after in _CLASSES:
                out.append(_CLASSES[after])
            elif after in _PLAIN_ESCAPES:
                out.append(pattern[i : i + 2])
            else:
                return "", i
            i += 2
        elif c in "[]&~|" or pattern.startswith("--", i):
            return "", i
        else:
            out.append(c)
            i += 1
        is_first = False
    return "", i


def _repetition(pattern: str, i: int) -> tuple[str, int, bool]:
    """A quantifier, where it ends, and whether it has no upper bound."""
    counted = _COUNT.match(pattern, i) if pattern[i] == "{" else None
    if pattern[i] == "{" and counted is None:
        return "", i, False
    piece = counted.group() if counted else pattern[i]
    is_unbounded = counted.group(2) == "" if counted else piece in "*+"
    i += len(piece)
    if pattern.startswith("?", i):
        piece, i = piece + "?", i + 1
    if pattern[i : i + 1] in ("*", "+", "?", "{"):
        return "", i, False
    return piece, i, is_unbounded
