"""Kinds of constraints by name, each a function with what the compiler must know of it.

    @kind(
        "length_constraints:number_words",
        "ifeval",
        en="Answer with {relation} {num_words} words.",
        zh="…",
        arguments=(relation(), count("num_words", 100, 500)),
        claims=("the number of words",),
    )
    def number_words(text: Text, relation: str, num_words: int) -> Found:
        \"\"\"Words: runs of letters and digits. Without compat, `don't` and `well-known` are one word each.\"\"\"
        return compared(len(text.words), relation, num_words)

The docstring is the kind's manual text: what is counted, and where the original differs from it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from mixwright_compiler.catalog.constraint_kinds import LANGUAGES, LESS, RELATIONS, ArgumentSchema, KindSchema


@dataclass(frozen=True)
class Found:
    """What a kind found in a response: whether it follows, and the JSON value that shows why."""

    follows: bool
    found: Any = None


Check = Callable[..., Found]


@dataclass(frozen=True)
class Argument:
    """An argument with how a value for it is drawn.

    low, high: the ends of the range that a count is drawn from, inclusive; `least` is the least that is allowed.
    pool: where texts come from: `words`, `letters`, `languages`, or the texts themselves.
    """

    name: str
    type: str
    least: int = 0
    low: int = 0
    high: int = 0
    pool: str | tuple[str, ...] = ""
    words: tuple[str, ...] = ()

    @property
    def schema(self) -> ArgumentSchema:
        return ArgumentSchema(self.name, self.type, self.least, self.words)


def count(name: str, low: int, high: int, *, least: int = 0) -> Argument:
    """A whole number, drawn from `low` to `high`."""
    return Argument(name, "count", least, low, high)


def relation(name: str = "relation") -> Argument:
    """`less than` or `at least`."""
    return Argument(name, "word", words=RELATIONS)


def text(name: str, pool: str | tuple[str, ...] = "words") -> Argument:
    return Argument(name, "text", pool=pool)


def texts(name: str, low: int = 2, high: int = 2) -> Argument:
    """A list of texts, `low` to `high` of them when drawn."""
    return Argument(name, "texts", low=low, high=high, pool="words")


@dataclass(frozen=True)
class Kind:
    """A kind: what the compiler knows of it, how to ask for it, how to draw it, how to check it."""

    schema: KindSchema
    arguments: tuple[Argument, ...]
    asks: Mapping[str, str]
    check: Check
    patterns: tuple[str, ...] = ()
    """Arguments that the original takes for regular expressions."""
    doc: str = ""

    @property
    def id(self) -> str:
        return self.schema.id


_kinds: dict[str, Kind] = {}


def kind(
    id: str,
    family: str,
    *,
    en: str,
    zh: str = "",
    arguments: Sequence[Argument] = (),
    languages: tuple[str, ...] = LANGUAGES,
    modules: tuple[str, ...] = (),
    is_drawable: bool = True,
    alone: bool = False,
    beside: Sequence[str] = (),
    claims: Sequence[str] = (),
    needs: Sequence[str] = (),
    forbids: Sequence[str] = (),
    measures: Sequence[str] = (),
    patterns: Sequence[str] = (),
) -> Callable[[Check], Check]:
    """Declare the kind that a function checks.

    Args:
        en, zh: the sentence that asks for it, with the arguments in braces; without `zh` it is asked for in English.
        patterns: arguments that the original takes for regular expressions.
        The rest: see `mixwright_compiler.catalog.constraint_kinds.KindSchema`.
    """

    def register(check: Check) -> Check:
        if id in _kinds:
            raise ValueError(f"{id} is declared twice")
        schema = KindSchema(
            id,
            family,
            tuple(a.schema for a in arguments),
            languages,
            modules,
            is_drawable,
            alone,
            tuple(beside),
            frozenset(claims),
            frozenset(needs),
            frozenset(forbids),
            tuple(measures),
        )
        asks = {"en": en, **({"zh": zh} if zh else {})}
        _kinds[id] = Kind(
            schema,
            tuple(arguments),
            asks,
            check,
            tuple(patterns),
            (check.__doc__ or "").strip(),
        )
        return check

    return register


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind by id, sorted."""
    package = importlib.import_module("mixwright_runtime.verifiers.constraints.kinds")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return {id: _kinds[id] for id in sorted(_kinds)}


@cache
def schemas() -> Mapping[str, KindSchema]:
    """What the compiler's table must hold."""
    return {id: kind.schema for id, kind in kinds().items()}


def compared(found: int, relation: str, limit: int) -> Found:
    """A count against a bound: `less than` excludes it, `at least` includes it."""
    return Found(found < limit if relation == LESS else found >= limit, found)
