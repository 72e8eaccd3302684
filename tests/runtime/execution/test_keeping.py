"""Workers that come up while a run ends, and actors that fail and live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from mixwright_runtime.cluster.leases import Lease, LeaseFault, Seat
from mixwright_runtime.cluster.protocol import LeaseLost, Setup
from mixwright_runtime.cluster.ray import RayCluster, RayWorker

EXCEPTIONS = SimpleNamespace(
    RayError=OSError, ActorUnavailableError=TimeoutError, RayTaskError=ConnectionError
)


class SlowActor:
    """In the place of an actor: it is up when the test says so, and stays."""

    def __init__(self) -> None:
        self.is_up: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.set_up = SimpleNamespace(remote=lambda *_: self.is_up)
        self.stay = SimpleNamespace(remote=lambda: asyncio.Event().wait())
        self.close = SimpleNamespace(remote=lambda: asyncio.sleep(0))


class SlowCluster(RayCluster):
    def __init__(self) -> None:
        ray = SimpleNamespace(
            exceptions=EXCEPTIONS,
            kill=lambda actor: self.killed.append(actor),
            shutdown=lambda: None,
        )
        super().__init__("slow", ray, {"here": {"NodeManagerHostname": "here"}})
        self.actor = SlowActor()
        self.killed: list[SlowActor] = []

    def _actor(self, node: dict[str, Any], setup: Setup) -> Any:
        return self.actor


def test_a_run_that_ends_as_an_actor_comes_up_does_not_wait_for_the_actors_end() -> None:
    """At each step of the loop at which the actor may be up, from the first of closing to its last."""

    async def job(steps: int) -> None:
        cluster = SlowCluster()
        starting = asyncio.ensure_future(cluster.start(Setup("{}", {}, "")))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(cluster.close())
        for _ in range(steps):
            await asyncio.sleep(0)
        if not cluster.actor.is_up.done():
            cluster.actor.is_up.set_result({"pid": 1})
        done, _ = await asyncio.wait([closing], timeout=5)
        assert done, f"an actor that is up {steps} steps after closing began is waited for"
        assert cluster.killed == [cluster.actor]
        starting.cancel()

    for steps in range(8):
        asyncio.run(job(steps))


def test_an_actor_that_fails_at_a_step_is_ended_so_that_another_one_comes() -> None:
    killed: list[Any] = []

    async def answers(_frame: bytes) -> AsyncIterator[Any]:
        raise EXCEPTIONS.RayTaskError("a bug")
        yield

    actor = SimpleNamespace(
        answers=SimpleNamespace(options=lambda **_: SimpleNamespace(remote=answers)),
    )

    async def job() -> None:
        worker = RayWorker("w", "n", actor, SimpleNamespace(exceptions=EXCEPTIONS, kill=killed.append))
        lease = Lease(1, "w", (), 0.0, 1.0, 1, {}, Seat(1, 1))
        with pytest.raises(LeaseLost, match="a bug") as lost:
            async for _ in worker.answers("teacher", lease):
                pass
        assert lost.value.fault is LeaseFault.DIED

    asyncio.run(job())
    assert killed == [actor]
