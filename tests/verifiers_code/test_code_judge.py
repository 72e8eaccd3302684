"""Verdicts on Python programs, through the real sandbox."""

from __future__ import annotations

from typing import Any

import pytest

DOUBLE = "def double(x):\n    return 2 * x\n"
TESTS = "assert double(2) == 4\nassert double('ab') == 'abab'\nassert double(0.5) == 1.0\n"


def summary(verdict: Any) -> tuple[Any, ...]:
    evidence = verdict.evidence()
    return verdict.outcome, verdict.score, evidence.get("reason"), evidence.get("grade")


def test_a_right_program_passes_every_test(judged: Any) -> None:
    verdict = judged(f"Sure:\n```python\n{DOUBLE}```", TESTS)
    assert verdict.evidence() == {
        "language": "python",
        "passed": 3,
        "of": 3,
        "grade": "outside",
        "results": "111",
    }
    assert verdict.score == 1.0


def test_a_wrong_program_is_told_what_was_expected_and_what_came(judged: Any) -> None:
    verdict = judged("def double(x):\n    return x + 2\n", TESTS)
    assert verdict.score == 1 / 3
    assert verdict.evidence()["failed"] == [
        {
            "test": "assert double('ab') == 'abab'",
            "reason": "raised",
            "got": 'TypeError: can only concatenate str (not "int") to str',
        },
        {"test": "assert double(0.5) == 1.0", "reason": "wrong", "expected": "1.0", "got": "2.5"},
    ]


@pytest.mark.parametrize(
    ("answer", "tests", "outcome"),
    [
        ("", TESTS, ("unmeasurable", None, "no code", None)),
        ("```cpp\nint f();\n```", TESTS, ("unmeasurable", None, "no code", None)),
        ("I cannot help with that.", TESTS, ("measured", 0.0, "does not parse", None)),
        ("def double(x:\n", TESTS, ("measured", 0.0, "does not parse", None)),
        ("def twice(x):\n    return 2 * x\n", TESTS, ("measured", 0.0, "no entry point", None)),
        ("import nothing_like_it\n" + DOUBLE, TESTS, ("unmeasurable", None, "missing package", None)),
        ("raise SystemExit(0)\n" + DOUBLE, TESTS, ("measured", 0.0, "does not load", "outside")),
        ("def double(x):\n    while True: pass\n", TESTS, ("measured", 0.0, "timeout", "outside")),
        ("def double(x):\n    return [0] * 10**10\n", TESTS, ("measured", 0.0, "raised", "outside")),
        (DOUBLE, "assert double(", ("unmeasurable", None, "bad tests", None)),
        (DOUBLE, "", ("unmeasurable", None, "bad tests", None)),
        (DOUBLE, None, ("unmeasurable", None, "bad tests", None)),
        (DOUBLE, "assert double(2) == undefined_thing(3)", ("measured", 0.0, "no entry point", None)),
        (
            DOUBLE,
            "def want(x):\n    return 1 / 0\nassert double(2) == want(2)",
            ("measured", 0.0, "wrong", "outside"),
        ),
        (
            DOUBLE,
            "import gone_from_the_library\nassert double(2) == 4",
            ("unmeasurable", None, "bad tests", None),
        ),
    ],
)
def test_what_cannot_pass_says_why(judged: Any, answer: str, tests: Any, outcome: tuple[Any, ...]) -> None:
    found = summary(judged(answer, tests, time_limit_s=1.0))
    assert found == outcome


CHEATS = {
    "exit 0": "import os\ndef double(x):\n    os._exit(0)\n",
    "exit at import": "import sys\nsys.exit(0)\n",
    "equal to everything": "class E(int):\n    def __eq__(self, o): return True\n    __hash__ = int.__hash__\n"
    "def double(x):\n    return E(7)\n",
    "equal list": "class L(list):\n    def __eq__(self, o): return True\ndef double(x):\n    return L()\n",
    "rebound built-ins": "import builtins\nbuiltins.AssertionError = Exception\nbuiltins.exec = print\n"
    "builtins.isinstance = lambda *a: True\nbuiltins.abs = lambda x: 0\ndef double(x):\n    return None\n",
    "frame walk": "import sys\ndef double(x):\n    frame = sys._getframe()\n    while frame:\n"
    "        for name, value in frame.f_locals.items():\n"
    "            if name in ('expected', 'check', 'tests'): return value\n"
    "        frame = frame.f_back\n",
    "forged frames": "import os\ndef double(x):\n    for fd in range(3, 64):\n"
    "        try: os.write(fd, b'[\"value\", 4]\\n' * 9)\n"
    "        except OSError: pass\n    os._exit(0)\n",
    "reads its caller": "def double(x):\n    import gc\n    for o in gc.get_objects():\n"
    "        if isinstance(o, dict) and 'expected' in o: return o['expected']\n",
    "trace": "import sys\nsys.settrace(lambda *a: None)\ndef double(x):\n    return True\n",
    "kills itself": "import os, signal\ndef double(x):\n    os.kill(os.getpid(), signal.SIGKILL)\n",
    "not a number": "def double(x):\n    return float('nan')\n",
    "prints success": "def double(x):\n    print('ALL TESTS PASSED')\n",
}


@pytest.mark.parametrize("name", CHEATS)
@pytest.mark.parametrize(
    ("grade", "tests"),
    [
        ("outside", "assert double(2) == 4"),
        ("outside", "assert abs(double(0.3) - 0.6) < 1e-9"),
        ("outside", "want = sorted([4])\nassert [double(2)] == want"),
        (
            "second_job",
            "import random\nfor _ in range(3):\n    x = random.randint(1, 9)\n    assert double(x) == x + x",
        ),
    ],
)
def test_cheats_do_not_pass(judged: Any, name: str, grade: str, tests: str) -> None:
    verdict = judged(CHEATS[name], tests)
    assert verdict.outcome == "measured" and verdict.score == 0.0
    assert judged(DOUBLE, tests).evidence() == {
        "language": "python", "passed": 1, "of": 1, "grade": grade, "results": "1",
    }  # fmt: skip


def test_humaneval_form_with_a_completion(judged: Any) -> None:
    prefix = 'from typing import List\n\ndef total(xs: List[int]) -> int:\n    """Sum."""\n'
    tests = "def check(candidate):\n    assert candidate([1, 2]) == 3\n    assert candidate([]) == 0\n"
    for answer in ("    return sum(xs)\n", "def total(xs: List[int]):\n    return sum(xs)\n"):
        verdict = judged(answer, tests, entry_point="total", prefix=prefix)
        assert summary(verdict) == ("measured", 1.0, None, "outside")


def test_mbpp_form_with_setup(judged: Any) -> None:
    code = "class Node:\n    def __init__(self, x): self.x, self.left = x, None\n"
    code += "def depth(n): return 0 if n is None else 1 + depth(n.left)\n"
    verdict = judged(
        code,
        ["assert depth(root) == 2", "assert depth(None) == 0"],
        setup="root = Node(1)\nroot.left = Node(2)",
    )
    assert summary(verdict) == ("measured", 1.0, None, "outside")


def test_unittest_pytest_and_exceptions(judged: Any) -> None:
    code = "def inverse(x):\n    if x == 0: raise ZeroDivisionError('no inverse of 0')\n    return 1 / x\n"
    tests = (
        "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n"
        "        self.assertAlmostEqual(inverse(3), 0.3333333)\n"
        "        with self.assertRaises(ArithmeticError):\n            inverse(0)\n"
    )
    assert judged(code, tests).evidence()["results"] == "11"
    tests = "import pytest\ndef test():\n    with pytest.raises(ZeroDivisionError, match='no inv'):\n        inverse(0)\n"
    assert judged(code, tests).score == 1.0
    assert judged("def inverse(x): return 1\n", tests).score == 0.0


def test_calls_as_data(judged: Any) -> None:
    tests = [{"args": [[3, 1]], "expected": [1, 3]}, {"args": [[]], "expected": []}]
    assert judged("def order(xs): return tuple(sorted(xs))", tests, entry_point="order").score == 1.0
    assert judged("def order(xs): return xs", tests, entry_point="order").evidence()["results"] == "01"
    leetcode = "class Solution:\n    def order(self, xs): return sorted(xs)\n"
    assert judged(leetcode, tests, entry_point="order").score == 1.0
    apps = {"inputs": [[[2, 1]]], "outputs": [[[1, 2]]], "fn_name": "order"}
    assert judged(leetcode, apps).score == 1.0
    assert judged(leetcode, tests).reason == "no entry point"


def test_input_and_output(judged: Any) -> None:
    tests = [{"input": "2 3\n", "output": "5\n"}, {"input": "1 1", "output": "2"}]
    assert judged("a, b = map(int, input().split())\nprint(a + b)", tests).score == 1.0
    verdict = judged("a, b = map(int, input().split())\nprint(a * b + 1 - 2)", tests)
    assert verdict.evidence()["failed"][0] == {
        "test": "input 2: '1 1'", "reason": "wrong", "expected": "2", "got": "0\n",
    }  # fmt: skip
    late = judged("import time\nwhile True: pass", tests, time_limit_s=1.0).evidence()
    assert late["results"] == "00" and late["failed"][0]["reason"] == "timeout"
    assert late["failed"][1]["reason"].startswith("not run")
    crashed = judged("raise ValueError('x')", tests).evidence()
    assert crashed["failed"][0]["got"] == "status 1: ValueError: x"


def test_objects_are_compared_only_by_their_own_process_and_only_when_that_is_accepted(judged: Any) -> None:
    code = "class P:\n    def __init__(self, x): self.x = x\n    def __eq__(self, o): return self.x == o.x\n"
    tests = "assert P(1) == P(1)\nassert P(1).x == 1\n"
    assert summary(judged(code, tests)) == ("unmeasurable", None, "grade", None)
    assert summary(judged(code, tests, grade="same_program")) == ("measured", 1.0, None, "same_program")
    wrong = code.replace("== o.x", "!= o.x")
    assert summary(judged(wrong, tests, grade="same_program")) == ("measured", 0.0, "wrong", "same_program")
    # whoever ends the process has not passed
    cheat = "import os\nclass P:\n    def __init__(self, x): os._exit(0)\n"
    assert judged(cheat, tests, grade="same_program").score == 0.0


def test_strict_equality_is_a_choice(judged: Any) -> None:
    code = "def same(x): return x\n"
    assert judged(code, "assert same(1) == True").score == 1.0
    assert judged(code, "assert same(1) == True", equality="strict").score == 0.0


def test_tests_run_in_order_in_one_process_and_share_state(judged: Any) -> None:
    code = "seen = []\ndef push(x):\n    seen.append(x)\n    return len(seen)\n"
    assert judged(code, "assert push(1) == 1\nassert push(2) == 2\nassert seen == [1, 2]").score == 1.0


@pytest.mark.parametrize(
    ("code", "test"),
    [
        (
            "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(): return [P(1, 2)]",
            "assert f() == [(1, 2)]",
        ),
        (
            "from enum import IntEnum\nclass C(IntEnum):\n    RED = 1\ndef f(): return C.RED",
            "assert f() == 1",
        ),
        ("class S(str): pass\ndef f(): return {S('a'): S('b')}", "assert f() == {'a': 'b'}"),
        ("def f(): return {'a': 1}.keys()", "assert f() == {'a'}"),
        ("async def f(): return 3", "assert asyncio.run(f()) == 3"),
        ("def f():\n    yield 1\n    yield 2", "assert list(f()) == [1, 2]"),
    ],
)
def test_values_that_are_nearly_plain_count_as_what_they_are(judged: Any, code: str, test: str) -> None:
    assert judged(code, test).score == 1.0
    assert (
        judged(
            code, test.replace("1", "7").replace("3", "7").replace("'b'", "'x'").replace("{'a'}", "{'x'}")
        ).score
        == 0.0
    )


def test_a_generator_is_no_list(judged: Any) -> None:
    code = "def f():\n    yield 1\n"
    assert judged(code, "assert f() == [1]").evidence()["failed"][0]["reason"] == "opaque"
    tests = [{"args": [], "expected": [1]}]
    assert judged(code, tests, entry_point="f").score == 0.0
    assert judged("class L(list): pass\ndef f(): return L([1])", tests, entry_point="f").score == 1.0


def test_a_loop_over_objects_is_no_failed_test(judged: Any) -> None:
    code = (
        "class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n"
    )
    tests = "i = 0\ns = Stack()\nwhile i < 3:\n    s.push(i)\n    i += 1\nassert s.items == [0, 1, 2]\n"
    assert summary(judged(code, tests)) == ("unmeasurable", None, "grade", None)
    assert summary(judged(code, tests, grade="same_program")) == ("measured", 1.0, None, "same_program")


def test_arguments_that_are_not_plain_data_are_bad_tests(judged: Any) -> None:
    tests = [{"args": [object()], "expected": 1}]
    assert summary(judged("def f(x): return 1", tests, entry_point="f")) == (
        "unmeasurable",
        None,
        "bad tests",
        None,
    )


@pytest.mark.parametrize(
    ("tests", "right", "wrong"),
    [
        # what becomes of an argument is asked of the candidate's own process
        (
            "data = [3, 1]\nr = f(data)\nassert r == [1, 3]\nassert data == [3, 1]",
            "sorted(x)",
            "x.sort() or x",
        ),
        # what a result should be is not
        ("data = [3, 1]\nassert f(data) == sorted(data)", "sorted(x)", "x.clear() or []"),
        # values that grow, on either side
        ("want = []\nwant.append(1)\nwant += [3]\nassert f([3, 1]) == want", "sorted(x)", "[1]"),
        (
            "got = {}\ngot['a'] = f([2])\ngot['b'] = f([])\nassert got == {'a': [2], 'b': []}",
            "sorted(x)",
            "[2]",
        ),
        ("x = [2, 1]\nassert f(x) == [1, 2]\nx = [4]\nassert f(x) == [4]", "sorted(x)", "[1, 2]"),
    ],
)
def test_values_are_followed_through_the_statements_of_a_test(
    judged: Any, tests: str, right: str, wrong: str
) -> None:
    assert judged(f"def f(x): return {right}", tests).evidence()["grade"] == "outside"
    assert judged(f"def f(x): return {right}", tests).score == 1.0
    assert judged(f"def f(x): return {wrong}", tests).score < 1.0
