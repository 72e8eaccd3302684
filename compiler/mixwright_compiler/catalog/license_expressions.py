"""SPDX license expressions: `mit OR apache-2.0`, `(mit AND cc-by-4.0)`, `gpl-2.0-only WITH classpath-exception-2.0`.

`OR` lets one choose, `AND` binds by both, `WITH` adds an exception to one license; `AND` binds closer than `OR`
(SPDX 2.3, annex D). A text that is no expression is one license of that name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product

Alternatives = tuple[tuple[str, ...], ...]
"""Ways in which a text may be used; the licenses of the one that is chosen all hold."""

MOST_ALTERNATIVES, MOST_BRACKETS = 64, 16
"""Of an expression with more, the text as it is stands for one license: nobody reads so many."""

_PART = re.compile(r"[()]|[^\s()]+")
OPERATORS = ("AND", "OR", "WITH")
"""In capitals, as SPDX has them; `our terms with love` is no expression."""


def alternatives(text: str) -> Alternatives:
    """The licenses of an expression; those that are an id with an exception as `ID WITH EXCEPTION`."""
    return _parsed(text) or ((text,),)


def terms_of(text: str) -> tuple[str, ...]:
    """The licenses in an expression, each once, in their order."""
    return tuple(dict.fromkeys(term for each in alternatives(text) for term in each))


def ids_of(text: str) -> tuple[str, ...]:
    """The ids in an expression, without exceptions."""
    return tuple(dict.fromkeys(map(base_of, terms_of(text))))


def base_of(term: str) -> str:
    """A license without its exception."""
    parts = term.split()
    return parts[0] if len(parts) == 3 and parts[1] == "WITH" else term


def with_terms(text: str, changed: Callable[[str], str | None]) -> str | None:
    """An expression with other ids where `changed` names one; None where it names none."""
    if _parsed(text) is None:
        return changed(text)
    parts = _PART.findall(text)
    names = [
        index
        for index, part in enumerate(parts)
        if part not in ("(", ")", *OPERATORS) and parts[index - 1 : index] != ["WITH"]
    ]
    others = {index: changed(parts[index]) for index in names}
    if not any(others.values()):
        return None
    for index, other in others.items():
        parts[index] = other or parts[index]
    return " ".join(parts).replace("( ", "(").replace(" )", ")")


def _parsed(text: str) -> Alternatives | None:
    parts = _PART.findall(text)
    if parts.count("(") > MOST_BRACKETS:
        return None
    found, rest = _either(parts)
    return found if found is not None and not rest else None


def _either(parts: list[str]) -> tuple[Alternatives | None, list[str]]:
    found, rest = _both(parts)
    while found is not None and rest[:1] == ["OR"]:
        other, rest = _both(rest[1:])
        found = None if other is None else _bounded((*found, *other))
    return found, rest


def _both(parts: list[str]) -> tuple[Alternatives | None, list[str]]:
    found, rest = _one(parts)
    while found is not None and rest[:1] == ["AND"]:
        other, rest = _one(rest[1:])
        found = None if other is None else _bounded(tuple((*a, *b) for a, b in product(found, other)))
    return found, rest


def _one(parts: list[str]) -> tuple[Alternatives | None, list[str]]:
    if parts[:1] == ["("]:
        found, rest = _either(parts[1:])
        return (found, rest[1:]) if rest[:1] == [")"] else (None, rest)
    if not parts or parts[0] in (")", *OPERATORS):
        return None, parts
    if parts[1:2] == ["WITH"]:
        exception = parts[2:3]
        return (((" ".join(parts[:3]),),) if exception else None), parts[3:]
    return ((parts[0],),), parts[1:]


def _bounded(found: Alternatives) -> Alternatives | None:
    return tuple(dict.fromkeys(found)) if len(found) <= MOST_ALTERNATIVES else None
