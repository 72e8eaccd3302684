"""Starts one box and outlives it: gives up root, starts bubblewrap, and removes the box's cgroup when it has ended.

Run as a program, never imported; its orders are JSON on the descriptor that is its argument:

    argv       the bubblewrap command
    stage      [[source, target], …] to bind where any user can reach them: nobody cannot enter root's home
    cgroups    directories that the box joins, and that are removed at its end
    user       [uid, gid] to become before bubblewrap starts, or null
    lifeline   a pipe that the starter holds open: when it closes, also by kill -9, the box is ended

The environment is empty from bubblewrap on: what it shows in /proc of the box was never there.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import sys
import time
from typing import Any, NoReturn

STAGE = "/tmp"
"""Where sources are staged, in a mount namespace that only the box's processes share."""
_CLONE_NEWNS = 0x0002_0000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18


def main() -> int:
    with os.fdopen(int(sys.argv[1]), "rb") as stream:
        orders: dict[str, Any] = json.load(stream)
    box = os.fork()
    if box == 0:
        _become_box(orders)
    watched = os.pidfd_open(box)
    # The box's sockets belong to the box: held here too, its end would not be seen.
    for descriptor in orders["descriptors"]:
        os.close(descriptor)
    poll = select.poll()
    poll.register(watched, select.POLLIN)
    poll.register(orders["lifeline"], select.POLLIN)
    poll.poll()
    with contextlib.suppress(ProcessLookupError):
        os.kill(box, signal.SIGKILL)
    _, status = os.waitpid(box, 0)
    for directory in orders["cgroups"]:
        _remove(directory)
    return max(0, os.waitstatus_to_exitcode(status))


def _become_box(orders: dict[str, Any]) -> NoReturn:
    try:
        for directory in orders["cgroups"]:
            with open(f"{directory}/cgroup.procs", "w") as file:
                file.write("0")
        if orders["stage"]:
            _stage(orders["stage"])
        if orders["user"]:
            uid, gid = orders["user"]
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
        os.close(orders["lifeline"])
        os.execve(orders["argv"][0], orders["argv"], {})
    except BaseException as error:
        os.write(2, f"launch: {type(error).__name__}: {error}\n".encode())
    os._exit(125)


def _stage(pairs: list[list[str]]) -> None:
    """Bind each source to its target below STAGE, in a mount namespace of the box's own."""
    libc = ctypes.CDLL(None, use_errno=True)

    def checked(result: int, what: str) -> None:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{what}: {os.strerror(number)}")

    checked(libc.unshare(_CLONE_NEWNS), "unshare")
    checked(libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None), "mount private")
    # Opened before the stage covers what may be one of them.
    opened = [os.open(source, os.O_PATH) for source, _ in pairs]
    checked(libc.mount(b"tmpfs", STAGE.encode(), b"tmpfs", ctypes.c_ulong(0), b"mode=755,size=1m"), "mount")
    for descriptor, (source, target) in zip(opened, pairs, strict=True):
        os.mkdir(target, 0o755)
        here = f"/proc/self/fd/{descriptor}".encode()
        checked(libc.mount(here, target.encode(), None, ctypes.c_ulong(_MS_BIND), None), f"bind {source}")
        os.close(descriptor)


def _remove(directory: str) -> None:
    # The kernel empties the group a moment after its last process was reaped.
    for _ in range(100):
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return


if __name__ == "__main__":
    sys.exit(main())
