"""Brings a mixture's rows together: asks its components for rows until its quotas are met, then selects.

Rows are fed through the mixture-wide steps as they are demanded, never because a wave happened to make them: each
round every component gives the next rows of its own order that its quota still lacks. So which rows a dedup or
decontamination sees, and in what order, depends on the data alone, not on wave sizes or speed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import Component, Mixture
from mixwright_runtime.calls.gathering import gather_all
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.errors import RunError
from mixwright_runtime.mixture import Candidates, Demand, Selection, columns_needed, required_rows, select
from mixwright_runtime.plugins.shapes import Apply, Keep, Place, Table
from mixwright_runtime.run.survivors import SelectedRows, Survivors
from mixwright_runtime.run.waves import PipelineRun
from mixwright_runtime.stream.driving import all_in_ranges, applied, decided_on, reports_of
from mixwright_runtime.stream.kept import RowsInOrder, StartSpool
from mixwright_runtime.stream.nodes import Node
from mixwright_runtime.stream.outcomes import Outcomes, OutcomeStore, Start, Tally
from mixwright_runtime.stream.supply import Sources
from mixwright_runtime.values.freed import give_back_freed
from mixwright_runtime.values.rows import Dropped

TOGETHER = 1_000
"""Rows that are given to mixture-wide steps in one go; no decision depends on it. Chosen."""


class SourceBook:
    """Records the source rows that mixtures take directly, each once a run."""

    def __init__(self, store: OutcomeStore, run_id: int) -> None:
        self._store = store
        self._run_id = run_id
        self._books: dict[str, Outcomes] = {}
        self._seen: set[tuple[str, bytes]] = set()

    def record(self, source: str, starts: Sequence[Start]) -> None:
        """Record rows as kept, where they are not yet."""
        book = self._books.setdefault(source, Outcomes(self._store, self._run_id, source))
        for start in starts:
            seen = (source, start.row.row_id)
            if seen not in self._seen:
                self._seen.add(seen)
                book.keep(start.row, start.whence)


@dataclass
class _Feed:
    """One component: what it has, what was fed through the mixture's steps, what survived them."""

    component: Component
    survivors: Survivors
    reads_rows: bool
    """Rows themselves are wanted, by a step, a quota or the book of a source, and not their names alone."""
    rows: RowsInOrder | None = None
    pipeline: PipelineRun | None = None
    is_ready: bool = False
    """A source was read, a nested mixture selected; a pipeline is ready from the start."""
    fed: int = 0
    tallies: list[Tally] = field(default_factory=list)
    outcomes: Outcomes | None = None

    @property
    def available(self) -> RowsInOrder | None:
        return self.pipeline.kept if self.pipeline is not None else self.rows

    @property
    def is_complete(self) -> bool:
        """It has given all that it will ever have."""
        done = self.pipeline.is_exhausted if self.pipeline is not None else self.is_ready
        return done and self.available is not None and self.fed >= len(self.available)


class MixtureRun:
    """One mixture in one run; nested ones are filled through it."""

    def __init__(
        self,
        mixture: Mixture,
        *,
        pipelines: Mapping[str, PipelineRun],
        inner: Mapping[str, MixtureRun],
        sources: Sources,
        source_book: SourceBook,
        nodes: Sequence[Node],
        store: OutcomeStore,
        run_id: int,
        stop: StopSignal,
        scratch: Path | None = None,
        limit: int | None = None,
    ) -> None:
        """
        Args:
            scratch: where rows are put aside that its steps make anew; a temporary folder when None.
            limit: the most rows of each source that it takes directly (`--limit`).
        """
        for node in nodes:
            if not isinstance(node.step, Apply | Keep | Table):
                raise RunError(
                    f"mixture '{mixture.name}': step '{node.id}' works on single rows of a pipeline, not on a mixture"
                )
        self.mixture = mixture
        self.selection: Selection | None = None
        self.nodes = tuple(nodes)
        self._inner = inner
        self._sources = sources
        self._stop = stop
        self._limit = limit
        self._source_book = source_book
        self._total: int | None = None
        self._demands: dict[str, Demand] = {}
        self._feeds: dict[str, _Feed] = {}
        self._changed = StartSpool(scratch, f"mixture '{mixture.name}'") if nodes else None
        for component in mixture.components:
            columns = columns_needed(mixture)[component.rows]
            feed = _Feed(
                component,
                Survivors(columns, self._changed, is_nested=component.kind == "mixture"),
                reads_rows=bool(nodes or columns or component.kind == "source"),
                tallies=[Tally(node.id) for node in nodes],
            )
            if component.kind == "pipeline":
                feed.pipeline = pipelines[component.rows]
            if nodes:
                feed.outcomes = Outcomes(store, run_id, f"{mixture.name}.{component.rows}")
            self._feeds[component.rows] = feed

    @property
    def name(self) -> str:
        return self.mixture.name

    def selected(self) -> SelectedRows:
        """The rows that this mixture took, in its order, each with the source or pipeline that holds it."""
        assert self.selection is not None
        return SelectedRows(
            self.selection, [(feed.available, feed.survivors) for feed in self._feeds.values()]
        )

    async def fill(self, total: int | None = None) -> Selection:
        """Ask for rows until every quota is met or its component has no more, or the run stops; then select.

        Args:
            total: rows that an outer mixture wants, where this one does not say how large it is.

        Raises:
            RunStopped: the run was interrupted, or failed, while rows went through the mixture's steps.
        """
        self._total = total
        for feed in self._feeds.values():
            if feed.component.kind == "source":
                starts = partial(self._sources.starts, feed.component.rows, self.mixture.seed)
                feed.rows = (await self._sources.beside(starts))[: self._limit]
                feed.is_ready = True
        while True:
            self._demands = demands = required_rows(self.mixture, self._candidates(), total=total)
            # The size of a nested mixture may be what the demand for the others waits for.
            if await self._fill_inner(demands):
                continue
            wanted = {
                name: demands[name].missing
                for name, feed in self._feeds.items()
                if not demands[name].is_met and not feed.is_complete
            }
            await gather_all(
                feed.pipeline.ensure(None if missing is None else feed.fed + missing)
                for name, missing in wanted.items()
                if (feed := self._feeds[name]).pipeline is not None
            )
            # One component after another, all in the mixture's order: what a dedup has seen decides on what comes next.
            # When none has a row to give, every quota is met, or what it lacks will not come in this run.
            if not sum([await self._feed(self._feeds[name], missing) for name, missing in wanted.items()]):
                break
        give_back_freed()
        # A second of a processor for half a million rows, which nothing changes meanwhile.
        selected = partial(select, self.mixture, self._candidates(), total=total)
        self.selection = await self._sources.beside(selected)
        return self.selection

    def progress(self) -> list[tuple[str, int | None, int]]:
        """(component, rows wanted, rows there) of each component; wanted is None for all.

        Rows that a pipeline has made since it was last asked count as far as the mixture's steps let rows through. Empty
        while it is not known how many rows are wanted.
        """
        demands = self._demands
        if not demands:
            try:
                demands = required_rows(self.mixture, self._candidates(), total=self._total)
            except RunError:  # a nested mixture, whose size the outer one has yet to say
                return []
        return [(name, demands[name].rows, _there(feed, demands[name])) for name, feed in self._feeds.items()]

    def dropped(self) -> dict[str, dict[str, int]]:
        """Rows that each mixture-wide step dropped, over all components: step id -> reason -> rows."""
        found: dict[str, dict[str, int]] = {node.id: {} for node in self.nodes}
        for feed in self._feeds.values():
            for tally in feed.tallies:
                for reason, count in (*tally.drop_reasons.items(), *tally.quarantine_reasons.items()):
                    found[tally.step][reason] = found[tally.step].get(reason, 0) + count
        return found

    def reports(self) -> dict[str, Any]:
        """What the mixture-wide steps report, by step id."""
        return reports_of(self.nodes)

    def put_tallies(self) -> None:
        """Store what the mixture-wide steps counted, for each component."""
        for feed in self._feeds.values():
            if feed.outcomes is not None and feed.fed:
                feed.outcomes.put_tallies(feed.tallies, feed.fed)

    async def _fill_inner(self, demands: Mapping[str, Demand]) -> bool:
        """Fill the nested mixtures whose demand is known by now; True when there was one."""
        nested = [
            feed
            for name, feed in self._feeds.items()
            if feed.component.kind == "mixture" and not feed.is_ready
            if not demands[name].waits or self._inner[name].mixture.total is not None
        ]
        for feed in nested:
            inner = self._inner[feed.component.rows]
            if inner.selection is None:
                stated = inner.mixture.total is not None
                await inner.fill(None if stated else demands[feed.component.rows].rows)
            feed.rows = inner.selected()
            feed.is_ready = True
        return bool(nested)

    def _candidates(self) -> dict[str, Candidates]:
        return {
            name: feed.survivors.candidates(is_complete=feed.is_complete)
            for name, feed in self._feeds.items()
            if feed.component.kind != "mixture" or feed.is_ready
        }

    async def _feed(self, feed: _Feed, count: int | None) -> int:
        """Give a component's next `count` rows to the mixture-wide steps; how many there were.

        Raises:
            RunStopped: the run was interrupted, or failed.
        """
        first, rows = feed.fed, feed.available
        if rows is None:
            return 0
        end = len(rows) if count is None else min(len(rows), first + count)
        # A breaker never goes back on what it said, so that it may be given some rows first, unless it says otherwise.
        together = end - first if any(node.needs_all_rows for node in self.nodes) else TOGETHER
        while feed.fed < end:
            self._stop.check_cut_short()  # nothing will be selected, so that nothing is to be decided
            start = feed.fed
            feed.fed = until = min(end, start + together)
            if feed.reads_rows:
                await self._take(feed, range(start, until), rows)
            else:
                feed.survivors.add_names(rows.names(start, until))
            await asyncio.sleep(0)
        return end - first

    async def _take(self, feed: _Feed, places: range, rows: RowsInOrder) -> None:
        """Let rows of a component through the mixture-wide steps."""
        came = await self._sources.beside(lambda: list(rows.at(places)))
        if feed.component.kind == "source":
            self._source_book.record(feed.component.rows, came)
        left = list(zip(places, came, came, strict=True))
        for node, tally in zip(self.nodes, feed.tallies, strict=True):
            left = await self._through(node, tally, feed, left)
        for place, start, survivor in left:
            if feed.outcomes is not None:
                feed.outcomes.keep_again(survivor.row, survivor.whence)
            feed.survivors.add(place, start, survivor)

    async def _through(
        self, node: Node, tally: Tally, feed: _Feed, taken: list[tuple[int, Start, Start]]
    ) -> list[tuple[int, Start, Start]]:
        """What a step leaves of rows: the place of each, how it came to the mixture, and how it is now."""
        assert feed.outcomes is not None
        concerned = [start.row for _, _, start in taken if node.applies(start.row)]
        decided: Iterator[Place]
        if node.is_breaker:
            decided = await decided_on(node, concerned, self._stop) if concerned else iter(())
        elif node.in_ranges is not None:
            decided = iter(await all_in_ranges(node, concerned))
        else:
            # So many at once that even what is fast would hold the loop.
            decided = iter(await self._sources.beside(lambda: [applied(node, row) for row in concerned]))
        survivors = []
        for place, came, start in taken:
            result = next(decided) if node.applies(start.row) else start.row
            if isinstance(result, list):
                raise RunError(f"step '{node.name}' makes rows of rows, and a mixture takes them as they are")
            tally.rows_in += 1
            if isinstance(result, Dropped):
                tally.ended(result)
                feed.outcomes.end(result, start.whence)
            else:
                tally.rows_out += 1
                survivors.append((place, came, start._replace(row=result)))
        return survivors


def _there(feed: _Feed, demand: Demand) -> int:
    """How much of a component's demand is there now: what it lacked when it was asked, less what came since."""
    fresh = 0.0
    if feed.pipeline is not None:
        passed = len(feed.survivors) / feed.fed if feed.fed else 1.0
        fresh = (len(feed.pipeline.kept) + feed.pipeline.kept.unsettled - feed.fed) * passed
    if demand.rows is None or demand.missing is None:
        there = int(len(feed.survivors) + fresh)
        return there if demand.rows is None else min(demand.rows, there)
    return max(0, min(demand.rows, int(demand.rows - demand.missing + fresh)))
