"""Which bin is trained on at which step: fixed before the run, so that resuming is an offset.

The bins of a step do not depend on how many ranks share it or how many sequences a rank takes at once. Where
they do not divide evenly, empty slots fill up; they hold no trained token and so no part of the loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EMPTY = -1


@dataclass(frozen=True)
class Layout:
    """How a step's bins are spread: `ranks * accumulation * micro` slots, at least `bins_per_step`.

    Ranks that share a sequence count as one here.
    """

    bins_per_step: int
    ranks: int
    accumulation: int
    micro: int

    @property
    def slots(self) -> int:
        return self.ranks * self.accumulation * self.micro

    @property
    def idle(self) -> float:
        """Share of the slots that are empty in every step."""
        return 1 - self.bins_per_step / self.slots


def layout_of(*, batch: int, examples: int, bins: int, ranks: int, micro_batch: int) -> Layout:
    """The layout in which a step sees `batch` examples on average: few empty slots first, then a large micro.

    A micro-batch is never larger than what a rank has in a step: padding it up would cost as much as sequences do.
    """
    bins_per_step = max(1, min(bins, round(batch * bins / examples)))
    per_rank = -(-bins_per_step // ranks)
    micro = _micro_of(per_rank, micro_batch)
    return Layout(bins_per_step, ranks, -(-per_rank // micro), micro)


def _micro_of(per_rank: int, micro_batch: int) -> int:
    most = min(micro_batch, per_rank)
    # Not below half of what was asked for (chosen): smaller ones fill every place and leave more of each GPU idle.
    sizes = range(min(most, max(1, micro_batch // 2)), most + 1)
    return min(sizes, key=lambda micro: (-(-per_rank // micro) * micro, -micro))


def filling_batch(layout: Layout, *, examples: int, bins: int, micro_batch: int) -> int | None:
    """The `batch` nearest to the layout's that leaves no slot empty; None where the ranks outnumber the bins."""
    near = layout.bins_per_step // layout.ranks
    most = bins // layout.ranks
    counts = range(max(1, near - micro_batch), min(most, near + 1 + micro_batch) + 1)
    full = [count for count in counts if count % _micro_of(count, micro_batch) == 0]
    if not full:
        return None
    found = min(full, key=lambda count: abs(count * layout.ranks - layout.bins_per_step))
    return round(found * layout.ranks * examples / bins)


IDLE_TOLD = 0.05
"""A share of empty slots that is told."""


def idle_text(idle: float, filling: int | None) -> str:
    """What a user is told of empty slots; empty where there are few."""
    if idle < IDLE_TOLD:
        return ""
    fills = "fewer GPUs would not wait" if filling is None else f"`batch = {filling}` would fill them"
    return f"{idle:.0%} of the GPUs' places for sequences are empty in each step; {fills}"


def steps_of(layout: Layout, *, bins: int, epochs: float, steps: int | None) -> int:
    """Optimizer steps: as asked, or as many as it takes to see every bin `epochs` times."""
    return steps if steps is not None else max(1, -(-round(bins * epochs) // layout.bins_per_step))


def bins_by_slot(
    layout: Layout, *, bins: int, steps: int, seed: int, last: int | None = None
) -> NDArray[np.int64]:
    """The bin of every slot: (steps * slots,), `EMPTY` where there is none.

    Each epoch is a permutation of all bins under the seed. `last`: bins trained on in all, so that the last step of
    the last epoch repeats none; without it every step is full.
    """
    wanted = steps * layout.bins_per_step if last is None else min(last, steps * layout.bins_per_step)
    epochs = -(-wanted // bins)
    # A key an epoch: its order is the same however many there are, so that a longer training begins as a shorter one.
    order = np.concatenate(
        [
            np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(bins)
            for epoch in range(epochs)
        ]
    )[:wanted]
    slots = np.full((steps, layout.slots), EMPTY, np.int64)
    padded = np.full(steps * layout.bins_per_step, EMPTY, np.int64)
    padded[:wanted] = order
    slots[:, : layout.bins_per_step] = padded.reshape(steps, layout.bins_per_step)
    return slots.reshape(-1)


def share_of_rate(
    step: int, *, steps: int, warmup: int, schedule: str, decay: float = 0.0, least: float = 0.0
) -> float:
    """What of its peak the learning rate is at a step, counted from 0 before `steps`; 0..1, from the warm-up's end at
    least `least`.

    It rises linearly over `warmup` steps. The same numbers as `transformers` has for `linear`, `cosine` and
    `constant`. `wsd` (Hu et al. 2024, MiniCPM) stays at the peak and falls linearly over the last `decay` of the steps.
    """
    if step < warmup:
        return step / max(1, warmup)
    match schedule:
        case "constant":
            return 1.0
        case "cosine":
            progress = (step - warmup) / max(1, steps - warmup)
            share = max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))
        case "wsd":
            falling = max(1, round(decay * steps))
            share = min(1.0, max(0.0, (steps - step) / falling))
        case _:
            share = max(0.0, (steps - step) / max(1, steps - warmup))
    return least + (1.0 - least) * share if least else share
