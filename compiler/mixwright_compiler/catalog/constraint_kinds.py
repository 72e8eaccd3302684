"""The kinds of verifiable constraints as data: their arguments, and which of them cannot stand together.

The table (`constraint_kinds.json`) is generated from the runtime's registry by `python -m mixwright.catalog`, as the
catalog is, so the compiler checks `constraints = […]` while knowing nothing of how a constraint is verified.

Two constraints conflict when one response cannot follow both, or only by accident:

    alone      one dictates the whole response, and the other is not among what may stand beside it
    claims     both decide the same thing: the letter case, the first word, how lines are laid out
    needs      one needs what the other forbids: a comma, a capital letter, a particular word
    arguments  a keyword is also forbidden; fewer than 50 words and at least 100
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mixwright_dsl.lazy_dataclass import dataclass, field

LESS, LEAST = "less than", "at least"
RELATIONS = (LESS, LEAST)

LANGUAGES = ("en", "zh", "unicode")
"""`unicode` is any language, by the properties that Unicode gives characters."""

FAMILIES = ("ifeval", "ifbench", "training")


@dataclass(frozen=True)
class ArgumentSchema:
    """An argument of a kind: `count` (a whole number from `low`), `text`, `texts` (a list), or `word` out of `words`."""

    name: str
    type: str
    low: int = 0
    words: tuple[str, ...] = ()

    def problem(self, value: Any) -> str:
        """What is wrong with a value, as it stands after the argument's name; empty when nothing is."""
        match self.type:
            case "count":
                if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
                    return f"is a whole number, not {json.dumps(value, ensure_ascii=False)}"
                return f"is at least {self.low}, not {value}" if value < self.low else ""
            case "texts":
                is_list = (
                    isinstance(value, list) and bool(value) and all(isinstance(v, str) and v for v in value)
                )
                return "" if is_list else "is a list of texts"
            case "word":
                return "" if value in self.words else f"is one of: {', '.join(self.words)}"
            case _:
                return "" if isinstance(value, str) and value else "is a text"


@dataclass(frozen=True)
class KindSchema:
    """What can be said of a kind without a response.

    languages: rule sets (`LANGUAGES`) under which the kind means something.
    extra_modules: packages that checking it imports.
    is_drawable: whether arguments can be made up for it; not when they hold the row's own prompt.
    alone: the response is dictated; `beside` names the kinds that may stand with it all the same.
    measures: arguments (number, relation) that bound one count, so that two of the kind can be compared.
    """

    id: str
    family: str
    arguments: tuple[ArgumentSchema, ...] = ()
    languages: tuple[str, ...] = LANGUAGES
    extra_modules: tuple[str, ...] = ()
    is_drawable: bool = True
    alone: bool = False
    beside: tuple[str, ...] = ()
    claims: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    forbids: frozenset[str] = frozenset()
    measures: tuple[str, ...] = ()

    def argument(self, name: str) -> ArgumentSchema | None:
        return next((a for a in self.arguments if a.name == name), None)

    def problems(self, arguments: Mapping[str, Any]) -> list[str]:
        """What is wrong with arguments, one line each. Nulls count as not given."""
        given = {name: value for name, value in arguments.items() if value is not None}
        found = [f"`{name}` is no argument of it" for name in given if self.argument(name) is None]
        for schema in self.arguments:
            if schema.name not in given:
                found.append(f"`{schema.name}` is missing")
            elif problem := schema.problem(given[schema.name]):
                found.append(f"`{schema.name}` {problem}")
        return found


@dataclass(frozen=True)
class Constraint:
    """A kind with its arguments."""

    id: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def constraint_of(value: Any) -> Constraint:
    """A constraint from `{ id = …, kwargs = { … } }`, from `{ id = …, name = … }`, or from an id alone.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, str):
        return Constraint(value)
    if isinstance(value, Mapping) and isinstance(value.get("id"), str):
        kwargs = value.get("kwargs")
        if kwargs is None:
            kwargs = {name: v for name, v in value.items() if name not in ("id", "kwargs", "sentence")}
        if isinstance(kwargs, Mapping):
            return Constraint(value["id"], {str(n): v for n, v in kwargs.items() if v is not None})
    raise ValueError("a constraint is an id, or an object with an `id`")


def conflict(a: Constraint, b: Constraint, kinds: Mapping[str, KindSchema]) -> str:
    """Why two constraints cannot stand together, in a few words; empty when they can."""
    first, second = kinds[a.id], kinds[b.id]
    if a.id == b.id:
        return _conflict_of_one_kind(a, b, first)
    for one, other in ((first, second), (second, first)):
        if one.alone and other.id not in one.beside:
            return f"`{one.id}` dictates the whole response"
    if both := first.claims & second.claims:
        return f"both decide {_listed(both)}"
    for one, other in ((first, second), (second, first)):
        if lacking := one.needs & other.forbids:
            return f"`{one.id}` needs {_listed(lacking)}, which `{other.id}` rules out"
    return _conflict_of_words(a, b) or _conflict_of_words(b, a)


def first_conflict(
    constraints: Sequence[Constraint], kinds: Mapping[str, KindSchema]
) -> tuple[int, int, str] | None:
    """The positions of the first two constraints that cannot stand together, and why. Of words that only all together go
    over a limit, the last is named."""
    for j, b in enumerate(constraints):
        for i, a in enumerate(constraints[:j]):
            if a.id in kinds and b.id in kinds and (reason := conflict(a, b, kinds)):
                return i, j, reason
    for i, limit in enumerate(constraints):
        others = [j for j, c in enumerate(constraints) if j != i and any(True for _ in _words(c))]
        if reason := _over_limit(limit, [constraints[j] for j in others]):
            return min(i, others[-1]), max(i, others[-1]), reason
    return None


def _conflict_of_one_kind(a: Constraint, b: Constraint, kind: KindSchema) -> str:
    if a.arguments == b.arguments:
        return "it is the same constraint twice"
    if kind.alone or not kind.arguments:
        return f"two of `{kind.id}` exclude each other"
    if len(kind.measures) == 2 and _same_object(a, b, kind):
        number, relation = kind.measures
        lows = [c.arguments.get(number, 0) for c in (a, b) if c.arguments.get(relation) == LEAST]
        highs = [c.arguments.get(number, 0) for c in (a, b) if c.arguments.get(relation) == LESS]
        if lows and highs and max(lows) >= min(highs):
            return f"nothing is at least {max(lows)} and less than {min(highs)}"
        return ""
    if kind.claims and not kind.measures:
        return f"both decide {_listed(kind.claims)}"
    if len(kind.measures) == 1 and _same_object(a, b, kind):
        return f"both set `{kind.measures[0]}`"
    return ""


def _same_object(a: Constraint, b: Constraint, kind: KindSchema) -> bool:
    """Do both count the same thing (the same keyword, the same letter)?"""
    others = [s.name for s in kind.arguments if s.name not in kind.measures]
    return all(_folded(a.arguments.get(name)) == _folded(b.arguments.get(name)) for name in others)


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


WANTED = (
    "keywords",
    "keyword",
    "keyword1",
    "keyword2",
    "keyword3",
    "keyword4",
    "keyword5",
    "word",
    "first_word",
)
"""Arguments whose words a response must have; `first_word` and the like must begin it."""
PHRASES = ("end_phrase", "postscript_marker", "last_word", "phrase", "section_spliter")


def _conflict_of_words(a: Constraint, b: Constraint) -> str:
    """Does `a` want words that `b` rules out?"""
    wanted = list(_words(a))
    if not wanted:
        return ""
    if b.id in ("keywords:forbidden_words", "keywords:exclude_word_harder"):
        banned = b.arguments.get("forbidden_words") or [b.arguments.get("keyword")]
        for word in wanted:
            for ban in banned:
                if isinstance(ban, str) and ban and _stands_in(ban, word):
                    return f"`{word}` is wanted and `{ban}` forbidden"
    for mark, ids in _BANNED_MARKS.items():
        if b.id in ids and (marked := next((w for w in wanted if mark in w), "")):
            return f"`{marked}` has a `{mark}`, which `{b.id}` rules out"
    return _over_limit(b, [a])


def _over_limit(limit: Constraint, others: Iterable[Constraint]) -> str:
    """Do the words that others want go over what a constraint allows of a letter, or of words in capitals?"""
    match limit.id:
        case "keywords:letter_frequency" | "letters:letter_counting2":
            relation, most = limit.arguments.get("let_relation"), limit.arguments.get("let_frequency")
            letter = str(limit.arguments.get("letter", "")).lower()
            what = f"`{letter}`"

            def counted(text: str) -> int:
                return text.lower().count(letter) if letter else 0

        case "change_case:capital_word_frequency":
            relation, most = limit.arguments.get("capital_relation"), limit.arguments.get("capital_frequency")
            what = "words in capitals"

            def counted(text: str) -> int:
                return sum(word.isupper() for word in text.split())

        case _:
            return ""
    used = sum(_times(c) * counted(text) for c in others for text in _words(c))
    if relation != LESS or not isinstance(most, int) or used < max(most, 1):
        return ""
    return f"the wanted words have {used} {what}, and fewer than {most} are allowed"


def _times(constraint: Constraint) -> int:
    """How often a constraint wants its words."""
    found = constraint.arguments.get("num_sections", constraint.arguments.get("frequency", 1))
    return found if isinstance(found, int) else 1


_BANNED_MARKS = {
    ",": ("punctuation:no_comma",),
    ".": ("punctuation:punctuation_dot",),
    "!": ("punctuation:punctuation_exclamation",),
    " ": ("format:no_whitespace",),
}


def _words(constraint: Constraint) -> Iterable[str]:
    if constraint.id in ("keywords:exclude_word_harder", "keywords:forbidden_words"):
        return
    if constraint.arguments.get("relation") == LESS:
        return  # fewer than n times: none is enough
    for name in (*WANTED, *PHRASES):
        value = constraint.arguments.get(name)
        yield from (v for v in (value if isinstance(value, list) else [value]) if isinstance(v, str) and v)


def _stands_in(ban: str, text: str) -> bool:
    words = text.casefold().split()
    wanted = ban.casefold().split()
    return any(words[i : i + len(wanted)] == wanted for i in range(len(words) - len(wanted) + 1))


def _listed(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))


@cache
def builtin_kinds() -> Mapping[str, KindSchema]:
    """The committed table of kinds, by id."""
    return kinds_from_json(Path(__file__).with_name("constraint_kinds.json").read_text(encoding="utf-8"))


def kinds_from_json(text: str) -> dict[str, KindSchema]:
    """Read `constraint_kinds.json`."""
    kinds = {}
    for raw in json.loads(text):
        arguments = tuple(
            ArgumentSchema(a["name"], a["type"], a.get("low", 0), tuple(a.get("words", ())))
            for a in raw.pop("arguments", ())
        )
        tuples = {
            k: tuple(v) for k, v in raw.items() if k in ("languages", "extra_modules", "beside", "measures")
        }
        sets = {k: frozenset(v) for k, v in raw.items() if k in ("claims", "needs", "forbids")}
        kinds[raw["id"]] = KindSchema(**{**raw, **tuples, **sets, "arguments": arguments})
    return kinds


def kinds_to_json(kinds: Iterable[KindSchema]) -> str:
    """Canonical text of `constraint_kinds.json`: one kind a line, sorted by id, what is default left out."""
    rows = []
    for kind in sorted(kinds, key=lambda k: k.id):
        row: dict[str, Any] = {"id": kind.id, "family": kind.family}
        if kind.arguments:
            row["arguments"] = [_argument_to_json(a) for a in kind.arguments]
        for name in ("languages", "extra_modules", "is_drawable", "alone", "beside", "measures"):
            if (value := getattr(kind, name)) != getattr(_DEFAULT, name):
                row[name] = list(value) if isinstance(value, tuple) else value
        for name in ("claims", "needs", "forbids"):
            if value := getattr(kind, name):
                row[name] = sorted(value)
        rows.append(json.dumps(row, ensure_ascii=False))
    return "[\n" + ",\n".join(rows) + "\n]\n"


_DEFAULT = KindSchema("", "")


def _argument_to_json(argument: ArgumentSchema) -> dict[str, Any]:
    row: dict[str, Any] = {"name": argument.name, "type": argument.type}
    if argument.low:
        row["low"] = argument.low
    if argument.words:
        row["words"] = list(argument.words)
    return row
