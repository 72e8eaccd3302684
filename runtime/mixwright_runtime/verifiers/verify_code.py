"""Verifier `code`: does a program pass its tests?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.attributes import PICK, VERIFIER, threshold
from mixwright_runtime.plugins.declare import REQUIRED, attribute, declare
from mixwright_runtime.plugins.protocol import Measurement, StepContext
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.sandbox.protocol import SandboxUnavailable
from mixwright_runtime.values.rows import Dropped, Row
from mixwright_runtime.verifiers.code.agreement import agreed, votes_of
from mixwright_runtime.verifiers.code.judge import CodeJudge, Question
from mixwright_runtime.verifiers.code.verdict import Verdict
from mixwright_runtime.verifiers.verdicts import Selection
from mixwright_runtime.workers.pool import WorkerTimeout

TIME_LIMIT_S = 10.0


@declare(
    "verify",
    "code",
    rules=("programs",),
    compares="with agree",
    evidence={
        "language": "text",
        "passed": "int",
        "of": "int",
        "grade": "text",
        "results": "text",
        "reason": "text",
        "detail": "text",
        "failed": "list[struct{test: text, reason: text, expected: text, got: text}]",
        "tests_agreed": "int",
        "tests_written": "int",
        "class": "json",
    },
    attributes=(
        attribute(
            "response",
            "column",
            "the column with the code, or with an answer that has it",
            default=REQUIRED,
            holds="text",
        ),
        attribute(
            "tests", "column", "the column with the tests, in one of the forms below", default=REQUIRED
        ),
        attribute(
            "language",
            "enum:python|javascript|cpp|java|rust|go|bash|sql",
            "the language of the code, and of a test program",
            default="python",
        ),
        attribute(
            "entry_point",
            "expr:text",
            "the function that the tests call: a column or a text, also `Solution().f`. Tests that call it by name need "
            "none",
        ),
        attribute(
            "prefix",
            "column",
            "what a completion goes on from: imports and the head of a function",
            holds="text",
        ),
        attribute(
            "setup",
            "expr:text",
            "code that runs between the candidate and the tests, with both; of SQL, statements before every query",
        ),
        attribute(
            "time_limit",
            "duration",
            "CPU time of all calls of a test program together, of each run of a program, of each query; three times as "
            "long by the clock",
            default=TIME_LIMIT_S,
            minimum=0.1,
            maximum=600,
        ),
        attribute(
            "memory",
            "bytes",
            "memory of the program; by default what its language needs: 512 MiB, 1 GiB (JavaScript, Go), 2 GiB (Java)",
        ),
        attribute(
            "packages",
            "list[text]",
            "modules that programs in Python can import besides Python's own, such as `numpy`: those of the environment "
            "that mixwright runs in, read-only; the run fails at its start where one is missing",
        ),
        attribute(
            "equality",
            "enum:python|strict",
            "of Python's `==` in tests: `python` is Python's own (True equals 1 and 1.0); `strict` wants the same types",
            default="python",
        ),
        attribute(
            "whitespace",
            "enum:lines|tokens|exact",
            "of programs' output: `lines` forgets white space at the ends of lines and empty lines at the end; `tokens` "
            "compares words, decimal numbers within 1e-6; `exact` forgets nothing",
            default="lines",
        ),
        attribute(
            "grade",
            "enum:outside|second_job|same_program",
            "the weakest way of keeping expected values from the candidate that is accepted; see below",
            default="second_job",
        ),
        threshold("min", "the share of the tests that must pass", default=1.0, minimum=0, maximum=1),
        attribute(
            "agree",
            "count",
            "the tests were written by a model: only those count that this many of a row's candidates pass",
            cls="set",
            minimum=1,
        ),
        attribute(
            "min_tests",
            "count",
            "with `agree`: at least this many tests must count, or no candidate passes",
            default=1,
            cls="set",
            minimum=1,
        ),
        PICK,
        *VERIFIER,
    ),
)
class CodeVerifier(Measure):
    """Runs a program's tests in a sandbox: the score is the share of the tests that passed, 0 to 1.

    The code is the answer itself, or of its fenced blocks the last of the language that defines the entry point; in
    Python, together with those others that define names which it lacks. What
    does not parse, does not compile or certainly lacks the entry point fails without being run.

    `tests` may hold, also as JSON text:

    - a test program in the language: asserts, `check(candidate)` (HumanEval), functions and classes of pytest (also
      `async`, with `parametrize`, fixtures, `raises`, `approx`), `unittest` classes, what stands below
      `if __name__ == "__main__"`; of C++, Java, JavaScript, Rust, Go and Bash the form of MultiPL-E, which goes on from
      the candidate
    - a list of such assertions (MBPP)
    - a list of `{ input, output }`: standard input and output of a program
    - a list of `{ args, expected }` (also `kwargs`, `function`): calls, in Python, JavaScript and Bash
    - `{ inputs, outputs, fn_name }` (APPS, TACO), a list of `{ input, output, fn_name }`, or of `{ input, output,
      testtype = "functional" }` with an argument as JSON in each line (LiveCodeBench)
    - for SQL, a list of `{ setup, expected }` (rows) or `{ setup, reference }` (a query), run by DuckDB

    **Who knows the answers.** A program that can see what its tests expect can return it. The evidence says with which
    `grade` each verdict was reached:

    - `outside`: the program gets calls or inputs, and what comes back is compared here. Python's assertions are rewritten
      to calls, the other languages' to programs that print values; what is expected is worked out in a job of its own
    - `second_job`: a Python test program that cannot be rewritten runs in a second sandbox, and calls the candidate in
      the first by plain data
    - `same_program`: program and tests in one process, judged by its end, which a program that wants to can fake. Only
      with `grade = same_program`; otherwise such rows are unmeasurable

    **Tests that test nothing** are `unmeasurable: bad tests`: a verdict needs at least one assertion that was reached and
    used a value of the program. A comparison that nobody looks at, `assert (f(2) == 4, "message")`, assertions on
    literals, after a `return` or in a function that nothing calls are none. An exception of the program that the tests
    did not ask for fails them, wherever they pass over it (`except Exception`, `zip(map(f, …), …)`), and so does an
    assertion that failed and was caught.

    A program's own time-out, crash or broken limit is a failed test; a failure of the sandbox is an error of the
    verifier, tried once more by itself. CPU time decides: a program that the machine kept waiting is run again with more
    patience, and then is an error, which the next run tries again. Rows without code or without usable tests are
    `unmeasurable`, and so is a program that imports a package which the sandbox has not: `missing package`, with its
    name. The evidence has the first three failing tests with what was expected and what came.

    **Tests that a model wrote** are checked against several programs, and these against the tests. Let a `generate` step
    write the tests of a row, and a later one several solutions; with `agree = n` only the tests that n of the candidates
    pass count, and a candidate's score is its share of those. `pick = majority` then takes the set of candidates that
    pass the same tests with the most candidates times tests, which is the score of CodeT (Chen et al. 2022, section
    3.1); `agree` at half the candidates is the rule of AutoIF (Dong et al. 2024).

    ```mix
    generate tests { prompt = write_tests, model = teacher }
    generate solution { prompt = solve, model = teacher, samples = 8 }
    verify code { response = solution, tests = tests, agree = 4, min_tests = 3, pick = majority }
    ```

    Needs bubblewrap (`apt install bubblewrap`) and the language's own tools; the run says at its start which are missing.
    """

    def __init__(self, step: Step, context: StepContext) -> None:
        attributes = step.attributes
        self._step_id = step.id
        self._node = f"{context.pipeline}.{step.id}" if context.pipeline else step.id
        self._response = str(attributes["response"])
        self._tests = str(attributes["tests"])
        self._prefix: str | None = attributes.get("prefix")
        self._entry_point = _text_of(attributes.get("entry_point"), context)
        self._setup = _text_of(attributes.get("setup"), context)
        self._language = str(attributes.get("language") or "python")
        self._judge = CodeJudge(
            context.sandbox,
            context.workers,
            language=self._language,
            time_limit_s=float(attributes.get("time_limit") or TIME_LIMIT_S),
            memory_bytes=attributes.get("memory"),
            equality=attributes.get("equality") or "python",
            whitespace=attributes.get("whitespace") or "lines",
            grade=attributes.get("grade") or "second_job",
            packages=attributes.get("packages") or (),
        )
        self._agree: int | None = attributes.get("agree")
        self._min_tests = int(attributes.get("min_tests") or 1)
        self._selection = Selection.of(step, kind="code", wrong="failed", missing="not testable")
        # With `agree` more than the score decides; see `verdicts.selection_of`.
        self.selection = self._selection if self._agree is None else None

    async def prepare(self) -> None:
        """Start the sandbox and prove that the language works in it.

        Raises:
            RunError: no sandbox can be had here, or the language's tools are missing; says what to install.
        """
        try:
            await self._judge.prepare()
        except SandboxUnavailable as missing:
            raise RunError(f"step '{self._node}': {missing}") from None

    async def measure(self, row: Row) -> Measurement:
        """The share of the row's tests that its code passes."""
        response = row.columns.get(self._response)
        question = Question(
            answer=response if isinstance(response, str) else "",
            tests=row.columns.get(self._tests),
            entry_point=self._entry_point(row.columns),
            prefix=str(row.columns.get(self._prefix) or "") if self._prefix else "",
            setup=self._setup(row.columns),
        )
        try:
            verdict = await self._judge.verdict(question)
        except WorkerTimeout as late:
            return Measurement.too_hard(detail=str(late))
        return _measurement(verdict)

    def decide(self, rows: Sequence[Row], measurements: Sequence[Measurement]) -> list[Row | Dropped]:
        """Which rows pass; see the protocol. With `agree`, after the tests that too few candidates pass are left out."""
        if self._agree is None:
            return self._selection.decide(rows, measurements)
        counted = agreed(measurements, agree=self._agree, min_tests=self._min_tests)
        return self._selection.decide(rows, counted, weight=votes_of)


def _measurement(verdict: Verdict) -> Measurement:
    return Measurement(verdict.outcome, verdict.score, verdict.evidence())


def _text_of(expression: Any, context: StepContext) -> Any:
    """A function from a row's columns to the text that an attribute gives; empty for null."""
    if expression is None:
        return lambda columns: ""
    evaluate = context.expression(expression)

    def text(columns: Mapping[str, object]) -> str:
        value = evaluate(columns)
        return value if isinstance(value, str) else ""

    return text
