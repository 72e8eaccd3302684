"""`mixwright doctor` says what holds on this machine, and what to type where something does not."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from mixwright.cli import main
from mixwright_runtime.sandbox.canaries.escapes import Escape
from mixwright_runtime.sandbox.pool import Sandbox
from mixwright_runtime.sandbox.protocol import Call, CallsJob, SandboxUnavailable
from mixwright_runtime.verifiers.code import examination
from mixwright_runtime.verifiers.code.languages import LANGUAGES

FEW_FAKES = {"equal to everything": "class E:\n    __eq__ = lambda *a: True\ndef solve(n):\n    return E()"}
HELD = Escape("nothing", [CallsJob("f = abs", [Call("f", [1])])], lambda runs: "")
WORKED = Escape(
    "read a diary", [CallsJob("f = abs", [Call("f", [1])])], lambda runs: f"read {runs[0].answers}"
)


@pytest.fixture(scope="module")
def sandbox() -> None:
    """Skip where there is none."""

    async def started() -> None:
        async with Sandbox(size=1):
            pass

    try:
        asyncio.run(started())
    except SandboxUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def few_attacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The whole list has tests of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(examination, "FAKES", FEW_FAKES)
    monkeypatch.setattr(examination, "escapes", lambda traps: [HELD, HELD])


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = main(["doctor", *arguments])
    return status, capsys.readouterr().out


@pytest.mark.usefixtures("few_attacks", "sandbox")
def test_a_machine_on_which_everything_holds(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, text = shown(capsys)
    assert status == 0, text
    assert "  ok     attacks on the walls    2 of 2 held\n" in text
    assert "  ok     attacks on the verdict  1 of 1 held, and the correct program is judged correct\n" in text
    assert f"  ok     store  {tmp_path}/.mixwright, made by the first run; " in text
    assert text.endswith("\nuntrusted code can be run on this machine\n")


@pytest.mark.usefixtures("few_attacks", "sandbox")
def test_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    status, text = shown(capsys, "--json")
    document: dict[str, Any] = json.loads(text)
    assert (status, document["is_sound"]) == (0, True)
    assert [finding["name"] for finding in document["languages"]] == [
        name for name, language in LANGUAGES.items() if language.version
    ]
    assert {finding["name"]: finding["holds"] for finding in document["sandbox"]} | {
        "cgroup": True
    } == dict.fromkeys(("box", "cgroup", "attacks on the walls", "attacks on the verdict"), True)


@pytest.mark.usefixtures("few_attacks", "sandbox")
def test_an_attack_that_works_is_a_fault(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "escapes", lambda traps: [HELD, WORKED])
    status, text = shown(capsys)
    assert status == 1
    assert "  FAULT  attacks on the walls    read a diary: read (Value(value=1),)\n" in text
    assert "untrusted code is not run on this machine" in text


@pytest.mark.usefixtures("few_attacks")
def test_without_bubblewrap_it_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    status, text = shown(capsys)
    assert status == 1
    assert (
        "sandbox\n"
        "  FAULT  box  bubblewrap is not installed\n"
        "              → apt install bubblewrap, or name another back-end: container, or landlock\n"
    ) in text
    # What needs no sandbox is told all the same.
    assert "\nextras\n" in text


@pytest.mark.parametrize(
    ("said", "cause", "remedy"),
    [
        (
            "bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)",
            "no user namespaces are left: bwrap: Creating new namespace failed: ",
            "sudo sysctl user.max_user_namespaces=15000",
        ),
        (
            "bwrap: No permissions to create new namespace, likely because the kernel does not allow it",
            "new namespaces are not permitted: bwrap: No permissions",
            "container",
        ),
        ("bwrap: something new", "the box did not start: bwrap: something new", "another back-end"),
        ("", "the box did not start: the box ended without a word", "another back-end"),
    ],
)
def test_every_cause_has_a_remedy(said: str, cause: str, remedy: str) -> None:
    from mixwright_runtime.sandbox.diagnosis import unavailable

    error = unavailable(said)
    assert isinstance(error, SandboxUnavailable)
    assert error.cause.startswith(cause)
    assert remedy in error.remedy


def test_apparmor_s_restriction_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from mixwright_runtime.sandbox import diagnosis

    monkeypatch.setattr(diagnosis, "_sysctl", lambda name: "1" if "apparmor" in name else None)
    monkeypatch.setattr(diagnosis.os, "geteuid", lambda: 1000)
    error = diagnosis.unavailable("bwrap: setting up uid map: Permission denied")
    assert error.cause == "AppArmor restricts user namespaces: bwrap: setting up uid map: Permission denied"
    assert "kernel.apparmor_restrict_unprivileged_userns=0" in error.remedy


@pytest.mark.parametrize("name", ["none", "landlock:image", "container:", ""])
@pytest.mark.parametrize("command", ["doctor", "run"])
def test_a_sandbox_that_does_not_exist_is_refused(
    capsys: pytest.CaptureFixture[str], command: str, name: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, *(["spec.mix"] if command == "run" else []), "--sandbox", name])
    assert ended.value.code == 2
    assert f"'{name}' is none of bwrap, landlock, container, container:IMAGE" in capsys.readouterr().err


def test_a_named_sandbox_that_is_not_installed_is_a_fault(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    status, text = shown(capsys, "--sandbox", "container:python:3.12")
    assert status == 1
    assert "  FAULT  box  neither docker nor podman is installed\n" in text
