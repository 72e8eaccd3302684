"""Check responses against constraints: strict on the response as it is, loose on the best of eight readings of it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from mixwright_compiler.catalog.constraint_kinds import Constraint
from mixwright_runtime.verifiers.constraints.matching import BadPattern, is_plain
from mixwright_runtime.verifiers.constraints.registry import Found, Kind, kinds
from mixwright_runtime.verifiers.constraints.text import Rules, Text, variants

LINEAR_CHARACTERS = 20_000
"""Longest response that is checked without a deadline: no kind takes more than 0.2 s for it, whatever it holds."""


class UnusableConstraint(ValueError):
    """A constraint that cannot be checked, whatever the response: unknown kind, missing argument, no regular
    expression."""


def check(
    response: str, constraints: Sequence[Constraint], rules: Rules, *, is_loose: bool = False
) -> list[Found]:
    """What each constraint found, in order. A response of white space follows none.

    Raises:
        UnusableConstraint: one of them cannot be checked.
        MissingExtra: a kind's package is not installed.
    """
    readings = [Text(raw, rules) for raw in _distinct(variants(response) if is_loose else (response,))]
    return [_found(constraint, readings) for constraint in constraints]


def _distinct(raws: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(raw for raw in raws if raw.strip()))


def _found(constraint: Constraint, readings: Sequence[Text]) -> Found:
    kind = kind_of(constraint.id)
    arguments = arguments_of(kind, constraint.arguments)
    first: Found | None = None
    for text in readings:
        try:
            found = kind.check(text, **arguments)
        except (BadPattern, ValueError) as error:
            raise UnusableConstraint(f"{kind.id}: {error}") from None
        if found.follows:
            return found
        first = first or found
    return first or Found(False, "empty response")


def kind_of(id: str) -> Kind:
    """A kind by its id.

    Raises:
        UnusableConstraint: there is none.
    """
    found = kinds().get(id)
    if found is None:
        raise UnusableConstraint(f"no kind of constraint `{id}`")
    return found


def arguments_of(kind: Kind, given: Mapping[str, object]) -> dict[str, Any]:
    """Arguments as the kind's function takes them. Nulls, and arguments that it does not have (a table of constraints
    has a column for each argument of each kind), are dropped.

    Raises:
        UnusableConstraint: one is missing or of another type.
    """
    named = {n: v for n, v in given.items() if v is not None and kind.schema.argument(n) is not None}
    problems = kind.schema.problems(named)
    if problems:
        raise UnusableConstraint(f"{kind.id}: {problems[0]}")
    return {n: int(v) if isinstance(v, float) else v for n, v in named.items() if n in _parameters(kind.id)}


@cache
def _parameters(id: str) -> frozenset[str]:
    return frozenset(inspect.signature(kinds()[id].check).parameters)


def may_hang(response: str, constraints: Sequence[Constraint], rules: Rules) -> bool:
    """Must the check run where it can be killed: a long response, or a regular expression out of a row?"""
    if len(response) > LINEAR_CHARACTERS:
        return True
    if not rules.is_original:
        return False
    return any(not is_plain(pattern) for constraint in constraints for pattern in _patterns(constraint))


def _patterns(constraint: Constraint) -> list[str]:
    kind = kinds().get(constraint.id)
    found: list[str] = []
    for name in kind.patterns if kind else ():
        value = constraint.arguments.get(name)
        found += [v for v in (value if isinstance(value, list) else [value]) if isinstance(v, str)]
    return found


def check_in_worker(
    response: str, constraints: list[dict[str, Any]], rules: dict[str, Any], is_loose: bool
) -> list[list[Any]]:
    """`check` on plain data, for a worker process: [follows, found] of each constraint, or one [None, problem]."""
    wanted = [Constraint(c["id"], c["arguments"]) for c in constraints]
    try:
        found = check(response, wanted, Rules(**rules), is_loose=is_loose)
    except UnusableConstraint as error:
        return [[None, str(error)]]
    return [[f.follows, f.found] for f in found]
