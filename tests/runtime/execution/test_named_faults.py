"""A fault at each named point of coordinator and workers, each time that it is passed: no row is lost, none doubled.

In the simulation every point is met every time that it is passed. Processes meet the first and a later time of some.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any, NoReturn

import pytest
from named_faults import OF_KEEPING, OF_LEASES, OF_WORKERS, Injected, Passing
from simulated_cluster import SimulatedCluster, Weather
from test_simulated_cluster import LeasedBench, stored, uneven
from virtual import Bench, MemoryStore, run_virtually

TEXTS = [f"row {n}" for n in range(20)]
ROUGH = Weather(dies=0.1, partition=0.1)
SEED = 9
LONG_S = 1e6
"""Virtual seconds after which a run hangs."""


class Killed(SystemExit):
    """Leaves the event loop at once, as SIGKILL does."""


@functools.cache
def expected() -> list[Any]:
    async def alone() -> list[Any]:
        return await Bench(uneven(SEED), seed=SEED).ask_all(TEXTS)

    return stored(run_virtually(alone()))


async def asked(bench: LeasedBench) -> list[Any]:
    results = await asyncio.wait_for(bench.ask_all(TEXTS), LONG_S)
    await bench.calls.close()
    await bench.cluster.close()
    return results


def bench_with(
    store: MemoryStore, *, coordinator: Passing | None = None, worker: Passing | None = None
) -> LeasedBench:
    cluster = SimulatedCluster(uneven(SEED), 2, SEED, ROUGH)
    cluster.at_point = coordinator or Passing()
    cluster.at_worker_point = worker or Passing()
    return LeasedBench(cluster, SEED, store=store)


def went_on(store: MemoryStore) -> None:
    """A run on what another one has left asks for the rest, and has every answer once."""
    before = len(store.calls)

    async def job() -> None:
        bench = bench_with(store)
        results.extend(await asked(bench))
        stats = bench.leasing.table.stats
        assert stats.items - stats.re_leased == len(TEXTS) - before

    results: list[Any] = []
    run_virtually(job())
    assert stored(results) == expected()
    assert len({record.key for record in store.calls}) == len(store.calls) == len(TEXTS)


def times_passed(side: str, point: str) -> int:
    passing = Passing()

    async def job() -> None:
        await asked(bench_with(MemoryStore(), **{side: passing}))

    run_virtually(job())
    return passing.passed[point]


def raises() -> NoReturn:
    raise Injected("injected")


@pytest.mark.parametrize("point", OF_LEASES + OF_KEEPING)
def test_what_fails_in_the_coordinator_ends_the_run_and_loses_no_answer(point: str) -> None:
    times = times_passed("coordinator", point)
    assert times
    ended = []
    for hit in range(1, times + 1):
        store = MemoryStore()

        async def job(hit: int = hit, store: MemoryStore = store) -> None:
            bench = bench_with(store, coordinator=Passing(point, hit, raises))
            results = await asked(bench)
            ended.append("fails: Injected: injected" in str(bench.stop.failure))
            if not ended[-1]:
                assert stored(results) == expected(), "it had nothing left to do"

        run_virtually(job())
        went_on(store)
    assert any(ended)


@pytest.mark.parametrize("point", OF_LEASES + OF_KEEPING)
def test_a_coordinator_that_is_killed_is_asked_again_for_what_was_open(point: str) -> None:
    for hit in range(1, times_passed("coordinator", point) + 1):
        store = MemoryStore()
        left: list[int] = []

        def kill(store: MemoryStore = store, left: list[int] = left) -> NoReturn:
            left.append(len(store.calls))
            raise Killed

        async def job(hit: int = hit, store: MemoryStore = store, kill: Any = kill) -> None:
            await asked(bench_with(store, coordinator=Passing(point, hit, kill)))

        with pytest.raises(Killed):
            run_virtually(job())
        del store.calls[left[0] :]
        went_on(store)


@pytest.mark.parametrize("point", OF_WORKERS)
def test_a_worker_that_ends_at_a_point_costs_the_leases_that_it_had(point: str) -> None:
    times = times_passed("worker", point)
    assert times >= 2
    for hit in range(1, times + 1):
        store = MemoryStore()

        async def job(hit: int = hit, store: MemoryStore = store) -> list[Any]:
            bench = bench_with(store, worker=Passing(point, hit, raises))
            results = await asked(bench)
            stats = bench.leasing.table.stats
            sizes = sorted(count for _, what, _, count in bench.cluster.trace if what == "lease")
            lost_or_late = stats.lost + stats.late
            assert stats.re_leased <= sum(sizes[len(sizes) - lost_or_late :])
            return results

        assert stored(run_virtually(job())) == expected()
        assert len({record.key for record in store.calls}) == len(store.calls) == len(TEXTS)
