"""Runs each kind of job in a box and says what became of it; the deadline and the caps are kept here, outside."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, Protocol, assert_never

from mixwright_runtime.sandbox.box import JobKind, RunningJob
from mixwright_runtime.sandbox.channel import Frames, Malformed, TooMuch, beside, framed, read_pipe
from mixwright_runtime.sandbox.plain import NotPlain, form_of, value_of
from mixwright_runtime.sandbox.protocol import (
    Answer,
    Call,
    CallsJob,
    Evaluate,
    ExchangeJob,
    Failure,
    Job,
    Limits,
    Opaque,
    Profile,
    ProgramJob,
    Raised,
    Ran,
    Value,
)

ARGUMENT_LIMIT_BYTES = 16 * 1024**2
"""All arguments of one call."""
OUTPUT_ENDED = Ran("limit", "more output than it may write", "output")
MORE_PATIENCE = 4.0
"""Chosen. A job that others kept from the processors is run once more, with so many times the seconds by the clock."""
END_GRACE_S = 1.0
"""Chosen. Seconds for a process that has given its last answer to end by itself."""


class Boxed(Protocol):
    """What running a job needs of a box."""

    def job(
        self, kind: JobKind, profile: Profile, limits: Limits, *, extra_disk: int = 0
    ) -> AbstractContextManager[RunningJob]: ...

    def limit_memory(self, memory_bytes: int, processes: int) -> None: ...

    def ran_out_of_memory(self, job: RunningJob) -> bool: ...

    async def end(self, job: RunningJob) -> None: ...

    async def report(self, job: RunningJob) -> dict[str, Any] | None: ...


async def run_job(box: Boxed, job: Job) -> Ran:
    """The job's result, after all its processes are gone.

    Raises:
        BoxFailed: the box failed; the job may be tried again in another.
        ValueError: an argument is not plain data, or a path leaves the working directory.
    """
    started = time.monotonic()
    ran = await _run_once(box, job)
    if ran.outcome == "sandbox_error":
        patient = replace(job.limits, wall_s=MORE_PATIENCE * job.limits.wall_s)
        ran = await _run_once(box, replace(job, limits=patient))
    return replace(ran, wall_s=time.monotonic() - started)


async def _run_once(box: Boxed, job: Job) -> Ran:
    match job:
        case CallsJob():
            return await _run_calls(box, job)
        case ProgramJob():
            return await _run_program(box, job)
        case ExchangeJob():
            return await _run_exchange(box, job)
        case _:
            assert_never(job)


def _timed_out(limits: Limits, jobs: Sequence[RunningJob], detail: str) -> Ran:
    """What a job was that did not end in time, after it is gone: late, or kept from the processors by others.

    A job that sleeps is late. One that stood in line for half of its time, and got less CPU time than it may take, says
    nothing about the code; where its limits leave the say to CPU time, and not to the clock.
    """
    waited_s, used_s = max(job.waited_s for job in jobs), sum(job.used_s for job in jobs)
    if used_s < limits.cpu_s < limits.wall_s and waited_s >= limits.wall_s / 2:
        return Ran(
            "sandbox_error", f"the machine is too busy: {detail}, and stood in line for {waited_s:.1f} s"
        )
    return Ran("timeout", detail)


async def _run_calls(box: Boxed, job: CallsJob) -> Ran:
    calls = [call_form(call) for call in job.calls]
    work = framed(_work(job.setup, job.limits, source=job.source, calls=calls, is_open=False))
    box.limit_memory(job.limits.memory_bytes + job.limits.disk_bytes, job.limits.processes)
    answers: list[Answer] = []
    with box.job("calls", "python", job.limits) as running:
        try:
            # Most work fits into the socket at once; what does not is sent beside the reading, or both sides would wait.
            rest = running.channel.sent(work)
            sending = [running.channel.send(rest)] if rest else []
            async with asyncio.timeout(job.limits.wall_s), beside(*sending):
                ran = await _answers(running.channel, len(calls), answers)
                if ran is None or len(answers) < len(calls):
                    ran = await _early_end(box, running, job.limits, ran)
        except TimeoutError:
            ran = Ran("timeout", f"no result after {job.limits.wall_s:g} s")
        # Before the end, for a job that is ended reports nothing; what it used and how long it waited is known after it.
        if ran.outcome == "done":
            ran = await _with_cpu(box, running, ran)
        await box.end(running)
        if ran.outcome == "timeout":
            ran = _timed_out(job.limits, [running], ran.detail)
    return replace(ran, answers=tuple(answers))


def _work(setup: str, limits: Limits, **more: object) -> dict[str, Any]:
    return {"setup": setup, "limit_bytes": limits.output_bytes, **more}


def call_form(call: Call | Evaluate) -> dict[str, Any]:
    """A call as JSON.

    Raises:
        NotPlain: an argument is not plain data, or too large.
    """
    if isinstance(call, Evaluate):
        return {"expression": call.expression}
    return {
        "function": call.function,
        "args": form_of(list(call.args), ARGUMENT_LIMIT_BYTES),
        "kwargs": form_of(dict(call.kwargs), ARGUMENT_LIMIT_BYTES),
        "with_arguments": call.with_arguments,
    }


async def _answers(channel: Frames, count: int, answers: list[Answer]) -> Ran | None:
    """Read up to `count` answers; None when the sender ended before."""
    try:
        first = await channel.next()
        if first is None:
            return None
        if first != ["loaded"]:
            return _failed(first)
        while len(answers) < count:
            frame = await channel.next()
            if frame is None:
                return None
            answers.append(_answer(frame))
    except TooMuch:
        return Ran("limit", "the answers are too large", "output")
    except Malformed:
        return _not_an_answer()
    if any(isinstance(answer, Raised) and answer.type == "MemoryError" for answer in answers):
        return Ran("limit", "a call ran out of memory", "memory")
    return Ran("done")


def _answer(frame: object) -> Answer:
    match frame:
        case ["value", form]:
            try:
                return Value(value_of(form))
            except NotPlain as error:
                return Opaque(str(error))
        case ["raised", str(kind), str(message)]:
            return Raised(kind[:100], message[:300])
        case ["opaque", str(reason)]:
            return Opaque(reason[:300])
        case _:
            raise Malformed


def _failed(frame: object) -> Ran:
    """From the frame of source that did not load, or a test that did not pass."""
    match frame:
        case [
            "failed",
            ("setup" | "source" | "test" | "raised" | "candidate") as where,
            str(kind),
            str(message),
            line,
        ] if line is None or type(line) is int:
            if kind == "MemoryError":
                return Ran("limit", f"{where} ran out of memory", "memory")
            failure = Failure(where, kind[:100], message[:300], line)
            at = f", line {line}" if line is not None else ""
            return Ran("error", f"{where}{at}: {failure.type}: {failure.message}", failure=failure)
        case _:
            return _not_an_answer()


def _not_an_answer() -> Ran:
    return Ran("error", "sent something that is no answer", failure=Failure("protocol", "malformed"))


async def _early_end(box: Boxed, running: RunningJob, limits: Limits, said: Ran | None) -> Ran:
    """What became of a process that ended, or was to be ended, before its last answer."""
    if said is not None:
        return said
    report = await box.report(running)
    if report is None:
        return await _killed(box, running)
    ran = _ending(box, running, report, limits)
    if ran.outcome == "limit":
        return ran
    status = ran.status or 0
    kind, message = ("signal", _signal_name(-status)) if status < 0 else ("exit", str(status))
    failure = Failure("calls", kind, message)
    return replace(
        ran, outcome="error", detail=f"ended before its last answer: {kind} {message}", failure=failure
    )


async def _killed(box: Boxed, running: RunningJob) -> Ran:
    """The job's first process was killed, and with it all others."""
    await box.end(running)
    if box.ran_out_of_memory(running):
        return Ran("limit", "the job's processes ran out of memory", "memory")
    return Ran("error", "killed", failure=Failure("calls", "signal", "SIGKILL"))


def _ending(box: Boxed, running: RunningJob, report: dict[str, Any], limits: Limits) -> Ran:
    """A limit, or an exit, from how the untrusted process ended."""
    ran = with_limits(report, limits)
    if ran.outcome == "done" and ran.status != 0 and box.ran_out_of_memory(running):
        return replace(ran, outcome="limit", detail="the job's processes ran out of memory", limit="memory")
    return ran


def with_limits(report: dict[str, Any], limits: Limits) -> Ran:
    """A limit where the ending itself tells of one, else an exit."""
    status, cpu_s = int(report["status"]), float(report["cpu_s"])
    # A process may ignore SIGXCPU; the kernel kills it a second later. Another SIGKILL comes with less CPU time.
    if status == -signal.SIGXCPU or (status == -signal.SIGKILL and cpu_s >= max(1.0, limits.cpu_s)):
        return Ran("limit", f"more than {limits.cpu_s:g} s of CPU time", "cpu", status=status, cpu_s=cpu_s)
    if status == -signal.SIGXFSZ:
        return Ran("limit", "a file is too large", "disk", status=status, cpu_s=cpu_s)
    return Ran("done", status=status, cpu_s=cpu_s)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


async def _with_cpu(box: Boxed, running: RunningJob, ran: Ran) -> Ran:
    """Add the CPU time, when the process ends by itself soon; what it does after its last answer changes nothing."""
    try:
        async with asyncio.timeout(END_GRACE_S):
            report = await box.report(running)
    except TimeoutError:
        return ran
    return ran if report is None else replace(ran, cpu_s=float(report["cpu_s"]))


def program_work(job: ProgramJob) -> tuple[bytes, Profile, int]:
    """What a program's first process reads, its profile, and the bytes of disk that its inputs take.

    Raises:
        ValueError: a path leaves the working directory, or Python has no file to run.
    """
    is_python = job.argv[0] == "python"
    if is_python and len(job.argv) < 2:
        raise ValueError("a Python program needs its file: argv = ('python', 'main.py')")
    header = {
        "argv": list(job.argv),
        "environment": dict(job.environment),
        "files": [[_inside(path), len(content)] for path, content in job.files.items()],
        "stdin_bytes": len(job.stdin),
        "collect": [_inside(path) for path in job.collect],
        "limit_bytes": job.limits.disk_bytes,
    }
    work = b"".join([framed(header), *job.files.values(), job.stdin])
    # What the caller brings in is on the same disk, and does not count.
    extra_disk = sum((len(content) | 4095) + 1 for content in (*job.files.values(), job.stdin))
    return work, "python" if is_python else job.profile, extra_disk


async def _run_program(box: Boxed, job: ProgramJob) -> Ran:
    work, profile, extra_disk = program_work(job)
    limits = job.limits
    box.limit_memory(limits.memory_bytes + limits.disk_bytes + extra_disk, limits.processes)
    with box.job("program", profile, limits, extra_disk=extra_disk) as running:
        pipes = [read_pipe(pipe, limits.output_bytes) for pipe in (running.stdout, running.stderr)]
        async with beside(running.report.send(work)), beside(*pipes) as streams:
            try:
                async with asyncio.timeout(limits.wall_s):
                    ran = await _program_ending(box, running, limits, streams)
            except TimeoutError:
                ran = Ran("timeout", f"not ended after {limits.wall_s:g} s")
            await box.end(running)
            if ran.outcome == "timeout":
                ran = _timed_out(limits, [running], ran.detail)
            stdout, stderr = [await _taken(stream) for stream in streams]
    return replace(ran, stdout=stdout, stderr=stderr)


async def _program_ending(
    box: Boxed, running: RunningJob, limits: Limits, streams: list[asyncio.Task[bytes]]
) -> Ran:
    async with beside(_program_report(box, running, limits)) as (reporting,):
        waiting: set[asyncio.Task[Any]] = {reporting, *streams}
        while waiting and not reporting.done():
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if isinstance(task.exception(), TooMuch):
                    return OUTPUT_ENDED
        ran = reporting.result()
        # The job is over, so the pipes have ended or end now.
        for result in await asyncio.gather(*streams, return_exceptions=True):
            if isinstance(result, TooMuch):
                return OUTPUT_ENDED
        return ran


async def _program_report(box: Boxed, running: RunningJob, limits: Limits) -> Ran:
    report = await box.report(running)
    if report is None:
        return await _killed(box, running)
    ran = _ending(box, running, report, limits)
    files: dict[str, bytes] = {}
    for path, size in report["files"]:
        content = await running.report.blob(size)
        if content is None:
            break
        files[path] = content
    return replace(ran, files=files)


async def _taken(stream: asyncio.Task[bytes]) -> bytes:
    """What a pipe gave, also when it gave too much or was still open at the deadline."""
    if not stream.done():
        # Every writer is gone by now: the end is a moment away.
        await asyncio.wait([stream], timeout=END_GRACE_S)
    if not stream.done():
        stream.cancel()
        return b""
    error = stream.exception()
    if isinstance(error, TooMuch):
        return bytes(error.args[0])
    if error is not None:
        raise error
    return stream.result()


def _inside(path: str) -> str:
    """A path that stays in the working directory.

    Raises:
        ValueError: it does not.
    """
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\0" in path:
        raise ValueError(f"not a path inside the working directory: {path!r}")
    return str(PurePosixPath(path))


async def _run_exchange(box: Boxed, job: ExchangeJob) -> Ran:
    trial = {"functions": dict(job.functions), "awaited": sorted(job.awaited), "called": sorted(job.called)}
    test_work = framed(_work(job.setup, job.limits, test=job.test, **trial))
    candidate_work = framed(_work(job.setup, job.limits, source=job.source, calls=[], is_open=True))
    limits = job.limits
    box.limit_memory(2 * (limits.memory_bytes + limits.disk_bytes), 2 * limits.processes)
    with box.job("exchange", "python", limits) as test, box.job("calls", "python", limits) as candidate:
        sending = [test.channel.send(test_work), candidate.channel.send(candidate_work)]
        try:
            async with asyncio.timeout(limits.wall_s), beside(*sending):
                ran = await _exchanged(box, test, candidate, limits)
        except TimeoutError:
            ran = Ran("timeout", f"no result after {limits.wall_s:g} s")
        await box.end(candidate)
        await box.end(test)
        if ran.outcome == "timeout":
            ran = _timed_out(limits, [test, candidate], ran.detail)
    return ran


async def _exchanged(box: Boxed, test: RunningJob, candidate: RunningJob, limits: Limits) -> Ran:
    """Carry calls and answers between the two until the test program has ended."""
    calls = 0
    loaded = await _answers(candidate.channel, 0, [])
    if loaded is None or loaded.outcome != "done":
        return await _early_end(box, candidate, limits, loaded)
    while True:
        try:
            frame = await test.channel.next()
        except TooMuch:
            return Ran("limit", "the arguments are too large", "output", calls=calls)
        except Malformed:
            return _not_an_answer()
        match frame:
            case None:
                ran = replace(await _early_end(box, test, limits, None), calls=calls)
                return replace(ran, failure=replace(ran.failure, where="test")) if ran.failure else ran
            case ["passed", int(asserted)]:
                return Ran("done", asserted=asserted, calls=calls)
            case ["unusable", str(why)]:
                failure = Failure("unusable", "Unusable", why[:300])
                return Ran("error", f"the tests cannot be run here: {why[:300]}", failure=failure)
            case ["call", str(path), args, kwargs, bool(with_arguments)]:
                call = {"function": path, "args": args, "kwargs": kwargs, "with_arguments": with_arguments}
                calls += 1
                await candidate.channel.send(framed(call))
            case _:
                return replace(_failed(frame), calls=calls)
        try:
            body = await candidate.channel.next_body()
        except TooMuch:
            return Ran("limit", "the answers are too large", "output", calls=calls)
        if body is None:
            ran = replace(await _early_end(box, candidate, limits, None), calls=calls)
            return replace(ran, failure=replace(ran.failure, where="candidate")) if ran.failure else ran
        # Looked at here, before the test's process gets it: what has not the form of an answer does not cross.
        try:
            _answer(json.loads(body))
        except (Malformed, ValueError, RecursionError):
            return _not_an_answer()
        await test.channel.send(len(body).to_bytes(4, "little") + body)
