"""Other programs that train: what each cannot do of what a `train` block asks.

An export for one writes its configuration from a `train` block. What cannot be said there is refused, for a trainer that
silently does something else is worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixwright_dsl.lazy_dataclass import dataclass

TRAINERS: Mapping[str, str] = {
    "trl": "TRL",
    "axolotl": "axolotl",
    "llama_factory": "LLaMA-Factory",
    "open_instruct": "open-instruct",
}
"""Export formats that come with a trainer's configuration, and what the trainer calls itself."""

NEEDS_TRAIN = ("tokenized", "packed")
"""Export formats that hold tokens: only a `train` block says of which tokenizer and how many to a sequence."""

UNTOLD = (
    "min_learning_rate",
    "betas",
    "eps",
    "rates",
    "frozen",
    "measure",
    "new_tokens",
    "new_special_tokens",
)
"""Attributes of a train that trainers' configurations do not have; AdamW's numbers all but open-instruct's do."""
_ADAMW = ("betas", "eps")

_ALL_PARTS = {"answers", "reasoning", "tool_calls"}


@dataclass(frozen=True)
class Lacking:
    """What a trainer cannot do: the attribute that asks for it, one sentence, and what to write instead."""

    attribute: str
    message: str
    hint: str


def lacking(format: str, attributes: Mapping[str, Any]) -> Lacking | None:
    """The first thing that a `train` block's attributes ask and a trainer cannot do; None where it can do all."""
    trainer = TRAINERS.get(format)
    if trainer is None:
        return None
    exact = "write `format = tokenized`: it holds the labels themselves, and TRL and axolotl train on them"
    if attributes.get("architecture"):
        return Lacking(
            "architecture",
            f"{trainer} continues from a model, and this starts from a fresh one",
            "write `base = …` or `repo = …` in the train, or `config = false` in the export for the data alone",
        )
    if attributes.get("optimizer") == "muon":
        return Lacking("optimizer", f"{trainer} has no Muon", "write `optimizer = adamw`")
    if attributes.get("schedule") == "wsd":
        return Lacking(
            "schedule",
            f"the configuration for {trainer} has no `schedule = wsd`",
            "write `schedule = cosine` in the train, or `config = false` in the export for the data alone",
        )
    for name in UNTOLD:
        if attributes.get(name) is not None and not (name in _ADAMW and format != "open_instruct"):
            return Lacking(
                name,
                f"the configuration for {trainer} does not tell `{name}`",
                "delete it in the train, or write `config = false` in the export for the data alone",
            )
    loss = attributes.get("loss", "token")
    if loss != "token" and not (loss == "sum" and format == "open_instruct"):
        return Lacking("loss", f"{trainer} has no `loss = {loss}`", "write `loss = token`")
    if set(attributes.get("learn") or _ALL_PARTS) != _ALL_PARTS:
        return Lacking("learn", f"{trainer} trains on all of an assistant's turn", exact)
    if attributes.get("turns") == "last" and format != "llama_factory":
        return Lacking("turns", f"{trainer} trains on every turn of the assistant", exact)
    epochs = attributes.get("epochs")
    if format == "open_instruct" and not attributes.get("steps") and epochs and epochs != int(epochs):
        return Lacking(
            "epochs",
            f"{trainer} takes whole epochs, here {epochs:g}",
            f"write `epochs = {round(epochs) or 1}`",
        )
    return None
