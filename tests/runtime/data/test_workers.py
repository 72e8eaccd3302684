"""Workers: killed when late, replaced when dead, and given nothing they should not have."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mixwright_runtime.cluster.protocol import frame
from mixwright_runtime.cluster.services import PoolService
from mixwright_runtime.workers.model_process import devices
from mixwright_runtime.workers.pool import (
    WorkerDied,
    WorkerError,
    WorkerPool,
    WorkerStalled,
    WorkerTimeout,
    cpu_seconds_of,
    is_too_hard,
)


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


ENDLESS: tuple[str, list[Any]] = ("math:factorial", [10**8])
"""A job that takes CPU time and nothing else."""


def test_a_job_that_the_machine_gave_no_time_is_not_too_hard(monkeypatch: pytest.MonkeyPatch) -> None:
    """It sleeps: the clock goes on, and its CPU time stands. Begun once more, then an error that nobody stores."""
    monkeypatch.setattr("mixwright_runtime.workers.pool.PATIENCE", 2.0)
    asked: list[int] = []

    def account(pid: int) -> float | None:
        asked.append(pid)
        return cpu_seconds_of(pid)

    async def job(workers: WorkerPool) -> Any:
        with pytest.raises(
            WorkerStalled, match=r"no result after .* s, of which the machine gave it"
        ) as late:
            await workers.run("time:sleep", [60], 0.2)
        assert not is_too_hard(late.value)
        return await workers.run("json:loads", ["1"], 5)

    assert run(job, cpu_seconds=account) == 1
    assert len(set(asked)) == 2


def test_a_busy_machine_does_not_make_a_job_late() -> None:
    """By the clock it is over its limit for long; by an account that runs a hundred times slower it is not."""

    async def job(workers: WorkerPool) -> Any:
        return await workers.run("time:sleep", [0.3], 0.05)

    assert run(job, cpu_seconds=lambda pid: 0.0) is None


def test_where_the_system_keeps_no_account_the_clock_decides() -> None:
    async def job(workers: WorkerPool) -> None:
        with pytest.raises(WorkerTimeout):
            await workers.run("time:sleep", [60], 0.05)

    run(job, cpu_seconds=lambda pid: None)


def test_a_late_job_is_killed_and_the_next_gets_a_new_worker() -> None:
    async def job(workers: WorkerPool) -> tuple[int, int]:
        first = await workers.run("os:getpid", [], 5)
        with pytest.raises(WorkerTimeout, match=r"no result after 0\.05 s"):
            await workers.run(*ENDLESS, 0.05)
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


def test_jobs_of_one_chunk_fail_one_by_one() -> None:
    # Quick jobs of each function teach the pool to send many at once; then one hangs, one is killed, one raises.
    killed = "tests.runtime.execution.functions_for_workers:killed_on_y"
    jobs: list[tuple[str, list[Any]]] = [("json:loads", [str(n)]) for n in range(30)]
    jobs[7], jobs[15], jobs[20] = ENDLESS, (killed, ["y"]), ("json:loads", ["{"])

    async def job(workers: WorkerPool) -> list[Any]:
        for name, quick in (("json:loads", ["0"]), (ENDLESS[0], [0]), (killed, ["x"])):
            await workers.run_many(name, [quick] * 40, 30)
        # A quick job may be slow to answer on a busy machine; what is tested is who is behind the late one.
        workers._seconds.update(dict.fromkeys(("json:loads", ENDLESS[0], killed), 1e-5))
        limits = [0.3 if name == ENDLESS[0] else 30 for name, _ in jobs]
        running = (workers.run(*one, limit) for one, limit in zip(jobs, limits, strict=True))
        return await asyncio.gather(*running, return_exceptions=True)

    found = run(job)
    assert [i for i, value in enumerate(found) if value != i] == [7, 15, 20]
    assert [type(found[i]) for i in (7, 15, 20)] == [WorkerTimeout, WorkerDied, WorkerError]


def test_many_jobs_give_values_and_errors_in_order() -> None:
    async def job(workers: WorkerPool) -> list[Any]:
        return await workers.run_many("json:loads", [["1"], ["{"], ["3"]], 5)

    first, error, third = run(job)
    assert (first, type(error), third) == (1, WorkerError, 3)


def test_a_function_that_cannot_be_imported_is_an_error_each_time() -> None:
    async def job(workers: WorkerPool) -> list[Any]:
        return await workers.run_many("json:no_such_function", [[], []], 5)

    assert [str(error) for error in run(job)] == [
        "AttributeError: module 'json' has no attribute 'no_such_function'"
    ] * 2


def test_a_closed_pool_refuses_and_forgets_nobody() -> None:
    async def job(workers: WorkerPool) -> list[Any]:
        waiting = [asyncio.create_task(workers.run("time:sleep", [60], 90)) for _ in range(3)]
        while not workers._busy:
            await asyncio.sleep(0)
        await workers.close()
        late = await asyncio.gather(*waiting, workers.run("os:getpid", [], 5), return_exceptions=True)
        return [type(error) for error in late]

    assert run(job) == [WorkerDied, WorkerError, WorkerError, WorkerError]


@pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux")
def test_a_worker_opens_no_socket() -> None:
    async def job(workers: WorkerPool) -> Any:
        return await workers.run("socket:create_connection", [["127.0.0.1", 9]], 5)

    with pytest.raises(WorkerError, match="PermissionError"):
        run(job)


PARENT = """
import asyncio
from mixwright_runtime.workers.pool import WorkerPool

async def main():
    pool = WorkerPool(2)
    print(*await asyncio.gather(*(pool.run("os:getpid", [], 5) for _ in range(2))), flush=True)
    await asyncio.gather(*(pool.run("time:sleep", [600], 900) for _ in range(2)))

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the parent's death reaches workers through prctl")
def test_workers_do_not_outlive_a_killed_parent() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert parent.stdout is not None
    pids = {int(pid) for pid in parent.stdout.readline().split()}
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate()
    assert pids
    deadline = time.monotonic() + 20
    while any(_is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still there: {pids}"
        time.sleep(0.01)


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def test_an_import_that_takes_for_ever_is_no_fault_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time-out says that the job is too hard, which is remembered; this one was not even begun."""
    monkeypatch.setattr("mixwright_runtime.workers.pool.START_LIMIT_S", 0.001)

    async def main() -> None:
        pool = WorkerPool(1)
        try:
            with pytest.raises(WorkerDied, match=r"operator:add was not imported after 0\.001 s") as late:
                await pool.run("operator:add", [1, 2], 60)
            assert not is_too_hard(late.value)
        finally:
            await pool.close()

    asyncio.run(main())


def test_a_pool_tells_while_it_gets_ready_and_not_while_it_works() -> None:
    """As a cluster's worker tells it of its pool."""

    async def main() -> None:
        service = PoolService(1)
        function, args = ENDLESS
        assert not service.is_getting_ready()
        working = asyncio.ensure_future(service.answer(function, frame({"args": args, "limit_s": 60.0})))
        await asyncio.sleep(0)
        while service.is_getting_ready():
            await asyncio.sleep(0.01)
        [worker] = service._pool._busy
        assert [job.function for job in worker.jobs] == [function], "its import is done"
        working.cancel()
        await service.close()

    asyncio.run(main())


def test_a_process_that_holds_a_model_has_a_device_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU each, until it has ended; and no limit of memory."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-5")
    monkeypatch.setenv("SECRET", "x")
    assert [(place["CUDA_VISIBLE_DEVICES"], "SECRET" in place) for place in devices()] == [
        ("2", False),
        ("GPU-5", False),
    ]

    async def main() -> None:
        pool = WorkerPool(7, devices=devices(), jobs_per_worker=1)
        try:
            assert pool.size == 2
            asked = [["CUDA_VISIBLE_DEVICES"]] * 6
            seen = await pool.run_many("os:getenv", asked, 60)
            assert set(map(str, seen)) == {"2", "GPU-5"}
            limits = await pool.run("resource:getrlimit", [resource.RLIMIT_AS], 60)
            assert limits == list(resource.getrlimit(resource.RLIMIT_AS))
        finally:
            await pool.close()

    asyncio.run(main())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert [place["CUDA_VISIBLE_DEVICES"] for place in devices()] == [""], "one process, on processors"
