"""One question to a verdict: finds the code, reads the tests, and gives both to the judge of their kind."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mixwright_compiler.cache_directory import cache_directory
from mixwright_runtime.errors import RunError
from mixwright_runtime.sandbox.protocol import CallsJob, Evaluate, Runner, Value
from mixwright_runtime.verifiers.code.checks import Equality
from mixwright_runtime.verifiers.code.fences import assertions_in, blocks_in, mentions_definition
from mixwright_runtime.verifiers.code.languages import LANGUAGES
from mixwright_runtime.verifiers.code.program_judge import ProgramJudge
from mixwright_runtime.verifiers.code.python_judge import WORKER_LIMIT_S, PythonJudge
from mixwright_runtime.verifiers.code.python_results import Settings
from mixwright_runtime.verifiers.code.sql_judge import SqlJudge
from mixwright_runtime.verifiers.code.streams import Whitespace
from mixwright_runtime.verifiers.code.suites import (
    BadTests,
    DataCalls,
    ProgramTests,
    SqlTests,
    StdioTests,
    Suite,
    callable_of,
    suite_of,
)
from mixwright_runtime.verifiers.code.verdict import GRADES, Grade, Verdict, failed, unmeasurable

COMPLETE = "mixwright_runtime.verifiers.code.inspect_python:completed"
CODE_LIMIT = 1_000_000
"""Characters of code that are looked at."""


@dataclass(frozen=True)
class Question:
    """One candidate and its tests; `entry_point`, `prefix` and `setup` are empty where there are none."""

    answer: str
    tests: Any
    entry_point: str = ""
    prefix: str = ""
    setup: str = ""


class CodeJudge:
    """Judges candidates of one language. The sandbox and the workers are asked for when they are first needed.

    `cache` is where compiled programs are kept, by default below the user's cache directory; `packages` are modules that
    programs in Python can import besides Python's own.
    """

    def __init__(
        self,
        sandbox: Callable[[], Runner],
        workers: Callable[[], Any],
        *,
        language: str = "python",
        time_limit_s: float = 10.0,
        memory_bytes: int | None = None,
        equality: Equality = "python",
        whitespace: Whitespace = "lines",
        grade: Grade = "second_job",
        cache: Path | None = None,
        packages: Sequence[str] = (),
    ) -> None:
        self._packages = tuple(packages)
        self._sandbox = sandbox
        self._workers = workers
        self._language = LANGUAGES[language]
        self._memory = memory_bytes
        self._limits = self._language.run_limits(time_limit_s, memory_bytes)
        self._time_limit_s = time_limit_s
        self._equality: Equality = equality
        self._whitespace: Whitespace = whitespace
        self._weakest = GRADES.index(grade)
        self._cache = cache or cache_directory() / "compiled"
        self._version: tuple[int, int] = (0, 0)
        self._python: PythonJudge | None = None
        self._programs: ProgramJudge | None = None

    async def prepare(self) -> None:
        """Prove that programs of the language run here.

        Raises:
            SandboxUnavailable: there is no sandbox.
            RunError: the language's tools are missing, or do not work in the sandbox.
        """
        if self._language.name == "sql":
            return
        sandbox = self._sandbox()
        if self._packages:
            await sandbox.provide(self._package_directories())
        await sandbox.start()
        if self._language.name == "python":
            await self._prove_packages(sandbox)
            ran = await sandbox.prove(CallsJob("import sys", [Evaluate("tuple(sys.version_info[:2])")]))
            match ran.answers:
                case (Value(value=(int(major), int(minor))),):
                    self._version = (major, minor)
                case _:
                    raise RunError(f"Python does not work in the sandbox: {ran.detail or ran.outcome}")
            return
        said = await self._program_judge().probe(self._language)
        if said:
            raise RunError(
                f"{self._language.name} does not work in the sandbox: {said}; {self._language.remedy}, and run again"
            )

    def _package_directories(self) -> list[Path]:
        """Where this program's own Python has the packages.

        Raises:
            RunError: the language is not Python.
        """
        if self._language.name != "python":
            raise RunError(
                f"`packages` are Python's; programs in {self._language.name} have what is installed"
            )
        found = [importlib.util.find_spec(name.split(".")[0]) for name in self._packages]
        roots = [
            Path(spec.origin) for spec in found if spec is not None and spec.origin not in (None, "built-in")
        ]
        return [
            path.parents[1] if path.name == "__init__.py" else path.parent for path in dict.fromkeys(roots)
        ]

    async def _prove_packages(self, sandbox: Runner) -> None:
        """Import each in the box, under the limits of every program.

        Raises:
            RunError: one cannot be imported there.
        """
        for name in self._packages:
            job = CallsJob(
                f"import {name}", [Evaluate("True")], limits=self._language.run_limits(60.0, self._memory)
            )
            ran = await sandbox.prove(job)
            if ran.outcome != "done":
                raise RunError(
                    f"the sandbox has no package `{name}`: {ran.detail}; install it where mixwright runs, with pip"
                )

    async def verdict(self, question: Question) -> Verdict:
        """What the tests say of the candidate.

        Raises:
            WorkerError: a worker failed, or did not end in time.
        """
        name = self._language.name
        try:
            suite = suite_of(question.tests, name)
            if name == "python" and question.entry_point and not isinstance(suite, StdioTests):
                entry_point = callable_of(question.entry_point, question.answer, suite)
                question = replace(question, entry_point=entry_point)
        except BadTests as bad:
            return unmeasurable(name, "bad tests", str(bad))
        if isinstance(suite, ProgramTests):
            suite = ProgramTests(assertions_in(suite.text, name))
        before, later = blocks_in(question.answer, name, question.entry_point)
        *earlier, code = before or [""]
        if not code:
            return unmeasurable(name, "no code")
        if len(code) > CODE_LIMIT:
            return failed(name, "too long", f"{len(code):,} characters")
        others = sum(map(len, (*earlier, *later)))
        if name == "python" and 0 < others < CODE_LIMIT:
            code = await self._workers().run(
                COMPLETE, [code, earlier, later, question.prefix], WORKER_LIMIT_S
            )
        if name == "sql":
            return await self._by_rows(code, suite, question)
        if name == "python":
            return await self._python_verdict(code, suite, question)
        is_function_needed = (
            question.entry_point and not question.prefix and not isinstance(suite, StdioTests)
        )
        if is_function_needed and not mentions_definition(code, name, question.entry_point):
            return failed(name, "no entry point", f"defines no `{question.entry_point}`", tests=_count(suite))
        judge = self._program_judge()
        match suite:
            case StdioTests(tests=tests):
                return await judge.by_streams(
                    code, self._language, tests, limits=self._limits, whitespace=self._whitespace
                )
            case DataCalls(tests=calls):
                return await judge.by_data(
                    question.prefix + code,
                    self._language,
                    calls,
                    entry_point=question.entry_point,
                    limits=self._limits,
                )
            case ProgramTests(text=text):
                return await judge.by_program(
                    code,
                    self._language,
                    f"{question.setup}\n{text}" if question.setup else text,
                    prefix=question.prefix,
                    entry_point=question.entry_point,
                    limits=self._limits,
                    accepts_same_program=self._weakest >= GRADES.index("same_program"),
                )
            case SqlTests():
                return unmeasurable(name, "bad tests", "rows of a query are expected of a program")

    async def _python_verdict(self, code: str, suite: Suite, question: Question) -> Verdict:
        settings = Settings(
            self._limits,
            self._equality,
            self._weakest >= GRADES.index("same_program"),
            self._weakest >= GRADES.index("second_job"),
            self._version,
            self._packages,
        )
        if self._python is None:
            self._python = PythonJudge(self._sandbox(), self._workers())
        given = {"prefix": question.prefix, "entry_point": question.entry_point, "setup": question.setup}
        match suite:
            case ProgramTests(text=text):
                return await self._python.by_program(code, text, settings=settings, **given)
            case DataCalls(tests=calls):
                return await self._python.by_data(code, calls, settings=settings, **given)
            case StdioTests(tests=tests):
                return await self._program_judge().by_streams(
                    code, self._language, tests, limits=self._limits, whitespace=self._whitespace
                )
            case SqlTests():
                return unmeasurable("python", "bad tests", "rows of a query are expected of a program")

    async def _by_rows(self, code: str, suite: Suite, question: Question) -> Verdict:
        if not isinstance(suite, SqlTests):
            return unmeasurable("sql", "bad tests", "SQL is tested by objects with `expected` or `reference`")
        return await SqlJudge(self._workers()).by_rows(
            question.prefix + code,
            suite.tests,
            setup=question.setup,
            limit_s=self._time_limit_s,
            memory_bytes=self._limits.memory_bytes,
        )

    def _program_judge(self) -> ProgramJudge:
        if self._programs is None:
            self._programs = ProgramJudge(self._sandbox(), self._workers(), self._cache)
        return self._programs


def _count(suite: Suite) -> int:
    """Tests of a suite that was not run; 1 for a program, whose tests are not counted before."""
    return 1 if isinstance(suite, ProgramTests) else len(suite.tests)
