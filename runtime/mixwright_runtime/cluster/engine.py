"""An engine whose exchanges are leases: requests are written here, answered by an engine in a worker, and read here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from mixwright_compiler.catalog.servers import addresses_of, is_loopback
from mixwright_compiler.plan.plan import ModelSpec, Plan
from mixwright_runtime.calls.fault import Clock
from mixwright_runtime.calls.models import engine_shapes, engines_asked, secrets_of
from mixwright_runtime.cluster.durations import LeasePolicy
from mixwright_runtime.cluster.exchanges import answer_in, request_json
from mixwright_runtime.cluster.hosting import code_identity
from mixwright_runtime.cluster.leasing import Leasing
from mixwright_runtime.cluster.protocol import Cluster, Setup
from mixwright_runtime.engines.protocol import (
    Answer,
    Embedder,
    Engine,
    Labeller,
    Limited,
    LossTeller,
    Request,
    Scorer,
    WidthSought,
)
from mixwright_runtime.plugins.declare import entry_of


class LeasedEngine:
    """See `Engine`. Offers what the engine does whose shape it has."""

    def __init__(self, shape: Engine, leasing: Leasing, *, slots: int) -> None:
        self.slots = slots
        self.leasing = leasing
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

    async def complete(self, request: Request) -> Answer:
        """See `Engine.complete`."""
        answer: Answer = await self._ask("complete", request)
        return answer

    async def close(self) -> None:
        """See `Engine.close`."""
        await self.leasing.close()

    def _asking(self, kind: str) -> Callable[[Any], Awaitable[Any]]:
        return partial(self._ask, kind)

    async def _ask(self, kind: str, request: Any) -> Any:
        return answer_in(kind, await self.leasing.ask(kind, request.key, request_json(request)))


def engines_for(
    plan: Plan,
    asked: Mapping[str, frozenset[str]],
    cluster: Cluster | None,
    *,
    clock: Clock,
    again: Callable[[], None],
    policy: LeasePolicy | None = None,
) -> Mapping[str, Engine]:
    """An engine for each model that is asked: of this process, or where there is a cluster, one whose requests the
    workers of that send (see `Leasing`).

    Raises:
        RunError: a secret is not set in the environment.
    """
    if cluster is None:
        return engines_asked(plan, asked)
    if cluster.shares_machine:
        for name in asked:
            secrets_of(plan.models[name])
    needs = {name: sorted(each) for name, each in asked.items()}
    setup = Setup(plan.model_dump_json(), needs, code_identity())
    found = {}
    for name, shape in engine_shapes(plan, asked).items():
        leasing = Leasing(name, cluster, setup, slots=shape.slots, clock=clock, again=again, policy=policy)
        copies = len(cluster.places) if is_of_each_worker(plan.models[name], cluster) else 1
        found[name] = LeasedEngine(shape, leasing, slots=copies * shape.slots)
    return found


def is_of_each_worker(model: ModelSpec, cluster: Cluster) -> bool:
    """Whether each worker has a model of its own, so that what one takes at once is taken as many times: an engine in
    its process, or a server at the loopback address of its machine."""
    if is_in_process(model):
        return True
    return not cluster.shares_machine and all(
        map(is_loopback, addresses_of(model.attributes.get("base_url")))
    )


def is_in_process(model: ModelSpec) -> bool:
    """Whether a model is loaded by the process that asks it."""
    return "server" not in entry_of(f"model.{model.engine}").offers
