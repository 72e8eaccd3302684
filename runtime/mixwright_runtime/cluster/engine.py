"""What a run does through leases: engines whose requests are written here, answered by an engine in a worker, and read
here; and the workers' processors and boxes, for single jobs and ranges of rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from mixwright_compiler.catalog.servers import addresses_of, is_loopback
from mixwright_compiler.plan.plan import ModelSpec, Plan, Step
from mixwright_runtime.calls.fault import Clock
from mixwright_runtime.calls.models import engine_shapes, secrets_of
from mixwright_runtime.cluster.boxes import BOXES, LeasedSandbox
from mixwright_runtime.cluster.durations import LeasePolicy
from mixwright_runtime.cluster.exchanges import engine_answer, request_frame
from mixwright_runtime.cluster.hosting import code_identity
from mixwright_runtime.cluster.jobs import DEVICES, POOL, RANGES, LeasedPool
from mixwright_runtime.cluster.leasing import Leasing
from mixwright_runtime.cluster.protocol import Cluster, Setup
from mixwright_runtime.cluster.proving import Condition
from mixwright_runtime.cluster.ranges import LeasedRanges
from mixwright_runtime.engines.protocol import (
    Answer,
    Embedder,
    Engine,
    Labeller,
    Limited,
    LossTeller,
    Needs,
    Request,
    Scorer,
    Sites,
    WidthSought,
)
from mixwright_runtime.plugins.declare import entry_of
from mixwright_runtime.values.ranges import RangeWork


class LeasedEngine:
    """See `Engine`. Offers what the engine does whose shape it has."""

    def __init__(self, shape: Engine, leasing: Leasing, *, slots: int, of_each: bool = False) -> None:
        """of_each: each worker has the model's servers on its own machine, or the model in its process."""
        self.slots = slots
        self.leasing = leasing
        self._of_each = of_each
        self.is_limit = isinstance(shape, Limited) and shape.is_limit
        self.is_width_unknown = isinstance(shape, WidthSought) and shape.is_width_unknown
        # Had only where the engine has them, so that it is a `Scorer` or `Labeller` when the engine is.
        if isinstance(shape, Scorer):
            self.score = self._asking("score")
        if isinstance(shape, Embedder):
            self.embed = self._asking("embed")
        if isinstance(shape, Labeller):
            self.labels = self._asking("labels")
        if isinstance(shape, LossTeller):
            self.losses = self._asking("losses")

    async def start(self) -> None:
        """See `Engine.start`."""
        await self.leasing.start()

    def complete(self, request: Request) -> Coroutine[Any, Any, Answer]:
        """See `Engine.complete`."""
        return self._ask("complete", request)

    async def close(self) -> None:
        """See `Engine.close`."""
        await self.leasing.close()

    def sites(self) -> Sites:
        """See `Replicated`: those that workers have told of. One that a worker which is there gets no answer from does
        not answer."""
        cluster = self.leasing.cluster
        found: dict[str, tuple[int, bool]] = {}
        for worker in cluster.everyone:
            is_there = cluster.workers.get(worker.name) is worker
            for site, (requests, answers) in worker.sites.get(self.leasing.service, {}).items():
                name = f"{site} ({worker.name})" if self._of_each else site
                before, others_do = found.get(name, (0, True))
                found[name] = before + requests, others_do and (answers or not is_there)
        return found

    def _asking(self, kind: str) -> Callable[[Any], Awaitable[Any]]:
        return partial(self._ask, kind)

    async def _ask(self, kind: str, request: Any) -> Any:
        return engine_answer(kind, await self.leasing.ask(kind, request.key, request_frame(kind, request)))


class LeasedWork:
    """What a run has the workers of a cluster do: models are asked, functions called, programs run in boxes."""

    def __init__(
        self,
        plan: Plan,
        asked: Mapping[str, Needs],
        cluster: Cluster,
        *,
        sandbox: str,
        clock: Clock,
        again: Callable[[], None],
        policy: LeasePolicy | None = None,
    ) -> None:
        """asked: model -> what is needed of it. again: called before a request is sent again, which it may
        refuse with RunStopped.

        Raises:
            RunError: a secret is not set in the environment.
        """
        if cluster.shares_machine:
            for name in asked:
                secrets_of(plan.models[name])
        sharing = len(cluster.places) if cluster.shares_machine else 1
        setup = Setup(plan.model_dump_json(), asked, code_identity(), sandbox, sharing)
        leased = partial(Leasing, cluster=cluster, setup=setup, clock=clock, policy=policy)
        self.cluster = cluster
        self.engines: dict[str, Engine] = {}
        """For each model that is asked one whose requests the workers send."""
        self.leasings: list[Leasing] = []
        for name, shape in engine_shapes(plan, asked).items():
            leasing = leased(name, slots=shape.slots, again=again)
            of_each = is_of_each_worker(plan.models[name], cluster)
            copies = len(cluster.places) if of_each else 1
            self.engines[name] = LeasedEngine(shape, leasing, slots=copies * shape.slots, of_each=of_each)
            self.leasings.append(leasing)
        # No request of a budget: what is sent again costs a worker's time.
        self._of_machines = {name: leased(name, slots=1, again=lambda: None) for name in (POOL, BOXES)}
        self.leasings += self._of_machines.values()
        self._of_ranges = partial(leased, slots=1, again=lambda: None)
        self.ranges = LeasedRanges(self._ranges_leased)

    def pool(self) -> LeasedPool:
        """The processors of the workers."""
        return LeasedPool(self._of_machines[POOL])

    def sandbox(self) -> LeasedSandbox:
        """The boxes of the workers."""
        return LeasedSandbox(self._of_machines[BOXES])

    def _ranges_leased(self, work: RangeWork[Any, Any], conditions: Sequence[Condition]) -> Leasing:
        service = DEVICES if work.loads_model else RANGES
        leasing = self._of_ranges(service, name=work.what, conditions=conditions)
        self.leasings.append(leasing)
        return leasing


def is_of_each_worker(model: ModelSpec, cluster: Cluster) -> bool:
    """Whether each worker has a model of its own, so that what one takes at once is taken as many times: an engine in
    its process, or a server at the loopback address of its machine."""
    if is_in_process(model):
        return True
    return not cluster.shares_machine and all(
        map(is_loopback, addresses_of(model.attributes.get("base_url")))
    )


def loads_model(step: Step) -> bool:
    """Whether workers load a model for a step."""
    return "torch" in entry_of(step.operation).modules


def is_in_process(model: ModelSpec) -> bool:
    """Whether a model is loaded by the process that asks it."""
    return "server" not in entry_of(f"model.{model.engine}").offers
