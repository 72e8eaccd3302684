"""Runs a test program as its runner would, and keeps count of what it asserted of the candidate.

The program comes marked (`mixwright_runtime/verifiers/code/watching.py`): the places that assert something call the
`Ledger` through names that start with `_mixwright_`. So a failed assertion counts though the program swallows it,
and so does every exception of the candidate that the program did not ask for: `zip(map(f, xs), ys)` ends without a
word on StopIteration.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

MODULE = "__main__"


class Unusable(BaseException):
    """The test program cannot be run here; a BaseException, so that no test swallows it."""


class Ledger:
    """What a run of a test program asserted.

    Attributes:
        asserted: assertions about the candidate that were evaluated.
        failures: (message, line) of those that did not hold, also where the program swallowed that.
        raised: exceptions of the candidate that nothing has asked for yet.
    """

    def __init__(self) -> None:
        self.asserted = 0
        self.failures: list[tuple[str, int | None]] = []
        self.raised: list[BaseException] = []

    def names(self) -> dict[str, Any]:
        """What the marks of a program call."""
        marks = (self.used, self.held, self.asked, self.failed, self.wanted, self.allowed)
        return {f"_mixwright_{mark.__name__}": mark for mark in marks}

    def used(self, value: Any) -> bool:
        """An assertion about the candidate."""
        self.asserted += 1
        return self._noted(value)

    def held(self, value: Any) -> bool:
        """An assertion about something else: whether it holds matters, but it says nothing of the candidate."""
        return self._noted(value)

    def _noted(self, value: Any) -> bool:
        is_true = bool(value)
        if not is_true:
            self.failures.append(("", sys._getframe(2).f_lineno))
        return is_true

    def asked(self, value: Any) -> Any:
        """What decides about a failure: `if f(2) != 4: raise …`, `self.assertEqual(…)` once it has returned."""
        self.asserted += 1
        return value

    def failed(self, error: Any) -> Any:
        """The error that is raised as a failed assertion."""
        self.failures.append(
            (str(error) if isinstance(error, BaseException) else "", sys._getframe(1).f_lineno)
        )
        return error

    def wanted(self, types: Any) -> Any:
        """What an `except` clause names that says the exception should come."""
        self.accept(sys.exc_info()[1], types, is_wanted=True)
        return types

    def allowed(self, types: Any) -> Any:
        """What an `except` clause names that lets the exception pass."""
        self.accept(sys.exc_info()[1], types, is_wanted=False)
        return types

    def watched(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The candidate's function, with what leaves it noted; not what it raises and catches inside."""
        depth = 0

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            depth += 1
            try:
                return function(*args, **kwargs)
            except BaseException as error:
                if depth == 1:
                    self.raised.append(error)
                raise
            finally:
                depth -= 1

        return call

    def accept(self, error: BaseException | None, types: Any, *, is_wanted: bool) -> None:
        """The exception was asked for, and with it those that led to it."""
        if not isinstance(error, types):
            return
        while error is not None:
            for at, one in enumerate(self.raised):
                if one is error:
                    del self.raised[at]
                    self.asserted += is_wanted
                    break
            error = error.__cause__ or error.__context__


def run(source: str, names: dict[str, Any], ledger: Ledger, called: Iterable[str]) -> None:
    """Load the program, then run what it leaves to a runner: `test…` functions, `Test…` classes, TestCase classes.

    `called` are the functions that it calls itself. Raises what fails; `sys.exit(0)` is an end like any other.
    """
    names.update(ledger.names(), __name__=MODULE, exit=sys.exit, quit=sys.exit)
    before = dict(names)
    _put_into_place(ledger)
    try:
        exec(compile(source, "<test>", "exec", dont_inherit=True), names)
    except SystemExit as leaving:
        _leave(leaving, ledger)
    written = {n: v for n, v in names.items() if n not in called and before.get(n) is not v}
    try:
        _run_collected(written)
    except SystemExit as leaving:
        _leave(leaving, ledger)


def run_beside(source: str, names: dict[str, Any], functions: dict[str, str], called: Iterable[str]) -> int:
    """Run the program among the candidate's own names, in one process; the assertions that were evaluated.

    Raises what fails, also where the program passes over it. The candidate can read the tests.
    """
    from mixwright_runtime.sandbox.guest.calls import found

    ledger = Ledger()
    for name, path in functions.items():
        if path != name:
            names[name] = lambda *args, _path=path, **kwargs: found(_path, names)(*args, **kwargs)
        if inspect.isfunction(names.get(name)):
            names[name] = ledger.watched(names[name])
    names["_mixwright_module"] = SimpleNamespace(**{name: names[name] for name in functions if name in names})
    run(source, names, ledger, called)
    if ledger.raised:
        raise ledger.raised[0]
    if ledger.failures:
        raise AssertionError(ledger.failures[0][0])
    return ledger.asserted


def _leave(leaving: SystemExit, ledger: Ledger) -> None:
    if leaving.code not in (None, 0, False) or any(leaving is error for error in ledger.raised):
        raise leaving


def _put_into_place(ledger: Ledger) -> None:
    """The stand-in for pytest, and unittest telling the ledger what it expected. Neither is imported for it."""
    modules: dict[str, Any] = sys.modules
    modules["pytest"] = Pytest(ledger)
    finder = sys.meta_path
    if "unittest" in sys.modules:
        _watch_unittest(ledger)
    else:
        finder.insert(0, _Unittest(ledger))
    import contextlib

    leave = contextlib.suppress.__exit__

    def suppressed(self: Any, kind: Any, error: Any, trace: Any) -> Any:
        if error is not None and not any(t in (Exception, BaseException) for t in self._exceptions):
            ledger.accept(error, self._exceptions, is_wanted=False)
        return leave(self, kind, error, trace)

    contextlib.suppress.__exit__ = suppressed  # type: ignore[method-assign]


class _Unittest:
    """Watches for the import of unittest, whose own import takes longer than most jobs."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        if name == "unittest":
            sys.meta_path.remove(self)
            _watch_unittest(self._ledger)


def _watch_unittest(ledger: Ledger) -> None:
    import unittest
    import unittest.case

    class Failed(AssertionError):
        """A failed assertion counts where it is made."""

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            ledger.failures.append((str(args[0]) if args else "", None))

    Failed.__name__ = Failed.__qualname__ = "AssertionError"
    unittest.TestCase.failureException = Failed
    context: Any = unittest.case._AssertRaisesContext
    leave = context.__exit__

    def left(self: Any, kind: Any, error: Any, trace: Any) -> Any:
        is_expected = leave(self, kind, error, trace)
        if is_expected:
            ledger.accept(error, BaseException, is_wanted=True)
        return is_expected

    context.__exit__ = left
    unittest.main = unittest.TestProgram = lambda *args, **kwargs: None  # type: ignore[misc, assignment]


def _run_collected(written: dict[str, Any]) -> None:
    fixtures = _Fixtures(written)
    for name, value in written.items():
        if getattr(value, "__module__", None) != MODULE:
            continue
        if inspect.isclass(value):
            if _is_case(value):
                _run_case(value)
            elif name.startswith("Test") and "__init__" not in vars(value):
                _run_class(value, fixtures)
        elif name.startswith("test") and inspect.isfunction(value):
            _run_function(value, fixtures, None)


def _is_case(kind: type) -> bool:
    return any(base.__name__ == "TestCase" and base.__module__ == "unittest.case" for base in kind.__mro__)


def _run_case(kind: type) -> None:
    import unittest

    class Result(unittest.TestResult):
        def addError(self, test: Any, err: Any) -> None:
            found.append(err[1])

        def addFailure(self, test: Any, err: Any) -> None:
            found.append(err[1])

        def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:
            if err is not None:
                found.append(err[1])

    found: list[BaseException] = []
    unittest.defaultTestLoader.loadTestsFromTestCase(kind).run(Result())
    if found:
        raise found[0]


def _run_class(kind: type, shared: _Fixtures) -> None:
    fixtures = _Fixtures(vars(kind), shared)
    made = kind()
    _call_if_there(kind, "setup_class")
    for name, function in [pair for base in reversed(kind.__mro__) for pair in vars(base).items()]:
        if not name.startswith("test") or not callable(function) or getattr(kind, name, None) is not function:
            continue
        made = kind()
        _call_if_there(made, "setup_method", function)
        _run_function(function, fixtures, made, getattr(kind, "_mixwright_cases", ()))
        _call_if_there(made, "teardown_method", function)
    _call_if_there(made, "teardown_class")


def _call_if_there(owner: Any, name: str, *args: Any) -> None:
    function = getattr(owner, name, None)
    if function is not None:
        function(*args[: len(inspect.signature(function).parameters)])


def _run_function(function: Any, fixtures: _Fixtures, owner: Any, more_cases: Any = ()) -> None:
    """A test function once for each of its parameters' values."""
    if getattr(function, "_mixwright_is_skipped", False):
        return
    wanted = list(inspect.signature(function).parameters.values())[owner is not None :]
    parametrized = [*getattr(function, "_mixwright_cases", ()), *more_cases]
    for case in _combined(parametrized):
        values = dict(case)
        with _Opened(fixtures, owner, values) as opened:
            for name in (*fixtures.automatic(), *getattr(function, "_mixwright_fixtures", ())):
                opened.value_of(name)
            for parameter in wanted:
                if parameter.name not in values and parameter.default is inspect.Parameter.empty:
                    values[parameter.name] = opened.value_of(parameter.name)
            given = {p.name: values[p.name] for p in wanted if p.name in values}
            result = function(*(() if owner is None else (owner,)), **given)
            if inspect.iscoroutine(result):
                import asyncio

                asyncio.run(result)


def _combined(parametrized: list[list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    if not parametrized:
        yield {}
        return
    for case in parametrized[0]:
        for rest in _combined(parametrized[1:]):
            yield {**case, **rest}


class _Fixtures:
    """The fixtures of a module or a class, by name."""

    def __init__(self, names: Any, outer: _Fixtures | None = None) -> None:
        self.found: dict[str, Any] = dict(outer.found) if outer else {}
        self.found |= {
            value._mixwright_fixture["name"] or name: value
            for name, value in dict(names).items()
            if inspect.isfunction(value) and hasattr(value, "_mixwright_fixture")
        }

    def automatic(self) -> list[str]:
        return [name for name, value in self.found.items() if value._mixwright_fixture["autouse"]]


class _Opened:
    """The fixtures of one test, made when they are asked for and closed at its end."""

    def __init__(self, fixtures: _Fixtures, owner: Any, values: dict[str, Any]) -> None:
        self._fixtures = fixtures
        self._owner = owner
        self._values = values
        self._open: list[Any] = []

    def __enter__(self) -> _Opened:
        return self

    def __exit__(self, *error: Any) -> None:
        for generator in reversed(self._open):
            next(generator, None)

    def value_of(self, name: str) -> Any:
        if name in self._values:
            return self._values[name]
        function = self._fixtures.found.get(name)
        if function is None:
            raise Unusable(f"the fixture `{name}` is not known here")
        parameters = list(inspect.signature(function).parameters)
        is_method = self._owner is not None and parameters[:1] == ["self"]
        given = {p: self.value_of(p) for p in parameters[is_method:]}
        made = function(*((self._owner,) if is_method else ()), **given)
        if inspect.isgenerator(made):
            self._open.append(made)
            made = next(made)
        self._values[name] = made
        return made


class Pytest:
    """What tests use of pytest, without it."""

    __name__ = "pytest"
    __path__: tuple[str, ...] = ()

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.mark = _Mark()
        self.__spec__ = None
        self.approx = _Approx

    def __getattr__(self, name: str) -> Any:
        raise Unusable(f"`pytest.{name}` is not known here")

    def raises(self, types: Any, *args: Any, match: Any = None, **kwargs: Any) -> Any:
        context = _Raises(self._ledger, types, match)
        if not args:
            return context
        with context as info:
            args[0](*args[1:], **kwargs)
        return info

    def fail(self, reason: str = "", pytrace: bool = True, **more: Any) -> None:
        raise self._ledger.failed(AssertionError(reason))

    def skip(self, reason: str = "", **more: Any) -> None:
        raise Unusable("a test skips itself")

    def importorskip(self, name: str, *args: Any, **more: Any) -> Any:
        import importlib

        return importlib.import_module(name)

    def main(self, *args: Any, **more: Any) -> int:
        return 0

    def fixture(
        self, function: Any = None, *, name: str = "", autouse: bool = False, params: Any = None, **more: Any
    ) -> Any:
        if params is not None:
            raise Unusable("a fixture with parameters")

        def marked(made: Any) -> Any:
            made._mixwright_fixture = {"name": name, "autouse": autouse}
            return made

        return marked if function is None or isinstance(function, str) else marked(function)

    def param(self, *values: Any, **more: Any) -> Any:
        return _Param(values)


class _Param(tuple[Any, ...]):
    """The values of one `pytest.param`."""

    def __new__(cls, values: Any) -> _Param:
        return super().__new__(cls, values)


class _Mark:
    def parametrize(self, names: Any, values: Any, **more: Any) -> Any:
        if isinstance(names, str):
            names = [name.strip() for name in names.split(",") if name.strip()]
        if more.get("indirect"):
            raise Unusable("indirect parameters")
        cases = []
        for value in values:
            row = value if isinstance(value, _Param) or len(names) > 1 else (value,)
            cases.append(dict(zip(names, row, strict=True)))

        def marked(function: Any) -> Any:
            function._mixwright_cases = [cases, *getattr(function, "_mixwright_cases", ())]
            return function

        return marked

    def usefixtures(self, *names: str) -> Any:
        def marked(function: Any) -> Any:
            function._mixwright_fixtures = names
            return function

        return marked

    def skip(self, *args: Any, **more: Any) -> Any:
        return self._skipped(args)

    def xfail(self, *args: Any, **more: Any) -> Any:
        return self._skipped(args)

    def skipif(self, condition: Any, *args: Any, **more: Any) -> Any:
        return self._skipped(()) if condition else (lambda function: function)

    def _skipped(self, args: Any) -> Any:
        def marked(function: Any) -> Any:
            function._mixwright_is_skipped = True
            return function

        return marked(args[0]) if args and callable(args[0]) else marked

    def __getattr__(self, name: str) -> Any:
        # A mark that only sorts tests: `@pytest.mark.slow`, `@pytest.mark.asyncio`, `@pytest.mark.timeout(5)`.
        return lambda *args, **more: args[0] if args and callable(args[0]) else (lambda function: function)


class _Raises:
    def __init__(self, ledger: Ledger, types: Any, match: Any) -> None:
        self._ledger = ledger
        self._types = types
        self._match = match
        self._failures = 0
        self.value: Any = None
        self.type: Any = None

    def __enter__(self) -> _Raises:
        self._failures = len(self._ledger.failures)
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        if error is None:
            raise self._ledger.failed(AssertionError(f"did not raise {self._types}"))
        if not isinstance(error, self._types):
            return False
        self.value, self.type = error, kind
        if self._match is not None:
            self.match(self._match)
        # An assertion that should fail here has.
        del self._ledger.failures[self._failures :]
        self._ledger.accept(error, BaseException, is_wanted=True)
        return True

    def match(self, pattern: Any) -> bool:
        import re

        if re.search(pattern, str(self.value)) is None:
            raise self._ledger.failed(AssertionError(f"{pattern!r} does not match {str(self.value)!r}"))
        return True


class _Approx:
    """Equal to a number, or to numbers in lists, tuples and dicts, within a relative 1e-6 or an absolute 1e-12."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, expected: Any, rel: Any = None, abs: Any = None, nan_ok: bool = False) -> None:
        self._expected, self._rel, self._abs, self._nan_ok = expected, rel, abs, nan_ok

    def __eq__(self, got: Any) -> bool:
        return self._is_close(got, self._expected)

    def __ne__(self, got: Any) -> bool:
        return not self._is_close(got, self._expected)

    def __repr__(self) -> str:
        return f"approx({self._expected!r})"

    def _is_close(self, got: Any, expected: Any) -> bool:
        if isinstance(expected, dict):
            return (
                isinstance(got, dict)
                and got.keys() == expected.keys()
                and all(self._is_close(got[key], value) for key, value in expected.items())
            )
        if isinstance(expected, (list, tuple)):
            return (
                isinstance(got, (list, tuple))
                and len(got) == len(expected)
                and all(map(self._is_close, got, expected))
            )
        if isinstance(expected, (bool, str, bytes)) or expected is None or isinstance(got, bool):
            return bool(got == expected)
        if not isinstance(got, (int, float, complex)):
            return bool(got == expected)
        if got == expected:
            return True
        if expected != expected:
            return self._nan_ok and got != got
        if expected in (float("inf"), float("-inf")):
            return False
        relative = self._rel if self._rel is not None else (0 if self._abs is not None else 1e-6)
        absolute = self._abs if self._abs is not None else 1e-12
        return bool(abs_of(got - expected) <= max(relative * abs_of(expected), absolute))


abs_of: Callable[[Any], Any] = abs
