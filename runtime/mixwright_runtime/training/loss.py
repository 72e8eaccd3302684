"""How a step's loss is normalised: the same whatever the ranks, micro-batches, accumulation and packing.

    token     sum over trained tokens of -log p                      / trained tokens of the step
    example   sum over examples of (the example's mean of -log p)    / examples of the step
    sum       sum over trained tokens of -log p                      / 1

"Of the step" is over all ranks and micro-batches. `token` and `sum` are the model's own loss with another divisor. For
`example` each trained token weighs one over the trained tokens of its example, so that an example's weights add up to
one and the sum of all weights is the number of examples. `sum` is what open-instruct trained Tulu 3 with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mixwright_runtime.training.encode import IGNORED


def example_weights(labels: NDArray[np.int64], positions: NDArray[np.int64]) -> NDArray[np.float32]:
    """Weight of each token in its example's mean, (bins, width); 0 where nothing is trained.

    labels, positions: (bins, width); an example begins where its position is 0.
    """
    weights = np.zeros(labels.shape, np.float32)
    for line, (row, at) in enumerate(zip(labels, positions, strict=True)):
        example = np.cumsum(at == 0) - 1
        is_trained = row != IGNORED
        trained = np.bincount(example[is_trained], minlength=int(example[-1]) + 1 if len(example) else 0)
        weights[line, is_trained] = 1.0 / trained[example[is_trained]]
    return weights


def divisor(batches: Any, loss: str, device: Any, *, copies: int = 1) -> Any:
    """What the sum over a step is divided by, a scalar tensor: its examples, over all ranks, or 1 for `sum`.

    copies: ranks that hold the same batch, of which each works on a part.
    """
    import torch
    import torch.distributed as distributed

    if loss == "sum":
        return torch.ones((), device=device)
    # As `predicted` shifts them. Nothing is lost with the first place: the first token of an example is never trained.
    examples = sum(batch["weights"][..., 1:].sum() for batch in batches).to(device)
    if distributed.is_initialized():
        distributed.all_reduce(examples)
    return examples / copies


def predicted(inputs: dict[str, Any]) -> tuple[Any, Any]:
    """Labels and weights of a batch, each at the place whose logits predict it; weights None where all weigh 1.

    The last place predicts nothing, unless the batch is a slice that was shifted before it was cut: `shift_labels`.
    """
    import torch

    if "shift_labels" in inputs:
        return inputs["shift_labels"], inputs.get("shift_weights")
    ahead = torch.nn.functional.pad(inputs["labels"][:, 1:], (0, 1), value=IGNORED)
    if "weights" not in inputs:
        return ahead, None
    return ahead, torch.nn.functional.pad(inputs["weights"][:, 1:], (0, 1))


NOT_THE_MODELS = frozenset(("labels", "weights", "shift_labels", "shift_weights"))
"""What a batch holds for the loss alone."""


def whole_loss(model: Any, inputs: dict[str, Any]) -> Any:
    """Sum over trained tokens of weight times -log p, from the logits of all; `inputs` as from `batch_of`.

    Without `weights` each trained token weighs 1. The same as `mixwright_runtime.training.chunked.chunked_loss`, for
    models whose head cannot be taken apart.
    """
    import torch

    given = {name: value for name, value in inputs.items() if name not in NOT_THE_MODELS}
    labels, weights = predicted(inputs)
    logits = model(**given, use_cache=False).logits.float()
    each = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return (each if weights is None else each * weights.flatten()).sum()
