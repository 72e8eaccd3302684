"""Verifiers whose work a cluster's workers do: the same verdicts, the same limits, and never without a sandbox."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import plans
import pytest
from virtual import VirtualClock

import mixwright
from mixwright_runtime.calls.fault import SystemClock
from mixwright_runtime.cluster.boxes import BOXES, LeasedSandbox, job_frame, job_in, ran_frame, ran_in
from mixwright_runtime.cluster.durations import LeasePolicy
from mixwright_runtime.cluster.engine import LeasedWork
from mixwright_runtime.cluster.hosting import Host
from mixwright_runtime.cluster.jobs import LeasedPool
from mixwright_runtime.cluster.leases import Lease
from mixwright_runtime.cluster.leasing import Leasing
from mixwright_runtime.cluster.local import LocalCluster, LocalWorker
from mixwright_runtime.cluster.protocol import Cluster, Listener, Setup, Sites, Worker
from mixwright_runtime.cluster.services import BoxService
from mixwright_runtime.errors import RunError
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.sandbox.protocol import (
    Call,
    CallsJob,
    Evaluate,
    ExchangeJob,
    Failure,
    Job,
    Limits,
    Opaque,
    ProgramJob,
    Raised,
    Ran,
    SandboxUnavailable,
    Value,
)
from mixwright_runtime.store.store import Store
from mixwright_runtime.workers.pool import WorkerDied, WorkerError, WorkerTimeout

SPEC = """edition 2026
source tasks jsonl { path = "rows.jsonl", columns = { q = q, code = code, tests = tests } }
pipeline checked {
  from tasks
  verify code { response = code, tests = tests, time_limit = 1s, on_fail = keep, as = runs }
  chat { user = q, assistant = code }
}
mixture all_of_it { seed = 1, checked = 5 }
export files of all_of_it { format = messages, path = "out" }
"""
BODIES = ("return a + b", "return a - b", "raise KeyError", "while True: pass", "return a +")


def test_verdicts_and_exports_are_the_same_as_without_workers(tmp_path: Path) -> None:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    rows = [
        {"q": body, "code": f"def add(a, b):\n    {body}\n", "tests": "assert add(1, 2) == 3"}
        for body in BODIES
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = tmp_path / "spec.mix"
    spec.write_text(SPEC)
    made = []
    for cluster in ("", "local:1", "local:2"):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        with Store.open(tmp_path / f"store{cluster}") as store:
            report = run_plan(mixwright.plan(spec), store=store, options=RunOptions(cluster=cluster))
            assert report.status == "done", report.messages
            outcomes = store.sql("SELECT row_id, status, reason, columns FROM row_outcome ORDER BY position")
            scores = store.sql("SELECT row_id, outcome, score, evidence FROM measurement ORDER BY row_id")
            made.append((list(outcomes), list(scores)))
        if cluster:
            answered = [worker["answered"] for worker in report.summary["cluster"]["workers"]]
            assert sum(answered) >= len(BODIES) and report.summary["cluster"]["leases"]["poisoned"] == 0
        made.append({path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*.jsonl")})
    assert len(made[0][0]) == len(made[0][1]) == 5 and sum(score or 0 for _, _, score, _ in made[0][1]) == 1
    assert made[0] == made[2] == made[4] and made[1] == made[3] == made[5]


def on_local(count: int, job: Callable[[LeasedPool, LocalCluster], Awaitable[Any]], tmp_path: Path) -> Any:
    async def main() -> Any:
        cluster = LocalCluster(count)
        work = LeasedWork(
            plans.plan(tmp_path), {}, cluster, sandbox="bwrap", clock=SystemClock(), again=lambda: None
        )
        try:
            return await job(work.pool(), cluster)
        finally:
            await cluster.close()

    return asyncio.run(main())


def test_a_job_ends_as_in_the_pool_of_one_machine(tmp_path: Path) -> None:
    async def job(pool: LeasedPool, cluster: LocalCluster) -> None:
        found = await pool.run_many("json:loads", [["[1, 2]"], ["{"], ['"\\ud800"']], 5)
        assert found[0] == [1, 2] and found[2] == "\ud800"
        assert isinstance(found[1], WorkerError) and str(found[1]).startswith("JSONDecodeError:")
        with pytest.raises(WorkerTimeout):
            await pool.run("math:factorial", [10**8], 0.3)
        with pytest.raises(WorkerDied, match="signal 6"):
            await pool.run("os:abort", [], 5)
        assert await pool.run("operator:add", [1, 2], 5) == 3
        assert pool.leasing.table.stats.lost == 0, "the worker itself lives on"

    on_local(1, job, tmp_path)


def test_jobs_of_a_worker_that_is_killed_are_done_by_another(tmp_path: Path) -> None:
    async def job(pool: LeasedPool, cluster: LocalCluster) -> None:
        await pool.run("time:sleep", [0], 5)
        while len(pool.leasing._workers) < 2:
            await asyncio.sleep(0.01)
        jobs = [asyncio.ensure_future(pool.run("operator:mul", [n, 2], 5)) for n in range(40)]
        slow = [asyncio.ensure_future(pool.run("time:sleep", [0.5], 5)) for _ in range(4)]
        while not pool.leasing.table.open_at("local-1"):
            await asyncio.sleep(0)
        worker = cluster.workers["local-1"]
        assert isinstance(worker, LocalWorker)
        os.kill(worker.pid, signal.SIGKILL)
        assert await asyncio.gather(*jobs) == [2 * n for n in range(40)]
        await asyncio.gather(*slow)
        stats = pool.leasing.table.stats
        assert stats.lost >= 1 and stats.re_leased >= 1 and stats.poisoned == 0

    on_local(2, job, tmp_path)


LIMITS = Limits(wall_s=1.5)


@pytest.mark.parametrize(
    "job",
    [
        CallsJob(
            "x = '\ud800'", [Call("f", (1, (2.5, {3}), b"\n"), {"k": True}), Evaluate("g(1)")], limits=LIMITS
        ),
        ProgramJob(
            ["./main"], {"main": b"\x7fELF\n\0", "b": b""}, b"1\n2", ["out"], {"A": "b"}, limits=LIMITS
        ),
        ExchangeJob(
            "assert f(1)", "def f(x): ...", {"f": "f"}, awaited=["g"], called=["h"], setup="import os"
        ),
    ],
    ids=["calls", "program", "exchange"],
)
def test_a_job_travels_whole(job: Job) -> None:
    kind, body = job_frame(job, ["/opt/packages"])
    found, packages = job_in(kind, body)
    assert packages == ["/opt/packages"] and job_frame(found, packages) == (kind, body)
    if isinstance(job, CallsJob):
        assert isinstance(found, CallsJob) and found.calls[0].args == [1, (2.5, {3}), b"\n"]  # type: ignore[union-attr]
    else:
        assert found == job


def test_what_became_of_a_job_travels_whole() -> None:
    ran = Ran(
        "error",
        "no",
        "cpu",
        Failure("source", "SyntaxError", "bad", 3),
        (Value((1, True, 1.0)), Raised("KeyError", "k"), Opaque("a generator")),
        status=-9,
        stdout=b"a\nb\0",
        stderr=b"\xff",
        files={"out/a": b"\n", "b": b""},
        wall_s=0.25,
        cpu_s=0.125,
    )
    assert ran_in(ran_frame(ran)) == ran


class Boxes(BoxService):
    """Boxes that say what they are told."""

    def __init__(self, version: str) -> None:
        super().__init__("bwrap", 1)
        self.version = version
        self.jobs: list[Job] = []

    async def start(self) -> int:
        self._sandbox = self
        if not self.version:
            raise RunError("no sandbox: bubblewrap is not installed")
        return 1

    async def provide(self, packages: Any) -> None:
        return

    async def run(self, job: Job) -> Ran:
        self.jobs.append(job)
        if isinstance(job, ExchangeJob):
            raise SandboxUnavailable("it is gone", "get another")
        if isinstance(job, CallsJob):
            raise ValueError("a path leaves the directory")
        return Ran("done", status=0, stdout=self.version.encode(), wall_s=len(self.jobs))

    async def close(self) -> None:
        return


class Beside:
    """A cluster of workers in this process. See `Cluster`."""

    name, shares_machine = "beside", True

    def __init__(self, boxes: Mapping[str, Boxes]) -> None:
        self.at_point: Callable[[str], None] = lambda _: None
        self.boxes = dict(boxes)
        self.workers: dict[str, Worker] = {}
        self.listeners: list[Listener] = []

    @property
    def places(self) -> list[str]:
        return list(self.boxes)

    async def start(self, setup: Setup) -> None:
        for name in self.boxes:
            self.workers[name] = BesideWorker(name, self.boxes[name])

    def listen(self, listener: Listener) -> None:
        self.listeners.append(listener)
        for worker in self.workers.values():
            listener.joined(worker)

    async def close(self) -> None:
        return


class BesideWorker:
    def __init__(self, name: str, boxes: Boxes) -> None:
        self.name = self.node = name
        self.sites: dict[str, Sites] = {}
        self.host = Host({BOXES: boxes})

    async def open(self, service: str) -> int:
        return await self.host.open(service)

    def answers(self, service: str, lease: Lease) -> AsyncGenerator[list[tuple[bytes, bytes]]]:
        return self.host.answers(service, lease.items)


def with_boxes(boxes: Mapping[str, Boxes], job: Callable[[LeasedSandbox, Any], Awaitable[Any]]) -> None:
    async def main() -> None:
        cluster: Cluster = Beside(boxes)  # type: ignore[assignment]
        leasing = Leasing(
            BOXES,
            cluster,
            Setup("{}", {}, ""),
            slots=1,
            clock=VirtualClock(0),
            again=lambda: None,
            policy=LeasePolicy(least=1),
        )
        sandbox = LeasedSandbox(leasing)
        try:
            await job(sandbox, cluster)
        finally:
            await sandbox.close()

    asyncio.run(main())


VERSION = ProgramJob(["g++", "--version"])
PROGRAM = ProgramJob(["./main"])


def test_a_worker_without_a_sandbox_runs_no_program_and_says_why() -> None:
    boxes = {"a": Boxes(""), "b": Boxes("12")}

    async def job(sandbox: LeasedSandbox, cluster: Beside) -> None:
        await sandbox.start()
        assert [(await sandbox.run(PROGRAM)).stdout for _ in range(6)] == [b"12"] * 6
        assert not boxes["a"].jobs and "bubblewrap is not installed" in sandbox.leasing.troubles["a"]

    with_boxes(boxes, job)

    async def none(sandbox: LeasedSandbox, cluster: Beside) -> None:
        with pytest.raises(RunError, match="bubblewrap is not installed"):
            await sandbox.start()
        with pytest.raises(RunError, match="bubblewrap is not installed"):
            await sandbox.run(PROGRAM)

    with_boxes({"a": Boxes(""), "b": Boxes("")}, none)


def test_a_worker_whose_boxes_are_others_gets_no_job() -> None:
    boxes = {"a": Boxes("12"), "b": Boxes("13"), "c": Boxes("12")}

    async def job(sandbox: LeasedSandbox, cluster: Beside) -> None:
        await sandbox.start()
        while len(sandbox.leasing._workers) < 3:
            await asyncio.sleep(0)
        assert (await sandbox.prove(VERSION)).stdout == b"12"
        assert set(sandbox.leasing._workers) == {"a", "c"}
        assert "its boxes are not like the others': '13', not '12'" in sandbox.leasing.troubles["b"]
        late = BesideWorker("d", Boxes("14"))
        sandbox.leasing.joined(late)
        while "d" not in sandbox.leasing.troubles:
            await asyncio.sleep(0)
        proven = len(boxes["b"].jobs)
        await asyncio.gather(*(sandbox.run(PROGRAM) for _ in range(12)))
        assert len(boxes["b"].jobs) == proven and set(sandbox.leasing._workers) == {"a", "c"}

    with_boxes(boxes, job)


def test_what_a_box_cannot_run_is_refused_as_on_one_machine() -> None:
    async def job(sandbox: LeasedSandbox, cluster: Beside) -> None:
        with pytest.raises(SandboxUnavailable, match="no sandbox: it is gone; get another"):
            await sandbox.run(ExchangeJob("", "", {}))
        with pytest.raises(ValueError, match="a path leaves"):
            await sandbox.run(CallsJob("", []))

    with_boxes({"a": Boxes("12")}, job)
