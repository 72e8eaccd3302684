"""24 attacks on the verdict and 32 on the walls are held: one at a time, eight at once, and each attack is real."""

from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mixwright_runtime.sandbox.canaries.escapes import SECRET, Escape, attack_source, escapes, said
from mixwright_runtime.sandbox.canaries.fakes import EXPECTED, FAKES, HONEST, INPUTS, fake_job, is_fooled
from mixwright_runtime.sandbox.canaries.traps import Traps, traps
from mixwright_runtime.sandbox.pool import Sandbox
from mixwright_runtime.sandbox.protocol import Call, CallsJob, Limits, ProgramJob, Value
from tests.sandbox.conftest import Run, RunAll

ESCAPE_COUNT = 32


@pytest.fixture(scope="module")
def set_traps() -> Iterator[Traps]:
    with traps() as made:
        yield made


def attacks(made: Traps, sandbox: Sandbox) -> list[Escape]:
    found = escapes(made)
    assert len(found) == ESCAPE_COUNT
    return [attack for attack in found if sandbox.has_cgroup or not attack.needs_cgroup]


def test_the_honest_candidate_is_judged_correct(run: Run) -> None:
    assert is_fooled(run(fake_job(HONEST)))


def test_no_fake_is_judged_correct(run_all: RunAll) -> None:
    assert len(FAKES) == 24
    runs = run_all([fake_job(source) for source in FAKES.values()])
    assert [name for name, ran in zip(FAKES, runs, strict=True) if is_fooled(ran)] == []
    assert [ran.detail for ran in runs if ran.outcome == "sandbox_error"] == []


def test_the_fakes_fool_a_judge_who_trusts_an_exit_status(run_all: RunAll) -> None:
    # The same candidates, the asserts in their own process: what the calls and the comparison outside are for.
    asserts = "".join(f"\nassert solve({n}) == {value}" for n, value in zip(INPUTS, EXPECTED, strict=True))
    jobs = [
        ProgramJob(["python", "main.py"], {"main.py": (source + asserts).encode()}, limits=Limits(wall_s=5))
        for source in [HONEST, *FAKES.values()]
    ]
    fooled = [ran.outcome == "done" and ran.status == 0 for ran in run_all(jobs)]
    assert fooled[0]
    assert sum(fooled[1:]) >= 10


@pytest.mark.parametrize("number", range(ESCAPE_COUNT))
def test_the_walls_hold(run: Run, sandbox: Sandbox, set_traps: Traps, number: int) -> None:
    attack = escapes(set_traps)[number]
    if attack.needs_cgroup and not sandbox.has_cgroup:
        pytest.skip("no memory cgroup can be made on this machine")
    assert (attack.name, attack.achieved([run(job) for job in attack.jobs])) == (attack.name, "")


def test_the_walls_hold_for_eight_at_once(run_all: RunAll, sandbox: Sandbox, set_traps: Traps) -> None:
    found = attacks(set_traps, sandbox)
    single = [attack for attack in found if len(attack.jobs) == 1]
    runs = run_all([attack.jobs[0] for attack in single])
    assert {a.name: a.achieved([ran]) for a, ran in zip(single, runs, strict=True) if a.achieved([ran])} == {}


def test_the_walls_hold_for_a_program_that_is_executed(run_all: RunAll, set_traps: Traps) -> None:
    # The wider profile: a Python of the system's own, whose first act is the attack.
    own = [attack for attack in escapes(set_traps) if attack.achieved is said and not attack.needs_cgroup]
    jobs = [attack.jobs[0] for attack in own]
    programs = [
        ProgramJob(
            ["/usr/bin/python3", "main.py"],
            {"main.py": f"{job.source}\nprint('achieved:', attack())".encode()},
            limits=job.limits,
        )
        for job in jobs
        if isinstance(job, CallsJob)
    ]
    assert len(programs) == 22
    said_by = {attack.name: ran.stdout for attack, ran in zip(own, run_all(programs), strict=True)}
    # Stopped by itself at a signal, it says nothing before its deadline.
    assert said_by.pop("stop its whole process group") == b""
    assert set(said_by.values()) == {b"achieved: \n"}


@pytest.mark.parametrize(
    "name",
    [
        "read a file of the host",
        "read secrets in its environment",
        "connect to the host's loopback",
        "connect to an abstract socket of the host",
        "send a datagram",
    ],
)
def test_outside_the_sandbox_the_same_attack_works(set_traps: Traps, name: str) -> None:
    attack = next(attack for attack in escapes(set_traps) if attack.name == name)
    job = attack.jobs[0]
    assert isinstance(job, CallsJob)
    found = subprocess.run(
        [sys.executable, "-c", f"{job.source}\nprint(attack())"],
        env={"CANARY": SECRET},
        capture_output=True,
        text=True,
    )
    assert found.stdout.strip(), found.stderr


def answer(run: Run, body: str) -> object:
    """What a function with this body returns inside."""
    ran = run(CallsJob(attack_source(body), [Call("attack")]))
    assert isinstance(ran.answers[0], Value), ran
    return ran.answers[0].value


def test_a_job_holds_no_right_and_sees_only_itself(run: Run) -> None:
    status = answer(run, "return text_of('/proc/self/status')")
    assert isinstance(status, str)
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    held = {name: fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb", "NoNewPrivs", "Seccomp")}
    assert held == {
        **dict.fromkeys(("CapInh", "CapPrm", "CapEff", "CapAmb"), "0" * 16),
        "NoNewPrivs": "1",
        "Seccomp": "2",
    }
    assert fields["Uid"].split() == ["1000"] * 4
    # Its parent, process 1 of the job, is hidden: it belongs to the sandbox.
    assert answer(run, "return sorted(p for p in os.listdir('/proc') if p.isdigit()), os.getpid()") == (
        ["2"],
        2,
    )


def test_a_job_inherits_no_descriptor_but_its_own(run: Run) -> None:
    body = """
found = []
for descriptor in range(1000):
    try: os.fstat(descriptor)
    except OSError: continue
    found.append(descriptor)
return found
"""
    # Standard streams on /dev/null, and its channel; not the report socket, 3, and not the box's control socket.
    assert answer(run, body) == [0, 1, 2, 4]


def test_a_job_sees_nothing_of_the_host_but_usr(run: Run) -> None:
    listed = answer(run, "return sorted(os.listdir('/etc')), os.listdir('/tmp'), dict(os.environ)")
    assert isinstance(listed, tuple)
    assert {"passwd", "group"} <= set(listed[0])
    assert not set(listed[0]) & {"shadow", "hostname", "hosts", "resolv.conf", "ssl", "machine-id"}
    assert listed[1] == []
    assert set(listed[2]) == {"PATH", "HOME", "LANG", "PYTHONHASHSEED", "PWD"}


def test_the_box_runs_as_an_ordinary_user(run: Run) -> None:
    assert run(CallsJob("", [])).outcome == "done"
    owners = set()
    for path in Path("/proc").iterdir():
        try:
            if path.name.isdecimal() and b"/box/start.py" in (path / "cmdline").read_bytes():
                owners.add(path.stat().st_uid)
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    assert owners and 0 not in owners


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the 32-bit gate is x86's")
def test_another_architecture_s_system_calls_end_the_process(run: Run) -> None:
    body = """
import mmap
code = mmap.mmap(-1, 4096, prot=7)
code.write(b"\\xb8\\x14\\x00\\x00\\x00\\xcd\\x80\\xc3")
address = ctypes.addressof(ctypes.c_char.from_buffer(code))
return str(ctypes.CFUNCTYPE(ctypes.c_long)(address)())
"""
    ran = run(CallsJob(attack_source(body), [Call("attack")]))
    assert (ran.outcome, ran.failure and ran.failure.message) == ("error", "SIGSYS")
