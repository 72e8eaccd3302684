"""Labels as tokens: each has to be one, for a probability is that of a token."""

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
    tokens = tokenizer(label, add_special_tokens=False)["input_ids"]
    # Some tokenizers put a space of their own in front of every text.
    if len(tokens) == 2 and not label.startswith(" ") and not tokenizer.decode(tokens[:1]).strip():
        tokens = tokens[1:]
    if len(tokens) != 1:
        raise EngineFault(
            Fault.DENIED, f"label `{label}` is {len(tokens)} tokens of this model; a label must be one"
        )
    return int(tokens[0])
