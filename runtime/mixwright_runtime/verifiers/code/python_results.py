"""What the run of a Python candidate says of it: verdicts on those that cannot be judged, and results of single tests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mixwright_runtime.sandbox.protocol import (
    Answer,
    Limits,
    Opaque,
    Raised,
    Ran,
    Value,
)
from mixwright_runtime.verifiers.code.checks import Equality
from mixwright_runtime.verifiers.code.verdict import (
    TestResult,
    Verdict,
    cut,
    failed,
    lacking_package,
    shown_value,
    unmeasurable,
)

PYTHON = "python"
NOT_FOUND = "ModuleNotFoundError"


@dataclass(frozen=True)
class Settings:
    """How a candidate is run. `version` is that of the Python inside the sandbox, which has `packages`."""

    limits: Limits
    equality: Equality = "python"
    accepts_same_program: bool = False
    accepts_second_job: bool = True
    version: tuple[int, int] = (0, 0)
    packages: Sequence[str] = ()


def why_useless(ran: Ran) -> str:
    """Why a test program that failed says nothing of the candidate; empty when it does."""
    failure = ran.failure
    if failure is None:
        return ""
    if failure.where == "unusable":
        return failure.message
    if failure.where == "test" and failure.type in ("ModuleNotFoundError", "ImportError"):
        return f"{failure.type}: {failure.message}"
    if failure.where == "test" and not ran.calls and failure.type != "NotPlain":
        return f"they fail before they call the candidate: {failure.type}: {failure.message}".rstrip(": ")
    return ""


def refusal_of(inspected: Mapping[str, Any], tests: int, settings: Settings) -> Verdict | None:
    """The verdict on a candidate that does not parse, or certainly lacks what is called; None for one to be run."""
    if "error" in inspected:
        if tuple(inspected["version"]) < settings.version:
            return None  # the Python inside knows more syntax than the one here
        where = f"line {inspected['line']}: " if inspected.get("line") else ""
        return failed(PYTHON, "does not parse", f"{where}{inspected['error']}", tests=tests)
    missing = inspected.get("missing") or []
    if missing:
        return failed(PYTHON, "no entry point", f"defines no `{missing[0]}`", tests=tests)
    return None


def _lacks(ran: Ran, inspected: Mapping[str, Any]) -> str:
    """The package that the candidate imports and the box has not; empty where there is none."""
    failure = ran.failure
    said = [
        answer.message for answer in ran.answers if isinstance(answer, Raised) and answer.type == NOT_FOUND
    ]
    if failure is not None and failure.type == NOT_FOUND and failure.where in ("source", "raised"):
        said.append(failure.message)
    for message in said:
        named = re.search(r"'([\w.]+)'", message)
        if named and named[1].split(".")[0] in (inspected.get("packages") or ()):
            return named[1].split(".")[0]
    return ""


def fault_of(ran: Ran, tests: int, inspected: Mapping[str, object], settings: Settings) -> Verdict | None:
    """A verdict where the candidate could not even be loaded, or the sandbox failed."""
    if ran.outcome == "sandbox_error":
        return Verdict("error", detail=ran.detail, language=PYTHON)
    lacking = _lacks(ran, inspected)
    if lacking in settings.packages:
        return Verdict(
            "error", detail=f"{lacking_package(lacking)}, which it had at the start", language=PYTHON
        )
    if lacking:
        return unmeasurable(PYTHON, "missing package", lacking_package(lacking))
    if ran.outcome == "error" and ran.failure is not None and ran.failure.where in ("setup", "source"):
        detail = f"{ran.failure.type}: {ran.failure.message}"
        if ran.failure.line:
            detail = f"line {ran.failure.line}: {detail}"
        return failed(PYTHON, "does not load", detail, tests=tests, grade="outside")
    return None


def ending_of(ran: Ran) -> tuple[str, str]:
    """Why a job ended before it was done: a word, and one line."""
    match ran.outcome:
        case "timeout":
            return "timeout", ran.detail
        case "limit":
            return ("timeout" if ran.limit == "cpu" else f"limit: {ran.limit}"), ran.detail
        case "error" if ran.failure is not None:
            detail = f"{ran.failure.type}: {ran.failure.message}".rstrip(": ")
            is_tests_own = ran.failure.type == "AssertionError" and ran.failure.where != "raised"
            return ("wrong" if is_tests_own else "raised"), cut(detail)
    return "ended", cut(ran.detail)


def by_test(tests: Sequence[Mapping[str, Any]], answers: Sequence[Answer]) -> list[list[Answer]]:
    """The answers of each test's calls; fewer than it has calls where the job ended before."""
    at, found = 0, []
    for test in tests:
        found.append(list(answers[at : at + len(test["calls"])]))
        at += len(test["calls"])
    return found


def unanswered(test: Mapping[str, Any], given: Sequence[Answer], ran: Ran) -> TestResult | None:
    """The result of a test that did not get a value for each of its calls; None when it did."""
    text = test["text"]
    for answer in given:
        if isinstance(answer, Raised):
            return TestResult(False, text, "raised", got=cut(f"{answer.type}: {answer.message}".rstrip(": ")))
        if isinstance(answer, Opaque):
            return TestResult(False, text, "opaque", got=cut(answer.reason))
    if len(given) < len(test["calls"]):
        reason, got = ending_of(ran)
        return TestResult(False, text, reason, got=got)
    return None


def helped_result(test: Mapping[str, Any], values: Sequence[Any], answer: Answer) -> TestResult:
    """The result of a test whose values a helper of the tests judged."""
    got = ", ".join(map(shown_value, values))
    match answer:
        case Value(value=True):
            return TestResult(True, test["text"])
        case Raised(type=kind, message=message):
            return TestResult(False, test["text"], "wrong", got=cut(f"{got} ({kind}: {message})"))
    return TestResult(False, test["text"], "wrong", got=got)


def compares_objects(answers: Sequence[Sequence[Answer]]) -> bool:
    """Does a test compare two things that the candidate made, neither of which is plain data?"""
    return any(sum(isinstance(answer, Opaque) for answer in given) > 1 for given in answers)


def data_result(text: str, expected: str, answer: Answer | None, ran: Ran) -> TestResult | None:
    """The result of a call that gave no value; None where one came."""
    match answer:
        case None:
            reason, got = ending_of(ran)
            return TestResult(False, text, reason, expected, got)
        case Raised(type=kind, message=message):
            return TestResult(False, text, "raised", expected, cut(f"{kind}: {message}".rstrip(": ")))
        case Opaque(reason=reason):
            return TestResult(False, text, "opaque", expected, cut(reason))
    return None
