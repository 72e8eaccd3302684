"""The rows of a mixture's components that came through its steps, and those of a nested mixture as another one takes
them: identities in memory, and the values that quotas look at."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mixwright_runtime.mixture import Candidates, Selection
from mixwright_runtime.stream.kept import RowsInOrder, StartSpool
from mixwright_runtime.stream.outcomes import Start
from mixwright_runtime.values.row_ids import RowIds

KNOWN_TEXTS = 65_536
"""Of the texts of a column those that were met first, so many, are held once however many rows have them. Chosen."""


class Survivors:
    """What is left of one component's rows, in their order: 16 bytes each, 8 more where the mixture has steps, 16 more
    where the component is a mixture itself."""

    def __init__(self, columns: Sequence[str], changed: StartSpool | None, *, is_nested: bool) -> None:
        """
        Args:
            columns: those that the component's quota looks at.
            changed: takes the rows that the mixture's steps have made anew; None where it has no steps.
            is_nested: the component is a mixture itself.
        """
        self.row_ids = RowIds()
        self._columns: dict[str, list[Any]] = {name: [] for name in columns}
        self._known: dict[str, str] = {}
        self._leaves: list[str] | None = [] if is_nested else None
        self._repeats: list[int] | None = [] if is_nested else None
        self._changed = changed
        self._places = array("q")
        """Of each that came through steps its place among the component's rows; of a row made anew ~ its number in
        `changed`."""

    def __len__(self) -> int:
        return len(self.row_ids)

    def add_names(self, names: Iterable[tuple[bytes, str, int]]) -> None:
        """Add rows by their names alone: no step and no quota looks at more of them."""
        if self._leaves is None:
            self.row_ids.extend(row_id for row_id, _, _ in names)
            return
        for row_id, leaf, repeat in names:
            self._add_name(row_id, leaf, repeat)

    def add(self, place: int, came: Start, left: Start) -> None:
        """Add a row.

        Args:
            place: its own among the component's rows.
            came, left: as it came to the mixture's steps, and as it has left them.
        """
        for name, values in self._columns.items():
            values.append(self._once(left.row.columns.get(name)))
        self._add_name(left.row.row_id, left.leaf, left.repeat)
        if self._changed is not None:
            if left.row is not came.row:
                place = ~len(self._changed)
                self._changed.add([(left, None)])
            self._places.append(place)

    def _once(self, value: Any) -> Any:
        """The value, as an equal text had it before: each row is read by itself, and its texts are its own."""
        if type(value) is not str:
            return value
        if len(self._known) < KNOWN_TEXTS:
            return self._known.setdefault(value, value)
        return self._known.get(value, value)

    def _add_name(self, row_id: bytes, leaf: str, repeat: int) -> None:
        self.row_ids.extend((row_id,))
        if self._leaves is not None and self._repeats is not None:
            self._leaves.append(leaf)
            self._repeats.append(repeat)

    def candidates(self, *, is_complete: bool) -> Candidates:
        """What selection looks at."""
        return Candidates(self.row_ids, None, self._columns, is_complete, self._leaves, self._repeats)

    def at(self, rows: RowsInOrder | None, at: int) -> Start:
        """One of them, as it has left the mixture's steps. `rows`: the component's."""
        place = at if self._changed is None else self._places[at]
        if place >= 0:
            assert rows is not None
            return next(rows.at((place,)))
        assert self._changed is not None
        return next(self._changed.at((~place,)))


class SelectedRows:
    """The rows that a mixture took, in its order, each with the source or pipeline that holds it."""

    def __init__(
        self, selection: Selection, components: Sequence[tuple[RowsInOrder | None, Survivors]]
    ) -> None:
        """`components`: in the mixture's order, all their rows and those of them that were there to be selected."""
        self._selection = selection
        self._components = components

    def __len__(self) -> int:
        return len(self._selection)

    def at(self, places: Iterable[int]) -> Iterator[Start]:
        """The rows at these places."""
        chosen = self._selection
        for place in places:
            rows, survivors = self._components[chosen.components[place]]
            start = survivors.at(rows, chosen.places[place])
            yield start._replace(leaf=chosen.leaves[place], repeat=chosen.repeats[place])

    def names(self, first: int, last: int) -> Iterator[tuple[bytes, str, int]]:
        """Identities of the rows from one place to another, where each is stored, and its appearance in the mixture."""
        chosen = self._selection
        ids, leaves = chosen.row_ids[first:last], chosen.leaves[first:last]
        return zip(ids, leaves, chosen.repeats[first:last], strict=True)
