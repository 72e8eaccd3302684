"""A pool of CPU workers that can be killed: for work on model output that may hang, explode or crash.

Each worker is a Python process of its own, started with a clean environment (no secrets, `PYTHONSAFEPATH=1`) and a
memory limit. It works on one job at a time. The deadline is kept here, not in the worker: a job that is late is
ended with SIGKILL, its caller gets WorkerTimeout, and the next job gets a new worker.

Plain processes rather than `multiprocessing`: that one imports the user's main module again in each child.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_LIMIT_S = 120.0
"""Seconds to start a worker and import a function's module; SymPy alone takes 2 s on a busy machine."""
FRAME_LIMIT_BYTES = 64 * 1024 * 1024

_BOOT = "import sys; sys.path.append({root!r}); from runtime.worker_process import serve; serve()"
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV")


class WorkerError(Exception):
    """The function raised; the message is `ErrorType: message`. The worker is fine."""


class WorkerTimeout(WorkerError):
    """The job passed its deadline; its worker was killed and replaced."""


class WorkerDied(WorkerError):
    """The worker ended during the job: killed by the system, out of memory, or crashed."""


@dataclass(eq=False)
class _Worker:
    process: Process
    jobs: int = 0
    loaded: set[str] = field(default_factory=set)

    async def ask(self, function: str, args: Sequence[Any] | None, timeout_s: float) -> Any:
        """The function's value; `args` None only imports it."""
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None and stdout is not None
        body = json.dumps({"function": function, "args": args}).encode()
        if len(body) > FRAME_LIMIT_BYTES:
            raise WorkerError(f"ValueError: arguments of {len(body)} bytes")
        try:
            async with asyncio.timeout(timeout_s):
                stdin.write(len(body).to_bytes(4, "little") + body)
                await stdin.drain()
                head = await stdout.readexactly(4)
                answer = json.loads(await stdout.readexactly(int.from_bytes(head, "little")))
        except TimeoutError:
            raise WorkerTimeout(f"no result after {timeout_s:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise WorkerDied(f"the worker ended during the job ({await self._end()})") from None
        if not answer["ok"]:
            raise WorkerError(f"{answer['error']}: {answer['message']}")
        return answer["value"]

    async def _end(self) -> str:
        code = await self.process.wait()
        return f"signal {-code}" if code < 0 else f"status {code}"

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        # Closing the pipe's transport here spares a warning when the event loop ends before it is collected.
        transport = getattr(self.process, "_transport", None)
        if transport is not None:
            transport.close()


class WorkerPool:
    """Runs functions in killable processes: `await pool.run("package.module:function", args, timeout_s)`.

    Workers start when they are needed, at most `size` of them, and are replaced after `jobs_per_worker` jobs, which
    bounds what a leaking library can take. Bound to the event loop that first runs a job.
    """

    def __init__(self, size: int | None = None, *, jobs_per_worker: int = 5_000) -> None:
        self.size = size or max(1, min(8, (os.cpu_count() or 2) - 1))
        self._jobs_per_worker = jobs_per_worker
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._slots: asyncio.Semaphore | None = None
        self._is_closed = False

    async def run(self, function: str, args: Sequence[Any], timeout_s: float) -> Any:
        """The value of `function(*args)`; arguments and value are JSON values.

        `timeout_s` counts from when a worker has started and imported the function.

        Raises:
            WorkerTimeout: it took longer; the worker was killed.
            WorkerDied: the worker ended by itself.
            WorkerError: the function raised, or cannot be imported.
        """
        if self._slots is None:
            self._slots = asyncio.Semaphore(self.size)
        async with self._slots:
            if self._is_closed:
                raise WorkerError("the pool is closed")
            worker = self._idle.pop() if self._idle else await _started()
            self._busy.add(worker)
            is_usable = False
            try:
                if function not in worker.loaded:
                    await worker.ask(function, None, START_LIMIT_S)
                    worker.loaded.add(function)
                value = await worker.ask(function, args, timeout_s)
                is_usable = True
                return value
            except (WorkerTimeout, WorkerDied):
                raise
            except WorkerError:
                is_usable = True
                raise
            finally:
                # Also reached when the caller is cancelled: a worker in the middle of a job is of no use to anyone.
                self._busy.discard(worker)
                worker.jobs += 1
                if is_usable and worker.jobs < self._jobs_per_worker and not self._is_closed:
                    self._idle.append(worker)
                else:
                    await worker.kill()

    async def close(self) -> None:
        """End every worker; jobs in progress get WorkerDied. Safe to call twice."""
        self._is_closed = True
        workers, self._idle = [*self._idle, *self._busy], []
        for worker in workers:
            await worker.kill()


async def _started() -> _Worker:
    environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    environment |= {"PYTHONSAFEPATH": "1", "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
    root = str(Path(__file__).resolve().parents[1])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-c",
        _BOOT.format(root=root),
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        env=environment,
        limit=FRAME_LIMIT_BYTES,
    )
    return _Worker(process)
