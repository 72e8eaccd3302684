"""Which requests of a plan the store can answer, found by walking rows through the steps with the store as the model.

The rows that a run would start are read, rendered and looked up by their call keys; an answer that is there carries its
row on to the next step, so that step's requests are known too. A row stops where its answer is missing, and every
row stops at the first verifier or breaker: what comes after depends on what those would decide. It stops where rows of
a pipeline are drawn, which would have to be made first. And it stops at a step of a plugin, and the rows of a plugin's
source are not read: planning runs nothing of a plugin.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_compiler.plan.plan import Pipeline, Plan, Step

if TYPE_CHECKING:
    from mixwright_runtime.plugins.protocol import (
        CallResult,
        LabelResult,
        LossResult,
        ScoreResult,
        StoredVectors,
        VectorResult,
    )
    from mixwright_runtime.store.records import OutcomeRecord, TallyRecord
    from mixwright_runtime.store.store import Store

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


def rehearsed(plan: Plan, store: Store, nodes: Iterable[str]) -> dict[str, Answered]:
    """What the store answers at each of `nodes` (`pipeline.step`) that can be reached without a verifier.

    Steps of pipelines that are too large, or whose source cannot be read here, are left out.
    """
    asked = tuple(nodes)
    started = {e.node: e.rows_out for e in plan.estimates}
    found: dict[str, Answered] = {}
    for name, pipeline in plan.pipelines.items():
        is_asked = any(node == f"{name}.{step.id}" for node in asked for step in pipeline.steps)
        rows = started.get(f"{name}.from") if is_asked else None
        if pipeline.start.kind == "source" and rows is not None and rows <= MOST_ROWS:
            found.update(_walked(plan, pipeline, rows, store))
    return found


def _walked(plan: Plan, pipeline: Pipeline, rows: int, store: Store) -> dict[str, Answered]:
    from mixwright_runtime.errors import RowError, RunError

    source = plan.sources[pipeline.start.rows]
    if source.pin is not None and source.pin.rows > MOST_SOURCE_ROWS:
        return {}
    if plan.provider(f"source.{source.kind}"):
        return {}
    try:
        return asyncio.run(_rehearsed(plan, pipeline, store, rows))
    except (RunError, RowError, OSError):
        return {}


async def _rehearsed(plan: Plan, pipeline: Pipeline, store: Store, count: int) -> dict[str, Answered]:
    """The pipeline's rows through its steps up to the first verifier or breaker, driven as a run drives them."""
    from mixwright_runtime.calls.stop import StopSignal
    from mixwright_runtime.stream.context import RunContext
    from mixwright_runtime.stream.driving import prepared
    from mixwright_runtime.stream.nodes import nodes_of
    from mixwright_runtime.stream.outcomes import Outcomes
    from mixwright_runtime.stream.stream import Executor
    from mixwright_runtime.stream.supply import Sources, SourceSupply

    leading = list(takewhile(lambda step: _can_be_walked(plan, pipeline, step), pipeline.steps))
    calls = _StoredCalls(plan, store)
    context = RunContext(plan, Sources(plan, Path(plan.directory)), calls)
    nodes = nodes_of(leading, context, store, owner=pipeline.name, seed=pipeline.seed, run_id=0)
    await prepared(nodes)
    where = pipeline.start.where
    supply = SourceSupply(pipeline, context.sources, context.expression(where) if where else None, None)
    executor = Executor(nodes, Outcomes(_NoBook(), 0, pipeline.name), StopSignal(), window=AT_ONCE)
    await executor.wave(await supply.take(count))
    found: dict[str, Answered] = {}
    is_all = True
    for node in nodes:
        if node.answering is not None:
            asked, hits = calls.asked[node.name], calls.hits[node.name]
            # In a loop a row that stops in one round has requests in the next that nobody knows.
            found[node.name] = Answered(asked, hits, is_all and (asked == hits or not node.plan.inside))
            is_all = is_all and asked == hits
    return found


def _can_be_walked(plan: Plan, pipeline: Pipeline, step: Step) -> bool:
    """Does a step only make rows of rows? Of a loop all of its body must; what brings rows together needs them all, and a
    tool is run by runs alone."""
    from mixwright_runtime.plugins.declare import implementation
    from mixwright_runtime.plugins.shapes import Enrich

    body = [other for other in pipeline.steps if other.inside == step.id] if step.traits.loops else ()
    is_plain = step.operation.partition(".")[0] == "step" and not plan.provider(step.operation)
    return (
        is_plain
        and all(question.writes for question in step.traits.asks)
        and not step.breaker
        and not issubclass(implementation(step.operation), Enrich)
        and not _draws_of_pipeline(plan, step)
        and not step.traits.folds
        and all(_can_be_walked(plan, pipeline, other) for other in body)
    )


def _draws_of_pipeline(plan: Plan, step: Step) -> bool:
    from mixwright_runtime.plugins.declare import entry_of

    drawn = (schema.name for schema in entry_of(step.operation).attributes if schema.type == "drawn")
    return any(step.attributes.get(name) in plan.pipelines for name in drawn)


class _NoBook:
    """Keeps nothing of what becomes of rows: `mixwright_runtime.stream.outcomes.OutcomeStore`."""

    def put_outcome(self, record: OutcomeRecord) -> None:
        return

    def put_tally(self, record: TallyRecord) -> None:
        return


class _StoredCalls:
    """The store in place of every model: `mixwright_runtime.calls.models.RunCalls`. A row that needs an answer which
    is not there stays where it is, as in a run that stops; `asked` and `hits` are by node."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self.asked: Counter[str] = Counter()
        self.hits: Counter[str] = Counter()
        self._plan = plan
        self._store = store

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
        rounds: Sequence[int] = (),
        takes_cut: bool = False,
    ) -> CallResult:
        """What the store answers.

        Raises:
            RunStopped: it would be asked of the model.
        """
        from mixwright_runtime.calls.keys import call_key, sampling_json
        from mixwright_runtime.errors import RunStopped
        from mixwright_runtime.plugins.protocol import CallResult
        from mixwright_runtime.values.rows import canonical_json

        identity = self._plan.models[model].identity
        request = canonical_json(list(messages)), sampling_json(sampling)
        keys = [
            call_key(identity, *request, replica=replica, sample=sample, attempt=n, rounds=rounds)
            for n in range(attempt, attempt + later + 1)
        ]
        known = await self._store.find_calls(keys)
        record = known.get(keys[0])
        if record is None and known:
            # A later attempt is there, so this one failed in an earlier run and is not asked again.
            return CallResult(keys[0], "", "", False)
        self.asked[node] += 1
        if record is None:
            raise RunStopped("not in the store")
        self.hits[node] += 1
        return CallResult(keys[0], record.text, record.reasoning, True)

    async def score(self, model: str, **request: Any) -> ScoreResult:
        """Scores are asked by verifiers, at which rows stop."""
        raise NotImplementedError

    async def embed(self, model: str, texts: Sequence[str], *, node: str) -> list[VectorResult]:
        """As `score`."""
        raise NotImplementedError

    def stored_vectors(self, model: str, texts: Iterable[str], *, node: str) -> AsyncIterator[StoredVectors]:
        """As `score`."""
        raise NotImplementedError

    async def labels(self, model: str, *request: Any, **options: Any) -> LabelResult:
        """As `score`."""
        raise NotImplementedError

    async def losses(self, model: str, *request: Any, **options: Any) -> LossResult:
        """As `score`."""
        raise NotImplementedError

    async def token_at(self, model: str, *request: Any, **options: Any) -> LossResult:
        """As `score`."""
        raise NotImplementedError
