"""Conditions on a step's attributes, in the few words that a declaration states them with.

always                         holds
with NAME                      the attribute is given, or has a default, and is not `false`
without NAME                   it is not
several NAME                   it is given as a list
NAME = word                    it is this word, or a call of this function: `pick = majority`, `parse = json`
with against and with swap     each of them holds
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from mixwright_compiler.catalog.catalog import Entry

ALWAYS = "always"


def holds(condition: str, entry: Entry, values: Mapping[str, Any]) -> bool:
    """Whether a condition holds of an entry's attributes; `values` are bound or plain, a missing one has its default."""
    return all(_term_holds(term, entry, values) for term in terms_of(condition))


@cache
def terms_of(condition: str) -> tuple[str, ...]:
    """The parts that must each hold."""
    return tuple(term for term in condition.split(" and ") if term != ALWAYS)


def attributes_in(condition: str) -> Iterator[str]:
    """The attributes that a condition speaks of.

    Raises:
        ValueError: it is none.
    """
    for term in condition.split(" and "):
        match term.split(" "):
            case ["always"]:
                pass
            case ["with" | "without" | "several", name] | [name, "=", _]:
                yield name
            case _:
                raise ValueError(f"no condition: {term!r}")


def given(entry: Entry, values: Mapping[str, Any], name: str) -> Any:
    """An attribute's value, its default where it has none."""
    value = values.get(name)
    if value is None:
        schema = entry.attribute(name)
        value = schema.default if schema is not None else None
    return value


def _term_holds(term: str, entry: Entry, values: Mapping[str, Any]) -> bool:
    first, _, rest = term.partition(" ")
    match first:
        case "with":
            return _is_given(given(entry, values, rest))
        case "without":
            return not _is_given(given(entry, values, rest))
        case "several":
            return isinstance(given(entry, values, rest), list | tuple)
        case _:
            return word_of(given(entry, values, first)) == rest.removeprefix("= ")


def _is_given(value: Any) -> bool:
    return value is not None and value is not False


def word_of(value: Any) -> str:
    """A word, or the function of a call, bound or plain."""
    if isinstance(value, Mapping):
        return str(value.get("call", ""))
    return str(getattr(value, "function", value))
