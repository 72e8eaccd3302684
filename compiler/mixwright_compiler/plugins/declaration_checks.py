"""What is wrong with a plugin's declaration: everything that the compiler could not work with later."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mixwright_compiler.catalog.blocks import STEP_FAMILIES, language_blocks
from mixwright_compiler.catalog.calls import CALLS
from mixwright_compiler.catalog.catalog import AttributeSchema, Catalog, Entry
from mixwright_compiler.catalog.conditions import attributes_in
from mixwright_compiler.catalog.declaring import TAKEN, unnamed
from mixwright_compiler.catalog.makes import DRAWN, NAMED_BY_ATTRIBUTES, READ
from mixwright_compiler.catalog.references import REFERENCE_KINDS
from mixwright_compiler.catalog.shape_traits import unasked
from mixwright_compiler.schema import is_number
from mixwright_compiler.suggest import did_you_mean, nearest

FAMILIES = ("step", *STEP_FAMILIES, "model", "source", "export", "tool")
"""What a plugin can declare."""

SHARED_BY = {
    **dict.fromkeys(("step", *STEP_FAMILIES), "STEP"),
    "verify": "VERIFIER",
    "source": "SOURCE",
    "export": "EXPORT",
}
"""Family -> the name of the attributes that each of it has (`Catalog.shared`)."""

NUMBERS = ("int", "float", "count", "share", "duration", "bytes", "money")
PLAIN_TYPES = (
    "text", *NUMBERS, "bool", "path", "secret", "text_or_secret", "name", "column", "new_column", "json",
    "column_or_json", "drawn",
)  # fmt: skip
EXPRESSIONS = ("bool", "text", "int", "float", "any", "chat")

WORD = re.compile(r"[a-z][a-z0-9_]*")
COLUMN_TYPE = re.compile(r"(list\[)*(text|int|float|bool|json|any|chat|struct\{[^{}]+\})\]*")


class Problem(NamedTuple):
    """What is wrong with a declaration; `schema`: the attribute that it is about."""

    message: str
    schema: AttributeSchema | None = None
    hint: str = ""


def problems_of(entry: Entry, shared: Catalog) -> Iterator[Problem]:
    """Everything that the compiler could not work with in a plugin's declaration; `shared`: the catalog whose shared
    attributes it must have."""
    if entry.family not in FAMILIES:
        near = nearest(entry.family, FAMILIES)
        yield Problem(
            f"there is no family `{entry.family}`",
            hint=did_you_mean(near, f"families are: {', '.join(FAMILIES)}"),
        )
        return
    if not WORD.fullmatch(entry.name) or entry.name in _taken_words(entry.family):
        yield Problem(
            f"`{entry.name}` cannot be the name of a {entry.family}",
            hint="a name is lower case letters, digits and `_`, and no word of the language",
        )
    labels = ("none", "new_column") if entry.family == "step" else ("none",)
    if entry.label not in labels:
        yield Problem(
            f"a {entry.family} has no label `{entry.label}`", hint=f"it has: {', '.join(map(repr, labels))}"
        )
    if entry.rules:
        yield Problem("`rules` are of operations that ship with Mixwright", hint="leave `rules` out")
    seen: set[str] = set()
    for schema in entry.attributes:
        if schema.name in seen:
            yield Problem(f"attribute `{schema.name}` is declared twice", schema)
        seen.add(schema.name)
        yield from attribute_problems(schema, shared)
    yield from _wanting(entry, shared)
    if entry.takes or entry.family == "tool":
        yield from _of_tool(entry)
    try:
        yield from (Problem(message) for message in unnamed(entry))
        yield from _made(entry)
    except ValueError as error:
        yield Problem(str(error))
    if not any(True for _ in _made_names(entry, "{label}")) and entry.label == "new_column":
        yield Problem(
            "its label is a new column, and `makes` has no `{label}`", hint='add `"{label}": "text"`'
        )


def _taken_words(family: str) -> tuple[str, ...]:
    if family != "step":
        return ()
    return (*language_blocks(), *FAMILIES, "train", "seed", "doc")


def _wanting(entry: Entry, shared: Catalog) -> Iterator[Problem]:
    """Attributes that the language gives every operation of the family, and this one lacks."""
    word = SHARED_BY.get(entry.family)
    due = shared.shared[word] if word else ()
    due = due if isinstance(due, tuple) else (due,)
    missing = [schema.name for schema in due if entry.attribute(schema.name) != schema]
    if missing:
        yield Problem(
            f"a {entry.family} has the attributes of `{word}`, and this one lacks `{'`, `'.join(missing)}`",
            hint=f"end its attributes with `*{word}`",
        )


def _of_tool(entry: Entry) -> Iterator[Problem]:
    """What is wrong with what a tool takes, tells of itself, and asks models."""
    if entry.family != "tool":
        yield Problem(f"a {entry.family} takes nothing", hint="leave `takes` out")
        return
    for name, type in entry.takes.items():
        if not WORD.fullmatch(name) or type not in TAKEN:
            yield Problem(
                f"a tool cannot take `{name}`, a `{type}`",
                hint=f"names are lower case letters, digits and `_`; types are: {', '.join(TAKEN)}",
            )
    told = entry.attribute("doc")
    if told is None or told.type != "text":
        yield Problem(
            "a tool has a text `doc`, which models are told of it, and this one lacks it",
            hint='add `attribute("doc", "text", "what models are told of it", default="…")`',
        )
    yield from (Problem(conflict.message, conflict.schema) for conflict in unasked(entry))


def attribute_problems(schema: AttributeSchema, catalog: Catalog) -> Iterator[Problem]:
    if not (schema.name == NAMED_BY_ATTRIBUTES or WORD.fullmatch(schema.name)):
        yield Problem(f"`{schema.name}` cannot be the name of an attribute", schema)
    if (why := type_problem(schema.type, catalog)) is not None:
        yield Problem(f"attribute `{schema.name}`: {why}", schema)
        return
    if schema.cls not in ("row", "set", "meta", "run"):
        yield Problem(
            f"attribute `{schema.name}` has no class `{schema.cls}`", schema, "row, set, meta or run"
        )
    if schema.default is not None and not _fits(schema.type, schema.default):
        yield Problem(
            f"attribute `{schema.name}` is {schema.type}, and its default is {schema.default!r}", schema
        )


def type_problem(type: str, catalog: Catalog) -> str | None:
    """Why the compiler does not know an attribute type; None where it does."""
    if type in PLAIN_TYPES:
        return None
    if type.startswith("list[") and type.endswith("]"):
        return type_problem(type[5:-1], catalog)
    if type.startswith("some[") and type.endswith("]"):
        is_known = type == "some[text]" or type.startswith("some[ref:")
        return type_problem(type[5:-1], catalog) if is_known else f"`{type}`: `some` is of `ref:…` or `text`"
    if type.startswith("map[") and type.endswith("]"):
        key, has_key, value = type[4:-1].partition("=")
        if has_key and key not in ("new_column", "name"):
            return f"keys of a map are `new_column` or `name`, here `{key}`"
        return type_problem(value if has_key else key, catalog)
    head, _, rest = type.partition(":")
    closed: Mapping[str, tuple[str, ...]] = {
        "expr": EXPRESSIONS,
        "ref": tuple(kind for kind in REFERENCE_KINDS if kind not in ("start", "constant")),
        "call": tuple(name for name in CALLS if name != "shortfall"),
    }
    if head == "enum":
        words = rest.split("|")
        return None if all(map(WORD.fullmatch, words)) else f"`{type}` is no list of words: `enum:a|b`"
    if head in closed:
        near = nearest(rest, closed[head])
        what = f"did you mean `{head}:{near}`?" if near else f"one of: {', '.join(closed[head])}"
        return None if rest in closed[head] else f"there is no type `{type}`; {what}"
    if head == "block":
        return None if rest in catalog.entries else f"there is no block `{rest}`"
    near = nearest(type, PLAIN_TYPES)
    return f"there is no type `{type}`" + (f"; did you mean `{near}`?" if near else "")


def _fits(type: str, value: Any) -> bool:
    """Whether a default is of its type, as far as that can be told without a spec."""
    if type in ("int", "count", "bytes"):
        return is_number(value) and isinstance(value, int)
    if type in NUMBERS:
        return is_number(value)
    if type == "bool":
        return isinstance(value, bool)
    if type.startswith("enum:"):
        return value in type[5:].split("|")
    if type.startswith("list["):
        return isinstance(value, list | tuple) and all(_fits(type[5:-1], item) for item in value)
    return isinstance(value, str) if type in ("text", "name", "path") else True


def _made_names(entry: Entry, part: str) -> Iterator[str]:
    return (name for name in entry.makes if part in name)


def _made(entry: Entry) -> Iterator[Problem]:
    """What is wrong with the columns that it makes."""
    for name, type in entry.makes.items():
        head, _, rest = type.partition(" if ")
        condition, _, otherwise = rest.partition(" else ")
        if not (name == NAMED_BY_ATTRIBUTES or WORD.fullmatch(name.replace("{label}", "x"))):
            yield Problem(f"`makes` names `{name}`, which is no column's name")
        for one in (head, otherwise or head):
            if one not in (DRAWN, NAMED_BY_ATTRIBUTES) and not COLUMN_TYPE.fullmatch(one):
                yield Problem(
                    f"column `{name}` has no type `{one}`", hint="text, int, float, bool, json, list[text] …"
                )
        if condition not in ("", READ):
            for named in attributes_in(condition):
                if entry.attribute(named) is None:
                    yield Problem(f"`makes` names `{named}`, which is no attribute of it")
    for asks in entry.asks:
        if asks.writes and asks.writes not in entry.makes:
            yield Problem(f"`asks` writes `{asks.writes}`, and `makes` has no such column")
