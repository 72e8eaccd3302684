"""What a worker does for a run: its models are asked, functions of the CPU pool called, programs run in boxes."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import plan_from_json
from mixwright_runtime.calls.models import engines_asked
from mixwright_runtime.cluster.boxes import BOXES, job_in, ran_frame, refused_frame, unavailable_frame
from mixwright_runtime.cluster.exchanges import REQUESTS, answer_frame, request_in
from mixwright_runtime.cluster.given import FILE, PART, Given
from mixwright_runtime.cluster.hosting import Host, Service, code_identity
from mixwright_runtime.cluster.jobs import DEVICES, POOL, RANGES, failed_frame, pool_job_in, value_frame
from mixwright_runtime.cluster.protocol import Setup
from mixwright_runtime.engines.protocol import Engine, Replicated, Sites
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.loading import load_plugins
from mixwright_runtime.sandbox.protocol import SandboxUnavailable

JOBS_A_PROCESS = 2
"""Jobs that are at a worker for each of its pool's processes: one that is worked on, one that is there when it ends."""


def host_of(setup: Setup) -> Host:
    """A host with an engine for each model that the run asks, and with the processors and boxes of this machine.

    Raises:
        RunError: other code than the run's, a plugin that is another one, a secret that is not set here.
    """
    code = code_identity()
    if code != setup.code:
        raise RunError(
            f"this worker runs other code of mixwright than the run ({code[:15]}, not {setup.code[:15]}); "
            "install the same version on every node"
        )
    plan = plan_from_json(setup.plan)
    load_plugins(plan)
    size = max(1, len(os.sched_getaffinity(0)) // setup.sharing)
    services: dict[str, Service] = {
        name: EngineService(engine) for name, engine in engines_asked(plan, setup.needs).items()
    }
    return Host(
        {
            **services,
            POOL: PoolService(size),
            RANGES: PoolService(size),
            DEVICES: PoolService(size, holds_models=True),
            BOXES: BoxService(setup.sandbox, size),
        }
    )


class EngineService(Service):
    """A model. See `Service`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def start(self) -> int:
        """See `Service.start`."""
        await self._engine.start()
        return 0

    async def answer(self, kind: str, body: bytes) -> bytes:
        """See `Service.answer`."""
        if kind not in REQUESTS:
            raise RunError(f"engines are not asked to '{kind}'")
        return answer_frame(kind, await getattr(self._engine, kind)(request_in(kind, body)))

    def sites(self) -> Sites:
        """See `Service.sites`."""
        return self._engine.sites() if isinstance(self._engine, Replicated) else {}

    async def close(self) -> None:
        """See `Service.close`."""
        await self._engine.close()


class PoolService(Service):
    """Functions on plain data, in processes with a deadline (`mixwright_runtime/workers/pool.py`). See `Service`."""

    def __init__(self, size: int, *, holds_models: bool = False) -> None:
        """holds_models: processes for functions that load a model, one for each GPU."""
        from mixwright_runtime.workers.model_process import devices
        from mixwright_runtime.workers.pool import WorkerPool

        self._pool = WorkerPool(size, devices=devices() if holds_models else ())
        self._given = Given()

    async def start(self) -> int:
        """See `Service.start`."""
        return JOBS_A_PROCESS * self._pool.size

    def is_getting_ready(self) -> bool:
        """See `Service.is_getting_ready`."""
        return self._pool.is_getting_ready

    async def answer(self, kind: str, body: bytes) -> bytes:
        """See `Service.answer`; that the function fails is an answer, too."""
        from mixwright_runtime.workers.pool import WorkerError

        try:
            if kind in (FILE, PART):
                return await self._given.answer(kind, body)
            job = pool_job_in(body)
            places = [[self._given.place(digest) for digest in job.files]] if job.files else []
            arguments = [self._given.keep(job.name, job.shared), *places, *job.args] if job.name else job.args
            return value_frame(await self._pool.run(kind, arguments, job.limit_s))
        except WorkerError as error:
            return failed_frame(error)
        except OSError as error:
            return failed_frame(WorkerError(f"{type(error).__name__}: {error}"))

    async def close(self) -> None:
        """See `Service.close`."""
        await self._pool.close()
        self._given.close()


class BoxService(Service):
    """Untrusted code in the boxes of this machine, of the kind that the run names and no other. See `Service`."""

    def __init__(self, sandbox: str, size: int) -> None:
        self._name = sandbox
        self._size = size
        self._sandbox: Any = None

    async def start(self) -> int:
        """See `Service.start`. A box is started and proven; where none can be had nothing is run."""
        from mixwright_runtime.sandbox.backends import named_sandbox

        try:
            self._sandbox = named_sandbox(self._name, size=self._size)
            await self._sandbox.start()
        except SandboxUnavailable as missing:
            raise RunError(f"on {platform.node()} there is {missing}") from None
        return self._size

    async def answer(self, kind: str, body: bytes) -> bytes:
        """See `Service.answer`."""
        job, packages = job_in(kind, body)
        try:
            await self._sandbox.provide([Path(path) for path in packages])
            return ran_frame(await self._sandbox.run(job))
        except SandboxUnavailable as missing:
            return unavailable_frame(missing)
        except ValueError as error:
            return refused_frame(error)

    async def close(self) -> None:
        """See `Service.close`."""
        if self._sandbox is not None:
            await self._sandbox.close()
