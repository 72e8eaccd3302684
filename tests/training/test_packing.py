"""Best fit decreasing by histogram: valid, exact, deterministic, and as good as the loop it replaces."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixwright_runtime.training.packing import one_each, pack

CASES = st.integers(1, 60).flatmap(
    lambda context: st.tuples(st.just(context), st.lists(st.integers(1, context), max_size=60))
)


def bins_of_the_loop(lengths: list[int], context: int) -> int:
    """Number of bins that best fit decreasing makes one sequence at a time."""
    spaces: list[int] = []
    for length in sorted(lengths, reverse=True):
        fitting = [i for i, space in enumerate(spaces) if space >= length]
        if fitting:
            spaces[min(fitting, key=spaces.__getitem__)] -= length
        else:
            spaces.append(context - length)
    return len(spaces)


@settings(deadline=None)
@given(CASES)
def test_every_sequence_is_in_exactly_one_bin_that_holds_it(case: tuple[int, list[int]]) -> None:
    context, listed = case
    lengths = np.asarray(listed, np.int64)
    bins = pack(lengths, context, seed=3)
    assert sorted(bins.members.tolist()) == list(range(len(lengths)))
    assert all(0 < lengths[bins[b]].sum() <= context for b in range(len(bins)))


@settings(deadline=None)
@given(CASES)
def test_it_makes_as_few_bins_as_the_loop(case: tuple[int, list[int]]) -> None:
    context, lengths = case
    assert len(pack(np.asarray(lengths, np.int64), context, seed=0)) == bins_of_the_loop(lengths, context)


def test_the_seed_changes_neighbours_and_not_the_number_of_bins() -> None:
    lengths = np.tile([10, 20, 30], 50)
    first, again, other = (pack(lengths, 60, seed=seed) for seed in (1, 1, 2))
    assert first.members.tolist() == again.members.tolist()
    assert first.members.tolist() != other.members.tolist()
    assert len(first) == len(other) == 50


def test_a_hundred_thousand_lengths_fill_bins_almost_whole() -> None:
    lengths = np.clip(np.random.default_rng(0).lognormal(4.6, 0.75, 100_000).astype(np.int64), 1, 2048)
    assert lengths.sum() / (len(pack(lengths, 2048, seed=0)) * 2048) > 0.999


def test_lengths_that_all_differ_at_a_long_context_cost_what_equal_ones_do() -> None:
    """Python lines run per sequence: a search through the open bins would make it grow with the distinct lengths."""

    def lines_run(context: int) -> int:
        lengths = np.random.default_rng(0).integers(1, context + 1, 4_000)
        lines = 0

        def count(frame: FrameType, event: str, argument: object) -> Any:
            nonlocal lines
            lines += event == "line"
            return count

        sys.settrace(count)
        try:
            pack(lengths, context, seed=0)
        finally:
            sys.settrace(None)
        return lines

    assert lines_run(16_384) < 6 * lines_run(1_024)


def test_a_length_over_the_context_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.\.8"):
        pack(np.asarray([9]), 8, seed=0)


def test_without_packing_each_sequence_has_its_bin() -> None:
    bins = one_each(3)
    assert [bins[b].tolist() for b in range(len(bins))] == [[0], [1], [2]]
