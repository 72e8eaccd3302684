"""What the `tests` of a row are, read from whatever a data set has there.

text                                          a test program in the candidate's language
[text, …]                                     assertions of one test program (MBPP)
[{input, output}, …]                          programs: standard input, and the standard output it must lead to
[{args, expected}, …]                         calls of the entry point (also kwargs, function)
[{input, output, fn_name | type}, …]          calls: `input` is a list of arguments, or has one as JSON in each line
{inputs: […], outputs: […], fn_name?}         the same in the form of APPS and TACO; with `fn_name` calls, else programs
[{setup?, expected}, …]                       SQL: statements before the query, and the rows that it must give
[{setup?, reference}, …]                      SQL: the same with a query that gives the right rows
text that is JSON                             any of these
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

CALLABLE = re.compile(r"[^\W\d]\w*(\(\))?(\.[^\W\d]\w*(\(\))?)*")
"""`f`, `Solution.f`, `Solution().f`."""
_METHOD = re.compile(r"([A-Z]\w*)\.([^\W\d]\w*)")
_OF_MODULE = re.compile(r"(?:solution|candidate|main)\.(?=.)")
_CALLED = re.compile(r"[^\WA-Z\d]\w*\(\)")
TESTS_LIMIT = 5_000
TEXT_LIMIT = 2_000_000
"""Characters of a test program."""

_INPUT = ("input", "stdin")
_OUTPUT = ("output", "stdout", "expected_output")
_TYPE = ("testtype", "test_type", "type")
_FUNCTION = ("function", "fn_name", "func_name", "function_name", "entry_point")
_PROGRAMS = ("stdin", "stdio", "stdin_stdout", "standard_input", "input_output", "program")
_CALLS = ("functional", "function_call", "function", "call", "call_based", "fn_call")


class BadTests(ValueError):
    """The tests cannot be used; the message says why."""


@dataclass(frozen=True)
class ProgramTests:
    """A test program in the candidate's language."""

    text: str


@dataclass(frozen=True)
class StdioTest:
    stdin: str
    stdout: str


@dataclass(frozen=True)
class StdioTests:
    tests: tuple[StdioTest, ...]


@dataclass(frozen=True)
class DataCall:
    """One call, as data. `may_be_wrapped`: APPS puts some expected values into a list of one. `may_be_named`: the one
    argument is an object that may be the arguments by their names, which the candidate's parameters tell."""

    args: tuple[Any, ...]
    expected: Any
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    function: str = ""
    may_be_wrapped: bool = False
    may_be_named: bool = False

    def taken_by(self, parameters: Sequence[str]) -> DataCall:
        """The call as it is meant to a function with these parameters."""
        if not self.may_be_named or not self.args[0].keys() <= set(parameters):
            return self
        return replace(self, args=(), kwargs=self.args[0], may_be_named=False)


@dataclass(frozen=True)
class DataCalls:
    tests: tuple[DataCall, ...]


@dataclass(frozen=True)
class SqlTest:
    """`expected`: rows as lists; None where `reference` gives them. `is_ordered`: the order of rows counts."""

    setup: str
    expected: tuple[tuple[Any, ...], ...] | None
    reference: str = ""
    is_ordered: bool | None = None


@dataclass(frozen=True)
class SqlTests:
    tests: tuple[SqlTest, ...]


Suite: TypeAlias = ProgramTests | StdioTests | DataCalls | SqlTests


def suite_of(value: object, language: str) -> Suite:
    """The tests that a column holds.

    Raises:
        BadTests: none, too many, or of no form that is known.
    """
    if isinstance(value, str):
        return _of_text(value, language)
    if isinstance(value, Mapping):
        value = _paired(value)
    if not isinstance(value, Sequence) or isinstance(value, bytes) or not value:
        raise BadTests("no tests")
    if len(value) > TESTS_LIMIT:
        raise BadTests(f"{len(value):,} tests, at most {TESTS_LIMIT:,} are run")
    if all(isinstance(test, str) for test in value):
        return _of_text("\n".join(value), language)
    if not all(isinstance(test, Mapping) for test in value):
        raise BadTests("tests that are neither texts nor objects")
    if language == "sql":
        return SqlTests(tuple(_sql(test) for test in value))
    kinds = {_kind_of(test) for test in value}
    if len(kinds) > 1:
        raise BadTests("some tests are programs with standard input, and others calls")
    if kinds == {"program"}:
        return StdioTests(
            tuple(StdioTest(_text(_first(t, _INPUT)), _text(_first(t, _OUTPUT))) for t in value)
        )
    return DataCalls(tuple(_call(test) for test in value))


def callable_of(entry_point: str, code: str, suite: Suite) -> str:
    """What a Python candidate is called as, where an entry point is written in another way: `solution.f` is `f` of the
    candidate's module, and `Solution.f` a method of an object, unless the code makes it one of the class.

    Raises:
        BadTests: it is a call, as `f()`, and the tests call that: it may mean the function or what this gives.
    """
    name = _OF_MODULE.sub("", entry_point.strip())
    if _CALLED.fullmatch(name):
        if isinstance(suite, ProgramTests) and "check" not in suite.text:
            return name.removesuffix("()")
        raise BadTests(f"the entry point `{name[:60]}` is a call; write the name of the function alone")
    method = _METHOD.fullmatch(name)
    if method is None:
        return name
    is_of_class = re.search(rf"@(?:static|class)method\s+(?:async\s+)?def\s+{method[2]}\b", code)
    return name if is_of_class else f"{method[1]}().{method[2]}"


def _kind_of(test: Mapping[str, object]) -> Literal["program", "call"]:
    """What one test is, by what it says, else by what it has.

    Raises:
        BadTests: it says something else, or its values are those of neither.
    """
    said = next((str(test[name]) for name in _TYPE if isinstance(test.get(name), str)), "")
    kind = said.lower().replace("-", "_").replace(" ", "_")
    if kind and kind not in (*_PROGRAMS, *_CALLS):
        raise BadTests(f"tests of the type `{said[:60]}` are not known; `functional` and `stdin` are")
    output = _first(test, _OUTPUT)
    if "expected" not in test and output is None and not any(name in test for name in _OUTPUT):
        raise BadTests("a test needs `output`, or `args` and `expected`")
    if kind in _CALLS:
        return "call"
    if kind in _PROGRAMS or (output is not None and "expected" not in test):
        if not kind and _first(test, _FUNCTION):
            return "call"
        if not kind and not _is_text(output):
            raise BadTests("an `output` that is no text: `args` and `expected` are a call, or say `type`")
        if output is None:
            raise BadTests("a test needs `output`")
        return "program"
    return "call"


def _is_text(value: object) -> bool:
    return isinstance(value, str | int | float) or (
        isinstance(value, list) and all(isinstance(line, str | int | float) for line in value)
    )


def _of_text(text: str, language: str) -> Suite:
    stripped = text.strip()
    if not stripped:
        raise BadTests("no tests")
    if len(text) > TEXT_LIMIT:
        raise BadTests(f"{len(text):,} characters of tests, at most {TEXT_LIMIT:,} are read")
    if stripped[0] in "[{":
        try:
            value = json.loads(stripped)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, list | dict) and value:
            return suite_of(value, language)
    if language == "sql":
        raise BadTests("SQL is tested by objects with `expected` or `reference`")
    return ProgramTests(text)


def _paired(value: Mapping[str, object]) -> list[dict[str, Any]]:
    """`{inputs, outputs}` as a list of tests; an object that is one test as a list of it."""
    inputs, outputs = value.get("inputs"), value.get("outputs")
    if not isinstance(inputs, list) or not isinstance(outputs, list):
        return [dict(value)]
    if len(inputs) != len(outputs):
        raise BadTests(f"{len(inputs)} inputs and {len(outputs)} outputs")
    name = value.get("fn_name")
    if not name:
        return [{"input": i, "output": o} for i, o in zip(inputs, outputs, strict=True)]
    return [
        {"args": i, "expected": o, "function": str(name), "may_be_wrapped": True}
        for i, o in zip(inputs, outputs, strict=True)
    ]


def _call(test: Mapping[str, object]) -> DataCall:
    args = test.get("args")
    is_given_as_input = args is None
    if is_given_as_input:
        args = _first(test, _INPUT)
        if isinstance(args, str) and "expected" not in test:
            args = [_json(line) for line in args.strip("\n").split("\n")]
    may_be_named = isinstance(args, Mapping) and bool(args) and not test.get("kwargs")
    if not isinstance(args, list | tuple):
        args = () if args is None else (args,)
    kwargs = test.get("kwargs") or {}
    if not isinstance(kwargs, Mapping):
        raise BadTests("`kwargs` that is no object")
    expected = test["expected"] if "expected" in test else _first(test, _OUTPUT)
    if "expected" not in test and isinstance(expected, str) and isinstance(_first(test, _INPUT), str):
        expected = _json(expected)
    name = _first(test, _FUNCTION) or ""
    if not isinstance(name, str) or (name and CALLABLE.fullmatch(name) is None):
        raise BadTests(f"`{str(name)[:60]}` is no name of a function, and no `Class().method`")
    may_be_wrapped = test.get("may_be_wrapped") is True or (is_given_as_input and "expected" not in test)
    return DataCall(tuple(args), expected, dict(kwargs), name, may_be_wrapped, may_be_named)


def _json(text: str) -> Any:
    """A value in one line of an input.

    Raises:
        BadTests: it is no JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadTests(f"an argument or value that is no JSON: {text[:60]}") from None


def _sql(test: Mapping[str, object]) -> SqlTest:
    expected, reference = test.get("expected"), str(test.get("reference") or "")
    ordered = test.get("ordered")
    if expected is None and not reference:
        raise BadTests("a SQL test needs `expected` rows or a `reference` query")
    if expected is not None and not isinstance(expected, list | tuple):
        raise BadTests("`expected` of a SQL test is a list of rows")
    rows = None
    if expected is not None:
        rows = tuple(
            tuple(row.values())
            if isinstance(row, Mapping)
            else tuple(row)
            if isinstance(row, list | tuple)
            else (row,)
            for row in expected
        )
    return SqlTest(
        str(test.get("setup") or ""), rows, reference, ordered if isinstance(ordered, bool) else None
    )


def _first(test: Mapping[str, object], names: Sequence[str]) -> Any:
    return next((test[name] for name in names if test.get(name) is not None), None)


def _text(value: object) -> str:
    """Standard input or output as text: lists are lines, as in APPS."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(_text(line) for line in value)
    return value if isinstance(value, str) else json.dumps(value)
