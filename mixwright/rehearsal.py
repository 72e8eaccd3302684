"""Which requests of a plan the store can answer, found by walking rows through the steps with the store as the model.

The rows that a run would start are read, rendered and looked up by their call keys; an answer that is there carries its
row on to the next step, so that step's requests are known too. A row stops where its answer is missing, and every
row stops at the first verifier or breaker: what comes after depends on what those would decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.plan import Pipeline, Plan

if TYPE_CHECKING:
    from runtime.nodes import Node
    from runtime.rows import Row
    from runtime.steps.protocol import CallResult, ScoreResult, VectorResult
    from runtime.store.store import Store

MOST_ROWS = 20_000
"""Rows of a pipeline that are walked; a larger plan gets the bound alone."""
MOST_SOURCE_ROWS = 200_000
"""Rows of a source that are read for it: they are held, for they start in an order that no file has."""
AT_ONCE = 1_000
"""Rows walked side by side; their look-ups are gathered into one query."""


@dataclass(frozen=True)
class Answered:
    """Of `asked` requests of a step the store answers `hits`. `is_all`: these are all its requests; otherwise rows
    stopped before it, and their requests are not known."""

    asked: int
    hits: int
    is_all: bool


class _Missing(Exception):
    """The store has no answer to a request."""


def rehearsed(plan: Plan, store: Store, nodes: Iterable[str]) -> dict[str, Answered]:
    """What the store answers at each of `nodes` (`pipeline.step`) that can be reached without a verifier.

    Steps of pipelines that are too large, or whose source cannot be read here, are left out.
    """
    by_pipeline = {node.rpartition(".")[0] for node in nodes}
    started = {e.node: e.rows_out for e in plan.estimates}
    found: dict[str, Answered] = {}
    for name in by_pipeline & set(plan.pipelines):
        pipeline = plan.pipelines[name]
        rows = started.get(f"{name}.from")
        if pipeline.start.kind == "source" and rows is not None and rows <= MOST_ROWS:
            found.update(_walked(plan, pipeline, rows, store))
    return found


def _walked(plan: Plan, pipeline: Pipeline, rows: int, store: Store) -> dict[str, Answered]:
    from runtime.plugin import RowError, RunError

    source = plan.sources[pipeline.start.rows]
    if source.pin is not None and source.pin.rows > MOST_SOURCE_ROWS:
        return {}
    try:
        return asyncio.run(_Rehearsal(plan, pipeline, store).walk(rows))
    except (RunError, RowError, OSError):
        return {}


class _Rehearsal:
    """One pipeline, its steps up to the first verifier or breaker, and the counts of each."""

    def __init__(self, plan: Plan, pipeline: Pipeline, store: Store) -> None:
        from runtime.demand import Sources
        from runtime.expressions import compile_expression
        from runtime.nodes import Kind, nodes_of
        from runtime.steps.protocol import StepContext
        from runtime.templates import compile_template

        self.plan = plan
        self.pipeline = pipeline
        self.store = store
        self.sources = Sources(plan, Path(plan.directory))
        self.compile = compile_expression
        self.asked: dict[str, int] = {}
        self.hits: dict[str, int] = {}
        self.stopped = 0
        self.reached: dict[str, Answered] = {}
        leading = []
        for step in pipeline.steps:
            if step.operation.partition(".")[0] != "step":
                break
            leading.append(step)
        context = StepContext(
            plan=plan,
            directory=Path(plan.directory),
            seed=pipeline.seed,
            expression=self.compile,
            template=lambda name: compile_template(plan.templates[name]),
            calls=self,
            workers=lambda: None,
            rows_of=lambda name: (entry.columns for entry in self.sources.entries(name)),
            pipeline=pipeline.name,
        )
        self.nodes: list[Node] = nodes_of(leading, context, store, run_id=0)
        self.expands = Kind.EXPAND

    async def walk(self, count: int) -> dict[str, Answered]:
        from runtime.demand import SourceSupply

        where = self.pipeline.start.where
        supply = SourceSupply(self.pipeline, self.sources, self.compile(where) if where else None, None)
        rows = [start.row for start in await supply.take(count)]
        for node in self.nodes:
            if hasattr(node.step, "prepare"):
                await node.step.prepare()
            before = self.stopped
            next_rows: list[Row] = []
            for at in range(0, len(rows), AT_ONCE):
                for made in await asyncio.gather(*(self._step(node, row) for row in rows[at : at + AT_ONCE])):
                    next_rows += made
            if node.kind is self.expands:
                name = f"{self.pipeline.name}.{node.id}"
                self.reached[name] = Answered(self.asked.get(name, 0), self.hits.get(name, 0), before == 0)
            rows = next_rows
        return self.reached

    async def _step(self, node: Node, row: Row) -> list[Row]:
        """What a step makes of a row; nothing where it drops it or an answer is missing."""
        from runtime.rows import Row

        if not node.applies(row):
            return [row]
        if node.kind is not self.expands:
            made = node.step.apply(row)
            return [made] if isinstance(made, Row) else []
        try:
            return [one for one in await node.step.expand(row) if isinstance(one, Row)]
        except _Missing:
            self.stopped += 1
            return []

    async def ask(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        sampling: Mapping[str, Any],
        *,
        replica: int,
        sample: int,
        attempt: int,
        node: str,
        later: int = 0,
    ) -> CallResult:
        """Stands in for `runtime.calls.Calls.ask`; raises _Missing where that would ask the model."""
        from runtime.calls import call_key, sampling_json
        from runtime.rows import canonical_json
        from runtime.steps.protocol import CallResult

        identity = self.plan.models[model].identity
        request = canonical_json(list(messages)), sampling_json(sampling)
        keys = [
            call_key(identity, *request, replica=replica, sample=sample, attempt=n)
            for n in range(attempt, attempt + later + 1)
        ]
        known = await self.store.find_calls(keys)
        record = known.get(keys[0])
        if record is None and known:
            # A later attempt is there, so this one failed in an earlier run and is not asked again.
            return CallResult(keys[0], "", "", False)
        self.asked[node] = self.asked.get(node, 0) + 1
        if record is None:
            raise _Missing
        self.hits[node] = self.hits.get(node, 0) + 1
        return CallResult(keys[0], record.text, record.reasoning, True)

    async def score(self, model: str, **request: Any) -> ScoreResult:
        """Scores are asked by verifiers, at which rows stop anyway."""
        raise _Missing

    async def embed(self, model: str, texts: Sequence[str], *, node: str) -> list[VectorResult]:
        """As `score`."""
        raise _Missing
