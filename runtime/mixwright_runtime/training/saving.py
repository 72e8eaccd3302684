"""Writing a model while it trains or when it has: whole, with the loss that the saved weights are checked by."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_runtime.training.batches import probe_batch
from mixwright_runtime.training.encode import IGNORED
from mixwright_runtime.training.measuring import PROBE
from mixwright_runtime.training.packed import Packed
from mixwright_runtime.training.ranks import barrier, rank
from mixwright_runtime.training.state import write_state

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def save_whole(trainer: Any, tokenizer: PreTrainedTokenizerBase, packed: Packed, place: Path) -> float:
    """Write model and tokenizer; returns the loss of the first bins. Every rank takes part."""
    loss = _probe_loss(trainer, packed)
    config = trainer.model.config
    # Off while training; saved so, every reader would generate without a cache.
    before, config.use_cache = config.use_cache, True
    trainer.save_model(str(place))
    config.use_cache = before
    if rank() == 0:
        tokenizer.save_pretrained(place)
    return loss


def save_candidate(trainer: Any, tokenizer: PreTrainedTokenizerBase, packed: Packed, place: Path) -> None:
    """Write a model that may be the best, whole or not at all, with the loss that it is checked by."""
    partial = place.with_name(f"{place.name}.partial")
    if rank() == 0:
        shutil.rmtree(partial, ignore_errors=True)
    barrier()
    was_training = trainer.model_wrapped.training
    loss = save_whole(trainer, tokenizer, packed, partial)
    trainer.model_wrapped.train(was_training)
    barrier()
    if rank() == 0:
        write_state(partial / PROBE, {"loss": loss})
        shutil.rmtree(place, ignore_errors=True)
        partial.rename(place)


def _probe_loss(trainer: Any, packed: Packed) -> float:
    """Loss per trained token of the first bins, to compare with the saved weights; every rank takes part."""
    import torch

    model = trainer.model_wrapped
    model.eval()
    with torch.no_grad():
        batch = {name: value.to(trainer.args.device) for name, value in probe_batch(packed).items()}
        count = (batch["labels"][:, 1:] != IGNORED).sum()
        return float(trainer.summed_loss(model, batch) / count)
