"""A pipeline tried on given rows, with recorded answers in the place of every model, and nothing kept of it.

The steps, the calls, verifiers and sandboxes are those of a run; what answers is `Script`
(`mixwright_runtime/run/recorded_calls.py`), and what would be stored is held in memory. Rows go one after the other, so
that the order of requests is that of the rows.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from mixwright_compiler.catalog.trials import FROM
from mixwright_compiler.plan.plan import Budget, Pipeline, Plan
from mixwright_runtime.calls.budget import Spending
from mixwright_runtime.calls.calls import Calls
from mixwright_runtime.calls.fault import RetryPolicy, SystemClock
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.errors import RunError, RunStopped
from mixwright_runtime.plugins.loading import load_plugins, plugin_faults
from mixwright_runtime.run.recorded_calls import RecordedCalls, Script
from mixwright_runtime.sources.pages import SourceEntry
from mixwright_runtime.store.lookup import KnownPart
from mixwright_runtime.store.records import CallRecord, FoundCall, OutcomeRecord, ScoreRecord, TallyRecord
from mixwright_runtime.stream.context import RunContext
from mixwright_runtime.stream.driving import closed, prepared
from mixwright_runtime.stream.nodes import Node, nodes_of
from mixwright_runtime.stream.outcomes import Outcomes, Start
from mixwright_runtime.stream.pool import Pool
from mixwright_runtime.stream.stream import Executor
from mixwright_runtime.stream.supply import Sources
from mixwright_runtime.tools.toolbox import ToolResults
from mixwright_runtime.values.rows import Row

ONCE = RetryPolicy(tries=1)
"""What a recorded answer lacks does not come by asking again."""


@dataclass(frozen=True)
class Ended:
    """What became of a row. started: which of the given rows it comes from, from 0. detail: evidence of why it was lost;
    scores: what verifiers measured, by step. component: of a mixture, the one that it was given for; before: rows that
    were given for components in front of that one."""

    started: int
    status: str
    columns: Mapping[str, Any]
    step: str = ""
    reason: str = ""
    detail: Any = None
    scores: Mapping[str, Any] = field(default_factory=dict)
    component: str = ""
    before: int = 0


@dataclass(frozen=True)
class Tried:
    """How a trial went. rows: kept ones in start order, then those that were lost. unasked: step -> recorded answers that
    no request took. lacking: component of a mixture -> rows that its own quota lacks; shortfall: what is short of the
    mixture in all, in words, or None."""

    rows: tuple[Ended, ...]
    started: int
    unasked: Mapping[str, int]
    lacking: Mapping[str, int] = field(default_factory=dict)
    shortfall: str | None = None


class _Survivors:
    """The rows that are kept, in memory, and read while others are on their way."""

    def __init__(self) -> None:
        self._starts: list[Start] = []

    def add(self, rows: Sequence[tuple[Start, str | None]]) -> None:
        self._starts += [start for start, _ in rows]

    def in_order(self) -> list[Start]:
        """In start order, those of one start by item and round and then by their identity."""
        return sorted(self._starts, key=lambda start: (start.row.position, start.row.path, start.row.row_id))


def tried(
    plan: Plan,
    name: str,
    answers: Mapping[str, Any],
    *,
    takes: Mapping[str, int] | None = None,
    sandbox: str = "bwrap",
) -> Tried:
    """Take the rows of a pipeline's source through its steps.

    Args:
        name: of the pipeline.
        answers: step -> its answers, a list of one for each request or one for them all.
        takes: source -> only so many of its rows.

    Raises:
        NoAnswer, WrongAnswer: a step asks what is not recorded so.
        RunError: a step cannot work here.
    """
    load_plugins(plan)
    with plugin_faults():
        return asyncio.run(_tried(plan, plan.pipelines[name], answers, takes or {}, sandbox))


class Surroundings:
    """What a run has around its steps, as a trial has it: recorded answers, a store in memory, and the sources.

    `async with` closes what it opened, and tells why the trial came to a stop: RunError.
    """

    def __init__(
        self,
        plan: Plan,
        owner: str,
        answers: Mapping[str, Any],
        sandbox: str,
        sources: Callable[[Plan, Path, StopSignal], Sources] = Sources,
    ) -> None:
        """owner: the pipeline or mixture that is tried."""
        clock = SystemClock()
        self.stop, self.memory = StopSignal(), _Memory()
        script = {name: Script() for name in plan.models}
        spending = Spending(Budget(), clock)
        self._calls = Calls(
            plan.models,
            script,
            self.memory,
            run_id=0,
            spending=spending,
            stop=self.stop,
            clock=clock,
            retry=ONCE,
        )
        self.recorded = RecordedCalls(self._calls, answers, len(owner) + 1)
        self.sources = sources(plan, Path(plan.directory), self.stop)
        results = ToolResults(self.memory, 0, clock)
        self.context = RunContext(plan, self.sources, self.recorded, sandbox=sandbox, results=results)
        self.nodes: list[Node] = []

    async def __aenter__(self) -> Surroundings:
        return self

    async def __aexit__(self, kind: object, failed: BaseException | None, trace: object) -> None:
        await self._calls.close()
        await closed(self.nodes)
        await self.context.close()
        if isinstance(failed, RunStopped):
            raise self.stop.failure or RunError(str(failed)) from None
        if failed is None and self.stop.reason:
            raise self.stop.failure or RunError(self.stop.reason)


async def _tried(
    plan: Plan, pipeline: Pipeline, answers: Mapping[str, Any], takes: Mapping[str, int], sandbox: str
) -> Tried:
    survivors = _Survivors()
    async with Surroundings(plan, pipeline.name, answers, sandbox) as around:
        context, memory = around.context, around.memory
        pool = None
        if pipeline.lag is not None:
            pool = context.pools[pipeline.name] = Pool(pipeline.lag)
        around.nodes = nodes = nodes_of(
            pipeline.steps,
            context,
            memory,
            owner=pipeline.name,
            seed=pipeline.seed,
            run_id=0,
            groups=pipeline.groups,
            asks_again=pipeline.asks_again,
        )
        executor = Executor(
            nodes, Outcomes(memory, 0, pipeline.name), around.stop, window=1, kept=survivors, pool=pool
        )
        context.made[pipeline.name] = lambda: [start.row for start in survivors.in_order()]
        rows = pipeline.start.rows
        given = list(islice(around.sources.entries(rows), takes.get(rows)))
        numbers = _let_in(given, pipeline, context)
        await prepared(nodes)
        await executor.wave([_start(given[n], position, pipeline) for position, n in enumerate(numbers)])
    kept = [
        Ended(numbers[start.row.position], "kept", start.row.columns, scores=start.row.scores)
        for start in survivors.in_order()
    ]
    left_out = sorted(set(range(len(given))).difference(numbers))
    lost = [Ended(number, "dropped", given[number].columns, FROM, "where") for number in left_out]
    lost += [replace(ended, started=numbers[ended.started], component="") for ended in memory.lost]
    rows_ended = (*kept, *sorted(lost, key=lambda ended: ended.started))
    return Tried(rows_ended, len(given), around.recorded.unasked)


def _let_in(given: Sequence[SourceEntry], pipeline: Pipeline, context: RunContext) -> list[int]:
    """The numbers of the given rows that the pipeline's `from` lets in."""
    if pipeline.start.where is None:
        return list(range(len(given)))
    where = context.expression(pipeline.start.where)
    return [number for number, entry in enumerate(given) if where(entry.columns) is True]


def _start(entry: SourceEntry, position: int, pipeline: Pipeline) -> Start:
    names = pipeline.start.columns or entry.columns
    columns = {name: entry.columns.get(name) for name in names}
    return Start(Row(entry.row_id, columns, entry.row_id, position), pipeline.start.rows, entry.ref)


class _Memory:
    """What a run keeps in its store, held for as long as the trial takes."""

    def __init__(self) -> None:
        self.lost: list[Ended] = []
        self._calls: dict[bytes, FoundCall] = {}
        self._scores: dict[bytes, ScoreRecord] = {}

    def put_call(self, record: CallRecord) -> None:
        if record.is_final:
            self._calls[record.key] = FoundCall.of(record)

    async def find_calls(self, keys: Sequence[bytes]) -> dict[bytes, FoundCall]:
        return {key: self._calls[key] for key in keys if key in self._calls}

    async def parts_of_calls(self, keys: Sequence[bytes]) -> AsyncIterator[KnownPart[FoundCall]]:
        known = [at for at, key in enumerate(keys) if key in self._calls]
        yield known, [self._calls[keys[at]] for at in known]

    def put_score(self, record: ScoreRecord) -> None:
        if record.outcome not in ("error", "timeout"):
            self._scores[record.key] = record

    async def find_scores(self, keys: Sequence[bytes]) -> dict[bytes, ScoreRecord]:
        return {key: self._scores[key] for key in keys if key in self._scores}

    def put_outcome(self, record: OutcomeRecord) -> None:
        if record.status != "kept":
            detail = json.loads(record.detail) if record.detail else None
            columns, scores = json.loads(record.columns), json.loads(record.scores)
            self.lost.append(
                Ended(
                    record.position,
                    record.status,
                    columns,
                    record.step,
                    record.reason,
                    detail,
                    scores,
                    record.source,
                )
            )

    def put_tally(self, record: TallyRecord) -> None:
        return
