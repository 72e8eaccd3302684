"""Runs a plan: waves of rows through its pipelines until the mixtures' quotas are met, then selection and exports.

Whatever happens, what was answered and decided is in the store when this returns, and a further run goes on from
there. A run ends as

    done      everything that was asked for is there                exit 0
    short     a quota could not be met, source or budget spent      exit 0; 1 if `shortfall = error`
    stopped   by a signal                                           exit 130 or 143
    failed    the machine or an engine gave out; a RunError         exit 2

and with exit 1 when more rows were quarantined than `policy { max_quarantined }` allows (without one: any).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_compiler.plan.plan import Budget, Mixture, Pipeline, Plan, Step
from mixwright_runtime.calls.budget import Spending, tightest
from mixwright_runtime.calls.calls import Calls
from mixwright_runtime.calls.fault import BreakerPolicy, Clock, RetryPolicy
from mixwright_runtime.calls.models import asked_of, engines_asked, models_asked
from mixwright_runtime.calls.probing import reserve
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.cluster.durations import LeasePolicy
from mixwright_runtime.cluster.engine import LeasedWork
from mixwright_runtime.cluster.protocol import Cluster
from mixwright_runtime.engines.protocol import Engine
from mixwright_runtime.errors import RunError, RunStopped
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.run.calibration import calibrate_all
from mixwright_runtime.run.drawn import Replay, lost_of_pool, replay_of, rows_kept
from mixwright_runtime.run.mixtures import MixtureRun, SourceBook
from mixwright_runtime.run.pace import RunPace
from mixwright_runtime.run.waves import PipelineRun, supply_of
from mixwright_runtime.store.records import CALIBRATION, THRESHOLDS, EventRecord
from mixwright_runtime.stream.context import RunContext
from mixwright_runtime.stream.driving import closed, prepared
from mixwright_runtime.stream.kept import KeptRows
from mixwright_runtime.stream.nodes import Node, nodes_of
from mixwright_runtime.stream.ordering import LongestFirst, size_of_columns
from mixwright_runtime.stream.outcomes import Outcomes
from mixwright_runtime.stream.pool import Pool
from mixwright_runtime.stream.stream import Executor
from mixwright_runtime.stream.supply import Sources
from mixwright_runtime.stream.walk import NOTHING_SETTLED, Settled
from mixwright_runtime.tools.toolbox import ToolResults
from mixwright_runtime.verifiers.verdicts import selection_of

if TYPE_CHECKING:
    from mixwright_runtime.store.store import Store

GRACE_S = 30.0
"""How long requests in flight may still end after a first signal or a dead engine."""


@dataclass(frozen=True)
class RunOptions:
    """What a user may say about a run besides the plan.

    mixtures: only these; empty runs all that are no variant. limit: start at most this many rows of each pipeline,
    and take at most this many of each source that a mixture names directly.
    """

    mixtures: tuple[str, ...] = ()
    limit: int | None = None
    exports: bool = True
    command: str = "run"
    grace_s: float = GRACE_S
    retry: RetryPolicy | None = None
    breaker: BreakerPolicy | None = None
    sandbox: str = "bwrap"
    """What confines untrusted code: `bwrap`, or a back-end that the user named
    (mixwright_runtime/sandbox/backends.py)."""
    cluster: str = ""
    """Whose workers ask models and do what takes processors (mixwright_runtime/cluster/named.py); none: this machine."""
    leases: LeasePolicy | None = None
    watch: Callable[[Run], Any] | None = None
    """Called when the run has begun; a coroutine function that shows progress until it is cancelled."""


@dataclass(frozen=True)
class RunReport:
    """How a run ended. `messages` are sentences for the reader; `summary` is what the store keeps of it."""

    run_id: int
    status: str
    exit_code: int
    summary: dict[str, Any]
    messages: tuple[str, ...] = field(default=())


class Run:
    """A plan being executed."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        options: RunOptions,
        engines: Mapping[str, Engine] | None,
        clock: Clock,
        cluster: Cluster | None = None,
    ) -> None:
        self.plan = plan
        self.store = store
        self.options = options
        self.clock = clock
        self.stop = StopSignal()
        self.is_abandoned = False
        """Requests in flight are not waited for any more."""
        self.mixtures = chosen_mixtures(plan, options.mixtures)
        self.pipelines = needed_pipelines(plan, self.mixtures, named=bool(options.mixtures))
        self.policies = policies_of(plan, self.mixtures)
        self.spending = Spending(budget_of(plan, self.mixtures), clock)
        steps = [step for pipeline in self.pipelines for step in pipeline.steps]
        steps += [step for mixture in _with_nested(plan, self.mixtures) for step in mixture.steps]
        asked = asked_of(plan, steps) if engines is None else {}
        self.leased: LeasedWork | None = None
        if cluster is not None:
            again = partial(reserve, self.spending, self.stop)
            how: dict[str, Any] = {"sandbox": options.sandbox, "policy": options.leases}
            self.leased = LeasedWork(plan, asked, cluster, clock=clock, again=again, **how)
        if engines is None:
            engines = engines_asked(plan, asked) if self.leased is None else self.leased.engines
        self.engines = engines
        self.run_id = store.begin_run(plan, options.command)
        self.started_at = clock.wall()
        self.calls = Calls(
            plan.models,
            engines,
            store,
            run_id=self.run_id,
            spending=self.spending,
            stop=self.stop,
            clock=clock,
            retry=options.retry,
            breaker=options.breaker,
        )
        self.sources = Sources(plan, Path(plan.directory), self.stop, scratch=store.directory)
        self.context = RunContext(
            plan,
            self.sources,
            self.calls,
            sandbox=options.sandbox,
            leased=self.leased,
            results=ToolResults(store, self.run_id, clock),
        )
        self.outcomes: dict[str, Outcomes] = {}
        self.nodes: dict[str, list[Node]] = {}
        """By pipeline, and by mixture for its own steps."""
        self.runs: dict[str, PipelineRun] = {}
        self.mixture_runs: dict[str, MixtureRun] = {}
        self.replays: list[Replay] = []
        """Pools that are held against those of earlier runs."""
        self.faults_at_end: list[str] = []
        """What went wrong when steps were closed."""
        self.calibrations: dict[str, dict[str, Any]] = {}
        """By verifier, `pipeline.step`; see `mixwright_runtime.verifiers.calibrate.Calibration.figures`."""
        self.pace = RunPace()
        self._task: asyncio.Task[None] | None = None

    @property
    def pipeline_nodes(self) -> list[Node]:
        """The steps of all pipelines, without those of mixtures."""
        return [node for pipeline in self.runs.values() for node in pipeline.executor.nodes]

    async def work(self) -> None:
        """Make every row that is wanted and select the mixtures.

        Raises:
            RunError: the machine failed.
            CancelledError: requests in flight were abandoned.
        """
        self._task = asyncio.ensure_future(self._work())
        helpers = [asyncio.ensure_future(self._abandon_after_grace())]
        if self.options.watch is not None:
            helpers.append(asyncio.ensure_future(self.options.watch(self)))
        try:
            await self._task
        finally:
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    def abandon(self) -> None:
        """Wait for nothing any more; what has arrived is kept."""
        self.is_abandoned = True
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """Release engines, workers and steps."""
        await self.calls.close()
        for nodes in self.nodes.values():
            self.faults_at_end += await closed(nodes)
        await self.context.close()

    async def _work(self) -> None:
        await self._build()
        for nodes in self.nodes.values():
            await prepared(nodes)
        self._note_thresholds()
        try:
            await calibrate_all(self.pipeline_nodes, self.sources, self._keep_calibration)
        except RunStopped:
            return
        if self.mixture_runs:
            for mixture in self.mixture_runs.values():
                if mixture.selection is None and mixture.name in self.mixtures:
                    await mixture.fill()
        else:
            for pipeline in self.runs.values():
                await pipeline.ensure(None)

    async def _build(self) -> None:
        # In order: the pipeline that another one starts from is there before it, and a mixture before those it is in.
        for pipeline in self.pipelines:
            nodes = self._nodes(
                pipeline.name,
                pipeline.steps,
                pipeline.seed,
                groups=pipeline.groups,
                asks_again=pipeline.asks_again,
            )
            outcomes = Outcomes(self.store, self.run_id, pipeline.name)
            window = self._window(nodes)
            pool, settled = await self.sources.beside(partial(self._pool_of, pipeline))
            kept = KeptRows(self.store.directory, f"pipeline '{pipeline.name}'")
            executor = Executor(
                nodes,
                outcomes,
                self.stop,
                window=window,
                kept=kept,
                order=None if pool else self._order(pipeline, nodes, window),
                pool=pool,
                settled=settled,
                scratch=self.store.directory,
            )
            where = (
                self.context.expression(pipeline.start.where) if pipeline.start.where is not None else None
            )
            supply = await self.sources.beside(
                partial(supply_of, pipeline, self.runs, self.sources, where, self.options.limit)
            )
            self.outcomes[pipeline.name] = outcomes
            self.runs[pipeline.name] = PipelineRun(
                pipeline,
                supply,
                executor,
                self.stop,
                kept,
                fanout=pipeline.fanout,
                draws=[(self.runs[drawn.rows], drawn.limit) for drawn in pipeline.draws],
            )
            self.context.made[pipeline.name] = partial(rows_kept, self.runs[pipeline.name])
        book = SourceBook(self.store, self.run_id)
        for mixture in _with_nested(self.plan, self.mixtures):
            self.mixture_runs[mixture.name] = MixtureRun(
                mixture,
                pipelines=self.runs,
                inner=self.mixture_runs,
                sources=self.sources,
                source_book=book,
                nodes=self._nodes(mixture.name, mixture.steps, mixture.seed),
                store=self.store,
                run_id=self.run_id,
                stop=self.stop,
                scratch=self.store.directory,
                limit=self.options.limit,
            )

    def _pool_of(self, pipeline: Pipeline) -> tuple[Pool | None, Settled]:
        """The pool of a pipeline that draws from its own rows, and what earlier runs of the same one lost for good: were
        it answered now, every later row would be asked something else."""
        if pipeline.lag is None:
            return None, NOTHING_SETTLED
        replay = replay_of(self.plan, self.store, pipeline.name, pipeline.lag, self.run_id)
        pool = Pool(pipeline.lag, None if replay is None else replay.closed)
        if replay is not None:
            self.replays.append(replay)
        self.context.pools[pipeline.name] = pool
        return pool, lost_of_pool(self.plan, self.store, pipeline.name, pipeline.lag)

    def _keep_calibration(self, node: str, figures: dict[str, Any]) -> None:
        self.calibrations[node] = figures
        payload = json.dumps({"node": node, **figures}, ensure_ascii=False)
        self.store.put_event(EventRecord(self.run_id, CALIBRATION, payload))

    def _note_thresholds(self) -> None:
        """Keep the verifiers' thresholds beside the plan: the store's view `verdict` applies them in SQL."""
        stated = []
        for name, pipeline in self.runs.items():
            for node in pipeline.executor.nodes:
                found = selection_of(node.step) if isinstance(node.step, Measure) else None
                if found is not None:
                    bounds = {"low": found.low, "high": found.high, "pick": found.pick}
                    stated.append({"pipeline": name, "step": node.id, **bounds})
        if stated:
            self.store.put_event(EventRecord(self.run_id, THRESHOLDS, json.dumps(stated)))

    def _nodes(self, owner: str, steps: tuple[Step, ...], seed: int, **placed: Any) -> list[Node]:
        found = nodes_of(
            steps, self.context, self.store, owner=owner, seed=seed, run_id=self.run_id, **placed
        )
        self.nodes[owner] = found
        return found

    def _window(self, nodes: list[Node]) -> int:
        """Rows under way at once: enough for the model with the most slots; a few where only verifiers wait."""
        models = {model for node in nodes for model in models_asked(self.plan, node.plan)}
        slots = [self.calls.services[model].admission.window for model in models]
        waits = any(node.waits and node.answering is None for node in nodes)
        return max([*slots, 64 if waits else 1])

    def _order(self, pipeline: Pipeline, nodes: list[Node], window: int) -> LongestFirst | None:
        """What puts a pipeline's waves in order. None under a budget: where it is spent in the middle of a wave, the
        rows that were started would be the large ones."""
        asked = [
            (node.plan.names, question)
            for node in nodes
            for question in node.traits.asks
            if question.writes and question.asked_with
        ]
        if not asked or self.spending.is_limited:
            return None
        has_breaker = any(step.breaker for step in pipeline.steps)
        called, first = asked[0]
        read = [name for template in first.asked_with for name in self.plan.templates[template].inputs]
        columns = dict.fromkeys((*first.before, *(called.get(name, name) for name in read)))
        return LongestFirst(size_of_columns(tuple(columns)), window, in_blocks=has_breaker)

    async def _abandon_after_grace(self) -> None:
        """Requests in flight get a grace after a signal or a failure; those of a spent budget are paid for and end."""
        await self.stop.wait()
        if self.stop.is_cut_short:
            await self.clock.sleep(self.options.grace_s)
            self.abandon()


def chosen_mixtures(plan: Plan, names: tuple[str, ...]) -> dict[str, Mixture]:
    """The mixtures to run: those named, or all that are no variant; those inside others come with them.

    Raises:
        RunError: there is no mixture of that name.
    """
    for name in names:
        if name not in plan.mixtures:
            there = ", ".join(sorted(plan.mixtures)) or "none"
            raise RunError(f"no mixture '{name}' in {plan.spec}; there are: {there}")
    nested = {c.rows for m in plan.mixtures.values() for c in m.components if c.kind == "mixture"}
    outer = {name: mixture for name, mixture in plan.mixtures.items() if name not in nested}
    # A plan compiled for one variant has no other outer mixture.
    chosen = names or [name for name, mixture in outer.items() if not mixture.variant_of] or list(outer)
    return {name: plan.mixtures[name] for name in chosen}


def needed_pipelines(plan: Plan, mixtures: Mapping[str, Mixture], *, named: bool) -> list[Pipeline]:
    """Pipelines that the mixtures take rows from, and those that these start from, in order; without mixtures all."""
    if not mixtures and not named:
        return plan.pipelines_in_order()
    wanted: set[str] = set()
    for mixture in _with_nested(plan, mixtures):
        for component in mixture.components:
            name = component.rows
            open_names = [name]
            while open_names:
                name = open_names.pop()
                if name in plan.pipelines and name not in wanted:
                    wanted.add(name)
                    open_names += plan.pipelines[name].read
    return [pipeline for pipeline in plan.pipelines_in_order() if pipeline.name in wanted]


def _with_nested(plan: Plan, mixtures: Mapping[str, Mixture]) -> list[Mixture]:
    """The mixtures and those inside them, inner ones first, each once."""
    from mixwright_runtime.mixture import mixtures_in_order

    found = {mixture.name: mixture for name in mixtures for mixture in mixtures_in_order(plan, name)}
    return list(found.values())


def policies_of(plan: Plan, mixtures: Iterable[str]) -> list[Mapping[str, Any]]:
    """The policies that hold for a run of these mixtures."""
    wanted = {"", *mixtures}
    return [policy for policy in plan.policies.values() if policy.get("of", "") in wanted]


def budget_of(plan: Plan, mixtures: Mapping[str, Mixture]) -> Budget:
    """What a run of these mixtures may spend: the smallest limit of each, and of every policy that holds for it."""
    stated = [mixture.budget for mixture in mixtures.values()]
    stated += [Budget(**(policy.get("budget") or {})) for policy in policies_of(plan, mixtures)]
    return tightest(stated)
