"""The bubblewrap command of a box: what it can see, and nothing else."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from mixwright_runtime.sandbox.launch import STAGE
from mixwright_runtime.sandbox.options import (
    COVERED,
    GUEST_PATH,
    NOBODY,
    SandboxOptions,
    changes_user,
    guest_python,
)
from mixwright_runtime.sandbox.protocol import SandboxUnavailable

ROOT = Path(__file__).resolve().parents[2]
GUEST_FILES = (
    "mixwright_runtime/__init__.py",
    "mixwright_runtime/sandbox/__init__.py",
    "mixwright_runtime/sandbox/plain.py",
    *(
        f"mixwright_runtime/sandbox/guest/{name}.py"
        for name in (
            "__init__",
            "calls",
            "candidate",
            "exchange",
            "fork_handlers",
            "frames",
            "job",
            "kernel",
            "programs",
            "seccomp",
            "single",
            "syscalls",
            "trial",
            "zygote",
        )
    ),
)
_SYSTEM_DIRECTORIES = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_SYSTEM_CONFIGURATION = ("/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d")
"""What /usr cannot do without. Nothing of it is secret; Java's own directory in /etc is found by name."""
_DEVICES = ("null", "zero", "full", "random", "urandom")
_PASSWD = "user:x:1000:1000:user:/tmp:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/false\n"
_GROUP = "user:x:1000:\nnogroup:x:65534:\n"


@dataclass(frozen=True)
class BoxCommand:
    """What the launcher starts.

    Attributes:
        argv: the bubblewrap command.
        stage: (source, target) pairs to bind first, as root only.
    """

    argv: list[str]
    stage: list[tuple[str, str]]


def box_command(options: SandboxOptions, control: int, file_of: Callable[[bytes], int]) -> BoxCommand:
    """The command; `file_of` makes a descriptor that the box reads a file's content from.

    Raises:
        SandboxUnavailable: bubblewrap, or a directory to bind, is not there.
    """
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise SandboxUnavailable(
            "bubblewrap is not installed",
            "apt install bubblewrap, or name another back-end: container, or landlock",
        )
    python = guest_python(options)
    binds = [*([python.prefix] if python.prefix is not None else []), *options.binds]
    # Packages are found by the path that Python is told, so where they lie outside (in /tmp, say) is all one.
    packages = {path: f"/box/packages/{n}" for n, path in enumerate(_once(options.packages))}
    stage: list[tuple[str, str]] = []
    argv = [
        bwrap,
        *_ISOLATION,
        "--setenv",
        "PATH",
        ":".join([GUEST_PATH, *options.path]),
        "--ro-bind",
        "/usr",
        "/usr",
    ]
    for name in _SYSTEM_DIRECTORIES:
        path = Path("/", name)
        if path.is_symlink():
            argv += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            argv += ["--ro-bind", str(path), str(path)]
    for configuration in (*_SYSTEM_CONFIGURATION, *map(str, sorted(Path("/etc").glob("java*")))):
        argv += ["--ro-bind-try", configuration, configuration]
    for bind, target in [*((bind, str(bind)) for bind in _once(binds)), *packages.items()]:
        if not bind.is_dir():
            raise SandboxUnavailable(
                f"there is no directory {bind} to bind", "correct the sandbox's directories"
            )
        if target == str(bind) and any(bind.is_relative_to(covered) for covered in COVERED):
            raise SandboxUnavailable(
                f"{bind} cannot be bound: the box has its own {bind.parts[1]}", "keep the tool somewhere else"
            )
        if target == str(bind) and bind.is_relative_to("/usr"):
            continue
        source = str(bind)
        if changes_user():
            source = f"{STAGE}/{len(stage)}"
            stage.append((str(bind), source))
        argv += ["--ro-bind", source, target]
    argv += ["--proc", "/proc", "--dir", "/tmp", "--dir", "/dev", "--symlink", "/tmp", "/dev/shm"]
    for device in _DEVICES:
        argv += ["--dev-bind", f"/dev/{device}", f"/dev/{device}"]
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        argv += ["--symlink", f"/proc/self/fd/{number}", f"/dev/{name}"]
    argv += ["--symlink", "/proc/self/fd", "/dev/fd"]
    contents = {f"/box/{name}": (ROOT / name).read_bytes() for name in GUEST_FILES}
    contents |= {"/etc/passwd": _PASSWD.encode(), "/etc/group": _GROUP.encode()}
    contents["/box/start.py"] = _START.format(control=control, packages=list(packages.values())).encode()
    for name, content in contents.items():
        argv += ["--perms", "0444", "--file", str(file_of(content)), name]
    # Last: from here on nothing in the box can be written but what a job mounts for itself.
    argv += ["--remount-ro", "/", "--chdir", "/tmp"]
    argv += [python.executable, "-s", "-S", "-B", "/box/start.py"]
    return BoxCommand(argv, stage)


def _once(directories: Iterable[Path]) -> list[Path]:
    return list(dict.fromkeys(path.resolve() for path in directories))


_ISOLATION = (
    "--unshare-user",
    "--unshare-all",
    "--die-with-parent",
    "--new-session",
    "--as-pid-1",
    "--cap-drop",
    "ALL",
    "--hostname",
    "box",
    "--uid",
    str(NOBODY),
    "--gid",
    str(NOBODY),
    "--clearenv",
    "--setenv",
    "HOME",
    "/tmp",
    "--setenv",
    "LANG",
    "C.UTF-8",
    # The order of sets, and with it a verdict, is the same in every run.
    "--setenv",
    "PYTHONHASHSEED",
    "0",
)
_START = """\
import sys
sys.path[0] = "/box"
from mixwright_runtime.sandbox.guest import fork_handlers
fork_handlers.withhold()
from mixwright_runtime.sandbox.guest.zygote import main
main({control}, {packages!r})
"""
