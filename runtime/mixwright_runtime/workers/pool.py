"""A pool of CPU workers that can be killed: for work on model output that may hang, explode or crash.

    run, run_many ─▶ queue ─▶ chunks of jobs, one frame each ─▶ worker ─▶ one frame for each result

Each worker is a Python process of its own, started with a clean environment (no secrets, `PYTHONSAFEPATH=1`), a
memory limit and no network. It works on one job at a time and answers each when it is done, so this side knows
which one is running. The deadline is kept here, not in the worker, and counts CPU time: the worker of a job that
took more is ended with SIGKILL, the job's caller gets WorkerTimeout, and the jobs behind it in the chunk go to another
worker. The same holds for a worker that dies: the job it was at gets WorkerDied, no other. A job that the machine gave
no time is begun once more, then its caller gets WorkerStalled: that says nothing of the job.

Small jobs travel together: a chunk holds about CHUNK_SECONDS of work by what the function took so far. Cost of an
empty job: 16 µs of CPU time on both sides together, 23 through `run` (`benchmarks/workers_speed.py`).

Plain processes rather than `multiprocessing`: that one imports the user's main module again in each child.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixwright_runtime.workers.boot import command_of
from mixwright_runtime.workers.frames import Arriving, framed

START_LIMIT_S = 120.0
"""Seconds to start a worker and import a function's module; SymPy alone takes 2 s on a busy machine."""
PATIENCE = 20.0
"""Seconds by the clock for a CPU second: what a job may take must not depend on what else the machine does."""
CPU_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
"""What the system's account of CPU time may lag behind."""
FRAME_LIMIT_BYTES = 64 * 1024 * 1024
CHUNK_SECONDS = 0.02
"""Work that is sent to a worker at once: much more than a round trip, and little to wait for behind another job."""
CHUNK_JOBS = 256
CHUNK_BYTES = 1 << 20

_KEPT_VARIABLES = (
    *("PATH", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "VIRTUAL_ENV"),
    *("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME"),
)
_encode = json.JSONEncoder(separators=(",", ":")).encode


class WorkerError(Exception):
    """The function raised; the message is `ErrorType: message`. The worker is fine."""


class WorkerTimeout(WorkerError):
    """The job took more CPU time than it may; its worker was killed and replaced."""


class WorkerStalled(WorkerError):
    """The job ended in no time by the clock, twice, and took little CPU time: the machine is busy, or it waits."""


class WorkerDied(WorkerError):
    """The worker ended during the job: killed by the system or crashed; or the function could not be imported in time."""


def is_too_hard(error: WorkerError) -> bool:
    """Whether a job failed for what it was given: no result in time, or none within a worker's memory."""
    return isinstance(error, WorkerTimeout) or str(error).startswith(("MemoryError:", "RecursionError:"))


def cpu_seconds_of(pid: int) -> float | None:
    """CPU seconds that a process took until now; None where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) * CPU_TICK_S
    except (OSError, ValueError, IndexError):
        return None


@dataclass(eq=False, slots=True)
class _Job:
    """One call that somebody waits for. `future` None only imports the function, for the job behind it."""

    function: str
    body: str
    limit_s: float
    future: asyncio.Future[Any] | None
    has_stalled: bool = False

    @property
    def is_over(self) -> bool:
        return self.future is not None and self.future.done()

    def fail(self, error: WorkerError) -> None:
        if self.future is not None and not self.future.done():
            self.future.set_exception(error)

    def succeed(self, value: object) -> None:
        if self.future is not None and not self.future.done():
            self.future.set_result(value)


class _Worker(asyncio.SubprocessProtocol):
    """One process and the jobs it was sent; the first of them is the one it works on."""

    def __init__(self, pool: WorkerPool, device: Mapping[str, str] | None) -> None:
        self.device = device
        self.jobs: deque[_Job] = deque()
        self.done = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._loaded: set[str] = set()
        self._arriving = Arriving()
        self._began = 0.0
        self._cpu_before = 0.0
        """CPU seconds of the process when the job under way was begun."""
        self._alarm: asyncio.TimerHandle | None = None
        self._verdict: WorkerError | None = None
        self._transport: Any = None

    def connection_made(self, transport: object) -> None:
        self._transport = transport

    def give(self, jobs: Iterable[_Job]) -> None:
        """Send jobs to an idle worker; those of a function it does not know yet behind one that imports it."""
        for job in jobs:
            if job.function not in self._loaded:
                self._loaded.add(job.function)
                self.jobs.append(_Job(job.function, "null", START_LIMIT_S, None))
            self.jobs.append(job)
            if job.future is not None:
                job.future.add_done_callback(self._abandoned)
        body = "[" + ",".join(f"[{_encode(job.function)},{job.body}]" for job in self.jobs) + "]"
        self._transport.get_pipe_transport(0).write(framed(body.encode()))
        self._begin()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        has_answered = False
        for body in self._arriving.bodies(data):
            self._answered(json.loads(body))
            has_answered = True
        if has_answered and not self.jobs and not self.ended.done():
            self._pool.is_free(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The process has ended and everything it wrote was read."""
        if self._alarm is not None:
            self._alarm.cancel()
        if not self.ended.done():
            self.ended.set_result(None)
        code = self._transport.get_returncode()
        how = "ended" if code is None else f"signal {-code}" if code < 0 else f"status {code}"
        left = list(self.jobs)
        self.jobs.clear()
        if left and isinstance(self._verdict, WorkerStalled) and not left[0].has_stalled:
            left[0].has_stalled = True
        elif left:
            current = left.pop(0)
            error = self._verdict or WorkerDied(f"the worker ended during the job ({how})")
            while current.future is None and left:  # it ended while it imported the function of the next
                current = left.pop(0)
            current.fail(error)
        self._pool.is_gone(self, [job for job in left if job.future is not None])

    def kill(self, verdict: WorkerError | None = None) -> None:
        """End the process; the job it is at fails with `verdict`."""
        self._verdict = self._verdict or verdict
        if self._transport.get_returncode() is None:
            self._transport.kill()

    def close(self) -> None:
        self.kill()
        self._transport.close()

    def _begin(self) -> None:
        """The first job is under way from now; one whose caller was cancelled is of no use to anyone.

        The alarm is not moved for each of many short jobs, it moves itself.
        """
        if self.jobs[0].is_over:
            self.kill()
            return
        self._began = self._loop.time()
        limit_s = self.jobs[0].limit_s
        if self._alarm is None or self._alarm.when() > self._began + limit_s:
            self._set_alarm(self._began + limit_s)

    def _set_alarm(self, when: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if not self.jobs:
            return
        job = self.jobs[0]
        now = self._loop.time()
        took_s, limit_s = now - self._began, job.limit_s
        if took_s < limit_s:
            self._set_alarm(self._began + limit_s)
            return
        if job.future is None:
            # What no job was begun on is the machine's fault, not the job's.
            self.kill(WorkerDied(f"{job.function} was not imported after {limit_s:g} s"))
            return
        used_s = self._pool.cpu_seconds(self._transport.get_pid())
        # Where the system does not say, the clock must do.
        spent_s = took_s if used_s is None else used_s - self._cpu_before + CPU_TICK_S
        if spent_s >= limit_s:
            self.kill(WorkerTimeout(f"no result after {limit_s:g} s"))
        elif took_s >= PATIENCE * limit_s:
            self.kill(
                WorkerStalled(f"no result after {took_s:.3g} s, of which the machine gave it {spent_s:.2g} s")
            )
        else:
            self._set_alarm(now + min(max(limit_s - spent_s, CPU_TICK_S), PATIENCE * limit_s - took_s))

    def _answered(self, answer: list[Any]) -> None:
        if not self.jobs or self._verdict is not None:
            return
        job = self.jobs.popleft()
        self._cpu_before = answer[-1]
        error = None if answer[0] else WorkerError(f"{answer[1]}: {answer[2]}")
        if job.future is None:
            if error is not None:
                self._loaded.discard(job.function)
        else:
            self.done += 1
            self._pool.took(job.function, self._loop.time() - self._began)
            if error is not None:
                job.fail(error)
            else:
                job.succeed(answer[1])
        if self.jobs:
            self._begin()

    def _abandoned(self, future: asyncio.Future[Any]) -> None:
        """A caller was cancelled: its job, if it is the one under way, is of no use to anyone."""
        if future.cancelled() and self.jobs and self.jobs[0].future is future:
            self.kill()


class WorkerPool:
    """Runs functions in killable processes: `await pool.run("package.module:function", args, timeout_s)`.

    Workers start when they are needed, at most `size` of them, and are replaced after `jobs_per_worker` jobs, which
    bounds what a leaking library can take. Bound to the event loop that first runs a job.
    """

    def __init__(
        self,
        size: int | None = None,
        *,
        jobs_per_worker: int = 5_000,
        cpu_seconds: Callable[[int], float | None] = cpu_seconds_of,
        devices: Sequence[Mapping[str, str]] = (),
    ) -> None:
        """devices: what the environments of processes that hold a model have besides: one process for each, without a
        limit of memory."""
        self.cpu_seconds = cpu_seconds
        self._devices: deque[Mapping[str, str]] | None = deque(devices) if devices else None
        """Those that no process has."""
        size = len(devices) or size
        # One processor is left to the run itself. 8 is chosen: each worker holds what its functions import.
        self.size = size or max(1, min(8, (os.cpu_count() or 2) - 1))
        self._jobs_per_worker = jobs_per_worker
        self._queue: deque[_Job] = deque()
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._ending: set[_Worker] = set()
        self._starting: set[asyncio.Task[None]] = set()
        self._seconds: dict[str, float] = {}
        """What a job of each function took lately."""
        self._is_closed = False

    @property
    def is_getting_ready(self) -> bool:
        """Whether a worker starts, or imports what its first job calls: jobs wait for it, however short they are."""
        return bool(self._starting) or any(
            worker.jobs and worker.jobs[0].future is None for worker in self._busy
        )

    async def run(self, function: str, args: Sequence[object], timeout_s: float) -> Any:
        """The value of `function(*args)`; arguments and value are JSON values.

        `timeout_s` is CPU time, from when a worker has started, has imported the function and begins with this job.

        Raises:
            WorkerTimeout: it took more; the worker was killed.
            WorkerStalled: twice it had no result after PATIENCE times as long by the clock, though it took less.
            WorkerDied: the worker ended by itself.
            WorkerError: the function raised, or cannot be imported.
        """
        future = self._put(function, args, timeout_s)
        self._dispatch()
        return await future

    async def run_many(
        self, function: str, jobs: Iterable[Sequence[Any]], timeout_s: float
    ) -> list[Any | WorkerError]:
        """The values of `function(*args)` for each `args` in `jobs`, in order; where one failed its error.

        `timeout_s` is each job's own. Cheaper than as many `run`: nothing is awaited in between.
        """
        futures = [self._put(function, args, timeout_s) for args in jobs]
        self._dispatch()
        try:
            results = await asyncio.gather(*futures, return_exceptions=True)
        except asyncio.CancelledError:
            for future in futures:
                future.cancel()
            raise
        return results

    async def close(self) -> None:
        """End every worker; jobs in progress get WorkerDied, waiting ones WorkerError. Safe to call twice."""
        self._is_closed = True
        for starting in list(self._starting):
            starting.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        while self._queue:
            self._queue.popleft().fail(WorkerError("the pool is closed"))
        workers = [*self._idle, *self._busy, *self._ending]
        for worker in workers:
            worker.kill()
        await asyncio.gather(*(worker.ended for worker in workers))
        for worker in workers:
            worker.close()

    def took(self, function: str, seconds: float) -> None:
        """A worker tells what one job took."""
        before = self._seconds.get(function, seconds)
        self._seconds[function] = 0.8 * before + 0.2 * seconds

    def is_free(self, worker: _Worker) -> None:
        """A worker has answered everything it was given."""
        self._busy.discard(worker)
        if worker.done >= self._jobs_per_worker or self._is_closed:
            self._ending.add(worker)
            worker.close()
        else:
            self._idle.append(worker)
        self._dispatch()

    def is_gone(self, worker: _Worker, left: list[_Job]) -> None:
        """A worker has ended; `left` are jobs it had not begun."""
        self._busy.discard(worker)
        self._ending.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        worker.close()
        self._give_back(worker.device)
        # To the front and in their order: they had their turn already.
        self._queue.extendleft(reversed(left))
        self._dispatch()

    def _give_back(self, device: Mapping[str, str] | None) -> None:
        if self._devices is not None and device is not None:
            self._devices.append(device)

    def _put(self, function: str, args: Sequence[object], timeout_s: float) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        job = _Job(function, _encode(list(args)), timeout_s, future)
        if self._is_closed:
            job.fail(WorkerError("the pool is closed"))
        elif len(job.body) > FRAME_LIMIT_BYTES // 2:
            job.fail(WorkerError(f"ValueError: arguments of {len(job.body)} bytes"))
        else:
            self._queue.append(job)
        return future

    def _dispatch(self) -> None:
        """Give waiting jobs to idle workers, and start workers while there are more jobs than those."""
        if self._is_closed:
            while self._queue:
                self._queue.popleft().fail(WorkerError("the pool is closed"))
            return
        while self._queue and self._idle:
            chunk = self._chunk()
            if chunk:
                worker = self._idle.pop()
                self._busy.add(worker)
                worker.give(chunk)
        room = self.size - len(self._idle) - len(self._busy) - len(self._starting)
        if self._devices is not None:
            room = min(room, len(self._devices))  # a process that ends has its device until it has ended
        for _ in range(min(room, len(self._queue) - len(self._starting))):
            device = self._devices.popleft() if self._devices is not None else None
            task = asyncio.get_running_loop().create_task(self._start(device))
            self._starting.add(task)

    def _chunk(self) -> list[_Job]:
        """The next jobs, about CHUNK_SECONDS of work, and no more than would leave other workers idle."""
        chunk: list[_Job] = []
        most = min(CHUNK_JOBS, -(-len(self._queue) // self.size))
        seconds, size = 0.0, 0
        while self._queue and len(chunk) < most and seconds < CHUNK_SECONDS and size < CHUNK_BYTES:
            job = self._queue.popleft()
            if job.is_over:  # its caller was cancelled
                continue
            chunk.append(job)
            seconds += self._seconds.get(job.function, CHUNK_SECONDS)
            size += len(job.body)
        return chunk

    async def _start(self, device: Mapping[str, str] | None) -> None:
        loop = asyncio.get_running_loop()
        environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        environment |= {"PYTHONSAFEPATH": "1", "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
        environment |= {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", **(device or {})}
        module = "mixwright_runtime.workers." + ("process" if device is None else "model_process")
        try:
            _, worker = await loop.subprocess_exec(
                lambda: _Worker(self, device),
                *command_of(module),
                stderr=asyncio.subprocess.DEVNULL,
                env=environment,
            )
        except OSError as error:
            if self._queue:
                self._queue.popleft().fail(WorkerError(f"{type(error).__name__}: {error}"))
            self._give_back(device)
            worker = None
        finally:
            self._starting.discard(asyncio.current_task())
        if worker is not None:
            self._idle.append(worker)
        if self._is_closed and worker is not None:
            worker.kill()
        self._dispatch()
