"""Texts that have to be one token each, for a probability is that of a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mixwright_runtime.engines.protocol import EngineFault, Fault

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def label_token(tokenizer: PreTrainedTokenizerBase, label: str) -> int:
    """The token that a label is.

    Raises:
        EngineFault: it is several.
    """
    return only_token(tokenizer, label, "label")


def only_token(tokenizer: PreTrainedTokenizerBase, text: str, what: str) -> int:
    """The token that a text is; `what`: what it is called when it is several.

    Raises:
        EngineFault: it is several.
    """
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    # Some tokenizers put a space of their own in front of every text.
    if len(tokens) == 2 and not text.startswith(" ") and not tokenizer.decode(tokens[:1]).strip():
        tokens = tokens[1:]
    if len(tokens) != 1:
        raise EngineFault(
            Fault.DENIED, f"{what} `{text}` is {len(tokens)} tokens of this model; a {what} must be one"
        )
    return int(tokens[0])
