"""New tokens of a job: in its tokenizer, and as rows of the embeddings that it starts from.

The rows are written before any process starts, so that ZeRO-3 never has to change the size of a divided matrix.
A new row is the mean of those that the base has a token for: a new token is then about as likely as the others are on
average, and what the model says stays nearly what it was (Hewitt 2021, "Initializing new word embeddings for
pretrained language models"). Training tells them apart.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_compiler.catalog.new_tokens import rows_with
from mixwright_runtime.errors import RunError, not_loaded
from mixwright_runtime.training.settings import NewTokens, TrainSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def add_tokens(tokenizer: PreTrainedTokenizerBase, new: NewTokens, place: str) -> None:
    """Add tokens to a tokenizer, in order; each is then one id wherever its text stands.

    Raises:
        RunError: one is a token already, or would not be one id.
    """
    from tokenizers import AddedToken

    known = tokenizer.get_vocab()
    for token in new.all:
        if token in known:
            raise RunError(
                f"the tokenizer in {place} has the token `{token}` already (id {known[token]}): take it out of the "
                "block's new tokens"
            )
    for tokens, is_special in ((new.plain, False), (new.special, True)):
        # Not normalized: many tokenizers put a mark before words, and would look for the token with it.
        added = [AddedToken(token, normalized=False, special=is_special) for token in tokens]
        tokenizer.add_tokens(added, special_tokens=is_special)
    for token in new.all:
        ids = tokenizer(f"a{token}b", add_special_tokens=False)["input_ids"]
        if ids.count(tokenizer.convert_tokens_to_ids(token)) != 1:
            raise RunError(f"the tokenizer in {place} does not read the new token `{token}` as one")


def write_widened(settings: TrainSettings, tokenizer: PreTrainedTokenizerBase, directory: Path) -> None:
    """Write the base with a row for each new token in its input and output embeddings, and the tokenizer.

    The directory is there whole or not at all. Memory: the model once, in its own number format.

    Raises:
        RunError: the base cannot be loaded, or its embeddings cannot be changed.
    """
    import torch
    from transformers import AutoModelForCausalLM

    assert settings.new_tokens is not None
    options = {"revision": settings.revision} if settings.revision else {}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            settings.place, dtype="auto", use_safetensors=True, trust_remote_code=False, **options
        )
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{settings.place} cannot be trained: {not_loaded(error)}") from error
    new = sorted(tokenizer.convert_tokens_to_ids(list(settings.new_tokens.all)))
    rows = model.get_input_embeddings().weight.shape[0]
    known = torch.zeros(rows, dtype=torch.bool)
    known[[i for i in set(tokenizer.get_vocab().values()) - set(new) if i < rows]] = True
    model.resize_token_embeddings(rows_with(rows, new[-1] + 1), mean_resizing=False)
    with torch.no_grad():
        for table in _tables(model):
            fresh = [*(i for i in new if i < rows), *range(rows, len(table))]
            table[fresh] = table[:rows][known].mean(dim=0, dtype=torch.float32).to(table.dtype)
    partial = directory.with_name(directory.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    tokenizer.save_pretrained(partial)
    model.save_pretrained(partial)
    partial.rename(directory)


def _tables(model: Any) -> list[Any]:
    """Tensors with a row for each token, tied ones once."""
    parts = [model.get_input_embeddings(), model.get_output_embeddings()]
    found = [
        tensor
        for part in parts
        if part is not None
        for tensor in (part.weight, getattr(part, "bias", None))
        if tensor is not None
    ]
    return list({id(tensor): tensor for tensor in found}.values())
