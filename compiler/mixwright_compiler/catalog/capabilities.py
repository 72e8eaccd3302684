"""What a model can be asked beyond a chat: which steps need it, and which engines can.

A step's declaration says what it needs (`Asks.needs`), an engine's what it offers, either under a condition on its own
attributes: `needs = (("labels", "always"),)`, `offers = ("schema", "labels if serves = vllm")`. The checks hold the one
against the other, and an engine behind an address is asked for what a run needs before the first row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mixwright_compiler.catalog.catalog import Asks, Entry
from mixwright_compiler.catalog.conditions import ALWAYS, given, holds, terms_of
from mixwright_compiler.catalog.servers import server_of

CONTINUE, SCHEMA, USER_TURN, TEXT, LABELS = "continue", "schema", "user_turn", "text", "labels"
LOSSES, TOKEN_AT = "losses", "token_at"
TOOLS = "tools"

CAPABILITIES: Mapping[str, str] = {
    CONTINUE: "go on from an answer that is begun",
    SCHEMA: "hold an answer to a JSON Schema while it is written",
    USER_TURN: "write the user's turn",
    TEXT: "go on from a plain text",
    LABELS: "give the probabilities of labels",
    LOSSES: "give the probability of each token of a text",
    TOKEN_AT: "give the probability of one token at every place of a text",
    TOOLS: "call tools",
}
"""What a model does that can it, in words."""

GENERATES = "generate"
"""The `task` of models that write text, and the default."""
OF_TOKENS = (GENERATES, "process_reward")
"""Tasks of models that tell something of tokens: of those that a step states, each must be one."""

TRAITS = ("conversation", "server")
"""What engines say of themselves beside."""


def offer_of(stated: str) -> tuple[str, str]:
    """What is offered, and the condition: `labels if serves = vllm`."""
    offer, _, condition = stated.partition(" if ")
    return offer, condition or ALWAYS


def offered(engine: Entry, values: Mapping[str, Any]) -> frozenset[str]:
    """What a model with these attributes, plain, can be asked."""
    return frozenset(offer for offer, _ in map(offer_of, engine.offers) if not missing(engine, values, offer))


def missing(engine: Entry, values: Mapping[str, Any], capability: str) -> list[str] | None:
    """What has to hold of a model's attributes so that it can be asked for something, and does not; None where its engine
    never can."""
    found = [condition for offer, condition in map(offer_of, engine.offers) if offer == capability]
    if not found:
        return None
    if engine.attribute("serves") is not None:
        values = {**values, "serves": server_of(values)}
    lacking = [
        [term for term in terms_of(condition) if not holds(term, engine, values)] for condition in found
    ]
    return min(lacking, key=len)


def needed(
    asks: Asks, entry: Entry, values: Mapping[str, Any], begins: Callable[[str], bool]
) -> Iterator[tuple[str, str]]:
    """What a question needs of its model, and what says so: a condition of the declaration, or a template's name.

    begins: whether the template of this name ends in the beginning of an answer.
    """
    if not holds(asks.when, entry, values):
        return
    for capability, condition in asks.needs:
        if holds(condition, entry, values):
            yield capability, condition
    named = given(entry, values, asks.template) if asks.template else None
    for template in named if isinstance(named, list | tuple) else [named]:
        if template is not None and begins(str(template)):
            yield CONTINUE, str(template)


def texts_of_tokens(entry: Entry, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Attributes whose texts must be one token of the models that are asked, with each text."""
    for schema in entry.attributes:
        if schema.holds == "token":
            stated = given(entry, values, schema.name)
            for text in stated if isinstance(stated, list | tuple) else [stated]:
                if isinstance(text, str):
                    yield schema.name, text
