"""Judges Python candidates by Python test programs, and by calls given as data."""

from __future__ import annotations

import builtins
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from mixwright_runtime.sandbox.plain import form_of
from mixwright_runtime.sandbox.protocol import (
    Call,
    CallsJob,
    Evaluate,
    ExchangeJob,
    Limits,
    Opaque,
    Runner,
    Value,
)
from mixwright_runtime.verifiers.code.asserts import ASIDE
from mixwright_runtime.verifiers.code.python_results import (
    PYTHON,
    Settings,
    by_test,
    compares_objects,
    data_result,
    ending_of,
    fault_of,
    helped_result,
    refusal_of,
    unanswered,
    why_useless,
)
from mixwright_runtime.verifiers.code.suites import DataCall
from mixwright_runtime.verifiers.code.verdict import (
    TestResult,
    Verdict,
    cut,
    shown_value,
    unmeasurable,
)
from mixwright_runtime.workers.pool import WorkerError, is_too_hard

REWRITE = "mixwright_runtime.verifiers.code.asserts:rewrite"
EXCHANGED = "mixwright_runtime.verifiers.code.asserts:exchanged"
INSPECT = "mixwright_runtime.verifiers.code.inspect_python:inspect"
CHECKED = "mixwright_runtime.verifiers.code.checks:checked"
COMPARED = "mixwright_runtime.verifiers.code.checks:compared"
WORKER_LIMIT_S = 10.0
FORM_LIMIT_BYTES = 16 * 1024**2
"""More than one answer of a candidate can have."""
HELPER_LIMITS = Limits(wall_s=30.0)
CACHED_SUITES = 500
"""Test programs that are kept rewritten: those of the rows under way, whose candidates come one after another."""
NOTHING_ASSERTED = "no assertion that was reached used a value of the candidate"

TO_PLAIN = """
def _mixwright_plain(value):
    for kind in (bool, int, float, complex, str, bytes):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, dict):
        return {_mixwright_plain(key): _mixwright_plain(item) for key, item in value.items()}
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return kind([_mixwright_plain(item) for item in value])
    if isinstance(value, (type({}.keys()), type({}.items()))):
        return {_mixwright_plain(item) for item in value}
    return value

def _mixwright_apply(path, args, kwargs):
    return _mixwright_plain(eval(path)(*args, **kwargs))
"""
"""Makes plain data of what is one of its types with something added (a named tuple, an IntEnum) in the candidate's own
job, where it can do no harm: what comes out is data again."""


class PythonJudge:
    """Judges through a sandbox and a pool of workers, which parse what is not trusted."""

    def __init__(self, sandbox: Runner, workers: Any) -> None:
        self._sandbox = sandbox
        self._workers = workers
        self._suites: OrderedDict[tuple[str, str, str], Mapping[str, Any]] = OrderedDict()

    async def by_program(
        self, code: str, tests: str, *, prefix: str, entry_point: str, setup: str, settings: Settings
    ) -> Verdict:
        """The verdict of a test program on a candidate.

        Raises:
            WorkerError: a worker failed at reading the tests or the candidate.
        """
        suite = await self._suite(tests, entry_point, setup)
        if "broken" in suite:
            return unmeasurable(PYTHON, "bad tests", suite["broken"])
        rewritten = suite.get("calls")
        names = (rewritten or suite["exchange"])["names"]
        wanted = [name for name in names if not hasattr(builtins, name)]
        inspected = await self._inspected(code, wanted, prefix, entry_point)
        refused = refusal_of(inspected, len(rewritten["tests"]) if rewritten else 1, settings)
        if refused is not None:
            return refused
        code = with_methods(inspected)
        if rewritten is not None:
            return await self._by_calls(code, rewritten, (tests, entry_point, setup), settings, inspected)
        exchanged = suite["exchange"]
        if not settings.accepts_second_job:
            return unmeasurable(
                PYTHON, "grade", f"the tests cannot be kept outside: it {exchanged['reason']}"
            )
        return await self._by_exchange(code, exchanged, setup, settings, inspected)

    async def by_data(
        self,
        code: str,
        calls: Sequence[DataCall],
        *,
        prefix: str,
        entry_point: str,
        setup: str,
        settings: Settings,
    ) -> Verdict:
        """The verdict of calls that are given as data, compared as JSON (`is_equal_as_json`)."""
        functions = [call.function or entry_point for call in calls]
        if not all(functions):
            return unmeasurable(PYTHON, "no entry point", "calls as data need `entry_point`")
        names = list(dict.fromkeys(_root(function) for function in functions))
        inspected = await self._inspected(code, names, prefix, entry_point)
        methods = set(inspected.get("methods") or ())
        refused = refusal_of(inspected, len(calls), settings)
        if refused is not None:
            return refused
        code = inspected["source"]
        parameters = inspected.get("parameters") or {}
        calls = [
            call.taken_by(parameters.get(name.rpartition(".")[2], ()))
            for name, call in zip(functions, calls, strict=True)
        ]
        functions = [f"Solution().{name}" if name in methods else name for name in functions]
        wanted = [_data_call(function, call) for function, call in zip(functions, calls, strict=True)]
        source = f"{code}\n\n{setup}" if setup else code
        try:
            wanted_forms = [_form(call.expected) for call in calls]
        except ValueError as error:
            return unmeasurable(PYTHON, "bad tests", f"an expected value: {error}")
        try:
            ran = await self._sandbox.run(CallsJob(source, wanted, limits=settings.limits))
            if any(isinstance(answer, Opaque) for answer in ran.answers):
                plain = [_plain_call(function, call) for function, call in zip(functions, calls, strict=True)]
                ran = await self._sandbox.run(
                    CallsJob(f"{source}\n\n{TO_PLAIN}", plain, limits=settings.limits)
                )
        except ValueError as error:
            return unmeasurable(PYTHON, "bad tests", f"an argument {error}")
        fault = fault_of(ran, len(calls), inspected, settings)
        if fault is not None:
            return fault
        results: list[TestResult | None] = []
        compared: list[tuple[int, str, list[Any]]] = []
        for at, call in enumerate(calls):
            text = cut(f"{functions[at]}({', '.join(map(shown_value, call.args))})")
            answer = ran.answers[at] if at < len(ran.answers) else None
            results.append(data_result(text, shown_value(call.expected), answer, ran))
            if isinstance(answer, Value):
                compared.append((at, text, [_form(answer.value), wanted_forms[at], call.may_be_wrapped]))
        await self._decide(COMPARED, [], compared, results, settings)
        return Verdict("measured", [r for r in results if r is not None], grade="outside", language=PYTHON)

    async def _decide(
        self,
        function: str,
        more: Sequence[Any],
        tests: Sequence[tuple[int, str, list[Any]]],
        results: list[TestResult | None],
        settings: Settings,
    ) -> None:
        """Fill in the results of tests whose values came, by their place: what a candidate gave is looked at in a worker.

        A value that takes longer to compare than the candidate had to make it has not passed, nor have those after it.

        Raises:
            WorkerError: a worker failed.
        """
        limit_s = settings.limits.cpu_s

        async def ask(some: Sequence[tuple[int, str, list[Any]]]) -> None:
            found = await self._workers.run(function, [[forms for _, _, forms in some], *more], limit_s)
            for (at, text, _), (is_passed, expected, got) in zip(some, found, strict=True):
                shown = ("", "", "") if is_passed else ("wrong", expected, got)
                results[at] = TestResult(is_passed, text, *shown)

        if not tests:
            return
        try:
            await ask(tests)
        except WorkerError as error:
            if not is_too_hard(error):
                raise
            late = 0
            for at, one in enumerate(tests):
                try:
                    await ask([one])
                except WorkerError as error:
                    if not is_too_hard(error):
                        raise
                    late = at
                    break
            for place, text, _ in tests[late:]:
                results[place] = TestResult(
                    False, text, "timeout", got="a value that takes too long to compare"
                )

    async def _suite(self, tests: str, entry_point: str, setup: str) -> Mapping[str, Any]:
        key = (tests, entry_point, setup)
        if key in self._suites:
            self._suites.move_to_end(key)
        else:
            self._suites[key] = await self._workers.run(REWRITE, list(key), WORKER_LIMIT_S)
            if len(self._suites) > CACHED_SUITES:
                self._suites.popitem(last=False)
        return self._suites[key]

    async def _inspected(
        self, code: str, names: Sequence[str], prefix: str, entry_point: str
    ) -> Mapping[str, Any]:
        """What can be said without running it; `inspect_python.py`."""
        found: Mapping[str, Any] = await self._workers.run(
            INSPECT, [code, list(names), prefix, entry_point], WORKER_LIMIT_S
        )
        return found

    async def _by_calls(
        self,
        code: str,
        suite: Mapping[str, Any],
        question: tuple[str, str, str],
        settings: Settings,
        inspected: Mapping[str, Any],
    ) -> Verdict:
        tests = suite["tests"]
        setup = question[2]
        source = f"{code}\n\n{suite['driver']}" if suite["driver"] else code
        calls = [Evaluate(expression) for test in tests for expression in test["calls"]]
        ran = await self._sandbox.run(CallsJob(source, calls, limits=settings.limits))
        if any(isinstance(answer, Opaque) for answer in ran.answers):
            plain = [Evaluate(f"{ASIDE}plain({call.expression})") for call in calls]
            ran = await self._sandbox.run(CallsJob(f"{source}\n\n{TO_PLAIN}", plain, limits=settings.limits))
        fault = fault_of(ran, len(tests), inspected, settings)
        if fault is not None:
            return fault
        answers = by_test(tests, ran.answers)
        results: list[TestResult | None] = []
        richer: list[tuple[int, Call]] = []
        checked: list[tuple[int, str, list[Any]]] = []
        for at, (test, given) in enumerate(zip(tests, answers, strict=True)):
            result = unanswered(test, given, ran)
            if result is None:
                values = [answer.value for answer in given if isinstance(answer, Value)]
                if test["check"] is not None:
                    checked.append((at, test["text"], [test["check"], [_form(value) for value in values]]))
                else:
                    richer.append((at, Call(test["function"], values)))
            results.append(result)
        await self._decide(CHECKED, [settings.equality], checked, results, settings)
        if compares_objects(answers):
            if settings.accepts_same_program:
                whole = await self._workers.run(EXCHANGED, list(question), WORKER_LIMIT_S)
                if "broken" in whole:
                    return unmeasurable(PYTHON, "bad tests", whole["broken"])
                return await self._by_same_program(code, whole["exchange"], setup, settings)
            return unmeasurable(
                PYTHON,
                "grade",
                "a test compares objects of the candidate's own classes, which only its own process can",
            )
        grounds = [Call(test["function"]) for test in suite["grounds"]]
        if richer or grounds:
            asked = [*grounds, *(call for _, call in richer)]
            helped = await self._sandbox.run(CallsJob(suite["helper"], asked, limits=HELPER_LIMITS))
            if helped.outcome == "sandbox_error":
                return Verdict("error", detail=helped.detail, language=PYTHON)
            if helped.outcome != "done":
                # Nothing of the candidate runs there: it is the tests that do not load, or take too much.
                return unmeasurable(PYTHON, "bad tests", helped.detail)
            for test, answer in zip(suite["grounds"], helped.answers, strict=False):
                if answer != Value(True):
                    return unmeasurable(
                        PYTHON, "bad tests", f"an assertion about themselves fails: {test['text']}"
                    )
            for (at, call), answer in zip(richer, helped.answers[len(grounds) :], strict=True):
                results[at] = helped_result(tests[at], call.args, answer)
        return Verdict("measured", [r for r in results if r is not None], grade="outside", language=PYTHON)

    async def _by_exchange(
        self,
        code: str,
        exchanged: Mapping[str, Any],
        setup: str,
        settings: Settings,
        inspected: Mapping[str, Any],
    ) -> Verdict:
        job = ExchangeJob(
            exchanged["marked"],
            f"{code}\n\n{setup}" if setup else code,
            exchanged["functions"],
            set(inspected.get("asynchronous") or ()) & set(exchanged["names"]),
            exchanged["called"],
            limits=settings.limits,
        )
        ran = await self._sandbox.run(job)
        fault = fault_of(ran, 1, inspected, settings)
        if fault is not None:
            return fault
        if ran.outcome == "done":
            if not ran.asserted:
                return unmeasurable(PYTHON, "bad tests", NOTHING_ASSERTED)
            return Verdict("measured", [TestResult(True)], grade="second_job", language=PYTHON)
        failure = ran.failure
        useless = why_useless(ran)
        if useless:
            return unmeasurable(PYTHON, "bad tests", useless)
        is_more = (
            failure is not None and failure.type == "NotPlain" and failure.where in ("candidate", "test")
        )
        if failure is not None and is_more and (inspected["classes"] or failure.where == "test"):
            if settings.accepts_same_program:
                return await self._by_same_program(code, exchanged, setup, settings)
            return unmeasurable(PYTHON, "grade", f"the tests need more than plain data: {failure.message}")
        reason, got = ending_of(ran)
        line = failure.line if failure is not None and failure.where in ("test", "raised") else None
        lines = exchanged["program"].split("\n")
        text = lines[line - 1].strip() if line and line <= len(lines) else ""
        result = TestResult(False, cut(text), reason, got=got)
        return Verdict("measured", [result], grade="second_job", language=PYTHON)

    async def _by_same_program(
        self, code: str, exchanged: Mapping[str, Any], setup: str, settings: Settings
    ) -> Verdict:
        """Candidate and tests in one process. The candidate can read the tests; that their end was reached, a number says
        that it is not told, but could find."""
        word = secrets.randbits(64)
        run = (
            f"from mixwright_runtime.sandbox.guest.trial import run_beside as {ASIDE}run\n{ASIDE}asserted = {ASIDE}run("
            f"{exchanged['marked']!r}, globals(), {dict(exchanged['functions'])!r}, {list(exchanged['called'])!r})"
        )
        wanted = [Evaluate(str(word)), Evaluate(f"{ASIDE}asserted")]
        source = "\n\n".join(part for part in (code, setup, run) if part)
        ran = await self._sandbox.run(CallsJob(source, wanted, limits=settings.limits))
        if ran.outcome == "sandbox_error":
            return Verdict("error", detail=ran.detail, language=PYTHON)
        if ran.outcome == "done" and ran.answers == (Value(word), Value(0)):
            return unmeasurable(PYTHON, "bad tests", NOTHING_ASSERTED)
        if ran.outcome == "done" and ran.answers[:1] == (Value(word),):
            return Verdict("measured", [TestResult(True)], grade="same_program", language=PYTHON)
        reason, got = ending_of(ran)
        return Verdict(
            "measured", [TestResult(False, reason=reason, got=got)], grade="same_program", language=PYTHON
        )


def with_methods(inspected: Mapping[str, Any]) -> str:
    """The candidate, with its class's methods also as functions where tests call them so."""
    lines = [
        f"def {name}(*args, **kwargs):\n    return Solution().{name}(*args, **kwargs)"
        for name in inspected.get("methods") or ()
    ]
    return "\n\n".join([inspected["source"], *lines])


def _form(value: Any) -> Any:
    return form_of(value, FORM_LIMIT_BYTES)


def _root(function: str) -> str:
    return function.split(".")[0].split("(")[0]


def _data_call(function: str, call: DataCall) -> Call | Evaluate:
    if "(" not in function:
        return Call(function, call.args, dict(call.kwargs))
    given = [repr(arg) for arg in call.args] + [f"{name}={value!r}" for name, value in call.kwargs.items()]
    return Evaluate(f"{function}({', '.join(given)})")


def _plain_call(function: str, call: DataCall) -> Call:
    return Call(f"{ASIDE}apply", (function, list(call.args), dict(call.kwargs)))
