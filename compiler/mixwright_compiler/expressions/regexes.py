"""Regular expressions of a spec: those that RE2 reads, in rows and in tables."""

from __future__ import annotations

from typing import Any

from mixwright_compiler.findings import Findings
from mixwright_dsl.source import Span


def regex_groups(pattern: str, span: Span, findings: Findings) -> int:
    """Number of groups of a regular expression; raises Reported (MIX124) unless RE2 reads it, in rows and in tables."""
    import re2

    problem = _beyond_re2(pattern)
    if not problem:
        try:
            groups: int = _compiled(pattern).groups
        except re2.error as broken:
            problem = f"not a regular expression: {broken.args[0].decode()}"
        else:
            return groups
    raise findings.error("MIX124", problem, span, hint=r'for example `"Answer: ([0-9]+)"`')


def _compiled(pattern: str) -> Any:
    """The pattern as RE2 has it; raises re2.error."""
    import re2

    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def matches_nothing(pattern: str) -> bool:
    """Does it match an empty place? Tried at every kind of place: at ends of texts, lines and words, and inside them."""
    return any(
        found.start() == found.end()
        for text in ("", "\x01", "\x01\n\x01", "z\x01z", "zz", "\x01\x01")
        for found in _compiled(pattern).finditer(text)
    )


_BEYOND = (
    ("(?=", "lookahead `(?=`"),
    ("(?!", "lookahead `(?!`"),
    ("(?<=", "lookbehind `(?<=`"),
    ("(?<!", "lookbehind `(?<!`"),
    ("(?>", "atomic group `(?>`"),
    ("(?(", "condition `(?(`"),
    ("(?P=", "back-reference `(?P=`"),
    ("(?#", "comment `(?#`"),
    # The RE2 of tables is an older one, which has it under Python's name alone.
    ("(?<", "a name written `(?<name>`, unlike `(?P<name>`,"),
)


def _beyond_re2(pattern: str) -> str:
    """What other expressions have and RE2, or one of its two copies here, has not; empty for nothing."""
    i, in_class = 0, False
    while i < len(pattern):
        c = pattern[i]
        if c == "\\":
            after = pattern[i + 1 : i + 2]
            if after.isdigit() and after != "0" and not in_class:
                return f"back-reference `\\{after}` is not available"
            # RE2's `\C` is a byte, which may be half a character.
            if after in ("Z", "N", "u", "U", "0", "C"):
                return f"`\\{after}` is not available"
            i += 2
            continue
        if in_class:
            in_class = c != "]"
        elif c == "[":
            in_class = True
            i += 1 if pattern[i + 1 : i + 2] == "]" else 2 if pattern[i + 1 : i + 3] == "^]" else 0
        elif c == "(":
            for start, words in _BEYOND:
                if pattern.startswith(start, i):
                    return f"{words} is not available"
        elif c in "*+?}" and pattern[i + 1 : i + 2] == "+":
            return f"possessive `{c}+` is not available"
        i += 1
    return ""
