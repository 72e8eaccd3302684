"""The pool of CPU workers of a cluster: a function by its name and plain arguments go out, its value comes back.

    LeasedPool.run ─▶ item: the function's name, the arguments ─▶ WorkerPool of the worker ─▶ value, or how it failed

One mechanism for all such work: whatever is a function of plain data, named `module:function`, is a job, of one row or
of a range of rows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mixwright_runtime.cluster.exchanges import told_in
from mixwright_runtime.cluster.leasing import Leasing
from mixwright_runtime.cluster.protocol import frame, read_frame
from mixwright_runtime.engines.protocol import EngineFault, Fault
from mixwright_runtime.errors import RunError
from mixwright_runtime.workers.pool import WorkerDied, WorkerError, WorkerStalled, WorkerTimeout

POOL = "cpu workers"
RANGES = "cpu workers for ranges"
DEVICES = "gpu workers for ranges"
"""The services' names; no model is called so. Ranges of rows (`ranges.py`) have processes of their own, and so have those
for which a model is loaded, a process for each GPU of the worker."""

_FAILURES = {kind.__name__: kind for kind in (WorkerError, WorkerTimeout, WorkerStalled, WorkerDied)}


class LeasedPool:
    """See `WorkerPool`: the same functions with the same deadlines, in the processes of a cluster's workers."""

    def __init__(self, leasing: Leasing) -> None:
        self.leasing = leasing

    @property
    def size(self) -> int:
        """Jobs that are worked on at once, by the workers that are up."""
        return max(1, self.leasing.slots)

    async def run(self, function: str, args: Sequence[object], timeout_s: float) -> Any:
        """See `WorkerPool.run`.

        Raises:
            WorkerError: as there; WorkerDied too where three workers of the cluster died with it.
            RunError: no worker is left.
            RunStopped: the run is stopping.
        """
        await self.leasing.start()
        body = pool_job_frame(args, timeout_s)
        try:
            return pool_answer_in(await self.leasing.ask(function, b"", body, timeout_s)).get("value")
        except EngineFault as fault:
            if fault.fault is not Fault.WORKER_DIED:
                raise RunError(str(fault)) from fault
            raise WorkerDied(str(fault)) from fault

    async def run_many(
        self, function: str, jobs: Iterable[Sequence[Any]], timeout_s: float
    ) -> list[Any | WorkerError]:
        """See `WorkerPool.run_many`."""
        runs = [asyncio.ensure_future(self.run(function, args, timeout_s)) for args in jobs]
        try:
            results = await asyncio.gather(*runs, return_exceptions=True)
        except asyncio.CancelledError:
            for run in runs:
                run.cancel()
            raise
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, WorkerError):
                raise result
        return results

    async def close(self) -> None:
        """See `WorkerPool.close`; the workers are the cluster's."""
        await self.leasing.close()


def pool_job_frame(
    args: Sequence[object], limit_s: float, name: str = "", shared: bytes = b"", files: Sequence[str] = ()
) -> bytes:
    """The arguments and the deadline of a job as they travel. name: of what many jobs share, whose place comes before the
    arguments. shared: that itself, in the first job that a worker gets. files: digests of files that it was given
    (`given.py`), whose places come behind that, in a list."""
    head: dict[str, object] = {"args": list(args), "limit_s": limit_s}
    if name:
        head |= {"shared": name, "files": list(files)} if files else {"shared": name}
    return frame(head, [shared] if shared else [])


@dataclass(frozen=True)
class PoolJob:
    """A job as it has arrived. See `pool_job_frame`."""

    args: list[Any]
    limit_s: float
    name: str
    shared: bytes
    files: list[str]


def pool_job_in(body: bytes) -> PoolJob:
    """The job that has arrived."""
    head, bodies = read_frame(body)
    shared = bodies[0] if bodies else b""
    return PoolJob(
        head["args"], float(head["limit_s"]), head.get("shared", ""), shared, head.get("files", [])
    )


def value_frame(value: object) -> bytes:
    """What a function gave, as it travels."""
    return frame({"value": value})


def failed_frame(error: WorkerError) -> bytes:
    """How a function failed, as it travels."""
    return frame({"failed": type(error).__name__, "message": str(error)})


def pool_answer_in(body: bytes) -> dict[str, Any]:
    """What a service of a worker's machine has answered.

    Raises:
        WorkerError: it failed at it, and the message is what a `failed_frame` says.
        EngineFault, RunError: as `told_in`.
    """
    found, _ = told_in(body)
    if "failed" in found:
        raise _FAILURES.get(str(found["failed"]), WorkerError)(str(found["message"]))
    return found
