"""A memory and process cgroup for each box, where this process may make one; versions 1 and 2.

Resource limits of a process do not bound what its children take together; a cgroup does. A group lives below the one
this process is in, or beside it where version 2's rule (no processes in inner groups) demands that. The launcher removes
it when the box has ended; what a killed launcher left, the next start removes.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

PREFIX = "mixwright-"


@dataclass(frozen=True)
class Cgroup:
    """One box's groups; with version 2 both are the same directory.

    Attributes:
        memory: the group that counts memory.
        pids: the group that counts processes, or None where there is no such controller.
        version: 1 or 2.
    """

    memory: Path
    pids: Path | None
    version: int

    @property
    def directories(self) -> list[str]:
        return list(dict.fromkeys(str(path) for path in (self.memory, self.pids) if path is not None))

    def limit(self, memory_bytes: int, processes: int) -> None:
        """Bound all of the box; no swap.

        Raises:
            OSError: the kernel refuses.
        """
        if self.version == 2:
            _write(self.memory / "memory.max", memory_bytes)
            _write_if_there(self.memory / "memory.swap.max", 0)
        else:
            limits = [self.memory / "memory.limit_in_bytes", self.memory / "memory.memsw.limit_in_bytes"]
            # Memory with swap is never below memory alone: raise that one first, lower it last.
            if int(limits[0].read_text()) < memory_bytes:
                limits.reverse()
            for path in limits:
                _write_if_there(path, memory_bytes)
        if self.pids is not None:
            _write(self.pids / "pids.max", processes)

    def out_of_memory_kills(self) -> int:
        """How many processes the kernel has killed for this group's limit."""
        path = self.memory / ("memory.events" if self.version == 2 else "memory.oom_control")
        for line in path.read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
        return 0

    def remove(self) -> None:
        for directory in self.directories:
            with contextlib.suppress(OSError):
                os.rmdir(directory)


def new_cgroup(name: str) -> Cgroup | None:
    """A group `mixwright-<pid>-<name>` that a box can join, or None where none can be made."""
    name = f"{PREFIX}{os.getpid()}-{name}"
    try:
        return _version_1(name) or _version_2(name)
    except OSError:
        return None


def _version_1(name: str) -> Cgroup | None:
    memory, pids = (_home(controller) for controller in ("memory", "pids"))
    if memory is None:
        return None
    made: list[Path] = []
    for home in (memory, pids):
        if home is not None:
            _sweep(home)
            path = home / name
            try:
                path.mkdir()
            except OSError:
                if home is memory:
                    return None
                continue
            made.append(path)
    return Cgroup(made[0], made[1] if len(made) > 1 else None, 1)


def _version_2(name: str) -> Cgroup | None:
    home = _home("")
    top = _mount_point("")
    # Upwards, to the first group that hands both controllers down. `cgroup.procs` there must be ours to write: version 2
    # lets a process move only with a right to the group that is above both places.
    while home is not None and top is not None and home.is_relative_to(top):
        _sweep(home)
        path = home / name
        with contextlib.suppress(OSError):
            path.mkdir()
            try:
                if {"memory", "pids"} <= set((path / "cgroup.controllers").read_text().split()) and os.access(
                    home / "cgroup.procs", os.W_OK
                ):
                    return Cgroup(path, path, 2)
            except OSError:
                pass
            path.rmdir()
        home = home.parent
    return None


def _home(controller: str) -> Path | None:
    """The directory of this process's own group; the controller's name is empty for version 2."""
    point = _mount_point(controller)
    if point is None:
        return None
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            home = point / path.lstrip("/")
            # In a container the path may be the host's, which is not to be seen here.
            return home if home.is_dir() else point
    return None


def _mount_point(controller: str) -> Path | None:
    wanted = "cgroup2" if not controller else "cgroup"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind == wanted and (not controller or controller in options.split(",")):
            return Path(left.split(" ")[4])
    return None


def _sweep(home: Path) -> None:
    """Remove groups whose starter is gone; one that still has processes cannot be removed and stays."""
    for path in home.glob(f"{PREFIX}*"):
        owner = path.name.removeprefix(PREFIX).partition("-")[0]
        if owner.isdecimal() and not Path(f"/proc/{owner}").exists():
            with contextlib.suppress(OSError):
                path.rmdir()


def _write(path: Path, value: int) -> None:
    # Not write_text: it truncates, which a control file need not accept.
    with open(path, "r+") as file:
        file.write(str(value))


def _write_if_there(path: Path, value: int) -> None:
    if path.exists():
        _write(path, value)
