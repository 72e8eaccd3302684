"""What holds on this machine: starts a box, attacks it, and asks each tool in it for its version."""

from __future__ import annotations

import asyncio
import os
import platform
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from mixwright_runtime.sandbox.canaries.escapes import SECRET, Escape, escapes
from mixwright_runtime.sandbox.canaries.fakes import FAKES, HONEST, fake_job, is_fooled
from mixwright_runtime.sandbox.canaries.traps import traps
from mixwright_runtime.sandbox.pool import Sandbox
from mixwright_runtime.sandbox.protocol import Limits, ProgramJob, Runner, SandboxUnavailable
from mixwright_runtime.verifiers.code.languages import LANGUAGES
from mixwright_runtime.verifiers.code.program_judge import ProgramJudge

MIB = 1024**2
TOOL_LIMITS = Limits(wall_s=30, cpu_s=20, memory_bytes=1024 * MIB, processes=96, disk_bytes=64 * MIB)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what.
        holds: whether it is as it should be; None for what is good to have and not there.
        detail: what was found.
        remedy: what to type where it is not as it should be.
    """

    name: str
    holds: bool | None
    detail: str
    remedy: str = ""


@dataclass
class Examination:
    """All findings about a sandbox; `is_sound` when it can be trusted with untrusted code."""

    walls: list[Finding] = field(default_factory=list)
    tools: list[Finding] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        return bool(self.walls) and all(finding.holds is not False for finding in self.walls)


async def examine(sandbox: Runner) -> Examination:
    """Start, attack and question a sandbox; about 10 s. Leaves it started."""
    found = Examination()
    started = time.monotonic()
    # In the environment of whoever starts the box: no process inside may find it.
    os.environ["MIXWRIGHT_CANARY"] = SECRET
    try:
        await sandbox.start()
    except SandboxUnavailable as error:
        found.walls.append(Finding("box", False, error.cause, error.remedy))
        return found
    finally:
        del os.environ["MIXWRIGHT_CANARY"]
    took = f"started in {time.monotonic() - started:.2f} s"
    has_cgroup = True
    if isinstance(sandbox, Sandbox):
        took = f"Python {sandbox.python} inside; {took}"
        has_cgroup = sandbox.has_cgroup
    found.walls.append(Finding("box", True, took))
    if isinstance(sandbox, Sandbox):
        found.walls.append(_cgroup(has_cgroup))
    found.walls += [await _escapes(sandbox, has_cgroup), await _fakes(sandbox)]
    with tempfile.TemporaryDirectory(prefix="mixwright-doctor-") as directory:
        judge = ProgramJudge(sandbox, None, Path(directory))
        found.tools = list(
            await asyncio.gather(
                *(_tool(sandbox, judge, name) for name in LANGUAGES if LANGUAGES[name].version)
            )
        )
    return found


def _cgroup(has_cgroup: bool) -> Finding:
    if has_cgroup:
        return Finding("cgroup", True, "memory and processes of a job are bounded together")
    return Finding(
        "cgroup",
        None,
        "none can be made: a job's memory is added up every 50 ms, which a quick one can outrun",
        "systemd-run --user --scope -p Delegate=yes mixwright run …",
    )


async def _escapes(sandbox: Runner, has_cgroup: bool) -> Finding:
    """Run the 32 attacks on the walls."""
    with traps() as made:
        attacks = [attack for attack in escapes(made) if has_cgroup or not attack.needs_cgroup]
        achieved = await asyncio.gather(*(_attempt(sandbox, attack) for attack in attacks))
    worked = [f"{attack.name}: {what}" for attack, what in zip(attacks, achieved, strict=True) if what]
    name = "attacks on the walls"
    if worked:
        return Finding(name, False, "; ".join(worked), "do not run untrusted code here; report this")
    return Finding(name, True, f"{len(attacks)} of {len(attacks)} held")


async def _attempt(sandbox: Runner, attack: Escape) -> str:
    return attack.achieved([await sandbox.run(job) for job in attack.jobs])


async def _fakes(sandbox: Runner) -> Finding:
    """Run the 24 attacks on the verdict, and the honest candidate."""
    honest, *runs = await asyncio.gather(*(sandbox.run(fake_job(s)) for s in [HONEST, *FAKES.values()]))
    name = "attacks on the verdict"
    worked = [fake for fake, ran in zip(FAKES, runs, strict=True) if is_fooled(ran)]
    if worked:
        return Finding(name, False, "; ".join(worked), "do not trust verdicts here; report this")
    if not is_fooled(honest):
        return Finding(
            name, False, f"a correct program was not judged correct: {honest.detail}", "run it again"
        )
    return Finding(name, True, f"{len(runs)} of {len(runs)} held, and the correct program is judged correct")


async def _tool(sandbox: Runner, judge: ProgramJudge, name: str) -> Finding:
    """Ask for the version, then compile and run a program that prints one word."""
    language = LANGUAGES[name]
    ran = await sandbox.run(ProgramJob(language.version, limits=TOOL_LIMITS))
    if ran.status == 127:
        return Finding(name, None, "not installed", language.remedy)
    fault = await judge.probe(language)
    if fault:
        return Finding(
            name, False, f"does not work in the box: {fault.splitlines()[-1][:100]}", language.remedy
        )
    lines = (ran.stdout + ran.stderr).decode(errors="replace").strip().splitlines()
    return Finding(name, True, lines[0][:60] if lines else "it works")


def machine() -> str:
    """`Linux 6.1 x86_64, 8 cores`."""
    release = ".".join(platform.release().split(".")[:2])
    return f"{platform.system()} {release} {platform.machine()}, {os.cpu_count()} cores"
