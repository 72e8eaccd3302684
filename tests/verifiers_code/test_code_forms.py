"""Forms of tests, entry points, packages and answers that data sets really have: understood, or bad tests by name."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mixwright_runtime.errors import RunError
from mixwright_runtime.sandbox.pool import Sandbox
from mixwright_runtime.verifiers.code.judge import CodeJudge, Question
from mixwright_runtime.workers.pool import WorkerPool

ADD = "def add(a, b):\n    return a + b"
WRONG = "def add(a, b):\n    return a - b"
METHOD = "class Solution:\n    def add(self, a, b):\n        return a + b"
CALLS: list[Any] = [
    [{"input": "2\n3", "output": "5", "testtype": "functional"}],
    [{"input": '"ab"\n"c"', "output": '"abc"', "testtype": "functional"}],
    [{"fn_name": "add", "input": [2, 3], "output": 5, "type": "function_call"}],
    [{"fn_name": "add", "input": [2, 3], "output": [5], "type": "function_call"}],
    [{"fn_name": "add", "input": [2, 3], "output": 5}],
    [{"function": "add", "args": [2, 3], "expected": 5}],
    [{"function": "add", "args": {"a": 2, "b": 3}, "expected": 5}],
    [{"fn_name": "add", "input": {"b": 3, "a": 2}, "output": 5, "type": "function_call"}],
    [{"input": [2, 3], "expected": 5}],
    [{"args": [2, 3], "expected": 5, "type": "call"}],
    {"fn_name": "add", "inputs": [[2, 3]], "outputs": [5]},
    "def check(candidate):\n    assert candidate(2, 3) == 5",
    "def check(candidate):\n    xs = [2]\n    while xs:\n        assert candidate(a=xs.pop(), b=3) == 5",
]


@pytest.mark.parametrize("tests", CALLS)
def test_calls_in_the_forms_of_data_sets(judged: Any, tests: Any) -> None:
    if "abc" not in str(tests):
        assert judged(WRONG, tests, entry_point="add").score == 0.0
    for program in (ADD, METHOD):
        verdict = judged(program, tests, entry_point="add")
        assert (verdict.outcome, verdict.score) == ("measured", 1.0), verdict


@pytest.mark.parametrize("tests", CALLS[-2:])
@pytest.mark.parametrize(
    ("entry_point", "program"),
    [
        ("Solution().add", METHOD),
        ("Solution.add", METHOD),
        ("solution.add", ADD),
        ("Solution.add", METHOD.replace("    def", "    @staticmethod\n    def").replace("self, ", "")),
    ],
)
def test_an_entry_point_is_called_as_it_is_written(
    judged: Any, tests: Any, entry_point: str, program: str
) -> None:
    assert judged(program, tests, entry_point=entry_point).score == 1.0
    assert judged(program.replace("+", "-"), tests, entry_point=entry_point).score == 0.0


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        ([{"input": "1", "output": "1", "testtype": "interactive"}], "`interactive` are not known"),
        ([{"input": "1", "output": "1"}, {"args": [1], "expected": 1}], "and others calls"),
        ([{"input": "1", "output": {"a": 1}}], "no text"),
        ([{"input": "{", "output": "1", "type": "functional"}], "no JSON"),
        ([{"input": [1], "output": 1, "fn_name": "add(1) or f"}], "no name of a function"),
        ([{"question": "1"}], "needs `output`"),
        ([{"input": "1", "output": "1", "type": "stdin"}, {"input": "1", "output": "1", "type": "x"}], "`x`"),
    ],
)
def test_forms_that_are_not_known_are_bad_tests(judged: Any, tests: Any, said: str) -> None:
    verdict = judged(ADD, tests, entry_point="add")
    assert (verdict.outcome, verdict.reason) == ("unmeasurable", "bad tests") and said in verdict.detail


@pytest.mark.parametrize("entry_point", ["two sum", "add()", "add()()", "(lambda a: a)", "add; x", "1"])
def test_an_entry_point_that_is_no_name_is_bad_tests(judged: Any, entry_point: str) -> None:
    verdict = judged(ADD, "def check(candidate):\n    assert candidate(2, 3) == 5", entry_point=entry_point)
    assert (verdict.outcome, verdict.reason) == ("unmeasurable", "bad tests")


def test_a_call_as_an_entry_point_does_no_harm_where_tests_do_not_go_by_it(judged: Any) -> None:
    assert judged(ADD, ["assert add(2, 3) == 5"], entry_point="add()").score == 1.0
    script = "def main():\n    print(int(input()) + 1)\nmain()"
    assert judged(script, [{"input": "4", "output": "5"}], entry_point="main()").score == 1.0


def test_an_object_is_one_argument_where_its_keys_are_no_parameters(judged: Any) -> None:
    tests = [{"fn_name": "largest", "input": {"a": 2, "b": 3}, "output": "b", "type": "function_call"}]
    assert judged("def largest(counts):\n    return max(counts, key=counts.get)", tests).score == 1.0


LATE = "def add(a, b):\n    import nowhere_to_be_found\n    return a + b"
EARLY = "import nowhere_to_be_found as n\n" + ADD
PRINTS = "import nowhere_to_be_found\nprint(5)"


@pytest.mark.parametrize(
    ("program", "tests"),
    [
        (EARLY, ["assert add(2, 3) == 5"]),
        (LATE, ["assert add(2, 3) == 5"]),
        (LATE, "xs = [2]\nwhile xs:\n    assert add(xs.pop(), 3) == 5"),
        (EARLY, [{"args": [2, 3], "expected": 5}]),
        (LATE, [{"args": [2, 3], "expected": 5}]),
        (PRINTS, [{"input": "", "output": "5"}]),
    ],
)
def test_a_package_that_the_box_lacks_says_nothing_of_the_program(
    judged: Any, program: str, tests: Any
) -> None:
    verdict = judged(program, tests, entry_point="add")
    assert (verdict.outcome, verdict.reason) == ("unmeasurable", "missing package")
    assert verdict.detail == "the box has no `nowhere_to_be_found`"


@pytest.mark.parametrize(
    "program",
    [
        "import Queue\n" + ADD,
        "import collections.nothing\n" + ADD,
        "def add(a, b):\n    raise ModuleNotFoundError(\"No module named 'numpy'\")",
        "import sys\nprint(\"ModuleNotFoundError: No module named 'numpy'\", file=sys.stderr)\nsys.exit(1)",
        "try:\n    import nowhere_to_be_found\nexcept ImportError:\n    pass\n" + WRONG,
    ],
)
def test_other_failures_of_import_are_the_programs_own(judged: Any, program: str) -> None:
    assert judged(program, ["assert add(2, 3) == 5"], entry_point="add").score == 0.0
    assert judged(program, [{"input": "", "output": "5"}]).score == 0.0


HELPER = "def plus(a, b):\n    return a + b"
USES = "def add(a, b):\n    return plus(a, b)"


def blocks(*texts: str) -> str:
    return "\n\nand then\n\n".join(f"```python\n{text}\n```" for text in texts)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        (blocks(HELPER, USES), 1.0),
        (blocks("ONE = 1", f"{HELPER} * ONE", USES), 1.0),
        (blocks("from operator import add as plus", USES), 1.0),
        # A block that the chosen one does not need is not run.
        (blocks("plus = None\nraise SystemExit", HELPER + "\n" + USES), 1.0),
        (blocks("a = 5\nprint(add(1, 2))", ADD), 1.0),
        (blocks(WRONG, ADD), 1.0),
        (blocks(ADD, WRONG), 0.0),
        (blocks("def minus(a, b):\n    return a - b", USES), 0.0),
        (blocks(HELPER, "def add(a, b:"), 0.0),
        # What is defined behind the program helps it as well; a trial of it that comes last does not run.
        (blocks(USES, HELPER), 1.0),
        (blocks(USES, f"{HELPER} * ONE", "ONE = 1"), 1.0),
        (blocks(USES, HELPER + "\nprint(add(1, 2))"), 1.0),
        (blocks(ADD, "print(add(int(input()), 1))"), 1.0),
    ],
)
def test_a_program_in_several_blocks(judged: Any, answer: str, score: float) -> None:
    assert judged(answer, ["assert add(2, 3) == 5"], entry_point="add").score == score


def test_a_script_in_two_blocks(judged: Any) -> None:
    answer = blocks(HELPER, "print(plus(*map(int, input().split())))")
    assert judged(answer, [{"input": "2 3", "output": "5"}]).score == 1.0


def test_packages_that_are_declared_are_there_from_the_start(tmp_path: Path) -> None:
    """Those of the environment that runs this; what is missing fails the start, not a program."""

    async def main() -> list[Any]:
        found: list[Any] = []
        for package in ("packaging", "nowhere_to_be_found"):
            sandbox, workers = Sandbox(size=1), WorkerPool(1)
            judge = CodeJudge(lambda s=sandbox: s, lambda w=workers: w, cache=tmp_path, packages=[package])  # type: ignore[misc]
            try:
                await judge.prepare()
                source = "def f(x):\n    import packaging.version as v\n    return v.Version(x).major"
                found.append((await judge.verdict(Question(source, "assert f('3.1') == 3"))).score)
            except RunError as error:
                found.append(str(error))
            finally:
                await workers.close()
                await sandbox.close()
        return found

    score, said = asyncio.run(main())
    assert score == 1.0
    assert said.startswith("the sandbox has no package `nowhere_to_be_found`")
