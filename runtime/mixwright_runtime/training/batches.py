"""Packed sequences as the tensors that a model takes."""

from __future__ import annotations

from typing import Any

import numpy as np

from mixwright_runtime.training.encode import IGNORED
from mixwright_runtime.training.loss import example_weights
from mixwright_runtime.training.packed import Packed
from mixwright_runtime.training.schedule import EMPTY


def batch_of(packed: Packed, bins: list[int], *, by_example: bool = False) -> dict[str, Any]:
    """Tensors of some bins, (bins, width) int64; `width` is the fullest bin's, to the next multiple of 8.

    An `EMPTY` bin is padding without labels. `by_example` adds `weights`, see `mixwright_runtime/training/loss.py`.
    """
    import torch

    # A multiple of 8, at which matrix units of GPUs are fast with 16-bit numbers (NVIDIA's guide to mixed precision).
    used = max((int(packed.used[b]) for b in bins if b != EMPTY), default=1)
    width = min(packed.tokens.shape[1], -(-used // 8) * 8)
    tokens = np.zeros((len(bins), width), np.int64)
    labels = np.full((len(bins), width), IGNORED, np.int64)
    positions = np.tile(np.arange(width), (len(bins), 1))
    for row, number in enumerate(bins):
        if number != EMPTY:
            tokens[row] = packed.tokens[number, :width]
            labels[row] = packed.labels[number, :width]
            positions[row] = packed.positions[number, :width]
    batch = {
        "input_ids": torch.from_numpy(tokens),
        "labels": torch.from_numpy(labels),
        "position_ids": torch.from_numpy(positions),
    }
    if by_example:
        batch["weights"] = torch.from_numpy(example_weights(labels, positions))
    return batch


def probe_batch(packed: Packed) -> dict[str, Any]:
    """The bins on which a saved model must do as the trained one did."""
    return batch_of(packed, list(range(min(2, len(packed.used)))))
