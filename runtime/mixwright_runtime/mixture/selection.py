"""Which rows a mixture takes, and in what order: deterministic, and stable when a quota grows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

from mixwright_compiler.catalog.references import declared_name
from mixwright_compiler.plan.plan import Mixture
from mixwright_compiler.plan.subtotals import Subtotal, subtotals
from mixwright_runtime.mixture.allocation import allocate, quota_text
from mixwright_runtime.mixture.candidates import Candidates, Integers
from mixwright_runtime.mixture.strata import Taken, joined, supply, take
from mixwright_runtime.values.repeated import Repeated, held
from mixwright_runtime.values.row_ids import ID_BYTES, RowIds
from mixwright_runtime.values.rows import digest
from mixwright_runtime.values.sorting import order_of

ORDER_DOMAIN = "mixwright.mixture.v1"
TOGETHER = 10_000
"""Chosen: values of an array that are copied at once, or made Python's own."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ComponentResult:
    """A component's quota, wanted and got. `wanted` is None for `all`; `asked` is more where it fills for others.

    arithmetic: how that number came about. available: rows it offered; a run offers no more than are needed.

    strata: with `balance`, (value as text, rows available, rows taken) of each value, by value.
    """

    component: str
    group: str
    quota: str
    wanted: int | None
    asked: int
    got: int
    available: int
    arithmetic: str
    strata: tuple[tuple[str, int, int], ...] = ()

    @property
    def short(self) -> int:
        """Rows it lacks of what its own quota wants."""
        return max(0, (self.wanted or 0) - self.got)


@dataclass(frozen=True)
class Selection:
    """The rows of a mixture in their final order, as columns of equal length.

    components: index into `results` of each entry's component. places: its row's index among the component's
        candidates. leaves: the source or pipeline its row is stored under; the component itself unless that is a nested
        mixture. repeats: 0 for a row's first appearance.
    notes: sentences for the reader: parts given on to others, a total that nothing fills.
    shortfall: None, or what is short as one message; an error when the mixture says `shortfall = error`.
    tags: components of each tag.
    """

    mixture: str
    results: tuple[ComponentResult, ...]
    components: Sequence[int]
    places: Sequence[int]
    row_ids: RowIds
    leaves: Sequence[str]
    repeats: Sequence[int]
    notes: tuple[str, ...] = ()
    shortfall: str | None = None
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.row_ids)

    def entries(self) -> Iterator[tuple[str, bytes, int]]:
        """(source or pipeline, row id, repeat) of each entry, in order."""
        yield from zip(self.leaves, self.row_ids, self.repeats, strict=True)

    def as_candidates(self, columns: Mapping[str, Sequence[object]] | None = None) -> Candidates:
        """This mixture's rows as a component of another mixture; `columns` follow the order of `row_ids`."""
        return Candidates(
            self.row_ids, None, columns or {}, complete=True, leaves=self.leaves, repeats=self.repeats
        )


def subtotals_of(results: Sequence[ComponentResult], tags: Mapping[str, Sequence[str]]) -> list[Subtotal]:
    """Rows that came of groups and tags."""
    rows = {result.component: result.got for result in results}
    return list(subtotals(rows, {result.component: result.group for result in results}, tags))


def select(mixture: Mixture, candidates: Mapping[str, Candidates], *, total: int | None = None) -> Selection:
    """The mixture's rows, chosen from what survived its mixture-wide steps; by component name.

    Each component's rows are taken in their start order (`Candidates.order`), per value of `balance` where there
    is one, so a larger quota selects a superset of the same candidates. The entries are then shuffled by a hash
    of (mixture seed, source or pipeline, row id, repeat): neither the order in which candidates are listed nor
    the other components change an entry's rank, and variants of a mixture share all rows they both have.

    A component that yields too little never raises: see `Selection.shortfall`.

    Raises:
        RunError: the quotas contradict each other or need a `total`; a column that a quota names is missing.
    """
    found = {c.rows: candidates.get(c.rows, Candidates(())) for c in mixture.components}
    supplies = {c.rows: supply(c, found[c.rows], at_end=True) for c in mixture.components}
    allocations = allocate(mixture, supplies, total=total)
    results: list[ComponentResult] = []
    raw: list[Array] = []
    places: list[Integers] = []
    names: dict[str, int] = {}
    leaves: list[Array] = []
    repeats: list[Integers] = []
    for component in mixture.components:
        rows = found[component.rows]
        allocation = allocations.by_name[component.rows]
        taken = take(component, rows, allocation.count or 0)
        raw.append(_ids_of(rows)[taken.rows])
        places.append(taken.rows)
        leaves.append(_leaves(component.rows, rows, taken, names))
        repeats.append(_repeats(rows, taken))
        results.append(
            ComponentResult(
                component.rows,
                component.group,
                quota_text(component.quota),
                allocation.wanted,
                allocation.count or 0,
                len(taken.rows),
                len(rows),
                allocation.arithmetic,
                taken.strata,
            )
        )
    ids, appearances, of_leaves = joined(raw, f"V{ID_BYTES}"), joined(repeats), joined(leaves)
    del raw, repeats, leaves
    order = _shuffled(mixture.seed, ids, list(names), of_leaves, appearances)
    row_ids = RowIds()
    for part in _stretches(len(order)):
        row_ids.extend((ids[order[part]].tobytes(),))
    del ids
    components = np.repeat(np.arange(len(results), dtype=np.int32), [result.got for result in results])
    return Selection(
        mixture.name,
        tuple(results),
        held(components[order]),
        held(joined(places)[order]),
        row_ids,
        Repeated(tuple(names), held(of_leaves[order])),
        held(appearances[order]),
        allocations.notes,
        _shortfall(mixture, results, allocations.unplaced),
        {tag.name: tag.rows for tag in mixture.tags},
    )


def entry_key(seed: int, leaf: str, row_id: bytes, repeat: int) -> int:
    """Rank of an entry in the final order of a mixture, 0..2^64-1. Ties (never seen) go by row id. A variant's is that
    of its base."""
    return int.from_bytes(digest(ORDER_DOMAIN, seed, declared_name(leaf), row_id, repeat)[:8], "little")


def _shuffled(seed: int, ids: Array, names: Sequence[str], leaves: Array, repeats: Integers) -> Integers:
    """Indices of the entries by `entry_key`. ids: 16 bytes each. leaves: numbers of their `names`.

    The hash state up to the leaf's name is shared: 1 million in 1.5 s."""
    prefixes: list[Any] = []
    for leaf in names:
        prefix = blake2b(digest_size=16, person=b"mixwright")
        name = declared_name(leaf).encode("utf-8", "surrogatepass")
        for part in (ORDER_DOMAIN.encode(), str(seed).encode(), name):
            prefix.update(len(part).to_bytes(8, "little") + part)
        prefixes.append(prefix)
    tails = [
        len(text).to_bytes(8, "little") + text
        for text in (b"%d" % n for n in range(int(repeats.max(initial=0)) + 1))
    ]
    size = ID_BYTES.to_bytes(8, "little")

    def ranks() -> Iterator[bytes]:
        for row_id, leaf, repeat in zip(_listed(ids), _listed(leaves), _listed(repeats), strict=True):
            one = prefixes[leaf].copy()
            one.update(size + row_id + tails[repeat])
            yield one.digest()[:8]

    keys = np.fromiter(ranks(), dtype="S8", count=len(ids)).view("<u8")
    halves = ids.view(">u8").reshape(len(ids), 2)
    return order_of(keys, halves[:, 0], halves[:, 1])


def _listed(values: Array) -> Iterator[Any]:
    """Values of an array as Python's own, of which a list would take five times the memory."""
    for part in _stretches(len(values)):
        yield from values[part].tolist()


def _stretches(count: int) -> Iterator[slice]:
    """So many values a stretch at a time, where a copy of them all would be megabytes."""
    return (slice(first, first + TOGETHER) for first in range(0, count, TOGETHER))


def _ids_of(rows: Candidates) -> Array:
    """Identities of a component's rows, 16 bytes each."""
    raw = rows.row_ids.view if isinstance(rows.row_ids, RowIds) else b"".join(rows.row_ids)
    return np.frombuffer(raw, dtype=f"V{ID_BYTES}")


def _leaves(name: str, rows: Candidates, taken: Taken, names: dict[str, int]) -> Array:
    """Of each row the number of the source or pipeline that holds it, among `names`, which gets those that it lacks."""
    held_in = rows.leaves
    if held_in is None:
        return np.full(len(taken.rows), names.setdefault(name, len(names)), dtype=np.uint32)
    numbers = (names.setdefault(held_in[at], len(names)) for at in _listed(taken.rows))
    return np.fromiter(numbers, dtype=np.uint32, count=len(taken.rows))


def _repeats(rows: Candidates, taken: Taken) -> Integers:
    """Numbers of appearances; of a nested mixture's rows, which may be repeated already, so that all differ."""
    if rows.repeats is None:
        return taken.repeats
    inner = np.asarray(rows.repeats, dtype=np.int64)
    return taken.repeats * (int(inner.max(initial=0)) + 1) + inner[taken.rows]


def _shortfall(mixture: Mixture, results: Sequence[ComponentResult], unplaced: int) -> str | None:
    lacking = sum(r.short for r in results) + unplaced
    filled = sum(
        max(0, r.got - r.wanted) for r in results if r.component == mixture.fill and r.wanted is not None
    )
    if lacking <= filled:
        return None
    parts = [f"`{r.component}` {r.short:,} of {r.wanted or 0:,}" for r in results if r.short]
    if unplaced:
        parts.append(f"{unplaced:,} of the total that no component has rows for")
    filling = f"; `{mixture.fill}` filled {filled:,} of them" if filled else ""
    return f"{lacking:,} rows are missing: {', '.join(parts)}{filling}"
