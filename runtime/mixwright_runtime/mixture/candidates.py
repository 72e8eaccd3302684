"""The rows a component offers to a mixture, as columns: identities, start order, and the values quotas look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np

from mixwright_compiler.plan.plan import Mixture, TakeQuota
from mixwright_runtime.errors import RunError
from mixwright_runtime.values.row_ids import ID_BYTES
from mixwright_runtime.values.rows import canonical_json

Integers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Candidates:
    """Rows of one component that survived its pipeline and the mixture-wide steps.

    row_ids: 16 bytes each. A row may be listed twice only in the selection of a nested mixture.
    positions: start order of each row (`Row.position`), same length; None when `row_ids` are in start order
        already. Rows of one position (candidates of one row) are ordered by their identity.
    columns: for each name in `columns_needed`, the value of each row.
    complete: True when there will never be more: a source, a nested mixture, an exhausted pipeline.
    leaves, repeats: of a nested mixture's rows, the source or pipeline each comes from and its repeat there
        (`Selection.as_candidates` fills them in).
    """

    row_ids: Sequence[bytes]
    positions: Sequence[int] | None = None
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    complete: bool = True
    leaves: Sequence[str] | None = None
    repeats: Sequence[int] | None = None

    def __len__(self) -> int:
        return len(self.row_ids)

    @cached_property
    def order(self) -> Integers:
        """Indices of the rows in start order: `(rows,)`, int64. Does not depend on the order they are listed in
        when `positions` are given."""
        count = len(self.row_ids)
        if self.positions is None:
            return np.arange(count, dtype=np.int64)
        positions = np.asarray(self.positions, dtype=np.int64)
        order = np.argsort(positions, kind="stable")
        if np.all(np.diff(positions[order])):
            return order
        # Sixteen bytes compare as two big-endian halves do.
        halves = np.frombuffer(b"".join(self.row_ids), dtype=">u8").reshape(count, 2)
        return np.lexsort((halves[:, 1], halves[:, 0], positions))

    def codes(self, component: str, column: str) -> tuple[Integers, list[str]]:
        """`encode` of a column that a quota looks at.

        Raises:
            RunError: the rows came without it.
        """
        if column not in self.columns:
            raise RunError(
                f"mixture component '{component}': its quota needs column '{column}'; its rows have none"
            )
        if column not in self._codes:
            self._codes[column] = coded(self.columns[column])
        return self._codes[column]

    @cached_property
    def _codes(self) -> dict[str, tuple[Integers, list[str]]]:
        return {}


def coded(values: Sequence[Any]) -> tuple[Integers, list[str]]:
    """Values as integer codes `(rows,)` and the text of each code. A value is itself if text, else its JSON."""
    if set(map(type, values)) - {str}:
        values = [v if isinstance(v, str) else canonical_json(v) for v in values]
    codes = {value: code for code, value in enumerate(dict.fromkeys(values))}
    return np.fromiter(map(codes.__getitem__, values), dtype=np.int64, count=len(values)), list(codes)


def columns_needed(mixture: Mixture) -> dict[str, tuple[str, ...]]:
    """For each component the columns that its quota looks at (`balance`, `cap.by`), in that order."""
    needed: dict[str, tuple[str, ...]] = {}
    for component in mixture.components:
        quota = component.quota
        names: list[str] = []
        if isinstance(quota, TakeQuota):
            if quota.balance is not None:
                names.append(quota.balance)
            if quota.cap is not None and quota.cap.by not in names:
                names.append(quota.cap.by)
        needed[component.rows] = tuple(names)
    return needed


def start_positions(seed: int, row_ids: Iterable[bytes]) -> Integers:
    """`order_key(seed, row_id)` of many rows, 2 million a second: the positions of a source's rows in a mixture.

    A source has no pipeline that starts its rows, so the mixture's own seed orders them.
    """
    prefix = blake2b(digest_size=16, person=b"mixwright")
    for part in (b"mixwright.order.v1", str(seed).encode()):
        prefix.update(len(part).to_bytes(8, "little") + part)
    prefix.update(ID_BYTES.to_bytes(8, "little"))
    digests: list[bytes] = []
    for row_id in row_ids:
        one = prefix.copy()
        one.update(row_id)
        digests.append(one.digest())
    return (np.frombuffer(b"".join(digests), dtype="<u8")[::2] >> np.uint64(1)).astype(np.int64)
