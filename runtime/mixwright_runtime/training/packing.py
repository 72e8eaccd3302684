"""Pack sequences into bins of `context` tokens: best fit decreasing on the histogram of lengths.

Best fit decreasing puts each sequence, longest first, into the bin with the least space that still holds it. All
sequences of one length and all bins of one free space are alike, so whole groups are placed at once; and going down
through the lengths the bin with the least space is always on top of a stack. The work is at most linear in sequences
and context, however many lengths are distinct.
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


@dataclass(slots=True)
class _Alike:
    """Bins of one free space; those before `first` are taken."""

    space: int
    bins: list[int]
    first: int = 0


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
    # Stable, so that sequences of one length stay as they were shuffled.
    by_length = shuffled[np.argsort(-lengths[shuffled], kind="stable")]
    counts = np.bincount(lengths, minlength=context + 1).tolist()

    # Placements as runs: each bin takes the next `copies` sequences of one length.
    bins_placed: list[int] = []
    copies_placed: list[int] = []
    # Bins by free space. Going down through the lengths, those that hold the present one are a stack with the least space
    # on top: what a bin of the top has left is less than the top, and less than the length once no more copies fit.
    roomy: list[_Alike] = []
    narrow: list[list[int] | None] = [None] * (context + 1)
    opened = 0
    for length in range(context, 0, -1):
        if (bins := narrow[length]) is not None:
            roomy.append(_Alike(length, bins))
            narrow[length] = None
        left = counts[length]
        while left:
            if not roomy:
                new = -(-left // (context // length))
                roomy.append(_Alike(context, list(range(opened, opened + new))))
                opened += new
            alike = roomy[-1]
            space, bins, first = alike.space, alike.bins, alike.first
            copies = space // length
            # Best fit fills the first of equal bins as far as it goes, then the next: it is then the fullest.
            full = min(left // copies, len(bins) - first)
            alike.first = last = first + full
            left -= full * copies
            over = left if last < len(bins) else 0
            if full:
                taken = bins[first:last]
                bins_placed += taken
                copies_placed += [copies] * full
                if rest := space - copies * length:
                    if (alike_bins := narrow[rest]) is None:
                        narrow[rest] = taken
                    else:
                        alike_bins += taken
            if over:
                alike.first += 1
                bins_placed.append(bins[last])
                copies_placed.append(over)
                left = 0
            if alike.first == len(bins):
                roomy.pop()
            if over:
                # Filled in part, it has less space than the others of its group: the new top.
                roomy.append(_Alike(space - over * length, [bins[last]]))
    bin_of = np.repeat(np.asarray(bins_placed, np.int64), np.asarray(copies_placed, np.int64))
    order = np.argsort(bin_of, kind="stable")
    sizes = np.bincount(bin_of, minlength=opened)
    return Bins(np.concatenate(([0], np.cumsum(sizes))), by_length[order])


def one_each(count: int) -> Bins:
    """A bin for each sequence: no packing."""
    return Bins(np.arange(count + 1, dtype=np.int64), np.arange(count, dtype=np.int64))
