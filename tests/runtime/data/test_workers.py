"""Workers: killed when late, replaced when dead, and given nothing they should not have."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from runtime.workers import WorkerDied, WorkerError, WorkerPool, WorkerTimeout


@asynccontextmanager
async def pool(**options: Any) -> AsyncIterator[WorkerPool]:
    opened = WorkerPool(1, **options)
    try:
        yield opened
    finally:
        await opened.close()


def run(job: Callable[[WorkerPool], Awaitable[Any]], **options: Any) -> Any:
    async def main() -> Any:
        async with pool(**options) as opened:
            return await job(opened)

    return asyncio.run(main())


def test_a_late_job_is_killed_and_the_next_gets_a_new_worker() -> None:
    async def job(workers: WorkerPool) -> tuple[int, int]:
        first = await workers.run("os:getpid", [], 5)
        with pytest.raises(WorkerTimeout, match=r"no result after 0\.05 s"):
            await workers.run("time:sleep", [60], 0.05)
        return first, await workers.run("os:getpid", [], 5)

    first, second = run(job)
    assert first != second


def test_a_crash_is_told_apart_from_an_error() -> None:
    async def job(workers: WorkerPool) -> list[Any]:
        before = await workers.run("os:getpid", [], 5)
        with pytest.raises(WorkerError, match="JSONDecodeError"):
            await workers.run("json:loads", ["{"], 5)
        same = await workers.run("os:getpid", [], 5)
        with pytest.raises(WorkerDied, match="signal 6"):
            await workers.run("os:abort", [], 5)
        return [before == same, await workers.run("json:loads", ["[1]"], 5)]

    assert run(job) == [True, [1]]


def test_output_of_a_job_does_not_reach_the_results() -> None:
    async def job(workers: WorkerPool) -> list[Any]:
        return [await workers.run("builtins:print", ["noise"], 5), await workers.run("json:loads", ["2"], 5)]

    assert run(job) == [None, 2]


def test_memory_is_bounded() -> None:
    async def job(workers: WorkerPool) -> None:
        with pytest.raises(WorkerError, match="MemoryError"):
            await workers.run("builtins:bytearray", [1 << 40], 5)

    run(job)


def test_secrets_of_the_environment_stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "canary")

    async def job(workers: WorkerPool) -> list[Any]:
        return [await workers.run("os:getenv", [name], 5) for name in ("MY_API_KEY", "PYTHONSAFEPATH")]

    assert run(job) == [None, "1"]


def test_a_worker_is_replaced_after_its_number_of_jobs() -> None:
    async def job(workers: WorkerPool) -> list[int]:
        return [await workers.run("os:getpid", [], 5) for _ in range(4)]

    a, b, c, d = run(job, jobs_per_worker=2)
    assert a == b != c == d


def test_more_jobs_than_workers_all_end() -> None:
    async def job(workers: WorkerPool) -> list[Any]:
        return await asyncio.gather(*(workers.run("json:loads", [str(n)], 5) for n in range(50)))

    assert run(job) == list(range(50))


def test_a_cancelled_job_leaves_a_usable_pool() -> None:
    async def job(workers: WorkerPool) -> Any:
        late = asyncio.create_task(workers.run("time:sleep", [60], 90))
        await workers_started(workers)
        late.cancel()
        with pytest.raises(asyncio.CancelledError):
            await late
        return await workers.run("json:loads", ["1"], 5)

    async def workers_started(workers: WorkerPool) -> None:
        while not workers._busy:
            await asyncio.sleep(0)

    assert run(job) == 1
