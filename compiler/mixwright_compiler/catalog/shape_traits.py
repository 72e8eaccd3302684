"""Which traits go with which shape of a step: what `declare` refuses, and `check` reports of a plugin's text."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from mixwright_compiler.catalog.catalog import AttributeSchema, Entry
from mixwright_compiler.catalog.declaring import MODELS

TOOL = "Tool"
"""What a tool of a plugin derives from; no shape of a step."""

SHAPES = {
    "Apply": "Apply",
    "Ask": "Ask",
    "Measure": "Measure",
    "MeasureGroup": "Measure",
    "Keep": "Keep",
    "Enrich": "Enrich",
    "Table": "Table",
    "Spread": "Spread",
    "Fold": "Fold",
    "Loop": "Loop",
}
"""Shape -> the shape of which it is a kind; the steps' classes are in `mixwright_runtime.plugins.shapes`."""

BREAKERS = ("Keep", "Table")
"""Shapes that decide on many rows."""


class Conflict(NamedTuple):
    """What of a declaration does not go with its class's shape; `trait` or `schema`: what of it."""

    message: str
    trait: str = ""
    schema: AttributeSchema | None = None


def conflicts(name: str, shapes: Collection[str], entry: Entry) -> Iterator[Conflict]:
    """What of a step's declaration does not go with the shapes that its class `name` derives from, at least one."""
    kinds = list(dict.fromkeys(SHAPES[shape] for shape in SHAPES if shape in shapes))
    if len(kinds) > 1:
        words = " and ".join(f"`{kind}`" for kind in kinds)
        yield Conflict(f"`{name}` is {words}: a step is one of them")
        return
    shape = "MeasureGroup" if "MeasureGroup" in shapes else kinds[0]
    is_verifier = kinds == ["Measure"]
    if is_verifier != (entry.family == "verify"):
        yield Conflict(
            f"it is declared as `{entry.family}`, and {shape} is {'for' if is_verifier else 'not for'} `verify`"
        )
    if entry.breaker != (shape in BREAKERS):
        is_declared = "" if entry.breaker else "not "
        yield Conflict(f"it is {is_declared}declared `breaker`, and is {shape}", "breaker")
    if entry.needs_all_rows and shape not in BREAKERS:
        breakers = " and ".join(BREAKERS)
        yield Conflict(
            f"`needs_all_rows` means something of {breakers} alone, and it is {shape}", "needs_all_rows"
        )
    for trait, is_stated, wanted in (
        ("spreads", bool(entry.spreads), "Spread"),
        ("folds", entry.folds, "Fold"),
        ("loops", entry.loops, "Loop"),
    ):
        if is_stated != (shape == wanted):
            yield Conflict(f"`{trait}` goes with {wanted} and with nothing else, and it is {shape}", trait)
    if entry.drops_only and shape != "Apply":
        yield Conflict(f"`drops_only` means something of Apply alone, and it is {shape}", "drops_only")
    if entry.drops_only and entry.makes:
        made = ", ".join(f"`{column}`" for column in entry.makes)
        yield Conflict(f"it is declared `drops_only`, and makes {made}", "drops_only")
    if (entry.compares or entry.evidence) and not is_verifier:
        yield Conflict(
            f"`compares` and `evidence` mean something of verifiers alone, and it is {shape}",
            "compares" if entry.compares else "evidence",
        )
    if shape == "MeasureGroup" and not entry.compares:
        yield Conflict("it measures candidates together, and `compares` does not say when")
    yield from _of_asks(shape, entry)


def _of_asks(shape: str, entry: Entry) -> Iterator[Conflict]:
    writing = [asks for asks in entry.asks if asks.writes]
    if (shape == "Ask" and len(entry.asks) != 1) or len(writing) != (shape == "Ask"):
        yield Conflict(
            f"`writes`, where answers go, is in {len(writing)} of its `asks`: Ask has one, other shapes none",
            "asks",
        )
    for asks in writing:
        schema = entry.attribute(asks.model)
        if schema is not None and schema.type != "ref:model":
            yield Conflict(
                f"it writes the answers of `{asks.model}`, which must be of type `ref:model`", schema=schema
            )
    if entry.asks and shape in ("Apply", "Keep"):
        yield Conflict(
            f"it `asks` models, and {shape} cannot wait for them: derive it from Ask or Measure", "asks"
        )
    yield from unasked(entry)


def unasked(entry: Entry) -> Iterator[Conflict]:
    """Attributes that name models of which the declaration does not say what they are asked."""
    asked = {asks.model for asks in entry.asks}
    for schema in entry.attributes:
        if schema.type in MODELS and schema.holds != "tokenizer" and schema.name not in asked:
            yield Conflict(
                f"`{schema.name}` names models, and nothing in `asks` says what they are asked", schema=schema
            )
