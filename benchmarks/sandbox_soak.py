"""Ten thousand jobs, good and evil, eight at once: what is left of processes, mounts, files, descriptors and memory.

    python benchmarks/sandbox_soak.py [--jobs 10000] [--boxes 8] [--jobs-per-box 2000]

Exits with 1 when anything is left that was not there before, or when any attack was not held.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, fields
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mixwright_runtime.sandbox.canaries.escapes import Escape, escapes
from mixwright_runtime.sandbox.canaries.fakes import FAKES, HONEST, fake_job, is_fooled
from mixwright_runtime.sandbox.canaries.traps import Traps, traps
from mixwright_runtime.sandbox.options import SandboxOptions
from mixwright_runtime.sandbox.pool import Sandbox
from mixwright_runtime.sandbox.protocol import CallsJob, ExchangeJob, Job, Limits, ProgramJob

MIB = 1024**2


@dataclass(frozen=True)
class Held:
    """What this process and the machine have at one time."""

    processes: int
    mounts: int
    descriptors: int
    cgroups: int
    files_in_tmp: int
    memory_mib: float
    boxes_mib: float


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--boxes", type=int, default=8)
    parser.add_argument("--jobs-per-box", type=int, default=2_000)
    arguments = parser.parse_args()
    with traps() as made:
        return asyncio.run(soak(arguments.jobs, arguments.boxes, arguments.jobs_per_box, made))


async def soak(count: int, boxes: int, jobs_per_box: int, made: Traps) -> int:
    """Run, compare, print; the exit status."""
    before = held()
    started = time.monotonic()
    sandbox = Sandbox(SandboxOptions(jobs_per_box=jobs_per_box), size=boxes)
    await sandbox.start()
    # Quick attacks alone: those that wait for a deadline have the tests.
    attacks = [a for a in escapes(made) if not a.needs_cgroup and "stop" not in a.name and is_quick(a)]
    draw = random.Random(1)
    outcomes: Counter[str] = Counter()
    faults: list[str] = []
    numbers = iter(range(count))
    marks: list[Held] = []

    async def work() -> None:
        for number in numbers:
            if number % max(1, count // 5) == count // 10:
                marks.append(held())
            await one(sandbox, draw, attacks, outcomes, faults)

    await asyncio.gather(*(work() for _ in range(boxes)))
    full = held()
    await sandbox.close()
    gc.collect()
    await asyncio.sleep(0.5)
    after = held()
    took = time.monotonic() - started
    print(
        f"{count} jobs in {took:.0f} s, {boxes} boxes, a new box every {jobs_per_box} jobs: {dict(outcomes)}"
    )
    print(
        f"{'':<14}"
        + "".join(f"{name:>12}" for name in ["before", *("running" for _ in [*marks, 0]), "after"])
    )
    for field in fields(Held):
        values = [getattr(mark, field.name) for mark in (before, *marks, full, after)]
        print(f"{field.name:<14}" + "".join(f"{value:>12.1f}" for value in values))
    left = [
        f.name
        for f in fields(Held)
        if f.name != "memory_mib" and getattr(after, f.name) > getattr(before, f.name)
    ]
    # Memory of this process: what the second half of the jobs added.
    grown = full.memory_mib - marks[len(marks) // 2].memory_mib if marks else 0.0
    print(f"memory added by the second half of the jobs: {grown:.1f} MiB")
    for fault in [*faults[:10], *(f"left: {name}" for name in left)]:
        print(f"FAULT {fault}")
    is_sound = not faults and not left and grown < 10
    print("nothing is left, every attack was held" if is_sound else "not sound")
    return 0 if is_sound else 1


def is_quick(attack: Escape) -> bool:
    return all(job.limits.wall_s > 1 for job in attack.jobs)


async def one(
    sandbox: Sandbox, draw: random.Random, attacks: list[Escape], outcomes: Counter[str], faults: list[str]
) -> None:
    """One job of the mixture, judged."""
    kind = draw.random()
    if kind < 0.70:
        ran = await sandbox.run(fake_job(HONEST))
        if not is_fooled(ran):
            faults.append(f"an honest candidate: {ran.outcome} {ran.detail}")
    elif kind < 0.80:
        name, source = draw.choice([item for item in FAKES.items() if "trace" not in item[0]])
        ran = await sandbox.run(fake_job(source))
        if is_fooled(ran):
            faults.append(f"fooled by {name}")
    elif kind < 0.90:
        attack = draw.choice(attacks)
        runs = [await sandbox.run(job) for job in attack.jobs]
        ran = runs[-1]
        # Between two jobs of others in other boxes a file left behind must not be found either.
        if achieved := attack.achieved(runs):
            faults.append(f"{attack.name}: {achieved}")
    else:
        job: Job = draw.choice(
            [
                ProgramJob(["sh", "-c", "echo $((6 * 7)); sleep 100 &"]),
                ProgramJob(["python", "main.py"], {"main.py": b"print(6 * 7)"}),
                ExchangeJob("assert f(6) == 42", "def g(x):\n    return 7 * x", {"f": "g"}),
                CallsJob("while True: pass", [], limits=Limits(wall_s=0.2)),
            ]
        )
        ran = await sandbox.run(job)
        if ran.outcome != ("timeout" if isinstance(job, CallsJob) else "done"):
            faults.append(f"{type(job).__name__}: {ran.outcome} {ran.detail}")
    outcomes[ran.outcome] += 1
    if ran.outcome == "sandbox_error":
        faults.append(ran.detail)


def held() -> Held:
    """Count it."""
    children = descendants()
    return Held(
        processes=len(children),
        mounts=len(Path("/proc/self/mountinfo").read_text().splitlines()),
        descriptors=len(os.listdir("/proc/self/fd")),
        cgroups=sum(
            f"mixwright-{os.getpid()}-" in name for _, names, _ in os.walk("/sys/fs/cgroup") for name in names
        ),
        files_in_tmp=len([name for name in os.listdir("/tmp") if "box" in name or "left" in name]),
        memory_mib=resident_mib(os.getpid()),
        boxes_mib=sum(map(resident_mib, children)),
    )


def resident_mib(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def descendants() -> set[int]:
    parents: dict[int, int] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    found = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


if __name__ == "__main__":
    sys.exit(main())
