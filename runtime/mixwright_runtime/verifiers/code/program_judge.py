"""Judges candidates of any language as programs: by standard input and output, and by test programs in their language."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixwright_runtime.sandbox.compile_cache import CompileCache
from mixwright_runtime.sandbox.protocol import Limits, ProgramJob, Ran, Runner
from mixwright_runtime.verifiers.code.inspect_python import is_package
from mixwright_runtime.verifiers.code.languages import COMPILE_LIMITS, Language, main_class_of
from mixwright_runtime.verifiers.code.streams import Whitespace, is_same_output
from mixwright_runtime.verifiers.code.suites import DataCall, StdioTest
from mixwright_runtime.verifiers.code.verdict import (
    TestResult,
    Verdict,
    cut,
    failed,
    lacking_package,
    unmeasurable,
)
from mixwright_runtime.workers.pool import WorkerError, is_too_hard

TAKE_APART = "mixwright_runtime.verifiers.code.foreign:apart"
JUDGE_RECORDS = "mixwright_runtime.verifiers.code.records:judged"
WORKER_LIMIT_S = 10.0
PROBE_LIMIT_S = 30.0
KNOWN_LIMIT = 500
"""Test programs whose expected values are remembered."""


@dataclass(frozen=True)
class Compiled:
    """A compiled program's files, or what the compiler said; `outcome` is the compiler's job's."""

    files: Mapping[str, bytes] | None
    message: str = ""
    outcome: str = "done"


class ProgramJudge:
    """Compiles each program once and runs it in the sandbox.

    `cache` is the directory where compiled programs are kept; see `sandbox/compile_cache.py`.
    """

    def __init__(self, sandbox: Runner, workers: Any, cache: Path) -> None:
        self._sandbox = sandbox
        self._workers = workers
        self._cache = CompileCache(cache)
        self._toolchains: dict[str, str] = {}
        self._expected: OrderedDict[bytes, asyncio.Task[str | Verdict | None]] = OrderedDict()

    async def probe(self, language: Language) -> str:
        """Why programs of a language do not work here; empty when they do."""
        await self._toolchain(language)
        files, argv = _program(language, language.probe)
        ready = await self._compile(language, files)
        if ready.files is None:
            return cut(ready.message) or ready.outcome
        ran = await self._run(language, argv, ready.files, language.run_limits(PROBE_LIMIT_S, None))
        if ran.outcome == "done" and ran.status == 0 and ran.stdout.strip() == b"ok":
            return ""
        return cut(ran.stderr.decode("utf-8", "replace").strip() or ran.detail or ran.outcome)

    async def by_streams(
        self,
        code: str,
        language: Language,
        tests: Sequence[StdioTest],
        *,
        limits: Limits,
        whitespace: Whitespace,
    ) -> Verdict:
        """The verdict of inputs and outputs. After a time-out or a broken limit the other tests are not run and fail."""
        files, argv = _program(language, code)
        ready = await self._compile(language, files)
        if ready.files is None:
            return _not_compiled(language, ready, len(tests))
        results: list[TestResult] = []
        for at, test in enumerate(tests):
            ran = await self._run(language, argv, ready.files, limits, test.stdin.encode())
            if ran.outcome == "sandbox_error":
                return Verdict("error", detail=ran.detail, language=language.name)
            lacking = _lacks(language.name, code, ran.stderr.decode("utf-8", "replace")) if ran.status else ""
            if lacking:
                return unmeasurable(language.name, "missing package", lacking_package(lacking))
            results.append(_stdio_result(at, test, ran, whitespace))
            if ran.outcome in ("timeout", "limit"):
                rest = len(tests) - at - 1
                results += [TestResult(False, reason=f"not run after a {ran.outcome}")] * rest
                break
        return Verdict("measured", results, grade="outside", language=language.name)

    async def by_program(
        self,
        code: str,
        language: Language,
        tests: str,
        *,
        prefix: str,
        entry_point: str,
        limits: Limits,
        accepts_same_program: bool,
    ) -> Verdict:
        """The verdict of a test program that goes on from the candidate.

        Raises:
            WorkerError: a worker failed at taking the tests apart.
        """
        apart = await self._workers.run(
            TAKE_APART, [language.name, prefix, code, tests, entry_point], WORKER_LIMIT_S
        )
        reason = apart["reason"]
        if not reason:
            asked = await self._compile(language, apart["asked"])
            expected = await self._expected_records(language, apart["expected"], limits)
            if isinstance(expected, Verdict):
                return expected
            if asked.files is not None and expected is not None:
                return await self._by_records(language, apart, asked.files, {"stdout": expected}, limits)
            if asked.outcome == "sandbox_error":
                return Verdict("error", detail=asked.message, language=language.name)
            reason = "the values that are compared cannot be printed"
        whole = apart["whole"]
        ready = await self._compile(language, whole)
        if ready.files is None:
            return _not_compiled(language, ready, max(1, len(apart["texts"])))
        if not accepts_same_program:
            return unmeasurable(language.name, "grade", f"the tests cannot be kept outside: {reason}")
        return await self._by_exit(language, whole, apart["word"], limits)

    async def by_data(
        self, code: str, language: Language, calls: Sequence[DataCall], *, entry_point: str, limits: Limits
    ) -> Verdict:
        """The verdict of calls given as data, in a language whose values are JSON's: JavaScript, or text: Bash."""
        functions = [call.function or entry_point for call in calls]
        if not all(functions):
            return unmeasurable(language.name, "no entry point", "calls as data need `entry_point`")
        source = _data_program(language, code, functions, calls)
        if source is None:
            return unmeasurable(
                language.name,
                "bad tests",
                f"calls as data cannot be made in {language.name}; give `input` and `output`",
            )
        # As JSON has it: a row's date or decimal is a text there.
        expected = json.loads(json.dumps({"values": [call.expected for call in calls]}, default=str))
        texts = [
            f"{f}({', '.join(json.dumps(a) for a in c.args)})" for f, c in zip(functions, calls, strict=True)
        ]
        files = {language.main_file: source.encode()}
        return await self._by_records(language, {"texts": texts, "loose": True}, files, expected, limits)

    async def _by_records(
        self,
        language: Language,
        apart: Mapping[str, Any],
        files: Mapping[str, bytes],
        expected: Mapping[str, Any],
        limits: Limits,
    ) -> Verdict:
        """Raises:
        WorkerError: a worker failed at reading what was printed.
        """
        ran = await self._run(language, _argv(language, files), files, limits)
        if ran.outcome == "sandbox_error":
            return Verdict("error", detail=ran.detail, language=language.name)
        lacking = _lacks(language.name, "", ran.stderr.decode("utf-8", "replace")) if ran.status else ""
        if lacking:
            return unmeasurable(language.name, "missing package", lacking_package(lacking))
        texts = [cut(text) for text in apart["texts"]]
        printed = ran.stdout.decode("latin-1")
        try:
            found = await self._workers.run(
                JUDGE_RECORDS,
                [language.name, printed, expected, texts, bool(apart.get("loose"))],
                limits.cpu_s,
            )
        except WorkerError as error:
            if not is_too_hard(error):
                raise
            return failed(language.name, "timeout", "values that take too long to compare", tests=len(texts))
        results = []
        for text, one in zip(texts, found, strict=True):
            if len(one) == 1:
                reason, detail = _ending(ran)
                results.append(TestResult(False, text, reason, one[0], detail))
            else:
                results.append(TestResult(False, text, *one) if one else TestResult(True, text))
        return Verdict("measured", results, grade="outside", language=language.name)

    async def _by_exit(
        self, language: Language, files: Mapping[str, str], word: str, limits: Limits
    ) -> Verdict:
        """Exit status 0, and the word that the last line of the tests prints, where one could be put there."""
        if word:
            fresh = secrets.token_hex(8)
            files = {name: text.replace(word, fresh) for name, text in files.items()}
            word = fresh
        ready = await self._compile(language, files, is_kept=not word)
        if ready.files is None:
            return _not_compiled(language, ready, 1)
        ran = await self._run(language, _argv(language, ready.files), ready.files, limits)
        if ran.outcome == "sandbox_error":
            return Verdict("error", detail=ran.detail, language=language.name)
        is_passed = ran.outcome == "done" and ran.status == 0 and word.encode() in ran.stdout
        reason, detail = _ending(ran)
        result = TestResult(True) if is_passed else TestResult(False, reason=reason, got=detail)
        return Verdict("measured", [result], grade="same_program", language=language.name)

    async def _expected_records(
        self, language: Language, files: Mapping[str, str], limits: Limits
    ) -> str | Verdict | None:
        """What the tests expect, as their program prints it; None where it cannot be; an error where the sandbox failed.

        Worked out once for all candidates of a row, also for those that are judged at the same time.
        """
        key = _key(language, files)
        if key not in self._expected:
            self._expected[key] = asyncio.create_task(self._printed(language, files, limits))
            if len(self._expected) > KNOWN_LIMIT:
                self._expected.popitem(last=False)
        found = await asyncio.shield(self._expected[key])
        if isinstance(found, Verdict):
            self._expected.pop(key, None)
        return found

    async def _printed(
        self, language: Language, files: Mapping[str, str], limits: Limits
    ) -> str | Verdict | None:
        ready = await self._compile(language, files)
        if ready.outcome == "sandbox_error":
            return Verdict("error", detail=ready.message, language=language.name)
        if ready.files is None:
            return None
        ran = await self._run(language, _argv(language, ready.files), ready.files, limits)
        if ran.outcome == "sandbox_error":
            return Verdict("error", detail=ran.detail, language=language.name)
        if ran.outcome == "done" and ran.status == 0:
            return ran.stdout.decode("latin-1")
        return None

    async def _compile(
        self, language: Language, files: Mapping[str, str], *, is_kept: bool = True
    ) -> Compiled:
        """The files to run; those of a language that is not compiled are the sources."""
        sources = {name: text.encode("utf-8", "replace") for name, text in files.items()}
        if not language.compile:
            return Compiled(sources)
        job = ProgramJob(
            _compiler(language, sources),
            sources,
            collect=language.artifacts,
            environment=language.environment,
            limits=COMPILE_LIMITS,
        )
        if is_kept:
            ran = await self._cache.run(self._sandbox, job, await self._toolchain(language))
        else:
            ran = await self._sandbox.run(job)
        if ran.outcome == "sandbox_error":
            return Compiled(None, ran.detail, "sandbox_error")
        if ran.outcome == "done" and ran.status == 0:
            return Compiled(dict(ran.files))
        said = (ran.stderr or ran.stdout).decode("utf-8", "replace").strip()
        return Compiled(None, said or ran.detail, ran.outcome)

    async def _toolchain(self, language: Language) -> str:
        """The own words about its version of what compiles or runs a language."""
        if language.name not in self._toolchains:
            ran = await self._sandbox.prove(
                ProgramJob(language.version, environment=language.environment, limits=COMPILE_LIMITS)
            )
            self._toolchains[language.name] = (ran.stdout or ran.stderr).decode("utf-8", "replace").strip()
        return self._toolchains[language.name]

    async def _run(
        self,
        language: Language,
        argv: Sequence[str],
        files: Mapping[str, bytes],
        limits: Limits,
        stdin: bytes = b"",
    ) -> Ran:
        return await self._sandbox.run(
            ProgramJob(argv, files, stdin, environment=language.environment, limits=limits)
        )


def _key(language: Language, files: Mapping[str, str]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for part in (
        language.name,
        *language.compile,
        *(text for name in sorted(files) for text in (name, files[name])),
    ):
        digest.update(len(part).to_bytes(8, "little") + part.encode("utf-8", "surrogatepass"))
    return digest.digest()


def _program(language: Language, code: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """Files and command of a program of one file."""
    if language.name == "java":
        name = main_class_of(code)
        return {f"{name}.java": code}, (*language.run, name)
    return {language.main_file: code}, language.run


def _argv(language: Language, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """The command of a test program; Java's is the class with `main` that its tests are in."""
    return (*language.run, "Problem") if language.name == "java" else language.run


def _compiler(language: Language, sources: Mapping[str, bytes]) -> tuple[str, ...]:
    names = tuple(sorted(name for name in sources if name.endswith(language.sources)))
    if language.name == "go" and any(name.endswith("_test.go") for name in names):
        return ("go", "test", "-c", "-vet=off", "-o", "main", *names)
    return tuple(part for word in language.compile for part in (names if word == "{files}" else (word,)))


def _not_compiled(language: Language, compiled: Compiled, tests: int) -> Verdict:
    if compiled.outcome == "sandbox_error":
        return Verdict("error", detail=compiled.message, language=language.name)
    lacking = _lacks(language.name, "", compiled.message)
    if lacking:
        return unmeasurable(language.name, "missing package", lacking_package(lacking))
    reason = {"timeout": "timeout while compiling", "limit": "limit while compiling"}.get(compiled.outcome)
    return failed(language.name, reason or "does not compile", cut(compiled.message), tests=tests)


_LACKING: Mapping[str, str] = {
    "python": r"^ModuleNotFoundError: No module named '(\w+)",
    "javascript": r"Cannot find (?:module|package) '((?![./])[^']+)'",
    "go": r"(?:no required module provides package|package) (\w[\w-]*\.[\w./-]+)(?:;| is not in std)",
    "rust": r"can't find crate for `(\w+)`|use of (?:undeclared|unresolved) crate or module `(rand|regex|itertools|num)`",
    "cpp": r"fatal error: ([\w+-]+/[\w/.+-]+): No such file",
    "java": r"package ((?!java\.|javax\.)[a-z]\w*(?:\.\w+)+) does not exist",
}
"""What tools say where a package is missing, which is no mistake of the program's."""


def _lacks(language: str, code: str, said: str) -> str:
    """The package that a program asks for and the box has not; empty where there is none."""
    if language == "python":
        # A program can print these words itself.
        last = said.strip().rpartition("\n")[2]
        found = re.match(_LACKING["python"], last)
        imports = found and re.search(rf"^[ \t]*(?:import|from)[ \t].*\b{found[1]}\b", code, re.M)
        return found[1] if found and imports and is_package(found[1]) else ""
    found = re.search(_LACKING[language], said) if language in _LACKING else None
    return next(filter(None, found.groups()), "") if found else ""


def _ending(ran: Ran) -> tuple[str, str]:
    """Why a program gave no record, or ended badly: a word, and what it said last."""
    said = ran.stderr.decode("utf-8", "replace").strip()
    last = cut(said.splitlines()[-1] if said else ran.detail)
    match ran.outcome:
        case "timeout":
            return "timeout", last
        case "limit":
            return ("timeout" if ran.limit == "cpu" else f"limit: {ran.limit}"), last
    if ran.status == 0:
        return "ended", "it exited with status 0 before the test"
    return "crashed", cut(f"status {ran.status}: {last}")


def _stdio_result(at: int, test: StdioTest, ran: Ran, whitespace: Whitespace) -> TestResult:
    name = f"input {at + 1}: {test.stdin[:100]!r}"
    got = ran.stdout.decode("utf-8", "replace")
    if ran.outcome == "done" and ran.status == 0:
        if is_same_output(got, test.stdout, whitespace):
            return TestResult(True, name)
        return TestResult(False, name, "wrong", cut(test.stdout), cut(got))
    reason, detail = _ending(ran)
    return TestResult(False, name, reason, cut(test.stdout), detail)


def _data_program(
    language: Language, code: str, functions: Sequence[str], calls: Sequence[DataCall]
) -> str | None:
    """The candidate with a call of each test whose value is printed; None for a language whose values are not JSON's."""
    from mixwright_runtime.verifiers.code.foreign import printer

    if language.name == "javascript":
        lines = [
            f"mixwright.show({at}, () => {function}({', '.join(json.dumps(arg) for arg in call.args)}));"
            for at, (function, call) in enumerate(zip(functions, calls, strict=True))
        ]
        return "\n".join([printer("show.js"), code, *lines])
    if language.name == "bash":
        lines = [
            f'mixwright_show {at} "$({function} {" ".join(_quoted(arg) for arg in call.args)})"'
            for at, (function, call) in enumerate(zip(functions, calls, strict=True))
        ]
        return "\n".join([code, printer("show.sh"), *lines])
    return None


def _quoted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return "'" + text.replace("'", "'\\''") + "'"
