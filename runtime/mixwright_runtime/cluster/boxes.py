"""The sandbox of a cluster: programs that models wrote run in the boxes of whichever worker has one.

A job goes to any of them, so all must be alike. What a verifier proves before the first row (`Runner.prove`) every worker
must answer alike: one whose compiler is another one, or that has none, gets no job.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mixwright_runtime.cluster.exchanges import told_in
from mixwright_runtime.cluster.leasing import Leasing
from mixwright_runtime.cluster.protocol import frame, read_frame
from mixwright_runtime.cluster.proving import Proof
from mixwright_runtime.engines.protocol import EngineFault, Fault
from mixwright_runtime.errors import RunError
from mixwright_runtime.sandbox.plain import form_of, value_of
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
    ProgramJob,
    Raised,
    Ran,
    SandboxUnavailable,
    Value,
)
from mixwright_runtime.sandbox.running import call_form

BOXES = "program boxes"
"""The service's name; no model is called so."""
VALUE_LIMIT_BYTES = 1 << 28
"""Of an answer on its way back: more than any job may put out."""


class LeasedSandbox:
    """See `Runner`: the same jobs with the same limits, in the boxes of a cluster's workers."""

    def __init__(self, leasing: Leasing) -> None:
        self.leasing = leasing
        self._packages: list[str] = []

    async def start(self) -> None:
        """Return when one worker has a box.

        Raises:
            RunError: none has; says what the last one lacks.
        """
        await self.leasing.start()

    async def provide(self, packages: Sequence[Path]) -> None:
        """See `Runner.provide`; the directories must be there on every node."""
        self._packages += [str(path) for path in packages if str(path) not in self._packages]

    async def run(self, job: Job) -> Ran:
        """See `Runner.run`.

        Raises:
            RunError: no worker is left.
            RunStopped: the run is stopping.
        """
        await self.leasing.start()
        kind, body = job_frame(job, self._packages)
        try:
            answer = await self.leasing.ask(kind, b"", body, job.limits.wall_s)
            return ran_in(answer)
        except EngineFault as fault:
            if fault.fault is not Fault.WORKER_DIED:
                raise RunError(str(fault)) from fault
            return Ran("sandbox_error", str(fault))

    async def prove(self, job: Job) -> Ran:
        """See `Runner.prove`: workers that answer otherwise than the first get no jobs."""
        ran = await self.run(job)
        kind, body = job_frame(job, self._packages)

        def fault_in(answer: bytes) -> str:
            try:
                other = ran_in(answer)
            except (EngineFault, SandboxUnavailable, ValueError) as error:
                return str(error)
            if _said(other) == _said(ran):
                return ""
            return f"its boxes are not like the others': {_shown(other)}, not {_shown(ran)}"

        await self.leasing.require(Proof(kind, body, fault_in))
        return ran

    async def close(self) -> None:
        """See `Runner.close`; the boxes are the workers'."""
        await self.leasing.close()


def job_frame(job: Job, packages: Sequence[str]) -> tuple[str, bytes]:
    """A job's kind, and the job as it travels.

    Raises:
        ValueError: an argument is not plain data.
    """
    head: dict[str, Any] = {"limits": asdict(job.limits), "packages": list(packages)}
    bodies: list[bytes] = []
    match job:
        case CallsJob():
            head |= {"source": job.source, "setup": job.setup, "calls": list(map(call_form, job.calls))}
        case ProgramJob():
            head |= {"argv": list(job.argv), "files": list(job.files), "collect": list(job.collect)}
            head |= {"environment": dict(job.environment), "profile": job.profile}
            bodies = [job.stdin, *job.files.values()]
        case ExchangeJob():
            head |= {"test": job.test, "source": job.source, "setup": job.setup}
            head |= {"functions": dict(job.functions)}
            head |= {"awaited": list(job.awaited), "called": list(job.called)}
    return type(job).__name__, frame(head, bodies)


def job_in(kind: str, body: bytes) -> tuple[Job, list[str]]:
    """The job that has arrived, and the directories of packages that it may import.

    Raises:
        ValueError, KeyError: it is none.
    """
    head, bodies = read_frame(body)
    packages: list[str] = head.pop("packages")
    head["limits"] = Limits(**head["limits"])
    if kind == "CallsJob":
        return CallsJob(**{**head, "calls": [_call_in(call) for call in head["calls"]]}), packages
    if kind == "ProgramJob":
        stdin, *contents = bodies
        files = dict(zip(head["files"], contents, strict=True))
        return ProgramJob(**{**head, "stdin": stdin, "files": files}), packages
    if kind == "ExchangeJob":
        return ExchangeJob(**head), packages
    raise ValueError(f"boxes run no '{kind}'")


def ran_frame(ran: Ran) -> bytes:
    """What became of a job, as it travels."""
    head = {
        "outcome": ran.outcome,
        "detail": ran.detail,
        "limit": ran.limit,
        "failure": None if ran.failure is None else asdict(ran.failure),
        "answers": [_answer_form(answer) for answer in ran.answers],
        "asserted": ran.asserted,
        "calls": ran.calls,
        "status": ran.status,
        "wall_s": ran.wall_s,
        "cpu_s": ran.cpu_s,
        "files": list(ran.files),
    }
    return frame(head, [ran.stdout, ran.stderr, *ran.files.values()])


def unavailable_frame(missing: SandboxUnavailable) -> bytes:
    """That there is no box any more, as it travels."""
    return frame({"unavailable": [missing.cause, missing.remedy]})


def refused_frame(error: ValueError) -> bytes:
    """That a job cannot be run at all, as it travels."""
    return frame({"refused": str(error)})


def ran_in(body: bytes) -> Ran:
    """What became of a job, as it has arrived.

    Raises:
        EngineFault, RunError: as `told_in`.
        SandboxUnavailable, ValueError: as `Runner.run`.
    """
    head, bodies = told_in(body)
    if "unavailable" in head:
        raise SandboxUnavailable(*head["unavailable"])
    if "refused" in head:
        raise ValueError(head["refused"])
    stdout, stderr, *contents = bodies
    head["failure"] = None if head["failure"] is None else Failure(**head["failure"])
    head["answers"] = tuple(map(_answer_in, head["answers"]))
    head["files"] = dict(zip(head["files"], contents, strict=True))
    return Ran(**head, stdout=stdout, stderr=stderr)


def _call_in(form: dict[str, Any]) -> Call | Evaluate:
    if "expression" in form:
        return Evaluate(form["expression"])
    return Call(
        form["function"], value_of(form["args"]), value_of(form["kwargs"]), bool(form["with_arguments"])
    )


def _answer_form(answer: Answer) -> list[Any]:
    match answer:
        case Value():
            return ["value", form_of(answer.value, VALUE_LIMIT_BYTES)]
        case Raised():
            return ["raised", answer.type, answer.message]
        case Opaque():
            return ["opaque", answer.reason]


def _answer_in(form: list[Any]) -> Answer:
    match form:
        case ["value", value]:
            return Value(value_of(value))
        case ["raised", kind, message]:
            return Raised(kind, message)
    return Opaque(form[1])


def _said(ran: Ran) -> tuple[Any, ...]:
    """What a job shows of the machine that it ran on, without how long that took."""
    return ran.outcome, ran.status, repr(ran.answers), ran.stdout, ran.stderr


def _shown(ran: Ran) -> str:
    said = ran.stdout or ran.stderr
    if said:
        return repr(said.decode("utf-8", "replace").strip().splitlines()[0][:100])
    return repr(ran.answers[0]) if ran.answers else repr(ran.detail or ran.outcome)
