"""The system-call filters decide as they say, on both architectures: their programs are run here, instruction by
instruction, as the kernel would."""

from __future__ import annotations

import struct

import pytest

from mixwright_runtime.sandbox.guest.seccomp import ALLOW, EPERM, KILL, box_program, job_program
from mixwright_runtime.sandbox.guest.syscalls import (
    ARCHITECTURES,
    BOX,
    CONDITIONAL,
    NATIVE,
    PYTHON,
    REFUSED,
    numbers,
)

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ENOSYS, ENOTTY = 38, 25


def error(number: int) -> int:
    return 0x50000 | number


def decided(program: bytes, number: int, audit: int, *arguments: int) -> int:
    """What a classic BPF program returns for a system call."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    call = struct.pack("=IIQ6Q", number, audit, 0, *(value & (1 << 64) - 1 for value in padded))
    code = list(struct.iter_unpack("=HBBI", program))
    register, at = 0, 0
    while True:
        operation, if_true, if_false, value = code[at]
        at += 1
        match operation:
            case 0x20:
                (register,) = struct.unpack_from("=I", call, value)
            case 0x15:
                at += if_true if register == value else if_false
            case 0x45:
                at += if_true if register & value else if_false
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"unknown operation {operation:#x}")


class Filters:
    """Box and job together: the kernel takes the stricter answer, the smaller number here."""

    def __init__(self, architecture: str, profile: str) -> None:
        self.audit = AUDIT[architecture]
        self.numbers = numbers(PYTHON + NATIVE + BOX + CONDITIONAL + REFUSED, architecture)
        self.programs = [box_program(architecture), job_program(architecture, profile)]

    def __call__(self, name: str, *arguments: int) -> int:
        return self.of(self.numbers[name], self.audit, *arguments)

    def of(self, number: int, audit: int, *arguments: int) -> int:
        answers = [decided(program, number, audit, *arguments) for program in self.programs]
        return KILL if KILL in answers else min(answers)


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("profile", ["python", "native"])
def test_what_is_listed_is_allowed_and_what_is_refused_gets_eperm(architecture: str, profile: str) -> None:
    filters = Filters(architecture, profile)
    listed = numbers(PYTHON + (NATIVE if profile == "native" else ""), architecture)
    assert {name for name in listed if filters(name) != ALLOW} == set()
    refused = set(numbers(REFUSED + BOX, architecture)) | (
        set(numbers(NATIVE, architecture)) if profile == "python" else set()
    )
    assert {name for name in refused if filters(name) != error(EPERM)} == set()


@pytest.mark.parametrize("profile", ["python", "native"])
def test_conditional_calls_are_looked_into(architecture: str, profile: str) -> None:
    filters = Filters(architecture, profile)
    thread = 0x3D0F00
    assert filters("clone", thread) == filters("clone", 17) == ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert filters("clone", flag | 17) == error(EPERM)
    assert filters("clone3") == error(ENOSYS)
    assert (filters("socketpair", 1), filters("socketpair", 2)) == (ALLOW, error(EPERM))
    fionread, tiocsti = 0x541B, 0x5412
    assert (filters("ioctl", 0, fionread), filters("ioctl", 0, tiocsti)) == (ALLOW, error(ENOTTY))
    set_name, set_seccomp, set_dumpable = 15, 22, 4
    assert [filters("prctl", option) for option in (set_name, set_seccomp, set_dumpable)] == [
        ALLOW,
        error(EPERM),
        error(EPERM),
    ]
    assert (filters("personality", 0), filters("personality", 0x40000)) == (ALLOW, error(EPERM))


def test_unknown_calls_do_not_exist_and_foreign_ones_kill(architecture: str) -> None:
    filters = Filters(architecture, "native")
    known = set(filters.numbers.values())
    unknown = [number for number in range(600) if number not in known]
    assert {filters.of(number, filters.audit) for number in unknown} == {error(ENOSYS)}
    # The x32 numbers of x86_64 have this bit.
    assert {filters.of(0x40000000 | number, filters.audit) for number in range(600)} == {error(ENOSYS)}
    i386 = 0x40000003
    assert {filters.of(number, i386) for number in range(600)} == {KILL}


def test_the_box_keeps_what_it_needs_to_start_jobs(architecture: str) -> None:
    box = box_program(architecture)
    table = numbers(BOX + CONDITIONAL, architecture)
    new_namespaces = 0x38020011
    for name in ("mount", "capset", "pidfd_open", "sendmsg", "recvmsg", "prctl"):
        assert decided(box, table[name], AUDIT[architecture]) == ALLOW
    assert decided(box, table["clone"], AUDIT[architecture], new_namespaces) == ALLOW


def test_no_number_stands_for_two_calls(architecture: str) -> None:
    tables = [numbers(table, architecture) for table in (PYTHON, NATIVE, CONDITIONAL, REFUSED)]
    listed = [number for table in tables for number in table.values()]
    assert len(listed) == len(set(listed))


def test_programs_are_short_enough_for_the_kernel(architecture: str) -> None:
    assert len(box_program(architecture)) // 8 < 4096
    # Compiled in the kernel for each job.
    assert len(job_program(architecture, "python")) // 8 < 80
