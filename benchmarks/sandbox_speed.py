"""CPU per judged program: the sandbox beside a bubblewrap start per program and beside HumanEval's forked child.

Each judges the same short candidate on the same three inputs. CPU is that of all processes involved, the caller's
included; the three take turns, so that what else the machine does falls on all alike.

    python benchmarks/sandbox_speed.py [--jobs 200] [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mixwright_runtime.sandbox.pool import Sandbox
from mixwright_runtime.sandbox.protocol import Call, CallsJob, Value

CANDIDATE = """
def closest(numbers, limit):
    best = None
    for i, a in enumerate(numbers):
        for b in numbers[i + 1 :]:
            if abs(a - b) < limit and (best is None or abs(a - b) < best):
                best = abs(a - b)
    return best
"""
CALLS = [([1, 5, 9, 12], 4), ([1, 2], 1), ([4, 4, 4], 2)]
EXPECTED = [3, None, 0]
JOB = CallsJob(CANDIDATE, [Call("closest", arguments) for arguments in CALLS])
# What a runner that executes each program imports for it, as HumanEval's and others' do.
IMPORTS = (
    "import math, re, json, collections, itertools, functools, heapq\n"
    "import random, string, typing, datetime, copy, time\n"
)
PROGRAM = (
    IMPORTS
    + CANDIDATE
    + "".join(f"assert closest(*{a!r}) == {e!r}\n" for a, e in zip(CALLS, EXPECTED, strict=True))
)
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--jobs", type=int, default=200, help="programs a round and design")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)
    asyncio.run(compare(arguments.jobs, arguments.rounds))


async def compare(jobs: int, rounds: int) -> None:
    """Measure in turns and print."""
    cpu_s = {"sandbox": 0.0, "bwrap python": 0.0, "HumanEval's child": 0.0}
    wall_s = dict.fromkeys(cpu_s, 0.0)
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory, "program.py")
        program.write_text(PROGRAM, encoding="utf-8")
        async with Sandbox(size=1) as sandbox:
            await in_sandbox(sandbox, 20)
            designs: dict[str, Callable[[int], Awaitable[None]]] = {
                "sandbox": lambda count: in_sandbox(sandbox, count),
                "bwrap python": lambda count: in_bwrap(program, count),
                "HumanEval's child": in_forked_child,
            }
            for _ in range(rounds):
                for name, design in designs.items():
                    before, started = tree_cpu_s(), time.monotonic()
                    await design(jobs)
                    cpu_s[name] += tree_cpu_s() - before
                    wall_s[name] += time.monotonic() - started
    count = jobs * rounds
    print(f"{count} programs each, Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}")
    print(f"{'design':<20} {'CPU ms a program':>18} {'wall ms':>9} {'CPU, sandbox = 1':>18}")
    for name in cpu_s:
        ratio = cpu_s[name] / cpu_s["sandbox"]
        print(
            f"{name:<20} {cpu_s[name] / count * 1000:>18.2f} {wall_s[name] / count * 1000:>9.2f} {ratio:>18.1f}"
        )


async def in_sandbox(sandbox: Sandbox, count: int) -> None:
    for _ in range(count):
        ran = await sandbox.run(JOB)
        assert ran.answers == tuple(map(Value, EXPECTED)), ran


async def in_bwrap(program: Path, count: int) -> None:
    """A box per program, as bubblewrap's manual has it."""
    argv = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--clearenv"]
    for name in ("lib", "lib64", "bin"):
        argv += ["--symlink", f"usr/{name}", f"/{name}"]
    argv += ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
    argv += ["--ro-bind", str(program), "/program.py", "/usr/bin/python3", "-I", "/program.py"]
    for _ in range(count):
        subprocess.run(argv, check=True)
        # bwrap ends without waiting for process 1 of its box, whose CPU time is the program's.
        os.waitpid(-1, 0)


async def in_forked_child(count: int) -> None:
    """As HumanEval's `check_correctness`: a manager's list, a forked child that executes, a join with a deadline."""
    fork = multiprocessing.get_context("fork")
    for _ in range(count):
        with fork.Manager() as manager:
            result = manager.list()
            child = fork.Process(target=_execute, args=(result,))
            child.start()
            child.join(timeout=10)
            assert list(result) == ["passed"]


def _execute(result: list[str]) -> None:
    exec(PROGRAM, {})
    result.append("passed")


def tree_cpu_s() -> float:
    """CPU seconds of this process and all below it, ended children that were waited for included."""
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                fields = (path / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(path.name)] = int(fields[1])
            used[int(path.name)] = sum(map(int, fields[11:15]))
    found = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return sum(used[pid] for pid in found) / TICKS


if __name__ == "__main__":
    main()
