"""The words that a declaration is written in: pure functions to the catalog's data.

The runtime declares with them what ships with Mixwright; in a plugin the compiler reads them, and runs nothing of it
(`mixwright_compiler/plugins/text.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mixwright_compiler.catalog.capabilities import CAPABILITIES, TRAITS, offer_of
from mixwright_compiler.catalog.catalog import RULES, Asks, AttributeClass, AttributeSchema, Entry
from mixwright_compiler.catalog.conditions import attributes_in

REQUIRED: Any = object()
"""Default of an attribute that must be written."""

MODELS = ("ref:model", "list[ref:model]")
"""Types of attributes with models to ask."""
TOOLS = ("ref:tool", "some[ref:tool]", "list[ref:tool]")
"""Types of attributes with tools to call."""
TAKEN = {"text": "string", "int": "integer", "float": "number", "bool": "boolean"}
"""Types of what a tool takes, with their names in JSON Schema."""


def attribute(
    name: str,
    type: str,
    doc: str,
    *,
    default: Any = None,
    cls: AttributeClass = "row",
    minimum: float | None = None,
    maximum: float | None = None,
    tasks: tuple[str, ...] | None = None,
    holds: str | None = None,
    short_for: str | None = None,
    given_when: str | None = None,
    only_when: str | None = None,
    waived_by: str | None = None,
    unsaid: str | None = None,
) -> AttributeSchema:
    """An attribute of a declaration; `default=REQUIRED` makes it mandatory.

    `tasks`: of type `ref:model`, which tasks the model may have; without it, `generate`. `holds`: `text` of a column
    that must hold text, `language` of an expression that gives a language's code. `short_for`: a verifier. `given_when`,
    `only_when`: conditions. `waived_by`: another attribute, or `one or other`. `unsaid`: a word. See
    `mixwright_compiler.catalog.catalog.AttributeSchema`.
    """
    required = default is REQUIRED
    default = None if required else default
    return AttributeSchema(
        name,
        type,
        doc,
        required,
        default,
        cls,
        minimum,
        maximum,
        tasks,
        holds,
        short_for,
        given_when,
        only_when,
        waived_by,
        unsaid,
    )


def pick(choices: str, default: str) -> AttributeSchema:
    """Attribute `pick`: which of a row's passing candidates go on."""
    return attribute(
        "pick", f"enum:{choices}", "which of a row's passing candidates go on", default=default, cls="set"
    )


def threshold(
    name: str,
    doc: str,
    *,
    default: float | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
) -> AttributeSchema:
    """Attribute `min` or `max`: a bound on the score, inclusive. It is applied to stored scores: moving it measures
    nothing again. `minimum` and `maximum` are the ends of the score's scale."""
    return attribute(name, "float", doc, default=default, cls="set", minimum=minimum, maximum=maximum)


def unnamed(entry: Entry) -> Iterator[str]:
    """What is wrong with an entry's traits: they name attributes that it does not have."""
    named = [("compares", name) for name in attributes_in(entry.compares or "always")]
    for asks in entry.asks:
        yield from _of_whom(asks, entry)
        named += [
            ("asks", name.partition(".")[0])
            for name in (asks.template, asks.weights, asks.history, *asks.times, asks.max_tokens)
            if name
        ]
        for condition in (asks.when, asks.twice or "always", *(when for _, when in asks.needs)):
            named += [("asks", name) for name in attributes_in(condition)]
        yield from (
            f"there is no capability `{needs}`" for needs, _ in asks.needs if needs not in CAPABILITIES
        )
    for offer, condition in map(offer_of, entry.offers):
        named += [("offers", name) for name in attributes_in(condition)]
        if offer not in CAPABILITIES and offer not in TRAITS:
            yield f"there is no capability `{offer}`"
    if isinstance(entry.needs_all_rows, str):
        named += [("needs_all_rows", name) for name in attributes_in(entry.needs_all_rows)]
    named += [("one_of", name) for choice in entry.one_of for name in choice]
    named += [("goes_with", name) for names in entry.goes_with for name in names]
    yield from (f"there is no rule `{rule}`" for rule in entry.rules if rule not in RULES)
    named += [
        (trait, name)
        for trait, name in (
            ("rows_in", entry.rows_in),
            ("apart_from", entry.apart_from),
            ("spreads", entry.spreads),
            ("with_attribute", entry.with_attribute),
        )
        if name
    ]
    for schema in entry.attributes:
        for trait in ("given_when", "only_when"):
            condition = getattr(schema, trait)
            named += [(trait, name) for name in attributes_in(condition or "always")]
        named += [("waived_by", name) for name in (schema.waived_by or "").split(" or ") if name]
    for trait, name in named:
        if entry.attribute(name) is None:
            yield f"`{trait}` names `{name}`, which is no attribute of it"


def _of_whom(asks: Asks, entry: Entry) -> Iterator[str]:
    """What is wrong with whom a question is for: a model, or tools, which say themselves what they ask."""
    if not asks.tools:
        if not (entry.attribute(asks.model) or AttributeSchema("", "", "")).type.endswith(MODELS):
            yield f"it asks `{asks.model}`, which is no attribute of type `ref:model`"
        return
    outer, _, inner = asks.tools.partition(".")
    schema = entry.attribute(outer)
    if schema is None or not (schema.type.startswith("list[block:") if inner else schema.type in TOOLS):
        yield f"it calls `{asks.tools}`, which is no attribute of type `ref:tool`"
    if asks != Asks(tools=asks.tools, times=asks.times, each=asks.each, twice=asks.twice, when=asks.when):
        yield f"what `{asks.tools}` ask of models is for the tools to say"
