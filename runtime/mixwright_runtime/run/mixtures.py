"""Brings a mixture's rows together: asks its components for rows until its quotas are met, then selects.

Rows are fed through the mixture-wide steps as they are demanded, never because a wave happened to make them: each
round every component gives the next rows of its own order that its quota still lacks. So which rows a dedup or
decontamination sees, and in what order, depends on the data alone, not on wave sizes or speed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mixwright_compiler.plan.plan import Component, Mixture
from mixwright_runtime.calls.gathering import gather_all
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.errors import RunError
from mixwright_runtime.mixture import Candidates, Demand, Selection, columns_needed, required_rows, select
from mixwright_runtime.plugins.shapes import Apply, Keep, Place, Table
from mixwright_runtime.run.waves import PipelineRun
from mixwright_runtime.stream.driving import applied, decided_on, reports_of
from mixwright_runtime.stream.nodes import Node
from mixwright_runtime.stream.outcomes import Outcomes, OutcomeStore, Start, Tally
from mixwright_runtime.stream.supply import Sources
from mixwright_runtime.values.rows import Dropped


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
                book.keep(start.row, start)


@dataclass
class _Feed:
    """One component: what it has, what was fed through the mixture's steps, what survived them."""

    component: Component
    rows: Sequence[Start] = ()
    pipeline: PipelineRun | None = None
    is_ready: bool = False
    """A source was read, a nested mixture selected; a pipeline is ready from the start."""
    fed: int = 0
    survivors: list[Start] = field(default_factory=list)
    tallies: list[Tally] = field(default_factory=list)
    outcomes: Outcomes | None = None

    @property
    def available(self) -> Sequence[Start]:
        return self.pipeline.kept if self.pipeline is not None else self.rows

    @property
    def is_complete(self) -> bool:
        """It has given all that it will ever have."""
        done = self.pipeline.is_exhausted if self.pipeline is not None else self.is_ready
        return done and self.fed >= len(self.available)


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
        limit: int | None = None,
    ) -> None:
        """`limit`: the most rows of each source that it takes directly (`--limit`)."""
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
        self._columns = columns_needed(mixture)
        self._total: int | None = None
        self._demands: dict[str, Demand] = {}
        self._feeds: dict[str, _Feed] = {}
        for component in mixture.components:
            feed = _Feed(component, tallies=[Tally(node.id) for node in nodes])
            if component.kind == "pipeline":
                feed.pipeline = pipelines[component.rows]
            if nodes:
                feed.outcomes = Outcomes(store, run_id, f"{mixture.name}.{component.rows}")
            self._feeds[component.rows] = feed

    @property
    def name(self) -> str:
        return self.mixture.name

    def selected(self) -> list[Start]:
        """The rows that this mixture took, in its order, each with the source or pipeline that holds it."""
        assert self.selection is not None
        starts = {
            (start.leaf or name, start.row.row_id): start
            for name, feed in self._feeds.items()
            for start in feed.survivors
        }
        return [
            replace(starts[leaf, row_id], leaf=leaf, repeat=repeat)
            for leaf, row_id, repeat in self.selection.entries()
        ]

    async def fill(self, total: int | None = None) -> Selection:
        """Ask for rows until every quota is met or its component has no more, or the run stops; then select.

        Args:
            total: rows that an outer mixture wants, where this one does not say how large it is.
        """
        self._total = total
        for feed in self._feeds.values():
            if feed.component.kind == "source":
                feed.rows = self._sources.starts(feed.component.rows, self.mixture.seed)[: self._limit]
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
        self.selection = select(self.mixture, self._candidates(), total=total)
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
        found = {}
        for name, feed in self._feeds.items():
            if feed.component.kind == "mixture" and not feed.is_ready:
                continue
            columns = {
                column: [start.row.columns.get(column) for start in feed.survivors]
                for column in self._columns[name]
            }
            row_ids = [start.row.row_id for start in feed.survivors]
            leaves = repeats = None
            if feed.component.kind == "mixture":
                leaves = [start.leaf for start in feed.survivors]
                repeats = [start.repeat for start in feed.survivors]
            found[name] = Candidates(row_ids, None, columns, feed.is_complete, leaves, repeats)
        return found

    async def _feed(self, feed: _Feed, count: int | None) -> int:
        """Give a component's next `count` rows to the mixture-wide steps; how many there were."""
        end = len(feed.available) if count is None else feed.fed + count
        taken = list(feed.available[feed.fed : end])
        if feed.component.kind == "source":
            self._source_book.record(feed.component.rows, taken)
        feed.fed += len(taken)
        rows = taken
        for node, tally in zip(self.nodes, feed.tallies, strict=True):
            rows = await self._through(node, tally, feed, rows)
        if feed.outcomes is not None:
            for start in rows:
                feed.outcomes.keep(start.row, start, with_columns=False)
        feed.survivors += rows
        return len(taken)

    async def _through(self, node: Node, tally: Tally, feed: _Feed, starts: list[Start]) -> list[Start]:
        assert feed.outcomes is not None
        concerned = [start.row for start in starts if node.applies(start.row)]
        decided: Iterator[Place]
        if node.is_breaker:
            decided = iter(await decided_on(node, concerned, self._stop) if concerned else ())
        else:
            decided = iter([applied(node, row) for row in concerned])
        survivors = []
        for start in starts:
            result = next(decided) if node.applies(start.row) else start.row
            if isinstance(result, list):
                raise RunError(f"step '{node.name}' makes rows of rows, and a mixture takes them as they are")
            tally.rows_in += 1
            if isinstance(result, Dropped):
                tally.ended(result)
                feed.outcomes.end(result, start)
            else:
                tally.rows_out += 1
                survivors.append(replace(start, row=result))
        return survivors


def _there(feed: _Feed, demand: Demand) -> int:
    """How much of a component's demand is there now: what it lacked when it was asked, less what came since."""
    fresh = 0.0
    if feed.pipeline is not None:
        passed = len(feed.survivors) / feed.fed if feed.fed else 1.0
        fresh = (len(feed.pipeline.kept) + len(feed.pipeline.executor.kept) - feed.fed) * passed
    if demand.rows is None or demand.missing is None:
        there = int(len(feed.survivors) + fresh)
        return there if demand.rows is None else min(demand.rows, there)
    return max(0, min(demand.rows, int(demand.rows - demand.missing + fresh)))
