"""How the sandbox is set up on this machine: which Python runs inside, and what the box can read besides /usr."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

NOBODY = 65534
"""The user and group that a box runs as when its starter is root."""


COVERED = ("/tmp", "/proc", "/dev", "/box")
"""Where a box has something of its own: nothing of the host can be bound there."""
GUEST_PATH = "/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class SandboxOptions:
    """What a user can choose.

    Attributes:
        python: the interpreter inside the box, 3.10 or newer; None takes the one that runs this program where it can be
            bound into the box, otherwise the system's.
        binds: directories that the box can read at the same path, besides /usr: a Rust toolchain, a JDK in /opt.
        path: directories on the box's PATH besides the usual three.
        packages: directories on the Python path inside, such as a virtual environment's site-packages.
        jobs_per_box: jobs until a box is replaced.
        cgroup: `auto` uses a memory and process cgroup where one can be made; `always` refuses to start without; `never`
            makes none. Without one a job's memory is added up every 50 ms, which a quick job can outrun.
    """

    python: str | None = None
    binds: tuple[Path, ...] = ()
    path: tuple[str, ...] = ()
    packages: tuple[Path, ...] = ()
    jobs_per_box: int = 2_000
    cgroup: Literal["auto", "always", "never"] = "auto"


@dataclass(frozen=True)
class GuestPython:
    """An interpreter, and the directory that must be bound for it; None when /usr has it."""

    executable: str
    prefix: Path | None


def guest_python(options: SandboxOptions) -> GuestPython:
    """The interpreter to run inside."""
    if options.python is not None:
        found = Path(options.python).resolve()
        return GuestPython(str(found), None if _is_in(found, Path("/usr")) else found.parents[1])
    executable = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
    prefix = Path(sys.base_prefix).resolve()
    if _is_in(executable, Path("/usr")):
        return GuestPython(str(executable), None)
    if (
        _is_in(executable, prefix)
        and prefix != Path("/")
        and not any(_is_in(prefix, Path(c)) for c in COVERED)
    ):
        return GuestPython(str(executable), prefix)
    return GuestPython("/usr/bin/python3", None)


def _is_in(path: Path, directory: Path) -> bool:
    return path.is_relative_to(directory)


def changes_user() -> bool:
    """Whether a box becomes nobody first: for root, unless it is the root of a user namespace without a nobody, who has
    no more rights than the user who made it."""
    return os.geteuid() == 0 and all(_has_nobody(Path(f"/proc/self/{kind}_map")) for kind in ("uid", "gid"))


def _has_nobody(id_map: Path) -> bool:
    for line in id_map.read_text().splitlines():
        first, _, count = map(int, line.split())
        if first <= NOBODY < first + count:
            return True
    return False
