"""Rows of sources, read once and held, in the order in which a pipeline or a mixture starts them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import Pipeline, Plan
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.stream.outcomes import Start
from mixwright_runtime.values.rows import Row, SourceIds, order_key, replica_id


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """A source's row with its identity and place."""

    row_id: bytes
    columns: dict[str, Any]
    ref: str


class Sources:
    """The sources of a plan, each read once and held: rows are needed in an order that no file has."""

    def __init__(self, plan: Plan, directory: Path, stop: StopSignal | None = None) -> None:
        self._plan = plan
        self._stop = stop
        self._directory = directory
        self._held: dict[str, list[SourceEntry]] = {}

    def entries(self, name: str) -> list[SourceEntry]:
        """Every row, in the order of the source.

        Raises:
            SourceChanged: the lock file pins other bytes.
            RunError: it cannot be read.
            RunStopped: the run is stopping.
        """
        held = self._held.get(name)
        if held is None:
            from mixwright_runtime.sources.reader import read_rows

            ids, held = SourceIds(), []
            for row in read_rows(self._plan.sources[name], self._directory):
                if self._stop is not None:
                    self._stop.check()
                held.append(SourceEntry(ids.of(row.columns), row.columns, row.ref))
            self._held[name] = held
        return held

    def starts(self, name: str, seed: int) -> list[Start]:
        """A source's rows as a mixture takes them directly, in start order."""
        entries = sorted(self.entries(name), key=lambda entry: order_key(seed, entry.row_id))
        return [
            Start(Row(entry.row_id, entry.columns, entry.row_id, position), name, entry.ref)
            for position, entry in enumerate(entries)
        ]


class SourceSupply:
    """Rows of a source in start order, `repeat` times over; at most `most` starts."""

    level: int = 0
    """Pipelines behind this one that repeat rows."""

    def __init__(
        self, pipeline: Pipeline, sources: Sources, where: Callable[[Any], Any] | None, most: int | None
    ) -> None:
        start = pipeline.start
        entries = sources.entries(start.rows)
        if where is not None:
            entries = [entry for entry in entries if where(entry.columns) is True]
        entries = sorted(entries, key=lambda entry: order_key(pipeline.seed, entry.row_id))
        if start.limit is not None:
            entries = entries[: start.limit]
        self.total = len(entries) * start.repeat
        if most is not None:
            self.total = min(self.total, most)
        self._rows = self._in_order(entries, pipeline)
        self._taken = 0

    @property
    def is_exhausted(self) -> bool:
        """Every row there is has been taken."""
        return self._taken >= self.total

    async def take(self, count: int | None) -> list[Start]:
        """The next `count` rows, or all that are left."""
        left = self.total - self._taken
        wanted = left if count is None else min(count, left)
        self._taken += wanted
        return [next(self._rows) for _ in range(wanted)]

    @staticmethod
    def _in_order(entries: Sequence[SourceEntry], pipeline: Pipeline) -> Iterator[Start]:
        start, position = pipeline.start, 0
        # Replicas outside, so that a larger `repeat` only adds starts behind those there were.
        for replica in range(start.repeat):
            for entry in entries:
                columns = entry.columns
                if start.columns:
                    columns = {name: columns[name] for name in start.columns}
                row_id = replica_id(entry.row_id, replica)
                parents = (entry.row_id,) if replica else ()
                row = Row(row_id, dict(columns), entry.row_id, position, replica, parents=parents)
                yield Start(row, start.rows, entry.ref)
                position += 1
