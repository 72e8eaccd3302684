"""Process 1 of a job: enters its namespaces, gives up every right, forks the untrusted process, and reports its end.

Its descriptors are fixed: 3 the report socket, which only this process holds, then the job's own: 4 the channel of
calls, or 4 and 5 standard output and error of a program. When this process ends, the kernel ends all others of the job.

What it does is prepared by the zygote as a list of system calls: each page of the interpreter that a new process
writes to is copied by a page fault, and those are what a job costs.
"""

from __future__ import annotations

import os
import resource
from functools import lru_cache
from typing import Any, NoReturn

from mixwright_runtime.sandbox.guest import calls, exchange, frames, kernel, programs
from mixwright_runtime.sandbox.guest.kernel import prepared

KINDS: dict[str, Any] = {"calls": calls, "exchange": exchange, "program": programs}
REPORT = 3
INNER_UID = 1000
BASE_BYTES = 64 * 1024**2
"""Address space of the pre-imported interpreter before a job's own."""
_NAMESPACES = kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID | kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC


def start(order: dict[str, Any], descriptors: list[int], filter_: kernel.Prepared) -> int:
    """Clone a job; returns its pid in the box. In the new process it never returns.

    `descriptors` are the job's, already numbered from 3.
    """
    limits = (order["memory_bytes"], order["disk_bytes"], order["cpu_s"], order["processes"])
    steps = [*_steps(order["profile"], *limits, REPORT + len(descriptors)), filter_]
    kind = KINDS[order["kind"]]
    pid = kernel.clone(_NAMESPACES)
    if pid:
        return pid
    try:
        kernel.make(steps)
        work = kind.prepare(REPORT)
        pid = kernel.clone(0)
        if pid == 0:
            os.close(REPORT)
            kind.run(work)
        os.closerange(REPORT + 1, REPORT + 4)
        status, cpu_s = ending_of(pid)
        kind.report(REPORT, work, status, cpu_s)
    except BaseException as error:
        _fail(error)
    os._exit(0)


@lru_cache(maxsize=16)
def _steps(
    profile: str, memory_bytes: int, disk_bytes: int, cpu_s: int, processes: int, free: int
) -> tuple[kernel.Prepared, ...]:
    """All that comes before the filter. Kept, as most jobs have the limits of the job before."""
    return (
        *_entering(profile, disk_bytes, free),
        *process_limits(profile, memory_bytes, disk_bytes, cpu_s),
        # This process counts as well.
        kernel.limit(resource.RLIMIT_NPROC, processes + 1, processes + 1),
        *_giving_up(),
    )


def _fail(error: BaseException) -> NoReturn:
    frames.write(REPORT, {"failed": f"{type(error).__name__}: {error}"[:300]})
    os._exit(1)


def _entering(profile: str, disk_bytes: int, free: int) -> list[kernel.Prepared]:
    """Into the new namespaces: ids, an empty disk, and the job's own processes in /proc. `free` is the first descriptor
    that is not the job's."""
    uid, gid = os.getuid(), os.getgid()
    flags = kernel.MS_NOSUID | kernel.MS_NODEV
    inodes = max(256, disk_bytes // 4096)
    options = f"size={disk_bytes},nr_inodes={inodes},mode=700,uid={INNER_UID},gid={INNER_UID}"
    subset = ",subset=pid" if profile == "python" else ""
    return [
        prepared("setsid"),
        prepared("close_range", free, 0x7FFF_FFFF, 0),
        *_written("/proc/self/oom_score_adj", "1000", free),
        *_written("/proc/self/uid_map", f"{INNER_UID} {uid} 1", free),
        *_written("/proc/self/setgroups", "deny", free),
        *_written("/proc/self/gid_map", f"{INNER_UID} {gid} 1", free),
        prepared("mount", "tmpfs", "/tmp", "tmpfs", flags, options, why="mount /tmp"),
        prepared(
            "mount",
            "proc",
            "/proc",
            "proc",
            flags | kernel.MS_NOEXEC,
            f"hidepid=2{subset}",
            why="mount /proc",
        ),
        prepared("chdir", "/tmp"),
    ]


def _written(path: str, text: str, free: int) -> list[kernel.Prepared]:
    """Write a file, through the lowest free descriptor."""
    return [
        prepared("openat", kernel.AT_FDCWD, path, os.O_WRONLY, why=f"open {path}"),
        prepared("write", free, text, len(text), why=f"write {path}"),
        prepared("close", free),
    ]


def process_limits(profile: str, memory_bytes: int, disk_bytes: int, cpu_s: int) -> list[kernel.Prepared]:
    """What one process may take."""
    is_python = profile == "python"
    # Node, the JVM and Go reserve far more address space than they use: for them, count what is writable.
    memory = resource.RLIMIT_AS if is_python else resource.RLIMIT_DATA
    hard = {
        memory: memory_bytes + (BASE_BYTES if is_python else 0),
        resource.RLIMIT_FSIZE: disk_bytes,
        resource.RLIMIT_NOFILE: 64 if is_python else 1024,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_MEMLOCK: 64 * 1024,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    # The soft limit's signal tells a CPU limit from any other kill; a process that ignores it gets one second more.
    return [
        *(kernel.limit(kind, value, value) for kind, value in hard.items()),
        kernel.limit(resource.RLIMIT_CPU, cpu_s, cpu_s + 1),
    ]


def _giving_up() -> list[kernel.Prepared]:
    return [
        kernel.prctl(kernel.PR_SET_SECUREBITS, kernel.NO_ROOT_LOCKED),
        kernel.capset_nothing(),
        # Hides this process's memory and descriptors from the untrusted one, which has the same user id.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0),
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1),
    ]


def ending_of(pid: int) -> tuple[int, float]:
    """The exit status of the untrusted process (minus the signal) and the CPU seconds of it and all it waited for."""
    while True:
        ended, status, usage = os.wait4(-1, 0)
        if ended == pid:
            return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
