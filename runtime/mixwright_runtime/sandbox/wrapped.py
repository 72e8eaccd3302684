"""Opt-in back-ends without user namespaces: each job is one process that a container or Landlock confines.

Slower than bubblewrap boxes (a start per job: 0.1 to 1 s), and no walls of this package's own: they are what the named
tool gives. Nothing here is chosen silently; the user names it (`open_sandbox`). A container's image needs Python 3.10.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from mixwright_runtime.sandbox.box import BoxFailed, JobKind, RunningJob
from mixwright_runtime.sandbox.channel import Frames, TooMuch, beside, framed, read_pipe
from mixwright_runtime.sandbox.command import GUEST_FILES, ROOT
from mixwright_runtime.sandbox.guest.single import END_MARK
from mixwright_runtime.sandbox.protocol import Job, Limits, Profile, ProgramJob, Ran, SandboxUnavailable
from mixwright_runtime.sandbox.running import OUTPUT_ENDED, program_work, run_job, with_limits

_numbers = itertools.count()
_BOOT = (
    "import os,sys\n"
    "def r(n):\n"
    "    b=b''\n"
    "    while len(b)<n:\n"
    "        p=os.read(0,n-len(b))\n"
    "        if not p: os._exit(1)\n"
    "        b+=p\n"
    "    return b\n"
    "f=open('.guest','wb');f.write(r(int.from_bytes(r(4),'little')));f.close()\n"
    "sys.path[0]='.guest'\n"
    "from mixwright_runtime.sandbox.guest.single import main\n"
    "os.unlink('.guest')\n"
    "main()\n"
)
"""Takes the guest's code from standard input: a container need not see any directory of the host."""


@dataclass(frozen=True)
class Confinement:
    """How a job's process is started and ended.

    Attributes:
        argv: (limits, name, working directory on the host) → the command before the guest's own.
        remove: name → a command that ends it for certain, or None where ending the process does.
        python: the interpreter inside.
    """

    argv: Callable[[Limits, str, Path], list[str]]
    remove: Callable[[str], list[str]] | None
    python: str


def container(image: str, *, tool: str = "docker", options: tuple[str, ...] = ()) -> Confinement:
    """A new container per job: no network, a read-only root, no capabilities, memory and processes bounded.

    `options` go before the image: `("--runtime", "runsc")` for gVisor. Works with docker and podman. Killed without
    warning, this program leaves a running container behind until its job ends.
    """

    def argv(limits: Limits, name: str, directory: Path) -> list[str]:
        return [
            *(tool, "run", "--rm", "--interactive", "--init=false", "--name", name, "--network", "none"),
            *(
                "--read-only",
                "--cap-drop",
                "ALL",
                "--security-opt",
                "no-new-privileges",
                "--user",
                "65534:65534",
            ),
            *("--pids-limit", str(limits.processes + 2)),
            *("--memory", str(limits.memory_bytes + limits.disk_bytes + 96 * 1024**2)),
            *("--tmpfs", f"/job:rw,exec,nosuid,nodev,size={limits.disk_bytes},mode=1777"),
            *("--shm-size", "64k", "--workdir", "/job", "--env", "PYTHONHASHSEED=0", *options, image),
        ]

    return Confinement(argv, lambda name: [tool, "rm", "--force", name], "python3")


def landlock() -> Confinement:
    """Landlock and seccomp through the `sandlock` package (Linux 6.12 or newer); no root, no namespaces.

    The working directory is on the host's disk, whose free space is the only bound on it.
    """

    def argv(limits: Limits, name: str, directory: Path) -> list[str]:
        orders = {
            "directory": str(directory),
            "readable": [
                "/usr",
                "/lib",
                "/lib64",
                "/bin",
                "/etc/alternatives",
                "/etc/ld.so.cache",
                sys.base_prefix,
            ],
            "memory": f"{(limits.memory_bytes + 96 * 1024**2) // 1024**2}M",
            "processes": limits.processes + 2,
        }
        return [sys.executable, "-P", str(Path(__file__).with_name("landlock_child.py")), json.dumps(orders)]

    return Confinement(argv, None, str(Path(sys.base_prefix, "bin", "python3")))


class WrappedBox:
    """The face of a `Box`, with a new confined process for every job."""

    cgroup = None

    def __init__(self, confinement: Confinement) -> None:
        self._confinement = confinement
        self._processes: dict[int, tuple[subprocess.Popen[bytes], str]] = {}

    @contextmanager
    def job(
        self, kind: JobKind, profile: Profile, limits: Limits, *, extra_disk: int = 0
    ) -> Iterator[RunningJob]:
        """Start a job's process; at the end of the block it is gone, and its directory."""
        number = next(_numbers)
        name = f"mixwright-{os.getpid()}-{number}"
        ours, theirs = socket.socketpair()
        stdout = stderr = -1
        with tempfile.TemporaryDirectory(prefix="mixwright-job-", ignore_cleanup_errors=True) as directory:
            command = self._confinement.argv(with_disk(limits, extra_disk), name, Path(directory))
            command += [self._confinement.python, "-s", "-S", "-B", "-c", _BOOT]
            stdout_theirs = stderr_theirs = subprocess.DEVNULL
            if kind == "program":
                stdout, stdout_theirs = os.pipe()
                stderr, stderr_theirs = os.pipe()
            process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=stdout_theirs if kind == "program" else theirs.fileno(),
                stderr=stderr_theirs,
                cwd=directory,
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": directory},
                start_new_session=True,
            )
            theirs.close()
            for descriptor in (stdout_theirs, stderr_theirs):
                if descriptor >= 0:
                    os.close(descriptor)
            self._processes[number] = process, name
            channel = Frames(ours, limits.output_bytes)
            order = {
                "kind": kind,
                "profile": profile,
                "memory_bytes": limits.memory_bytes,
                "disk_bytes": limits.disk_bytes + extra_disk,
                "cpu_s": max(1, math.ceil(limits.cpu_s)),
            }
            ours.setblocking(True)
            with contextlib.suppress(OSError):
                ours.sendall(len(_guest_zip()).to_bytes(4, "little") + _guest_zip() + framed(order))
            ours.setblocking(False)
            gone: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            try:
                yield RunningJob(number, channel, channel, stdout, stderr, gone)
            finally:
                self._kill(number)
                del self._processes[number]
                ours.close()
                for descriptor in (stdout, stderr):
                    if descriptor >= 0:
                        os.close(descriptor)

    def limit_memory(self, memory_bytes: int, processes: int) -> None:
        """Nothing: each job's process was started with its own limits."""

    def ran_out_of_memory(self, job: RunningJob) -> bool:
        """Never known here: such a process is seen as killed."""
        return False

    async def end(self, job: RunningJob) -> None:
        """Kill the job."""
        await asyncio.to_thread(self._kill, job.number)
        if not job.gone.done():
            job.gone.set_result(False)

    async def report(self, job: RunningJob) -> dict[str, Any] | None:
        """How the process ended; a container says 128 more than the signal."""
        process, _ = self._processes[job.number]
        code = await asyncio.to_thread(process.wait)
        return {"status": code if code <= 128 else 128 - code, "cpu_s": 0.0}

    def _kill(self, number: int) -> None:
        process, name = self._processes[number]
        if process.poll() is not None:
            return
        # A child of ours ends everything that it confined when it is told to end; of a container, this is the tool that
        # talks to it, or is still making it.
        process.send_signal(signal.SIGTERM)
        if self._confinement.remove is not None:
            subprocess.run(self._confinement.remove(name), capture_output=True, timeout=60)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if self._confinement.remove is not None:
                subprocess.run(self._confinement.remove(name), capture_output=True, timeout=60)


class WrappedSandbox:
    """A `Runner` whose jobs are confined by a tool that the user named; at most `size` at a time."""

    def __init__(self, confinement: Confinement, *, size: int | None = None) -> None:
        self._box = WrappedBox(confinement)
        self._size = size or len(os.sched_getaffinity(0))
        self._slots: asyncio.Semaphore | None = None

    async def start(self) -> None:
        """Run one job that must print.

        Raises:
            SandboxUnavailable: it did not.
        """
        job = ProgramJob(["python", "main.py"], {"main.py": b"print('ready')"}, limits=Limits(wall_s=60))
        try:
            ran = await self.run(job)
        except OSError as error:
            raise SandboxUnavailable(
                f"the back-end does not start: {error}", "install what it names"
            ) from None
        if ran.stdout != b"ready\n":
            said = ran.stderr.decode(errors="replace").strip().splitlines()
            cause = said[-1] if said else ran.detail or ran.outcome
            raise SandboxUnavailable(f"the back-end runs no job: {cause}", "start that tool by hand and see")

    async def provide(self, packages: Sequence[Path]) -> None:
        """Nothing: what the image, or the system's Python, has is all there is."""

    async def run(self, job: Job) -> Ran:
        """The job's result."""
        if self._slots is None:
            self._slots = asyncio.Semaphore(self._size)
        async with self._slots:
            try:
                if isinstance(job, ProgramJob):
                    return await self._run_program(job)
                return await run_job(self._box, job)
            except BoxFailed as error:
                return Ran("sandbox_error", str(error))

    async def prove(self, job: Job) -> Ran:
        """See `Runner.prove`."""
        return await self.run(job)

    async def _run_program(self, job: ProgramJob) -> Ran:
        """As `running.py` does, but for the report, which comes at the end of standard output."""
        work, profile, extra_disk = program_work(job)
        limits = job.limits
        started = time.monotonic()
        largest = limits.output_bytes + limits.disk_bytes + 64 * 1024
        stdout = stderr = b""
        with self._box.job("program", profile, limits, extra_disk=extra_disk) as running:
            pipes = [read_pipe(running.stdout, largest), read_pipe(running.stderr, limits.output_bytes)]
            async with beside(running.report.send(work)), beside(*pipes) as streams:
                try:
                    async with asyncio.timeout(limits.wall_s):
                        stdout, stderr = await asyncio.gather(*streams)
                    ran = _ran_from(stdout, limits)
                except TimeoutError:
                    ran = Ran("timeout", f"not ended after {limits.wall_s:g} s")
                except TooMuch:
                    ran = OUTPUT_ENDED
                await self._box.end(running)
        return replace(ran, stderr=stderr, wall_s=time.monotonic() - started)

    async def close(self) -> None:
        """Nothing stays between jobs."""


def _ran_from(stdout: bytes, limits: Limits) -> Ran:
    if not stdout.endswith(END_MARK):
        return Ran(
            "error", "ended without a report: killed, or out of memory", stdout=stdout[: limits.output_bytes]
        )
    at = len(stdout) - len(END_MARK) - 4
    size = int.from_bytes(stdout[at : at + 4], "little")
    report = json.loads(stdout[at - size : at])
    start = at - size - sum(length for _, length in report["files"])
    output, place = stdout[:start], start
    files: dict[str, bytes] = {}
    for path, length in report["files"]:
        files[path] = stdout[place : place + length]
        place += length
    if len(output) > limits.output_bytes:
        return replace(OUTPUT_ENDED, stdout=output[: limits.output_bytes])
    return replace(with_limits(report, limits), stdout=output, files=files)


def with_disk(limits: Limits, extra_disk: int) -> Limits:
    return replace(limits, disk_bytes=limits.disk_bytes + extra_disk + 1024**2)


@cache
def _guest_zip() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in GUEST_FILES:
            archive.writestr(name, (ROOT / name).read_bytes())
    return packed.getvalue()
