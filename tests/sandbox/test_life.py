"""Boxes come and go without a trace: at close, after failures, after kill -9, and after hundreds of jobs."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mixwright_runtime.sandbox.canaries.fakes import FAKES, HONEST, fake_job, is_fooled
from mixwright_runtime.sandbox.options import SandboxOptions
from mixwright_runtime.sandbox.pool import Sandbox
from mixwright_runtime.sandbox.protocol import Call, CallsJob, Limits, ProgramJob, Ran, Value
from tests.checkout import IMPORT_PATH

ROOT = Path(__file__).resolve().parents[2]
JOB = CallsJob("def f(x):\n    return x + 1", [Call("f", [1])])
OUTER = """
import asyncio, os, sys
from mixwright_runtime.sandbox.pool import Sandbox
from mixwright_runtime.sandbox.protocol import CallsJob, Call, Limits
async def main():
    sandbox = Sandbox(size=2)
    source = "import time, os\\nif os.fork(): pass\\ntime.sleep(1000)"
    job = CallsJob(source, [Call("f")], limits=Limits(wall_s=900))
    running = [asyncio.create_task(sandbox.run(job)) for _ in range(2)]
    while len(sandbox._busy) < 2 or not all(box._running for box in sandbox._busy):
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    print("ready", flush=True)
    await asyncio.gather(*running)
asyncio.run(main())
"""


def descendants(pid: int) -> set[int]:
    """Every process that `pid` or one of its children started."""
    parents: dict[int, int] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def eventually(claim: Callable[[], bool], wait_s: float = 20) -> bool:
    deadline = time.monotonic() + wait_s
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def cgroups(pid: int) -> list[Path]:
    return [path for path in Path("/sys/fs/cgroup").rglob(f"mixwright-{pid}-*") if path.is_dir()]


def mounts() -> int:
    return len(Path("/proc/self/mountinfo").read_text().splitlines())


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killing_the_starter_leaves_nothing(number: signal.Signals) -> None:
    before = mounts()
    with subprocess.Popen(
        [sys.executable, "-c", OUTER], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as outer:
        assert outer.stdout is not None
        assert outer.stdout.readline() == "ready\n"
        inside = descendants(outer.pid)
        # For each box: launcher, bwrap, zygote; for its job: first process, candidate, and the candidate's child.
        assert len(inside) == 2 * 6
        outer.send_signal(number)
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in inside))
    assert eventually(lambda: cgroups(outer.pid) == [])
    assert mounts() == before


@pytest.mark.usefixtures("sandbox")
def test_close_ends_running_jobs_and_leaves_nothing() -> None:
    async def scenario() -> list[Ran]:
        sandbox = Sandbox(size=2)
        sleeper = ProgramJob(["sleep", "1000"], limits=Limits(wall_s=900))
        running = [asyncio.create_task(sandbox.run(sleeper)) for _ in range(2)]
        while not (len(sandbox._busy) == 2 and all(box._running for box in sandbox._busy)):
            await asyncio.sleep(0.02)
        await sandbox.close()
        return await asyncio.gather(*running)

    before, descriptors = descendants(os.getpid()), len(os.listdir("/proc/self/fd"))
    assert [ran.outcome for ran in asyncio.run(scenario())] == ["sandbox_error"] * 2
    assert eventually(lambda: descendants(os.getpid()) <= before)
    assert len(os.listdir("/proc/self/fd")) == descriptors


@pytest.mark.usefixtures("sandbox")
def test_a_dead_box_is_replaced_and_its_job_tried_again() -> None:
    async def scenario() -> tuple[Ran, Ran]:
        async with Sandbox(size=1) as sandbox:
            slow = CallsJob("import time\ntime.sleep(0.5)\nf = abs", [Call("f", [-1])])
            running = asyncio.create_task(sandbox.run(slow))
            while not (sandbox._busy and all(box._running for box in sandbox._busy)):
                await asyncio.sleep(0.02)
            (box,) = sandbox._busy
            os.close(box.lifeline)
            box.lifeline = -1
            return await running, await sandbox.run(JOB)

    first, second = asyncio.run(scenario())
    assert (first.outcome, first.answers) == ("done", (Value(1),))
    assert (second.outcome, second.answers) == ("done", (Value(2),))


@pytest.mark.usefixtures("sandbox")
def test_a_cancelled_job_takes_its_box_with_it() -> None:
    async def scenario() -> Ran:
        async with Sandbox(size=1) as sandbox:
            running = asyncio.create_task(sandbox.run(ProgramJob(["sleep", "1000"])))
            while not (sandbox._busy and all(box._running for box in sandbox._busy)):
                await asyncio.sleep(0.02)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return await sandbox.run(JOB)

    before = descendants(os.getpid())
    assert asyncio.run(scenario()).answers == (Value(2),)
    assert eventually(lambda: descendants(os.getpid()) <= before)


@pytest.mark.usefixtures("sandbox")
def test_hundreds_of_jobs_leak_nothing() -> None:
    """Good, bad and hanging jobs in two boxes that are replaced on the way; what is left is what was there before."""

    async def scenario() -> list[Ran]:
        options = SandboxOptions(jobs_per_box=90)
        async with Sandbox(options, size=2) as sandbox:
            await asyncio.gather(*(sandbox.run(JOB) for _ in range(4)))
            counted = len(descendants(os.getpid())), len(os.listdir("/proc/self/fd"))
            jobs = [fake_job(HONEST) for _ in range(250)]
            jobs[::25] = [fake_job(source) for source in list(FAKES.values())[:10]]
            jobs[7::80] = [CallsJob("while True: pass", [], limits=Limits(wall_s=0.1))] * 4
            runs = await asyncio.gather(*map(sandbox.run, jobs))
            assert (len(descendants(os.getpid())), len(os.listdir("/proc/self/fd"))) == counted
            return runs

    before = descendants(os.getpid())
    files = len(os.listdir("/proc/self/fd"))
    runs = asyncio.run(scenario())
    assert sum(map(is_fooled, runs)) == 236
    assert [ran.detail for ran in runs if ran.outcome == "sandbox_error"] == []
    assert eventually(lambda: descendants(os.getpid()) <= before)
    assert len(os.listdir("/proc/self/fd")) == files


@pytest.mark.usefixtures("sandbox")
def test_without_a_cgroup_memory_is_watched_over_all_processes() -> None:
    source = """
import os, time
def bomb(children, wait_s):
    for _ in range(children):
        if os.fork() == 0:
            block = bytearray(b"x") * (60 << 20)
            time.sleep(30)
    time.sleep(wait_s)
    return "survived"
"""
    limits = Limits(wall_s=20, memory_bytes=150 << 20)

    calls = [(1, 0.4), (6, 15)]

    async def scenario() -> list[Ran]:
        async with Sandbox(SandboxOptions(cgroup="never"), size=1) as sandbox:
            assert not sandbox.has_cgroup
            return [
                await sandbox.run(CallsJob(source, [Call("bomb", call)], limits=limits)) for call in calls
            ]

    small, large = asyncio.run(scenario())
    assert (small.outcome, small.answers) == ("done", (Value("survived"),))
    assert (large.outcome, large.limit) == ("limit", "memory")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.usefixtures("sandbox")
def test_an_ordinary_user_has_a_sandbox_too() -> None:
    code = (
        "import asyncio\n"
        "from mixwright_runtime.sandbox.pool import Sandbox\nfrom mixwright_runtime.sandbox.protocol import *\n"
        "async def main():\n    async with Sandbox(size=1) as s:\n"
        "        print((await s.run(CallsJob('f = abs', [Call('f', [-3])]))).answers)\n"
        "asyncio.run(main())"
    )
    python = "/usr/bin/python3"
    version = subprocess.run(
        [python, "-c", "import sys; print(sys.version_info >= (3, 11))"], capture_output=True
    )
    if version.stdout != b"True\n":
        pytest.skip("the system's own Python, which every user can start, is too old for this package")
    found = subprocess.run(
        [python, "-B", "-c", code],
        cwd="/",
        env={"PYTHONPATH": IMPORT_PATH, "PATH": os.environ["PATH"]},
        user=12345,
        group=12345,
        extra_groups=[],
        capture_output=True,
        text=True,
    )
    if "Permission denied" in found.stderr or "No module named 'mixwright_runtime'" in found.stderr:
        pytest.skip("another user cannot read this checkout")
    assert (found.stdout, found.stderr) == ("(Value(value=3),)\n", "")
