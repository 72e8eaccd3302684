"""Places for boxes and links from left to right: layers by the longest way, few crossings, links that go straight.

The method of Sugiyama, Tagawa and Toda (1981) in its four steps. A link over several layers goes through a lane of its
own in each, so that it never runs behind a box. Coordinates are pixels.
"""

from __future__ import annotations

from bisect import bisect, insort
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from mixwright_dsl.lazy_dataclass import dataclass

SWEEPS = 12
"""Passes over the layers that look for fewer crossings, and as many that straighten links. Chosen."""
BETWEEN_BOXES = 26.0
LANE = 10.0
"""Height of the way that a link has through a layer. Chosen."""
_Hop = tuple[str, float, str, float]
"""A link from one layer to the next: where it begins, how far below that one's top, where it ends, and how far."""


@dataclass(frozen=True)
class Box:
    key: str
    width: float
    height: float


@dataclass(frozen=True)
class Link:
    """From a box, `tail_y` below its top, to another, `head_y` below its. room: width its text needs before the head."""

    tail: str
    head: str
    tail_y: float
    head_y: float
    room: float = 0.0


@dataclass(frozen=True)
class Placed:
    """corners: box -> its left top. ways: of each link the points that it goes through, level from the first to the
    second, from the third to the fourth, and so on."""

    corners: dict[str, tuple[float, float]]
    ways: list[list[tuple[float, float]]]
    width: float
    height: float


def placed(boxes: Sequence[Box], links: Sequence[Link], bend: float = 70.0) -> Placed:
    """Places of boxes and ways of links. bend: width between two layers beside what texts need.

    Links that close a circle do not count for the layers; they are drawn all the same, backwards.
    """
    layer = _layers(boxes, links)
    sizes = {box.key: (box.width, box.height) for box in boxes}
    chains = []
    for number, link in enumerate(links):
        lanes = [f"\0{number}.{at}" for at in range(layer[link.tail] + 1, layer[link.head])]
        for at, lane in enumerate(lanes, layer[link.tail] + 1):
            layer[lane], sizes[lane] = at, (0.0, LANE)
        chains.append([link.tail, *lanes, link.head])
    rows: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for key, at in layer.items():
        rows[at].append(key)
    hops: list[_Hop] = []
    for link, chain in zip(links, chains, strict=True):
        for one, other in pairwise(chain):
            tail_y = link.tail_y if one == link.tail else LANE / 2
            hops.append((one, tail_y, other, link.head_y if other == link.head else LANE / 2))
    _ordered(rows, layer, hops)
    tops = _tops(rows, layer, hops, {key: height for key, (_, height) in sizes.items()})
    room = [0.0] * len(rows)
    for link in links:
        room[layer[link.head]] = max(room[layer[link.head]], link.room)
    widths = [max(sizes[key][0] for key in row) for row in rows]
    lefts = [sum(widths[:at]) + at * bend + sum(room[1 : at + 1]) for at in range(len(rows))]
    ways = []
    for link, chain in zip(links, chains, strict=True):
        way = [
            (lefts[layer[link.tail]] + sizes[link.tail][0], tops[link.tail] + link.tail_y),
            (lefts[layer[link.tail]] + widths[layer[link.tail]], tops[link.tail] + link.tail_y),
        ]
        for lane in chain[1:-1]:
            y = tops[lane] + LANE / 2
            way += [(lefts[layer[lane]], y), (lefts[layer[lane]] + widths[layer[lane]], y)]
        left, y = lefts[layer[link.head]], tops[link.head] + link.head_y
        ways.append([*way, (left - room[layer[link.head]], y), (left, y)])
    return Placed(
        corners={box.key: (lefts[layer[box.key]], tops[box.key]) for box in boxes},
        ways=ways,
        width=lefts[-1] + widths[-1] if rows else 0.0,
        height=max((tops[key] + height for key, (_, height) in sizes.items()), default=0.0),
    )


def _layers(boxes: Sequence[Box], links: Sequence[Link]) -> dict[str, int]:
    """The layer of each box: right of all that leads to it, and what nothing leads to just left of what it leads to."""
    into: dict[str, list[str]] = {box.key: [] for box in boxes}
    out: dict[str, list[str]] = {box.key: [] for box in boxes}
    for link in links:
        into[link.head].append(link.tail)
        out[link.tail].append(link.head)
    layer: dict[str, int] = {}
    entered: set[str] = set()
    for box in boxes:
        stack = [(box.key, False)]
        while stack:
            key, is_done = stack.pop()
            if is_done:
                layer[key] = max((layer[other] + 1 for other in into[key] if other in layer), default=0)
            elif key not in entered:
                entered.add(key)
                stack.append((key, True))
                stack += [(other, False) for other in into[key] if other not in entered]
    for key, heads in out.items():
        right = [layer[head] for head in heads if layer[head] > layer[key]]
        if not into[key] and right:
            layer[key] = min(right) - 1
    return layer


def _ordered(rows: list[list[str]], layer: dict[str, int], hops: Sequence[_Hop]) -> None:
    """Put each layer into the order of what it is linked to, and keep the order that had the fewest crossings."""
    before: dict[str, list[tuple[str, float]]] = defaultdict(list)
    behind: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for tail, tail_y, head, head_y in hops:
        before[head].append((tail, tail_y))
        behind[tail].append((head, head_y))
    best, fewest = [list(row) for row in rows], _crossings(rows, layer, hops)
    for sweep in range(SWEEPS):
        near, order = (before, rows[1:]) if sweep % 2 == 0 else (behind, rows[-2::-1])
        at = {key: float(i) for row in rows for i, key in enumerate(row)}
        for row in order:
            # A port far down in a box counts for as much as a box further down.
            wanted = {
                key: sum(at[other] + y / 1e4 for other, y in near[key]) / len(near[key])
                if near[key]
                else at[key]
                for key in row
            }
            row.sort(key=wanted.__getitem__)
            at |= {key: float(i) for i, key in enumerate(row)}
        crossings = _crossings(rows, layer, hops)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    rows[:] = best


def _crossings(rows: list[list[str]], layer: dict[str, int], hops: Sequence[_Hop]) -> int:
    at = {key: i for row in rows for i, key in enumerate(row)}
    between: dict[int, list[tuple[tuple[int, float], tuple[int, float]]]] = defaultdict(list)
    for tail, tail_y, head, head_y in hops:
        between[layer[tail]].append(((at[tail], tail_y), (at[head], head_y)))
    crossings = 0
    for pairs in between.values():
        seen: list[tuple[int, float]] = []
        for _, head_at in sorted(pairs):
            crossings += len(seen) - bisect(seen, head_at)
            insort(seen, head_at)
    return crossings


def _tops(
    rows: list[list[str]],
    layer: dict[str, int],
    hops: Sequence[_Hop],
    heights: dict[str, float],
) -> dict[str, float]:
    """The top of each box and lane: as near as the order lets it to where its links go straight."""
    offsets: dict[str, float] = {}
    for row in rows:
        y = 0.0
        for key in row:
            offsets[key] = y
            y += heights[key] + BETWEEN_BOXES
    tops = dict(offsets)
    wanted: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for tail, tail_y, head, head_y in hops:
        wanted[head].append((tail, tail_y - head_y))
        wanted[tail].append((head, head_y - tail_y))
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            targets = [
                (
                    (sum(tops[other] + y for other, y in wanted[key]) / len(wanted[key]))
                    if wanted[key]
                    else tops[key]
                )
                - offsets[key]
                for key in row
            ]
            for key, shift in zip(row, _rising(targets), strict=True):
                tops[key] = offsets[key] + shift
    highest = min(tops.values(), default=0.0)
    return {key: top - highest for key, top in tops.items()}


def _rising(values: Sequence[float]) -> list[float]:
    """The numbers nearest to these, by squares, none of which is below the one before it: pools of adjacent violators."""
    pools: list[tuple[float, int]] = []
    for value in values:
        pools.append((value, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (mean, count), (before, more) = pools.pop(), pools.pop()
            pools.append(((mean * count + before * more) / (count + more), count + more))
    return [mean for mean, count in pools for _ in range(count)]
