"""A process that can open no socket: for workers that handle model output and have no business on the network.

A seccomp filter, which needs no privilege and no namespace: `socket` and `io_uring_setup` fail with EACCES, in this
process and in whatever it starts. `socketpair` still works. Where the kernel or the processor is not known (not
Linux; neither x86-64 nor 64-bit ARM) nothing is forbidden, and `forbid_sockets` says so.

Source: seccomp(2) and Documentation/userspace-api/seccomp_filter.rst of Linux; numbers from its syscall tables.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
import sys

_ARCHITECTURES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
"""Machine -> (AUDIT_ARCH, number of `socket`)."""
_IO_URING_SETUP = 425
_X32_BIT = 0x40000000

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EACCES
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER_MODE = 22, 38, 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def forbid_sockets() -> bool:
    """Forbid this process and its children to open sockets, for good; False where that cannot be done."""
    known = _ARCHITECTURES.get(platform.machine())
    if sys.platform != "linux" or known is None:
        return False
    architecture, socket = known
    instructions = (
        (_LOAD, 0, 0, 4),  # the architecture
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),  # the number of the call
        (_AT_LEAST, 3, 0, _X32_BIT),
        (_EQUAL, 2, 0, socket),
        (_EQUAL, 1, 0, _IO_URING_SETUP),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _FAIL),
    )
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
    program = _Program(len(instructions), code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program), 0, 0) == 0)
