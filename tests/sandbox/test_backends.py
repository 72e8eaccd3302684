"""Back-ends that a user can name: the same jobs, the same results, another tool's walls."""

from __future__ import annotations

import asyncio
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from mixwright_runtime.sandbox.backends import open_sandbox
from mixwright_runtime.sandbox.canaries.escapes import escapes
from mixwright_runtime.sandbox.canaries.fakes import HONEST, fake_job, is_fooled
from mixwright_runtime.sandbox.canaries.traps import traps
from mixwright_runtime.sandbox.protocol import (
    Call,
    CallsJob,
    ExchangeJob,
    Job,
    Limits,
    ProgramJob,
    Ran,
    Runner,
    SandboxUnavailable,
    Value,
)

JOBS: list[tuple[Job, Callable[[Ran], bool]]] = [
    (fake_job(HONEST), is_fooled),
    (
        CallsJob("import os\ndef f():\n    os._exit(3)", [Call("f")]),
        lambda ran: ran.outcome == "error" and ran.failure is not None and ran.failure.message == "3",
    ),
    (
        ProgramJob(["python", "main.py"], {"main.py": b"print(input())\nraise SystemExit(4)"}, b"in"),
        lambda ran: (ran.status, ran.stdout) == (4, b"in\n"),
    ),
    (
        ProgramJob(
            ["sh", "-c", "echo err >&2; echo kept > out; printf '\\0mixwright-end\\0'"], collect=["out"]
        ),
        lambda ran: (
            (ran.files, ran.stdout, ran.stderr) == ({"out": b"kept\n"}, b"\0mixwright-end\0", b"err\n")
        ),
    ),
    (
        ProgramJob(["sh", "-c", "yes"], limits=Limits(output_bytes=1000, disk_bytes=1000)),
        lambda ran: (ran.outcome, ran.limit) == ("limit", "output"),
    ),
    (
        CallsJob("import time\ntime.sleep(100)", [], limits=Limits(wall_s=3)),
        lambda ran: ran.outcome == "timeout" and ran.wall_s < 30,
    ),
    (
        ExchangeJob("assert f(2) == 4", "def g(x): return 2 * x", {"f": "g"}),
        lambda ran: ran.outcome == "done",
    ),
    (
        ExchangeJob("assert f(2) == 5", "def g(x): return 2 * x", {"f": "g"}),
        lambda ran: ran.outcome == "error",
    ),
]


def opened(name: str, tmp_path: Path) -> Runner:
    if name == "landlock":
        try:
            return open_sandbox("landlock", size=2)
        except SandboxUnavailable as error:
            pytest.skip(str(error))
    # Stands for docker: starts what stands after the image's name. What a real one confines is not tested by it.
    tool = tmp_path / "docker"
    tool.write_text(
        f"#!{sys.executable} -S\n"
        + textwrap.dedent("""
            import os, sys
            if sys.argv[1] == "run":
                command = sys.argv[sys.argv.index("an-image") + 1 :]
                os.execv(sys.executable, [sys.executable, *command[1:]])
            """)
    )
    tool.chmod(0o755)
    return open_sandbox("container", image="an-image", tool=str(tool), size=2)


@pytest.mark.parametrize("name", ["landlock", "container"])
def test_a_named_backend_runs_every_kind_of_job(name: str, tmp_path: Path) -> None:
    async def scenario() -> list[Ran]:
        sandbox = opened(name, tmp_path)
        await sandbox.start()
        runs = [await sandbox.run(job) for job, _ in JOBS]
        await sandbox.close()
        return runs

    runs = asyncio.run(scenario())
    assert [ran for ran, (_, is_right) in zip(runs, JOBS, strict=True) if not is_right(ran)] == []


def test_landlock_keeps_files_secrets_and_network_out_of_reach(tmp_path: Path) -> None:
    names = ("read a file of the host", "connect to the host's loopback", "write to /usr", "set up io_uring")

    async def scenario() -> dict[str, str]:
        sandbox = opened("landlock", tmp_path)
        await sandbox.start()
        with traps() as made:
            attacks = [attack for attack in escapes(made) if attack.name in names]
            return {a.name: a.achieved([await sandbox.run(job) for job in a.jobs]) for a in attacks}

    assert asyncio.run(scenario()) == dict.fromkeys(names, "")


def test_a_container_gets_no_network_no_rights_and_bounds() -> None:
    from mixwright_runtime.sandbox.wrapped import container

    limits = Limits(memory_bytes=100 * 1024**2, disk_bytes=4 * 1024**2, processes=8)
    argv = container("an-image", options=("--runtime", "runsc")).argv(limits, "a-name", Path("/nowhere"))
    text = " ".join(argv)
    for wanted in (
        "docker run --rm --interactive",
        "--network none",
        "--read-only",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--user 65534:65534",
        "--pids-limit 10",
        f"--memory {200 * 1024**2}",
        f"--tmpfs /job:rw,exec,nosuid,nodev,size={4 * 1024**2},mode=1777",
    ):
        assert wanted in text
    assert argv[-3:] == ["--runtime", "runsc", "an-image"]


def test_a_backend_that_does_not_start_says_so(tmp_path: Path) -> None:
    tool = tmp_path / "docker"
    tool.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit 1\n")
    tool.chmod(0o755)
    sandbox = open_sandbox("container", tool=str(tool))
    with pytest.raises(SandboxUnavailable, match="runs no job: Cannot connect to the Docker daemon"):
        asyncio.run(sandbox.start())


def test_a_backend_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SandboxUnavailable, match="apt install podman"):
        open_sandbox("container")
    monkeypatch.setitem(sys.modules, "sandlock", None)
    with pytest.raises(SandboxUnavailable, match=r"pip install 'mixwright\[landlock\]'"):
        open_sandbox("landlock")


def test_values_come_back_as_they_do_from_a_box(tmp_path: Path) -> None:
    async def scenario() -> Ran:
        return await opened("container", tmp_path).run(CallsJob("f = lambda: (1, 2.5, {3})", [Call("f")]))

    assert asyncio.run(scenario()).answers == (Value((1, 2.5, {3})),)
