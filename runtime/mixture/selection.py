"""Which rows a mixture takes, and in what order: deterministic, and stable when a quota grows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from compiler.plan import Mixture
from runtime.mixture.candidates import Candidates


@dataclass(frozen=True)
class ComponentResult:
    """A component's quota, wanted and got. `wanted` is None for `all`. `arithmetic` says how `wanted` came about.

    strata: with `balance`, (value as text, rows available, rows taken) of each value, by value.
    """

    component: str
    group: str
    quota: str
    wanted: int | None
    got: int
    available: int
    arithmetic: str
    strata: tuple[tuple[str, int, int], ...] = ()

    @property
    def short(self) -> int:
        return max(0, (self.wanted or 0) - self.got)


@dataclass(frozen=True)
class Selection:
    """The rows of a mixture in their final order, as three columns of equal length.

    components: index into `results` of each entry's component. repeats: 0 for a row's first appearance.
    notes: sentences for the reader: parts given on to others, a total that nothing fills.
    shortfall: None, or what is short as one message; an error when the mixture says `shortfall = error`.
    """

    mixture: str
    results: tuple[ComponentResult, ...]
    components: Sequence[int]
    row_ids: Sequence[bytes]
    repeats: Sequence[int]
    notes: tuple[str, ...] = ()
    shortfall: str | None = None

    def __len__(self) -> int:
        return len(self.row_ids)

    def entries(self) -> Iterator[tuple[str, bytes, int]]:
        """(component, row id, repeat) of each entry, in order."""
        names = [result.component for result in self.results]
        for component, row_id, repeat in zip(self.components, self.row_ids, self.repeats, strict=True):
            yield names[component], row_id, repeat

    def as_candidates(self, columns: Mapping[str, Sequence[object]] | None = None) -> Candidates:
        """This mixture's rows as a component of another mixture; `columns` follow the order of `row_ids`."""
        return Candidates(self.row_ids, None, columns or {}, complete=True)


def select(mixture: Mixture, candidates: Mapping[str, Candidates], *, total: int | None = None) -> Selection:
    """The mixture's rows, chosen from what survived its mixture-wide steps; by component name.

    Each component's rows are taken in their start order (`Candidates.order`), per value of `balance` where there
    is one, so a larger quota selects a superset of the same candidates. The entries are then shuffled by a hash
    of (mixture seed, component, row id, repeat): neither the order in which candidates are listed nor the other
    components change an entry's rank, and variants of a mixture share all rows they both have.

    A component that yields too little never raises: see `Selection.shortfall`.

    Raises:
        RunError: the quotas contradict each other or need a `total`; a column that a quota names is missing.
    """
    raise NotImplementedError
