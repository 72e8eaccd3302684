"""Process 1 of the box: waits for orders on one socket and clones a job for each. Runs no untrusted code itself.

An order is one JSON packet with the job's sockets attached. Modules that programs commonly import are loaded once here,
so that a job finds them by fork.
"""

from __future__ import annotations

import fcntl
import gc
import glob
import importlib
import json
import os
import random
import select
import signal
import socket
import sys
from typing import Any

from mixwright_runtime.sandbox.guest import fork_handlers, job, kernel, seccomp

PRE_IMPORTED = (
    "abc",
    "array",
    "bisect",
    "builtins",
    "cmath",
    "collections",
    "collections.abc",
    "contextlib",
    "copy",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "functools",
    "heapq",
    "io",
    "itertools",
    "json",
    "math",
    "numbers",
    "operator",
    "os",
    "random",
    "re",
    "statistics",
    "string",
    "struct",
    "sys",
    "textwrap",
    "threading",
    "time",
    "traceback",
    "types",
    "typing",
    "unicodedata",
)
HIGH = 64
WATCH_EVERY_MS = 50
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
OWN_PAGES = 3_000
"""Pages of the interpreter that a process shares with the zygote until it writes to them."""


def main(control_descriptor: int, packages: list[str]) -> None:
    """Serve until the control socket closes."""
    # The lowest numbers stay free: a packet's descriptors then arrive as 3, 4, 5, where a job has them.
    control = socket.socket(fileno=fcntl.fcntl(control_descriptor, fcntl.F_DUPFD_CLOEXEC, HIGH))
    os.close(control_descriptor)
    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    sys.path.extend(packages)
    for name in PRE_IMPORTED:
        importlib.import_module(name)
    fork_handlers.restore()
    # Inherited by every job: a program's result is the same in every run.
    random.seed(0)
    kernel.make(
        [
            kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1),
            kernel.system_call_filter(seccomp.box_program(kernel.MACHINE)),
        ]
    )
    filters = {
        profile: kernel.system_call_filter(seccomp.job_program(kernel.MACHINE, profile))
        for profile in ("python", "native")
    }
    # What exists now is never collected, so a job's collections do not touch, and thereby copy, the shared pages.
    gc.collect()
    gc.freeze()
    control.send(json.dumps({"python": sys.version.split()[0], "packages": packages}).encode())
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    _serve(control, filters)


def _serve(control: socket.socket, filters: dict[str, kernel.Prepared]) -> None:
    jobs: dict[int, tuple[dict[str, Any], int]] = {}
    accounts: dict[int, dict[str, float]] = {}
    """What jobs that were killed by order had of the processors until then."""
    over: set[int] = set()
    poll = select.poll()
    poll.register(control.fileno(), select.POLLIN)
    while True:
        watched = sum(order["watch_bytes"] for order, _ in jobs.values())
        ready = poll.poll(WATCH_EVERY_MS if watched else None)
        if watched and not ready and _memory_bytes() > watched:
            for order, pid in jobs.values():
                over.add(order["number"])
                os.kill(pid, signal.SIGKILL)
        for descriptor, _ in ready:
            if descriptor != control.fileno():
                order, pid = jobs.pop(descriptor)
                poll.unregister(descriptor)
                os.close(descriptor)
                # Returns only when every process of the job's pid namespace is gone.
                os.waitpid(pid, 0)
                number = order["number"]
                told = {"gone": number, "is_over": number in over, **accounts.pop(number, {})}
                control.send(json.dumps(told).encode())
                over.discard(number)
                continue
            packet, descriptors, _, _ = socket.recv_fds(control, 1 << 16, 8)
            if not packet:
                os._exit(0)
            order = json.loads(packet)
            if "kill" in order:
                for running, pid in jobs.values():
                    if running["number"] == order["kill"]:
                        accounts[order["kill"]] = _account()
                        os.kill(pid, signal.SIGKILL)
                continue
            pid = job.start(order, descriptors, filters[order["profile"]])
            for opened in descriptors:
                os.close(opened)
            low = os.pidfd_open(pid)
            end = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, HIGH)
            os.close(low)
            jobs[end] = (order, pid)
            poll.register(end, select.POLLIN)


def _account() -> dict[str, float]:
    """CPU seconds that all processes in the box but this one had, and the most that a thread of them stood in line for
    a processor."""
    used = waited = 0
    for path in glob.glob("/proc/[0-9]*/task/*/schedstat"):
        if path.startswith("/proc/1/"):
            continue
        try:
            with open(path, "rb") as file:
                ran, stood, _ = map(int, file.read().split())
        except (OSError, ValueError):
            continue
        used += ran
        waited = max(waited, stood)
    return {"used_s": used / 1e9, "waited_s": waited / 1e9}


def _memory_bytes() -> int:
    """Private memory of all processes in the box but this one, beyond what each has of the interpreter's pages."""
    pages = 0
    for name in os.listdir("/proc"):
        if name.isdecimal() and name != "1":
            try:
                with open(f"/proc/{name}/statm", "rb") as file:
                    _, resident, shared, *_ = map(int, file.read().split())
            except OSError:
                continue
            pages += max(0, resident - shared - OWN_PAGES)
    return pages * PAGE_BYTES
