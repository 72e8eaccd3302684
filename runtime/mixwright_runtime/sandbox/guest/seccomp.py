"""An allow-list of system calls as classic BPF programs, made by hand for x86_64 and aarch64.

Two programs hold for a job: the box's, and a short one of its own. The kernel takes the stricter answer.

    allowed                       run
    refused by name               EPERM, as the kernel would answer an unprivileged process
    clone3                        ENOSYS: its flags are behind a pointer; the C library then uses clone
    clone with a namespace flag   EPERM
    socketpair                    AF_UNIX alone (asyncio's self-pipe)
    ioctl, prctl, personality     harmless requests alone
    anything else                 ENOSYS, so that libraries fall back
    another architecture's call   the process is killed
"""

from __future__ import annotations

import struct

from mixwright_runtime.sandbox.guest.syscalls import BOX, CONDITIONAL, NATIVE, PYTHON, REFUSED, numbers

_LOAD, _JUMP_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16
ALLOW, KILL = 0x7FFF_0000, 0x8000_0000
EPERM, ENOTTY, ENOSYS = 1, 25, 38

_AUDIT_ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_NAMESPACE_FLAGS = 0x7E02_0000
_AF_UNIX = 1
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX: no TIOCSTI, nothing of a device."""
_PRCTLS = (1, 3, 15, 16, 21, 23, 27, 39, 0x5356_4D41)
"""PDEATHSIG, GET_DUMPABLE, SET/GET_NAME, GET_SECCOMP, CAPBSET_READ, GET_SECUREBITS, GET_NO_NEW_PRIVS, SET_VMA."""
_PERSONALITIES = (0, 0xFFFF_FFFF)


def box_program(architecture: str) -> bytes:
    """The filter of the whole box, zygote included: the long list, compiled once."""
    allowed = numbers(PYTHON + NATIVE + BOX, architecture)
    refused = {name: number for name, number in numbers(REFUSED, architecture).items() if name not in allowed}
    conditional = numbers(CONDITIONAL, architecture)
    code = _start(architecture)
    for number in allowed.values():
        code += [_one(_JUMP_EQUAL, number, 0, 1), _one(_RETURN, ALLOW)]
    code += _refuse(refused)
    code += _when(conditional["clone"], [_one(_RETURN, ALLOW)])
    code += _when(conditional["prctl"], [_one(_RETURN, ALLOW)])
    code += _when(conditional["socketpair"], _one_of((_AF_UNIX,), 0, EPERM))
    code += _when(conditional["ioctl"], _one_of(_IOCTLS, 1, ENOTTY))
    code += _when(conditional["personality"], _one_of(_PERSONALITIES, 0, EPERM))
    code.append(_one(_RETURN, _error(ENOSYS)))
    return b"".join(code)


def job_program(architecture: str, profile: str) -> bytes:
    """What a job loses besides: all that only the box needs, and what its profile does not have. Short, as every job
    pays for its compilation in the kernel."""
    conditional = numbers(CONDITIONAL, architecture)
    lost = numbers(BOX if profile == "native" else BOX + NATIVE, architecture)
    code = [*_start(architecture), *_refuse(lost)]
    # The flags are below 2**32, and the kernel does not look at the upper half of the register either.
    code += _when(
        conditional["clone"],
        [
            _one(_LOAD, _ARGUMENT),
            _one(_JUMP_ANY_BIT, _NAMESPACE_FLAGS, 0, 1),
            _one(_RETURN, _error(EPERM)),
            _one(_RETURN, ALLOW),
        ],
    )
    code += _when(conditional["prctl"], _one_of(_PRCTLS, 0, EPERM))
    code.append(_one(_RETURN, ALLOW))
    return b"".join(code)


def _start(architecture: str) -> list[bytes]:
    return [
        _one(_LOAD, _ARCHITECTURE),
        _one(_JUMP_EQUAL, _AUDIT_ARCHITECTURES[architecture], 1, 0),
        _one(_RETURN, KILL),
        _one(_LOAD, _NUMBER),
    ]


def _refuse(table: dict[str, int]) -> list[bytes]:
    return [
        part
        for number in table.values()
        for part in (_one(_JUMP_EQUAL, number, 0, 1), _one(_RETURN, _error(EPERM)))
    ]


def _one(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", operation, if_true, if_false, value)


def _error(number: int) -> int:
    return 0x0005_0000 | number


def _when(number: int, block: list[bytes]) -> list[bytes]:
    """`block`, which returns on every path, for one system call."""
    return [_one(_JUMP_EQUAL, number, 0, len(block)), *block]


def _one_of(values: tuple[int, ...], argument: int, otherwise: int) -> list[bytes]:
    block = [_one(_LOAD, _ARGUMENT + 8 * argument)]
    for value in values:
        block += [_one(_JUMP_EQUAL, value, 0, 1), _one(_RETURN, ALLOW)]
    return [*block, _one(_RETURN, _error(otherwise))]
