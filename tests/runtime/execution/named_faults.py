"""Faults at named points: the n-th time that a point is passed, an exception or SIGKILL; and a worker that has one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import mixwright
from mixwright_runtime.cluster import local, process, services
from mixwright_runtime.run.execute import execute
from mixwright_runtime.store.store import Store

OF_LEASES = ("lease", "answer", "told", "late", "lost")
OF_KEEPING = ("joined", "left")
OF_STORE = ("write", "commit", "committed")
OF_WORKERS = ("opening", "opened", "received", "done", "sent")
WORKER_FAULT = "MIXWRIGHT_TESTS_WORKER_FAULT"
"""POINT HIT ACTION MARK, for `serve`."""


class Injected(Exception):
    """A fault that a test asked for."""


@dataclass
class Passing:
    """Counts the points that are passed; at the `hit`-th time at `point` does `harm`."""

    point: str = ""
    hit: int = 0
    harm: Callable[[], object] = lambda: None
    passed: Counter[str] = field(default_factory=Counter)

    def __call__(self, point: str) -> None:
        self.passed[point] += 1
        if (point, self.passed[point]) == (self.point, self.hit):
            self.harm()


def harm_once(action: str, mark: Path) -> Callable[[], None]:
    """`raise` or `kill`, in the first of all processes that comes to it; `mark` is then a file."""

    def harm() -> None:
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise Injected("injected")

    return harm


def passing_of(fault: str) -> Passing:
    """The fault that is written `POINT HIT ACTION MARK`; none where nothing is."""
    if not fault:
        return Passing()
    point, hit, action, mark = fault.split(maxsplit=3)
    return Passing(point, int(hit), harm_once(action, Path(mark)))


def run_harmed(spec: str, workers: int, of_coordinator: str, of_worker: str) -> None:
    """Runs a spec on a store beside it, with workers that have a fault, and one of its own; 0 for no workers."""
    plan = mixwright.plan(Path(spec))
    passing = passing_of(of_coordinator)
    os.environ[WORKER_FAULT] = of_worker
    local.command_of = lambda _: [sys.executable, "-c", "from named_faults import serve; serve()"]

    async def job(store: Store) -> None:
        cluster = local.LocalCluster(workers) if workers else None
        if cluster is not None:
            cluster.at_point = passing
        try:
            await execute(plan, store=store, cluster=cluster)
        finally:
            if cluster is not None:
                await cluster.close()

    with Store.open(Path(spec).with_name("store"), at_point=passing) as store:
        asyncio.run(job(store))


def serve() -> None:
    """A worker process with the fault that its environment says."""
    passing = passing_of(os.environ[WORKER_FAULT])

    def host_of(setup: process.Setup) -> services.Host:
        host = services.host_of(setup)
        host.at_point = passing
        return host

    process.host_of = host_of
    process.serve()
