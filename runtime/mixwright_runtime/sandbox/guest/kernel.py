"""System calls, through ctypes: the ones that Python has no function for, and any list of them prepared beforehand."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
from typing import Any

from mixwright_runtime.sandbox.guest.syscalls import CONDITIONAL, NATIVE, PYTHON, REFUSED, numbers

CLONE_NEWNS = 0x0002_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000

MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
AT_FDCWD = -100

PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS = 4, 22, 28, 38
SECCOMP_MODE_FILTER = 2
NO_ROOT_LOCKED = 0b1110_1111
"""NOROOT, NO_SETUID_FIXUP, KEEP_CAPS off, NO_CAP_AMBIENT_RAISE, each locked: no user id brings a capability back."""
_CAPABILITY_VERSION_3 = 0x2008_0522

MACHINE = platform.machine()
"""`x86_64` or `aarch64`."""

# PyDLL keeps the interpreter's lock during a call: a fork in the middle of one is then a copy of a whole interpreter.
_syscall = ctypes.PyDLL(None, use_errno=True).syscall
_numbers = numbers(PYTHON + NATIVE + CONDITIONAL + REFUSED, MACHINE)
_CLONE = _numbers["clone"]

Prepared = tuple[str, tuple[Any, ...]]
"""A system call ready to be made: what it is for, and ctypes values."""


def prepared(name: str, *arguments: int | str | bytes | Any, why: str = "") -> Prepared:
    """A call to make later: numbers, texts and ctypes buffers."""
    values: list[Any] = [ctypes.c_long(_numbers[name])]
    for argument in arguments:
        if isinstance(argument, int):
            values.append(ctypes.c_long(argument))
        elif isinstance(argument, str):
            values.append(ctypes.c_char_p(argument.encode()))
        elif isinstance(argument, bytes):
            values.append(ctypes.c_char_p(argument))
        else:
            values.append(argument)
    return why or name, tuple(values)


def make(calls: list[Prepared]) -> None:
    """Make the calls one after the other.

    Raises:
        OSError: one failed; the message says which.
    """
    for why, arguments in calls:
        if _syscall(*arguments) < 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{why}: {os.strerror(number)}")


def clone(flags: int) -> int:
    """Fork, into new namespaces where flags say so: 0 in the child, the child's pid in the parent.

    Of a process with one thread alone: what Python and the C library do about others at a fork is left out, and with
    it the copying of a hundred pages.
    """
    pid = int(_syscall(_CLONE, flags | signal.SIGCHLD, 0, 0, 0, 0))
    if pid < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"clone: {os.strerror(number)}")
    return pid


def capset_nothing() -> Prepared:
    """Empty the permitted, effective and inheritable sets."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    return prepared("capset", header, (ctypes.c_uint32 * 6)())


def limit(resource: int, soft: int, hard: int) -> Prepared:
    """A resource limit of the calling process."""
    return prepared("prlimit64", 0, resource, (ctypes.c_uint64 * 2)(soft, hard), 0, why=f"limit {resource}")


def system_call_filter(program: bytes) -> Prepared:
    """Install a seccomp program (8 bytes an instruction); no_new_privs must be set."""

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))

    pointer = ctypes.pointer(Program(len(program) // 8, program))
    return prepared("prctl", PR_SET_SECCOMP, SECCOMP_MODE_FILTER, pointer, 0, 0, why="seccomp filter")


def prctl(option: int, value: int) -> Prepared:
    return prepared("prctl", option, value, 0, 0, 0, why=f"prctl {option}")
