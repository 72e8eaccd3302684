"""One bubblewrap box: starts it, hands jobs to its zygote, ends them, and notices when anything goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from mixwright_runtime.sandbox.cgroup import Cgroup, new_cgroup
from mixwright_runtime.sandbox.channel import Frames, Malformed, TooMuch
from mixwright_runtime.sandbox.command import box_command
from mixwright_runtime.sandbox.options import NOBODY, SandboxOptions, changes_user
from mixwright_runtime.sandbox.protocol import Limits, Profile

START_LIMIT_S = 60.0
"""Seconds until a box must be ready; it takes 0.3 s, and far more on a busy machine."""
END_LIMIT_S = 10.0
"""Seconds until a killed job must be gone."""
REPORT_LIMIT_BYTES = 64 * 1024
BASE_MEMORY_BYTES = 96 * 1024**2
"""What a box takes without a job: the zygote, and each job's pages of the interpreter."""

BASE_PROCESSES = 6
"""bwrap, the zygote, and the first process of each of two jobs, and some."""

JobKind = Literal["calls", "exchange", "program"]


class BoxFailed(Exception):
    """The box did not do what it must; it is of no further use. Says nothing about the job's code."""


@dataclass(eq=False)
class RunningJob:
    """One job inside: the host's ends of its sockets.

    Attributes:
        report: where the job's own first process, which is trusted, tells how it ended.
        channel: of a calls or exchange job: the untrusted process's frames.
        stdout, stderr: of a program: read ends of pipes, else -1.
        gone: set when all its processes have ended: whether they were ended for taking too much memory together.
        used_s, waited_s: of a job that was killed: CPU seconds of its processes, and the seconds that one of them stood
            in line for a processor. 0 where the system does not say.
    """

    number: int
    report: Frames
    channel: Frames
    stdout: int
    stderr: int
    gone: asyncio.Future[bool]
    used_s: float = 0.0
    waited_s: float = 0.0


@dataclass(eq=False)
class Box:
    """A started box. Not safe for two jobs at a time, but for the two of an exchange."""

    process: Process
    control: socket.socket
    lifeline: int
    cgroup: Cgroup | None
    python: str
    jobs: int = 0
    _kills_before: int = 0
    _bounds: tuple[int, int] = (0, 0)
    _running: dict[int, RunningJob] = field(default_factory=dict)
    _listener: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, options: SandboxOptions, name: str, *, with_cgroup: bool = True) -> Box:
        """A box that has said hello.

        Raises:
            BoxFailed: it did not; the message is what it said instead.
            SandboxUnavailable: something it needs is not installed.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        lifeline_theirs, lifeline = os.pipe()
        opened = [theirs.fileno(), lifeline_theirs]
        cgroup = new_cgroup(name) if with_cgroup else None

        def file_of(content: bytes) -> int:
            descriptor = os.memfd_create("box", os.MFD_CLOEXEC)
            os.write(descriptor, content)
            os.lseek(descriptor, 0, os.SEEK_SET)
            opened.append(descriptor)
            return descriptor

        try:
            command = box_command(options, theirs.fileno(), file_of)
            orders = {
                "argv": command.argv,
                "stage": command.stage,
                "cgroups": cgroup.directories if cgroup is not None else [],
                "user": [NOBODY, NOBODY] if changes_user() else None,
                "lifeline": lifeline_theirs,
                "descriptors": [d for d in opened if d != lifeline_theirs],
            }
            orders_file = file_of(json.dumps(orders).encode())
            launcher = str(Path(__file__).with_name("launch.py"))
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", launcher, str(orders_file)),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=PIPE,
                pass_fds=opened,
                env={},
                cwd="/",
            )
        except BaseException:
            ours.close()
            os.close(lifeline)
            if cgroup is not None:
                cgroup.remove()
            raise
        finally:
            theirs.detach()
            for descriptor in opened:
                os.close(descriptor)
        ours.setblocking(False)
        box = cls(process, ours, lifeline, cgroup, "")
        try:
            await box._await_hello()
        except BaseException:
            await box.close()
            raise
        return box

    async def _await_hello(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(START_LIMIT_S):
                hello = await loop.sock_recv(self.control, 1 << 16)
        except TimeoutError:
            raise BoxFailed(f"no answer within {START_LIMIT_S:g} s") from None
        except ConnectionError:
            hello = b""
        if not hello:
            assert self.process.stderr is not None
            said = (await self.process.stderr.read(4_000)).decode(errors="replace").strip()
            raise BoxFailed(said or "the box ended without a word")
        self.python = json.loads(hello)["python"]
        self._listener = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        """Notice the end of jobs, and of the box."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):
            while packet := await loop.sock_recv(self.control, 1 << 16):
                told = json.loads(packet)
                job = self._running.get(told["gone"])
                if job is not None and not job.gone.done():
                    job.used_s, job.waited_s = told.get("used_s", 0.0), told.get("waited_s", 0.0)
                    job.gone.set_result(told["is_over"])
        for job in self._running.values():
            if not job.gone.done():
                job.gone.set_exception(BoxFailed("the box ended"))
                # Marked as seen: a job that failed for another reason does not ask for it.
                job.gone.exception()

    @contextmanager
    def job(
        self, kind: JobKind, profile: Profile, limits: Limits, *, extra_disk: int = 0
    ) -> Iterator[RunningJob]:
        """Start a job. Leaving the block closes its sockets; call `end` first, so that nothing of it is left.

        Raises:
            BoxFailed: the box does not take it.
        """
        self.jobs += 1
        report, report_theirs = socket.socketpair()
        theirs = [report_theirs.detach()]
        stdout = stderr = -1
        channel = report
        if kind == "program":
            stdout, stdout_theirs = os.pipe()
            stderr, stderr_theirs = os.pipe()
            theirs += [stdout_theirs, stderr_theirs]
        else:
            channel, channel_theirs = socket.socketpair()
            theirs.append(channel_theirs.detach())
        job = RunningJob(
            self.jobs,
            Frames(
                report, REPORT_LIMIT_BYTES if kind != "program" else limits.disk_bytes + REPORT_LIMIT_BYTES
            ),
            Frames(channel, limits.output_bytes),
            stdout,
            stderr,
            asyncio.get_running_loop().create_future(),
        )
        order = {
            "number": job.number,
            "kind": kind,
            "profile": profile,
            "memory_bytes": limits.memory_bytes,
            "disk_bytes": limits.disk_bytes + extra_disk,
            "cpu_s": max(1, math.ceil(limits.cpu_s)),
            "processes": limits.processes,
            # Without a cgroup, which is exact, the zygote adds up what the job's processes have, every 50 ms.
            "watch_bytes": limits.memory_bytes if self.cgroup is None else 0,
        }
        self._running[job.number] = job
        if self.cgroup is not None:
            self._kills_before = self.cgroup.out_of_memory_kills()
        try:
            socket.send_fds(self.control, [json.dumps(order).encode()], theirs)
        except OSError as error:
            job.gone.cancel()
            raise BoxFailed(f"the box takes no job: {error}") from None
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        try:
            yield job
        finally:
            del self._running[job.number]
            for end in {job.report, job.channel}:
                end.close()
            for descriptor in (stdout, stderr):
                if descriptor >= 0:
                    os.close(descriptor)

    def limit_memory(self, memory_bytes: int, processes: int) -> None:
        """Bound the box to this much for jobs, where there is a cgroup."""
        if self.cgroup is not None and (memory_bytes, processes) != self._bounds:
            self.cgroup.limit(BASE_MEMORY_BYTES + memory_bytes, processes + BASE_PROCESSES)
            self._bounds = (memory_bytes, processes)

    def ran_out_of_memory(self, job: RunningJob) -> bool:
        """Whether a process was killed for the memory limit since the job began."""
        if self.cgroup is None:
            return job.gone.done() and job.gone.result()
        return self.cgroup.out_of_memory_kills() > self._kills_before

    async def end(self, job: RunningJob) -> None:
        """Kill what is left of a job; returns when all its processes are gone.

        Raises:
            BoxFailed: they are not.
        """
        if not job.gone.done():
            try:
                self.control.send(json.dumps({"kill": job.number, "profile": "python"}).encode())
            except OSError as error:
                raise BoxFailed(f"the box does not end a job: {error}") from None
        try:
            async with asyncio.timeout(END_LIMIT_S):
                await asyncio.shield(job.gone)
        except TimeoutError:
            raise BoxFailed(f"a killed job was not gone after {END_LIMIT_S:g} s") from None

    async def report(self, job: RunningJob) -> dict[str, Any] | None:
        """What the job's first process says about its end; None when it was killed.

        Raises:
            BoxFailed: it could not set up the job.
        """
        try:
            report = await job.report.next()
        except (TooMuch, Malformed):
            raise BoxFailed("a job's report is malformed") from None
        if report is not None and "failed" in report:
            raise BoxFailed(f"a job could not be set up: {report['failed']}")
        return report

    async def close(self) -> None:
        """End the box and everything in it; returns when it is gone."""
        if self._listener is not None:
            self._listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listener
        self.control.close()
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline = -1
        try:
            async with asyncio.timeout(END_LIMIT_S):
                await self.process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
        transport = getattr(self.process, "_transport", None)
        if transport is not None:
            transport.close()
