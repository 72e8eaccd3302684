"""Workers on the nodes of a Ray cluster, an actor on each. The only module that imports Ray.

Ray places actors and carries bytes. Everything else is the leases': Ray restarts no actor and repeats no call, so that a
request is sent again by nobody who does not count it. Actors are not detached: they end with the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from collections.abc import AsyncGenerator
from typing import Any

from mixwright_compiler.plan.plan import plan_from_json
from mixwright_runtime.cluster.engine import is_in_process, loads_model
from mixwright_runtime.cluster.hosting import Host
from mixwright_runtime.cluster.keeping import Kept, KeptCluster
from mixwright_runtime.cluster.leases import Lease, LeaseFault
from mixwright_runtime.cluster.protocol import (
    LeaseLost,
    Setup,
    answers_frame,
    answers_in,
    error_in,
    items_in,
    lease_frame,
    read_frame,
    setup_frame,
    setup_in,
    sites_in,
    told_error,
)
from mixwright_runtime.cluster.services import host_of
from mixwright_runtime.engines.protocol import Sites
from mixwright_runtime.errors import RunError, require

CLOSE_S = 5.0
"""Seconds that a worker has to close its engines in. Chosen."""
START_S = 300.0
"""Seconds for an actor to come up: Ray may have to start its process on a busy node. Chosen."""
LOOK_S = 5.0
"""How often it is looked for nodes that have joined. Chosen."""


def connected(name: str) -> RayCluster:
    """The Ray cluster of that name, with a worker on each of its nodes that has a CPU.

    Raises:
        MissingExtra: Ray is not installed.
        RunError: there is no such cluster.
    """
    ray = require("ray", "ray", f"--cluster {name}")
    try:
        ray.init(address=name, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, OSError, ValueError) as error:
        raise RunError(
            f"--cluster {name}: no Ray cluster answers ({' '.join(str(error).split())[:200]}); "
            "'ray start --head' begins one here"
        ) from error
    return RayCluster(name, ray, nodes_of(ray))


def nodes_of(ray: Any) -> dict[str, dict[str, Any]]:
    """Nodes that are up and have a CPU, by a name that tells them apart."""
    return {
        f"{node['NodeManagerAddress']}-{node['NodeID'][:6]}": node
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU")
    }


class NodeActor:
    """What runs on a node."""

    def __init__(self) -> None:
        self._host: Host | None = None

    async def set_up(self, data: bytes) -> dict[str, Any]:
        """Tell it of the run; what it says is an error or its process."""
        try:
            self._host = host_of(setup_in(*read_frame(data)))
        except RunError as error:
            return {**told_error(error)}
        return {"pid": os.getpid()}

    async def open(self, service: str) -> dict[str, Any]:
        """Start a service; what it says is an error or how much it does at once."""
        assert self._host is not None
        try:
            return {"slots": await self._host.open(service)}
        except RunError as error:
            return {**told_error(error)}

    async def answers(self, data: bytes) -> AsyncGenerator[bytes]:
        """The answers to a lease, in frames."""
        assert self._host is not None
        head, bodies = read_frame(data)
        items = items_in(head, bodies)
        left = len(items)
        async with contextlib.aclosing(self._host.answers(head["service"], items)) as coming:
            async for results in coming:
                left -= len(results)
                sites = self._host.sites(head["service"])
                yield answers_frame(head["lease"], results, is_last=not left, sites=sites)

    async def stay(self) -> None:
        """Return never: who waits for it hears when the actor is gone."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Close the engines."""
        if self._host is not None:
            await self._host.close()


class RayCluster(KeptCluster):
    """A worker on each node, also on those that join later."""

    def __init__(self, name: str, ray: Any, nodes: dict[str, dict[str, Any]]) -> None:
        super().__init__(name, nodes)
        self._ray = ray
        self._nodes = nodes
        self._looking: asyncio.Task[None] | None = None

    async def start(self, setup: Setup) -> None:
        """See `Cluster.start`."""
        if not self.places:
            raise RunError(f"--cluster {self.name}: no node of it has a CPU")
        if self._looking is None:
            self._looking = asyncio.ensure_future(self._look())
        await super().start(setup)

    async def begin(self, place: str, setup: Setup) -> Kept:
        """See `KeptCluster.begin`."""
        node = self._nodes[place]
        worker = RayWorker(place, node["NodeManagerHostname"], self._actor(node, setup), self._ray)
        try:
            # Not `wait_for`: in Python 3.11 it keeps a cancellation to itself that comes as the actor does, and whoever
            # ends this worker's keeper waits for ever.
            async with asyncio.timeout(START_S):
                await worker.set_up(setup)
        except TimeoutError:
            await worker.end()
            raise LeaseLost(LeaseFault.DIED, f"worker {place} did not come up in {START_S:.0f} s") from None
        except BaseException:
            await worker.end()
            raise
        return worker

    async def close(self) -> None:
        """See `Cluster.close`; leaves the Ray cluster as it was."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await super().close()
        # What is left of Ray's own objects must go before it does: one that is deleted later may wait for ever.
        gc.collect()
        self._ray.shutdown()

    def _actor(self, node: dict[str, Any], setup: Setup) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        plan = plan_from_json(setup.plan)
        steps = [step for pipeline in plan.pipelines.values() for step in pipeline.steps]
        steps += [step for mixture in plan.mixtures.values() for step in mixture.steps]
        has_own_models = any(is_in_process(plan.models[name]) for name in setup.needs) or any(
            map(loads_model, steps)
        )
        return (
            self._ray.remote(NodeActor)
            .options(
                num_cpus=0,
                num_gpus=node["Resources"].get("GPU", 0) if has_own_models else 0,
                max_restarts=0,
                max_task_retries=0,
                max_concurrency=10_000,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
            )
            .remote()
        )

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            for place, node in (await asyncio.to_thread(nodes_of, self._ray)).items():
                if place not in self._nodes:
                    self._nodes[place] = node
                    self.add(place)


class RayWorker:
    """One actor."""

    def __init__(self, name: str, node: str, actor: Any, ray: Any) -> None:
        self.name = name
        self.node = node
        self.actor = actor
        self.has_served = False
        self.sites: dict[str, Sites] = {}
        self.pid = 0
        """Of its process, on its node."""
        self._ray = ray

    async def set_up(self, setup: Setup) -> None:
        """Tell it of the run. Raises as `KeptCluster.begin`."""
        told = await self._told(self.actor.set_up.remote(setup_frame(setup)))
        self.pid = int(told["pid"])

    async def open(self, service: str) -> int:
        """See `Worker.open`."""
        told = await self._told(self._at_work().open.remote(service))
        self.has_served = True
        return int(told["slots"])

    async def answers(self, service: str, lease: Lease) -> AsyncGenerator[list[tuple[bytes, bytes]]]:
        """See `Worker.answers`."""
        frame = lease_frame(service, lease, lease.id)
        try:
            coming = self._at_work().answers.options(num_returns="streaming").remote(frame)
            async for reference in coming:
                head, bodies = read_frame(await reference)
                self.sites[service] = sites_in(head)
                yield answers_in(head, bodies)
        except self._ray.exceptions.RayError as gone:
            raise self._lost(gone) from gone

    async def ended(self) -> str:
        """See `Kept.ended`."""
        while True:
            try:
                await self.actor.stay.remote()
            except self._ray.exceptions.ActorUnavailableError:
                await asyncio.sleep(1.0)
            except self._ray.exceptions.RayError as gone:
                return str(self._lost(gone)).removeprefix(f"worker {self.name} ")

    async def end(self) -> None:
        """See `Kept.end`."""
        if self.actor is None:
            return
        with contextlib.suppress(self._ray.exceptions.RayError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self.actor.close.remote()
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(self.actor)
        self.actor = None

    async def _told(self, reference: Any) -> dict[str, Any]:
        """What an actor's method says. Raises as `Worker.open`."""
        try:
            told: dict[str, Any] = await reference
        except self._ray.exceptions.RayError as gone:
            raise self._lost(gone) from gone
        if (error := error_in(told)) is not None:
            raise error
        return told

    def _at_work(self) -> Any:
        if self.actor is None:
            raise LeaseLost(LeaseFault.DIED, f"worker {self.name} ended")
        return self.actor

    def _lost(self, error: Exception) -> LeaseLost:
        if isinstance(error, self._ray.exceptions.RayTaskError) and self.actor is not None:
            # The actor failed at a step of its own, and lives: its keeper brings another one when it has ended.
            self._ray.kill(self.actor)
        is_away = isinstance(error, self._ray.exceptions.ActorUnavailableError)
        fault = LeaseFault.UNAVAILABLE if is_away else LeaseFault.DIED
        text = " ".join(str(error).split())[:300]
        return LeaseLost(fault, f"worker {self.name} ended: {text}")
