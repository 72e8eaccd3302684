"""Texts that have to be one token each, for a probability is that of a token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mixwright_runtime.engines.protocol import EngineFault, Fault
from mixwright_runtime.errors import EngineUnavailable

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def only_token(tokenizer: PreTrainedTokenizerBase, text: str, what: str) -> int:
    """The token that a text is; `what`: what it is called when it is several.

    Raises:
        EngineFault: it is several.
    """
    tokens = _tokens_of(tokenizer, text)
    if len(tokens) != 1:
        raise EngineFault(
            Fault.DENIED, f"{what} `{text}` is {len(tokens)} tokens of this model; a {what} must be one"
        )
    return tokens[0]


def label_tokens(tokenizer: PreTrainedTokenizerBase, labels: Sequence[str]) -> list[int]:
    """The token that each label is.

    Raises:
        EngineFault: one is several.
    """
    return [only_token(tokenizer, label, "label") for label in labels]


def check_tokens(tokenizer: PreTrainedTokenizerBase, texts: Mapping[str, str], model: str) -> None:
    """See that texts are one token each; texts: each with what asks for it.

    Raises:
        EngineUnavailable: one is several; says which near one is a token.
    """
    for text, asked_by in texts.items():
        count = len(_tokens_of(tokenizer, text))
        if count != 1:
            bare = text.strip()
            near = [one for one in (bare, f" {bare}") if bare and len(_tokens_of(tokenizer, one)) == 1]
            raise EngineUnavailable(
                f"model '{model}': {asked_by} is \"{text}\", which is {count} tokens of this model and must be one"
                + (f'; "{near[0]}" is one' if near else "")
            )


def _tokens_of(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    tokens = list(map(int, tokenizer(text, add_special_tokens=False)["input_ids"]))
    # Some tokenizers put a space of their own in front of every text.
    if len(tokens) == 2 and not text.startswith(" ") and not tokenizer.decode(tokens[:1]).strip():
        return tokens[1:]
    return tokens
