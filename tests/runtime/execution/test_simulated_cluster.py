"""Leases under virtual time: whatever workers and the network do, the run is the one that it is without a cluster.

Each seed runs twice. `MIXWRIGHT_SEEDS=1000` runs as many seeds; CI runs a hundred.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Sequence
from typing import Any

import pytest
from simulated_cluster import SimulatedCluster, Weather
from virtual import Bench, MemoryStore, ScriptedEngine, ScriptedScorer, VirtualClock, run_virtually

from mixwright_runtime.calls.budget import Budget
from mixwright_runtime.calls.probing import reserve
from mixwright_runtime.cluster.engine import LeasedEngine
from mixwright_runtime.cluster.leasing import Leasing
from mixwright_runtime.cluster.protocol import Setup
from mixwright_runtime.engines.protocol import Answer, Fault
from mixwright_runtime.errors import RunError

SEEDS = int(os.environ.get("MIXWRIGHT_SEEDS", "100"))
TEXTS = [f"row {n}" for n in range(90)]
STORM = Weather(dies=0.05, partition=0.05, unavailable=0.05, twice=0.1, slow=0.02)


class LeasedBench(Bench):
    """Calls whose requests go through a simulated cluster to a scripted engine."""

    def __init__(self, cluster: SimulatedCluster, seed: int = 0, **options: Any) -> None:
        self.cluster = cluster
        leasing = Leasing(
            "teacher",
            cluster,
            Setup("{}", {}, ""),
            slots=cluster.engine.slots,
            clock=VirtualClock(seed),
            again=lambda: reserve(self.calls.spending, self.stop),
        )
        self.leasing = leasing
        slots = len(cluster.places) * cluster.engine.slots
        super().__init__(LeasedEngine(cluster.engine, leasing, slots=slots), seed=seed, **options)


def uneven(seed: int) -> ScriptedEngine:
    """An engine whose answers take from 0.1 s to 20 s, by their text."""
    engine = ScriptedEngine(slots=6)
    plain = engine.complete

    async def complete(request: Any) -> Answer:
        await asyncio.sleep(
            0.1 + 20 * random.Random(f"{seed} {request.messages[-1]['content']}").random() ** 4
        )
        return await plain(request)

    engine.complete = complete  # type: ignore[method-assign]
    return engine


def stored(results: Sequence[Any]) -> list[tuple[bytes, bool, str, str]]:
    return [(result.key, result.ok, result.text, result.reason) for result in results]


async def leased(seed: int, weather: Weather, **options: Any) -> tuple[LeasedBench, list[Any]]:
    size = 1 + seed % 5
    bench = LeasedBench(SimulatedCluster(uneven(seed), size, seed, weather, poison="row 77"), seed, **options)
    results = await bench.ask_all(TEXTS)
    await bench.calls.close()
    await bench.cluster.close()
    return bench, results


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_request_is_answered_once_as_without_a_cluster(seed: int) -> None:
    async def alone() -> list[Any]:
        return await Bench(uneven(seed), seed=seed).ask_all(TEXTS)

    bench, results = run_virtually(leased(seed, STORM))
    again, same = run_virtually(leased(seed, STORM))
    assert again.cluster.trace == bench.cluster.trace and stored(same) == stored(results)
    expected = [
        (key, False, "", "worker_died") if text == "row 77" else (key, ok, answer, reason)
        for text, (key, ok, answer, reason) in zip(TEXTS, stored(run_virtually(alone())), strict=True)
    ]
    assert stored(results) == expected
    records = [(r.key, r.status) for r in bench.store.calls]
    assert len(records) == len(set(records)) == len(TEXTS)
    stats = bench.leasing.table.stats
    sent = sum(count for _, what, _, count in bench.cluster.trace if what == "lease")
    assert sent == stats.items == len(TEXTS) + stats.re_leased
    assert bench.calls.spending.requests == sent, "an item that is sent again is a request"
    assert stats.poisoned == 1 and bench.leasing.table.waiting == 0


def test_fine_weather_sends_nothing_twice() -> None:
    async def job() -> None:
        bench = LeasedBench(SimulatedCluster(ScriptedEngine(), 3))
        assert all(result.ok for result in await bench.ask_all(TEXTS))
        stats = bench.leasing.table.stats
        assert (stats.items, stats.re_leased, stats.lost, stats.late) == (len(TEXTS), 0, 0, 0)
        # 24 at once and more as answers come: few leases, and each worker about a third.
        assert stats.leases <= 25
        assert all(15 <= count <= 45 for count in bench.leasing.answered.values())

    run_virtually(job())


def test_a_partition_costs_a_deadline_and_late_answers_count() -> None:
    async def job() -> None:
        cluster = SimulatedCluster(ScriptedEngine(), 2)
        bench = LeasedBench(cluster)
        asking = asyncio.ensure_future(bench.ask_all(TEXTS))
        await asyncio.sleep(3)
        cluster.simulated("w0").cut_until = 40.0
        results = await asking
        stats = bench.leasing.table.stats
        assert all(result.ok for result in results)
        assert stats.late >= 1 and 0 < stats.re_leased <= 16
        assert asyncio.get_running_loop().time() < 45
        await asyncio.sleep(60)
        assert stats.duplicates == stats.re_leased, "every answer that came twice was one too many"

    run_virtually(job())


def test_a_worker_that_gets_ready_is_not_late_and_one_that_is_cut_off_meanwhile_is() -> None:
    async def job(cut_until: float) -> LeasedBench:
        cluster = SimulatedCluster(ScriptedEngine(), 2)
        cluster.loads_s = 200.0
        bench = LeasedBench(cluster)
        asking = asyncio.ensure_future(bench.ask_all(TEXTS))
        await asyncio.sleep(100)
        cluster.simulated("w0").cut_until = cut_until
        assert all(result.ok for result in await asking)
        return bench

    stats = run_virtually(job(0.0)).leasing.table.stats
    assert (stats.late, stats.re_leased) == (0, 0)
    stats = run_virtually(job(190.0)).leasing.table.stats
    assert stats.late >= 1


def test_faults_of_the_engine_are_retried_as_without_a_cluster() -> None:
    async def job() -> None:
        script = lambda text, before: Fault.SERVER if before < 2 and text == "row 3" else None  # noqa: E731
        bench = LeasedBench(SimulatedCluster(ScriptedEngine(script), 2))
        assert all(result.ok for result in await bench.ask_all(TEXTS[:10]))
        assert len(bench.cluster.engine.requests) == 12
        refused = LeasedBench(SimulatedCluster(ScriptedEngine(lambda text, before: Fault.DENIED), 2))
        await refused.ask_all(TEXTS[:3])
        assert "scripted denied" in str(refused.stop.failure)

    run_virtually(job())


def test_a_budget_is_kept_though_items_are_sent_again() -> None:
    async def job() -> None:
        bench = LeasedBench(
            SimulatedCluster(ScriptedEngine(), 2, 5, Weather(dies=0.3)), budget=Budget(requests=60)
        )
        await bench.ask_all(TEXTS)
        assert "budget of 60 requests is spent" in bench.stop.reason
        stats = bench.leasing.table.stats
        assert stats.items <= bench.calls.spending.requests == 60 and stats.re_leased > 0
        await bench.cluster.close()

    run_virtually(job())


def test_a_coordinator_that_starts_again_sends_what_was_open_and_no_more() -> None:
    async def killed(store: MemoryStore) -> SimulatedCluster:
        cluster = SimulatedCluster(uneven(1), 3, 1)
        asking = asyncio.ensure_future(LeasedBench(cluster, store=store).ask_all(TEXTS))
        await asyncio.sleep(6)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        return cluster

    async def job() -> None:
        store = MemoryStore()
        first = await killed(store)
        answered, sent = len(store.calls), sum(count for _, what, _, count in first.trace if what == "lease")
        assert 0 < answered < len(TEXTS)
        bench = LeasedBench(SimulatedCluster(uneven(1), 2, 2), store=store)
        assert all(result.ok for result in await bench.ask_all(TEXTS))
        assert bench.leasing.table.stats.items == len(TEXTS) - answered
        assert len(TEXTS) - answered <= len(TEXTS) - sent + 3 * 6 * 2

    run_virtually(job())


def test_an_engine_that_ends_every_worker_stops_the_run() -> None:
    async def job() -> None:
        cluster = SimulatedCluster(ScriptedEngine(), 2, poison='"')
        bench = LeasedBench(cluster)
        results = await bench.ask_all(TEXTS)
        assert "workers die whatever they are asked" in str(bench.stop.failure)
        assert sum(not isinstance(result, BaseException) for result in results) <= 10
        await cluster.close()

    run_virtually(job())


def test_without_any_worker_the_run_stops() -> None:
    async def job() -> None:
        cluster = SimulatedCluster(ScriptedEngine(), 2)
        bench = LeasedBench(cluster)
        asking = asyncio.ensure_future(bench.ask_all(TEXTS))
        await asyncio.sleep(2)
        bench.leasing.failed(RunError("they are gone"))
        await asking
        assert "no worker is left: they are gone" in str(bench.stop.failure)

    run_virtually(job())


def test_scores_and_vectors_travel_bit_for_bit() -> None:
    async def measured(bench: Bench) -> tuple[Any, ...]:
        score = await bench.calls.score(
            "teacher", node="p.s", messages=[{"role": "user", "content": "æ\ud800"}]
        )
        vectors = await bench.calls.embed("teacher", ["aab", "cc", "b"], node="p.e")
        return score.values, [vector.vector.tolist() for vector in vectors]

    async def job() -> None:
        plain = await measured(Bench(ScriptedScorer(), attributes={"task": "reward"}))
        leased = await measured(
            LeasedBench(SimulatedCluster(ScriptedScorer(), 2), attributes={"task": "reward"})
        )
        assert leased == plain

    run_virtually(job())
