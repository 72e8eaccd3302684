"""A pool of boxes with an asyncio face: `async with Sandbox() as sandbox: ran = await sandbox.run(job)`."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from mixwright_runtime.sandbox.box import Box, BoxFailed
from mixwright_runtime.sandbox.diagnosis import unavailable
from mixwright_runtime.sandbox.options import SandboxOptions
from mixwright_runtime.sandbox.protocol import Job, Ran, SandboxUnavailable
from mixwright_runtime.sandbox.running import run_job
from mixwright_runtime.sandbox.toolchains import machine_options

_names = itertools.count()


class Sandbox:
    """Runs jobs in bubblewrap boxes, one job a box at a time, at most `size` boxes; more jobs wait.

    A box is replaced after `jobs_per_box` jobs and whenever anything about it is not as it should be. Nothing is kept
    about a job that has ended. Bound to the event loop of its first job. Without options, the box has every compiler and
    runtime of this machine.
    """

    def __init__(self, options: SandboxOptions | None = None, *, size: int | None = None) -> None:
        self.options = options or machine_options()
        self.size = size or len(os.sched_getaffinity(0))
        self.python = ""
        """Version of the Python inside, once a box has started."""
        self.has_cgroup = False
        """Whether the boxes' memory and processes are bound together."""
        self._idle: list[Box] = []
        self._busy: set[Box] = set()
        self._slots: asyncio.Semaphore | None = None
        self._is_closed = False

    async def start(self) -> None:
        """Start one box; further ones start when they are needed.

        Raises:
            SandboxUnavailable: none can be had on this machine; says why, and the remedy.
        """
        if not self._idle and not self._busy:
            self._idle.append(await self._started())

    async def provide(self, packages: Sequence[Path]) -> None:
        """Give boxes that start from now on these directories of Python packages too; those that idle are replaced."""
        more = tuple(path for path in packages if path not in self.options.packages)
        if not more:
            return
        self.options = replace(self.options, packages=(*self.options.packages, *more))
        idle, self._idle = self._idle, []
        for box in idle:
            await box.close()

    async def run(self, job: Job) -> Ran:
        """The job's result. A box that fails is replaced and the job tried once more, then it is a `sandbox_error`.

        Raises:
            SandboxUnavailable: no box can be started.
            ValueError: an argument is not plain data, or a path leaves the working directory.
        """
        if self._slots is None:
            self._slots = asyncio.Semaphore(self.size)
        async with self._slots:
            try:
                return await self._run_once(job)
            except BoxFailed:
                pass
            try:
                return await self._run_once(job)
            except BoxFailed as error:
                return Ran("sandbox_error", str(error))

    async def prove(self, job: Job) -> Ran:
        """See `Runner.prove`; all boxes are of this machine."""
        return await self.run(job)

    async def _run_once(self, job: Job) -> Ran:
        if self._is_closed:
            raise BoxFailed("the sandbox is closed")
        box = self._idle.pop() if self._idle else await self._started()
        self._busy.add(box)
        is_sound = False
        try:
            ran = await run_job(box, job)
            is_sound = True
            return ran
        except ValueError:
            # Found before anything was sent.
            is_sound = True
            raise
        finally:
            # Also reached when the caller is cancelled: the job is still in the box, and goes with it.
            self._busy.discard(box)
            if is_sound and box.jobs < self.options.jobs_per_box and not self._is_closed:
                self._idle.append(box)
            else:
                await box.close()

    async def _started(self) -> Box:
        name = str(next(_names))
        try:
            try:
                box = await Box.start(self.options, name, with_cgroup=self.options.cgroup != "never")
            except BoxFailed:
                # A cgroup that can be made but not joined must not take the whole sandbox away.
                box = await Box.start(self.options, name, with_cgroup=False)
        except BoxFailed as error:
            raise unavailable(str(error)) from None
        if self.options.cgroup == "always" and box.cgroup is None:
            await box.close()
            raise SandboxUnavailable(
                "no memory cgroup can be made here",
                "start within a delegated one: systemd-run --user --scope -p Delegate=yes mixwright run …",
            )
        self.python, self.has_cgroup = box.python, box.cgroup is not None
        return box

    async def close(self) -> None:
        """End every box; jobs in progress become a `sandbox_error`. Safe to call twice."""
        self._is_closed = True
        boxes, self._idle = [*self._idle, *self._busy], []
        for box in boxes:
            with contextlib.suppress(OSError):
                await box.close()

    async def __aenter__(self) -> Sandbox:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
