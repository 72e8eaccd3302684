"""Pack sequences into bins of `context` tokens: best fit decreasing on the histogram of lengths.

Best fit decreasing puts each sequence, longest first, into the bin with the least space that still holds it. All
sequences of one length and all bins of one free space are alike, so whole groups are placed at once: the work is
distinct lengths times distinct spaces, whatever the number of sequences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Bins:
    """`members[offsets[b]:offsets[b + 1]]` are the sequences of bin b, as indexes into the lengths; longest first."""

    offsets: NDArray[np.int64]
    members: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, number: int) -> NDArray[np.int64]:
        return self.members[self.offsets[number] : self.offsets[number + 1]]


def pack(lengths: NDArray[np.int64], context: int, *, seed: int) -> Bins:
    """Bins that hold every sequence exactly once, none over `context` tokens.

    lengths: (sequences,) 1..context. `seed` shuffles sequences of equal length, which changes neighbours
    and not the number of bins. The same arguments give the same bins.

    Raises:
        ValueError: a length is out of range.
    """
    lengths = np.asarray(lengths, np.int64)
    if len(lengths) == 0:
        return Bins(np.zeros(1, np.int64), np.zeros(0, np.int64))
    if lengths.min() < 1 or lengths.max() > context:
        raise ValueError(f"lengths must be 1..{context}, found {lengths.min()}..{lengths.max()}")
    shuffled = np.random.Generator(np.random.Philox(key=seed)).permutation(len(lengths))
    by_length = shuffled[np.argsort(-lengths[shuffled], kind="stable")]
    found, counts = np.unique(lengths, return_counts=True)

    # Placements as runs: `bins` each take the next `copies` sequences of one length.
    placed_bins: list[NDArray[np.int64]] = []
    placed_copies: list[NDArray[np.int64]] = []
    groups: dict[int, NDArray[np.int64]] = {}
    """Bins that are not full, by free space."""
    opened = 0
    for length, count in zip(found[::-1].tolist(), counts[::-1].tolist(), strict=True):
        left = count
        while left:
            space = min((s for s in groups if s >= length), default=0)
            if not space:
                # A group is limited to the bins that the remaining sequences fill.
                new = -(-left // (context // length))
                groups[context] = np.arange(opened, opened + new)
                opened += new
                space = context
            bins = groups.pop(space)
            copies = space // length
            # Best fit fills the first bin of the group as far as it goes, then the next: it is then the fullest.
            taken = bins[: -(-left // copies)]
            if len(taken) < len(bins):
                groups[space] = bins[len(taken) :]
            each = np.full(len(taken), copies, np.int64)
            each[-1] = min(copies, left - copies * (len(taken) - 1))
            placed_bins.append(taken)
            placed_copies.append(each)
            left -= int(each.sum())
            for rest, members in (
                (space - copies * length, taken[each == copies]),
                (space - int(each[-1]) * length, taken[each < copies]),
            ):
                if rest and len(members):
                    groups[rest] = np.concatenate((groups[rest], members)) if rest in groups else members
    bin_of = np.repeat(np.concatenate(placed_bins), np.concatenate(placed_copies))
    order = np.argsort(bin_of, kind="stable")
    sizes = np.bincount(bin_of, minlength=opened)
    return Bins(np.concatenate(([0], np.cumsum(sizes))), by_length[order])


def one_each(count: int) -> Bins:
    """A bin for each sequence: no packing."""
    return Bins(np.arange(count + 1, dtype=np.int64), np.arange(count, dtype=np.int64))
