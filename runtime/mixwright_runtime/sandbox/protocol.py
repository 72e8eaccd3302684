"""What a caller gives the sandbox and what it gets back: jobs, limits, results.

A job carries inputs and never the values they should lead to: those stay with the caller, who compares. What a job
returns is data that the untrusted code chose; it proves nothing but itself.

    Sandbox.run(CallsJob)     → Ran.answers: a Value, Raised or Opaque for each call
    Sandbox.run(ProgramJob)   → Ran.status, Ran.stdout, Ran.stderr, Ran.files
    Sandbox.run(ExchangeJob)  → Ran.outcome: the test program ran to its end, or Ran.failure says what it raised
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

Outcome = Literal["done", "error", "timeout", "limit", "sandbox_error"]
"""How a job ended.

done            it ran to its end: every call was answered (perhaps by an exception), or the program exited (with any
                status), or the test program reached its last line
error           the untrusted code failed: does not compile, raised while loading, ended before its last answer,
                crashed, or sent something that is no answer
timeout         its wall-clock deadline passed, and not because others had the processors
limit           it took more than it was given: `Ran.limit` says of what
sandbox_error   the box failed, not the code: says nothing about the code and must never count as a failed test
"""

LimitKind = Literal["cpu", "memory", "output", "disk", "processes"]

Profile = Literal["python", "native"]
"""Which system calls a job may make: `python` for jobs in the pre-imported interpreter, `native` for compilers and other
languages' runtimes (the same, and execve, more of mmap, and the thread and event calls of node, the JVM and Go)."""

Plain: TypeAlias = Any
"""Typed plain data, exact standard types only: None, bool, int, float, complex, str, bytes, bytearray, list, tuple, set,
frozenset, dict, range, Counter, defaultdict, OrderedDict, deque, Decimal, Fraction; at most 40 deep (`plain.py`)."""


@dataclass(frozen=True)
class Limits:
    """What one job may take. A job of the `native` profile usually needs more of everything.

    Attributes:
        wall_s: seconds from the job's start to its last byte; kept outside the box.
        cpu_s: CPU seconds a process; rounded up to whole ones by the kernel.
        memory_bytes: address space of a Python process, writable memory of any other; where there is a memory cgroup,
            also all processes and files of the job together.
        processes: processes and threads at one time.
        disk_bytes: all files the job writes (they live in memory).
        output_bytes: all answers of a job together; and standard output and standard error, each.
    """

    wall_s: float = 10.0
    cpu_s: float = 10.0
    memory_bytes: int = 512 * 1024**2
    processes: int = 32
    disk_bytes: int = 16 * 1024**2
    output_bytes: int = 1024**2


@dataclass(frozen=True)
class Call:
    """One call of the untrusted code.

    Attributes:
        function: a name of the candidate, or dotted attributes of one (`Solver.solve`, `math.gcd`).
        args: plain data.
        kwargs: plain data.
        with_arguments: also return the arguments as they are after the call, for functions that work in place: the
            answer's value is then the tuple (value, args).
    """

    function: str
    args: Sequence[Plain] = ()
    kwargs: Mapping[str, Plain] = field(default_factory=dict)
    with_arguments: bool = False


@dataclass(frozen=True)
class Evaluate:
    """An expression whose value is wanted, for inputs that are not plain data: `depth(Node(1, Node(2)))`.

    It runs among the candidate's names, which the candidate chose: never put an expected value in it.
    """

    expression: str


@dataclass(frozen=True)
class CallsJob:
    """Load Python source, then answer each call in order, in one process that keeps its state between them.

    Attributes:
        source: the candidate.
        calls: what to call; each answer is sent before the next call begins, so a time-out keeps the earlier ones.
        setup: source that runs before the candidate in the same namespace (imports and classes the tests rely on).
        limits: for the whole job.
    """

    source: str
    calls: Sequence[Call | Evaluate]
    setup: str = ""
    limits: Limits = Limits()


@dataclass(frozen=True)
class ProgramJob:
    """Run a program: files and standard input in, output and exit status out.

    Attributes:
        argv: the command. `("python", "main.py", …)` runs in the pre-imported interpreter; everything else is executed,
            found in the box's PATH.
        files: relative path → content, in the working directory, executable.
        stdin: standard input.
        collect: relative paths to return after exit status 0: a regular file, or a directory with the regular files
            in it. Read inside the job's own file system, links not followed.
        environment: added to the box's own PATH, HOME, TMPDIR and LANG.
        profile: system calls; ignored for `python`.
        limits: for the whole job; `output_bytes` bounds standard output and standard error each, `disk_bytes` what is
            collected.
    """

    argv: Sequence[str]
    files: Mapping[str, bytes] = field(default_factory=dict)
    stdin: bytes = b""
    collect: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    profile: Profile = "native"
    limits: Limits = Limits()


@dataclass(frozen=True)
class ExchangeJob:
    """Run a test program in one job against a candidate in another: neither sees the other's memory.

    In the test program each of `functions` is a stand-in: a call sends plain data to the candidate's job and returns
    plain data of exact standard types, or raises the exception that the candidate raised (the built-in type of that
    name, otherwise a new exception class of that name). What a candidate does to a list, dict or set that it was given
    is done to it there too.

    The program passes when it and what it leaves to a test runner run to their end, no assertion of it failed, and no
    exception of the candidate was left that it did not ask for (`guest/trial.py`).

    Attributes:
        test: the test program. It may hold expected values.
        source: the candidate.
        functions: name in the test program → path in the candidate, e.g. {"candidate": "has_close_elements"}.
        awaited: of these, coroutine functions.
        called: functions of the test program that it calls itself, and a runner must not.
        setup: runs before the candidate and before the test program, in both jobs.
        limits: for each of the two jobs; `wall_s` for both together.
    """

    test: str
    source: str
    functions: Mapping[str, str]
    awaited: Collection[str] = ()
    called: Collection[str] = ()
    setup: str = ""
    limits: Limits = Limits()


Job: TypeAlias = CallsJob | ProgramJob | ExchangeJob


@dataclass(frozen=True)
class Value:
    """A call returned plain data."""

    value: Plain


@dataclass(frozen=True)
class Raised:
    """A call raised: the name of the exception's type, and the first 300 characters of its message."""

    type: str
    message: str = ""


@dataclass(frozen=True)
class Opaque:
    """A call returned something that is not plain data: equal to nothing. `reason` names the type or the cap."""

    reason: str


Answer: TypeAlias = Value | Raised | Opaque


@dataclass(frozen=True)
class Failure:
    """Why the outcome is `error`.

    Attributes:
        where: `setup`, `source` or `test` for an exception there; `raised` for one of the candidate that an exchange's
            test program did not ask for; `unusable` for a test program that needs what is not there; `calls` for an end
            before the last answer; `candidate` when an exchange's candidate could not answer at all; `protocol` for
            something that is no answer.
        type: the exception's type name, or `exit` or `signal`.
        message: the exception's message, the status, or the signal's name; at most 300 characters.
        line: the line in that source, from 1.
    """

    where: Literal["setup", "source", "test", "raised", "unusable", "calls", "candidate", "protocol"]
    type: str
    message: str = ""
    line: int | None = None


@dataclass(frozen=True)
class Ran:
    """What became of a job.

    Attributes:
        outcome: see `Outcome`.
        detail: one line for people; empty for `done`.
        limit: of what too much was taken, for the outcome `limit`.
        failure: for the outcome `error`.
        answers: of a calls job, in order: as many as were given before it ended.
        asserted: of an exchange that is done, the assertions about the candidate that were evaluated.
        calls: of an exchange, the calls of the candidate that were made.
        status: of a program: its exit status, or minus the signal that ended it; None when it did not end by itself.
        stdout, stderr: of a program, at most `output_bytes` each.
        files: what was collected.
        wall_s: seconds from the request to the result, waiting for a free worker not included.
        cpu_s: CPU seconds of the job's processes, where the job ended by itself; otherwise 0.
    """

    outcome: Outcome
    detail: str = ""
    limit: LimitKind | None = None
    failure: Failure | None = None
    answers: tuple[Answer, ...] = ()
    asserted: int = 0
    calls: int = 0
    status: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    files: Mapping[str, bytes] = field(default_factory=dict)
    wall_s: float = 0.0
    cpu_s: float = 0.0


class SandboxUnavailable(Exception):
    """No sandbox can be had on this machine. `cause` says what was tried and failed, `remedy` what to type."""

    exit_code = 2

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"no sandbox: {cause}; {remedy}")
        self.cause = cause
        self.remedy = remedy


class Runner(Protocol):
    """What every back-end offers: `pool.Sandbox` with bubblewrap, a container, or Landlock."""

    async def start(self) -> None:
        """Start one worker and prove that it works; further ones start when they are needed.

        Raises:
            SandboxUnavailable: it cannot be had.
        """

    async def provide(self, packages: Sequence[Path]) -> None:
        """Let jobs that start from now on import what is in these directories, where the back-end can."""

    async def run(self, job: Job) -> Ran:
        """The job's result; waits for a free worker. A failing box is tried once more, then `sandbox_error`.

        Raises:
            SandboxUnavailable: no worker can be started at all.
            ValueError: an argument is not plain data, or a path leaves the working directory.
        """

    async def prove(self, job: Job) -> Ran:
        """As `run`, of a job by which a step sees that it can work here: a compiler's version, a package. Where jobs run
        on several machines, what it gives must be the same on each that gets any."""

    async def close(self) -> None:
        """End every worker and job. Safe to call twice."""
