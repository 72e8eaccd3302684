"""The bins of each step: independent of ranks and micro-batches, each once an epoch, resumable by offset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mixwright_runtime.training.schedule import (
    EMPTY,
    Layout,
    bins_by_slot,
    filling_batch,
    layout_of,
    share_of_rate,
    steps_of,
)


def bins_of_steps(layout: Layout, steps: int, last: int | None = None) -> list[list[int]]:
    slots = bins_by_slot(layout, bins=23, steps=steps, seed=5, last=last)
    return [[b for b in step if b != EMPTY] for step in slots.reshape(steps, layout.slots).tolist()]


@pytest.mark.parametrize(("ranks", "micro_batch"), [(1, 1), (1, 8), (2, 2), (2, 3), (4, 8)])
def test_a_step_has_the_same_bins_for_any_ranks_and_micro_batches(ranks: int, micro_batch: int) -> None:
    layout = layout_of(batch=28, examples=92, bins=23, ranks=ranks, micro_batch=micro_batch)
    reference = layout_of(batch=28, examples=92, bins=23, ranks=1, micro_batch=7)
    assert layout.bins_per_step == 7
    assert layout.micro <= micro_batch
    assert bins_of_steps(layout, 5) == bins_of_steps(reference, 5)


@pytest.mark.parametrize(("bins_per_step", "slots"), [(8, 8), (9, 16), (1, 8), (64, 64), (65, 80)])
def test_no_rank_is_padded_up_to_a_larger_micro_batch(bins_per_step: int, slots: int) -> None:
    """Alpaca packed into 2,048 tokens is 9 sequences a step: on 8 GPUs one or two for each, not four."""
    layout = layout_of(batch=bins_per_step, examples=1000, bins=1000, ranks=8, micro_batch=8)
    assert (layout.bins_per_step, layout.slots) == (bins_per_step, slots)


@pytest.mark.parametrize("ranks", [1, 2, 3, 8, 32])
@pytest.mark.parametrize("batch", [1, 7, 12, 128, 130, 1000])
@pytest.mark.parametrize("bins", [31, 320, 3200])
def test_the_batch_that_is_advised_leaves_no_place_empty(ranks: int, batch: int, bins: int) -> None:
    given = {"examples": 3200, "bins": bins, "micro_batch": 8}
    layout = layout_of(batch=batch, ranks=ranks, **given)
    advised = filling_batch(layout, **given)
    assert (advised is None) == (bins < ranks)
    if advised is not None:
        assert layout_of(batch=advised, ranks=ranks, **given).idle == 0


def test_an_epoch_has_every_bin_once_and_repeats_none() -> None:
    layout = layout_of(batch=28, examples=92, bins=23, ranks=2, micro_batch=2)
    steps = steps_of(layout, bins=23, epochs=2, steps=None)
    seen = [b for step in bins_of_steps(layout, steps, last=46) for b in step]
    assert sorted(seen[:23]) == sorted(seen[23:]) == list(range(23))
    assert seen[:23] != seen[23:]


def test_more_steps_begin_with_the_same_ones() -> None:
    layout = layout_of(batch=28, examples=92, bins=23, ranks=1, micro_batch=4)
    assert bins_of_steps(layout, 9)[:4] == bins_of_steps(layout, 4)


def test_a_batch_is_counted_in_examples() -> None:
    # 1000 examples in 50 bins: 20 a bin, so 128 examples are about 6 bins.
    assert layout_of(batch=128, examples=1000, bins=50, ranks=1, micro_batch=8).bins_per_step == 6


def test_a_batch_larger_than_the_data_is_all_of_it() -> None:
    layout = layout_of(batch=128, examples=10, bins=3, ranks=2, micro_batch=8)
    assert layout.bins_per_step == 3
    assert np.isin(np.arange(3), bins_by_slot(layout, bins=3, steps=1, seed=0)).all()


def rates(**given: Any) -> list[float]:
    """The rate at each of 20 steps of which 4 warm up, as a share of the peak."""
    return [share_of_rate(step, steps=20, warmup=4, **given) for step in range(20)]


@pytest.mark.parametrize(
    ("schedule", "theirs"),
    [("linear", "linear"), ("cosine", "cosine"), ("constant", "constant_with_warmup")],
)
def test_the_rate_is_that_of_transformers_to_the_last_bit(schedule: str, theirs: str) -> None:
    torch = pytest.importorskip("torch")
    optimization = pytest.importorskip("transformers.optimization")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    [share] = optimization.get_scheduler(theirs, optimizer, 4, 20).lr_lambdas
    assert rates(schedule=schedule) == [share(step) for step in range(20)]


def test_wsd_rises_stays_and_falls_in_its_last_part() -> None:
    falling = [0.8, 0.6, 0.4, 0.2]
    assert rates(schedule="wsd", decay=0.25) == pytest.approx([0, 0.25, 0.5, 0.75, *[1] * 12, *falling])


@pytest.mark.parametrize("schedule", ["linear", "cosine", "wsd"])
def test_a_rate_ends_at_its_least(schedule: str) -> None:
    falling = rates(schedule=schedule, decay=0.5, least=0.1)[4:]
    assert falling == sorted(falling, reverse=True)
    assert min(falling) > 0.1
    last = share_of_rate(20, steps=20, warmup=4, schedule=schedule, decay=0.5, least=0.1)
    assert last == pytest.approx(0.1)
