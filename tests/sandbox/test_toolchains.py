"""Tools outside /usr are found, bound and put on the box's PATH; a home directory is never bound for one."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mixwright_runtime.sandbox import toolchains
from mixwright_runtime.sandbox.options import SandboxOptions
from mixwright_runtime.sandbox.pool import Sandbox
from mixwright_runtime.sandbox.protocol import CallsJob, Evaluate, ProgramJob, Ran, SandboxUnavailable
from mixwright_runtime.sandbox.toolchains import machine_options


@pytest.fixture
def no_usr(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine whose packages brought no tool."""
    monkeypatch.setattr(toolchains, "GUEST_PATH", "/nowhere")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that is not in /tmp, of which the box has its own."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="mixwright-tools-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def tool(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.mark.usefixtures("no_usr")
def test_a_tool_with_a_directory_of_its_own_is_bound(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tool(place / "node-22" / "bin" / "node", "echo v22")
    monkeypatch.setenv("PATH", str(node.parent))
    assert machine_options() == SandboxOptions(binds=(place / "node-22",), path=(str(node.parent),))


@pytest.mark.usefixtures("no_usr")
def test_rustup_s_toolchain_is_bound_and_not_rustup(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = tool(place / "toolchains" / "stable" / "bin" / "rustc", "echo rustc")
    proxy = tool(place / "cargo" / "bin" / "rustc", f"echo {real.parents[1]}")
    monkeypatch.setenv("PATH", f"{proxy.parent}:/usr/bin:/bin")
    found = machine_options()
    assert real.parents[1] in found.binds
    assert str(real.parent) in found.path
    assert place / "cargo" not in found.binds


@pytest.mark.usefixtures("no_usr")
def test_a_home_directory_is_not_bound_for_a_tool_in_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tool(place / "home" / "bin" / "node", "echo v22")
    monkeypatch.setenv("PATH", str(node.parent))
    monkeypatch.setenv("HOME", str(place / "home"))
    assert machine_options() == SandboxOptions()


@pytest.mark.usefixtures("sandbox")
def test_a_bound_tool_runs_in_the_box(place: Path) -> None:
    node = tool(place / "closed" / "node-22" / "bin" / "own-node", "echo v22")
    # As in root's home: the box's user could not enter this directory by itself.
    (place / "closed").chmod(0o700)

    async def scenario() -> Ran:
        options = SandboxOptions(binds=(node.parents[1],), path=(str(node.parent),))
        async with Sandbox(options, size=1) as sandbox:
            return await sandbox.run(ProgramJob(["own-node", "--version"]))

    ran = asyncio.run(scenario())
    assert (ran.status, ran.stdout) == (0, b"v22\n"), ran


@pytest.mark.usefixtures("sandbox")
def test_a_directory_that_the_box_covers_is_refused() -> None:
    with pytest.raises(SandboxUnavailable, match="/tmp cannot be bound: the box has its own tmp"):
        asyncio.run(Sandbox(SandboxOptions(binds=(Path("/tmp"),)), size=1).start())


@pytest.mark.usefixtures("sandbox")
def test_packages_may_lie_where_the_box_has_its_own_directory(tmp_path: Path) -> None:
    """A virtual environment in /tmp: its packages are found by the path that Python is told inside."""
    (tmp_path / "site-packages" / "greeting").mkdir(parents=True)
    (tmp_path / "site-packages" / "greeting" / "__init__.py").write_text("WORD = 'hello'\n")

    async def scenario() -> Any:
        options = SandboxOptions(packages=(tmp_path / "site-packages",))
        async with Sandbox(options, size=1) as sandbox:
            return await sandbox.run(CallsJob("import greeting", [Evaluate("greeting.WORD")]))

    ran = asyncio.run(scenario())
    assert [answer.value for answer in ran.answers] == ["hello"], ran
