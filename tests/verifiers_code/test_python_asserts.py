"""Python test programs become calls for the candidate's job, and checks that stay outside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mixwright_runtime.verifiers.code.asserts import rewrite
from mixwright_runtime.verifiers.code.checks import holds


def sent(program: str, entry_point: str = "", setup: str = "") -> list[str]:
    """The calls that the candidate's job is asked to make."""
    suite = rewrite(program, entry_point, setup)
    return [call for test in suite["calls"]["tests"] for call in test["calls"]]


def kind(program: str, entry_point: str = "") -> str:
    return next(iter(rewrite(program, entry_point)))


@pytest.mark.parametrize(
    ("program", "calls"),
    [
        ("assert f(1, [2]) == 3", ["f(1, [2])"]),
        ("assert f(1) == f(2)", ["f(1)", "f(2)"]),
        ("assert abs(f(1.5) - 0.5) < 1e-6", ["f(1.5)"]),
        ("assert not f('x'), 'message'", ["f('x')"]),
        ("assert list(f(3)) == [0, 1, 2]", ["list(f(3))"]),
        ("assert f(3)[0] == 1", ["f(3)[0]"]),
        ("assert Stack([1]).pop() == 1", ["Stack([1]).pop()"]),
        ("def check(candidate):\n    assert candidate(2) == 4\n", ["square(2)"]),
        ("def check(candidate):\n    assert candidate(2) == 4\ncheck(square)", ["square(2)"]),
        ("for x, y in [(1, 2), (3, 4)]:\n    assert f(x) == y", ["f(1)", "f(3)"]),
        (
            "CASES = [(1, 2), (3, 4)]\ndef test():\n    for x, y in CASES:\n        assert f(x) == y",
            ["f(1)", "f(3)"],
        ),
        ("from solution import f\ndef test_f():\n    assert f(1) == 2", ["f(1)"]),
        (
            "import pytest\n@pytest.mark.parametrize('x,y', [(1, 2), (3, 4)])\ndef test_f(x, y):\n    assert f(x) == y",
            ["f(1)", "f(3)"],
        ),
        (
            "import unittest\nclass T(unittest.TestCase):\n    def test(self):\n        self.assertEqual(f(1), 2)\n"
            "        self.assertIn(f(2), [3, 4])\nif __name__ == '__main__':\n    unittest.main()",
            ["f(1)", "f(2)"],
        ),
        # a candidate may be called as a function of Python's own is
        ("assert sum(10, 15) == 6", ["sum(10, 15)"]),
        ("assert sqrt(4) == 2", ["sqrt(4)"]),
        # but what tests take from the standard library is not the candidate's
        ("assert math.isclose(f(1), 0.5)", ["f(1)"]),
        ("assert f(1) == Counter('aab')", ["f(1)"]),
    ],
)
def test_calls_of_a_program(program: str, calls: list[str]) -> None:
    assert sent(program, "square" if "check" in program else "") == calls


@pytest.mark.parametrize(
    "program",
    [
        "assert f(1) == 'SECRET'",
        "expected = 'SECRET'\nassert f(1) == expected",
        "cases = [(1, 'SECRET')]\nfor x, y in cases:\n    assert f(x) == y",
        "def oracle(x):\n    return 'SECRET' if x else ''\nassert f(1) == oracle(1)",
        "def test():\n    got = f(1)\n    assert got == 'SECRET'\n    assert len(got) == len('SECRET')",
        "assert f(1) in ['SECRET', 'other']",
        "def close(a, b='SECRET'):\n    return a == b\nassert close(f(1))",
        "try:\n    f(1)\n    assert False\nexcept SECRET:\n    pass",
        "with pytest.raises(ValueError, match='SECRET'):\n    f(1)",
        "assert f(1) == Counter(['SECRET'])",
        "assert math.isclose(f(1), len('SECRET'))",
        "import unittest\nclass T(unittest.TestCase):\n    def setUp(self):\n        self.want = 'SECRET'\n"
        "    def test(self):\n        self.assertEqual(f(1), self.want)",
    ],
)
def test_expected_values_are_never_sent(program: str) -> None:
    suite = rewrite(program)["calls"]
    assert "SECRET" not in suite["driver"] + json.dumps([test["calls"] for test in suite["tests"]])
    # and they are there all the same
    assert "SECRET" in json.dumps([test["check"] for test in suite["tests"]]) + suite["helper"]


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import random\nx = random.random()\nassert f(x) == x + 1", "by chance"),
        ("while True:\n    assert f(1) == 1\n    break", "while"),
        ("assert all(f(x) == x for x in [1, 2])", "comprehension"),
        ("for x in f(3):\n    assert x", "loop over something computed"),
        ("def twice(x):\n    return f(f(x))\nassert twice(1) == 1", "calls the candidate"),
        ("assert list(map(f, [1])) == [2]", "hands the candidate itself"),
    ],
)
def test_programs_that_cannot_be_rewritten_run_in_a_job_of_their_own(program: str, reason: str) -> None:
    suite = rewrite(program)
    assert reason in suite["exchange"]["reason"]
    assert suite["exchange"]["names"] == ("f",)
    assert suite["exchange"]["program"].startswith(program)


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("assert f(1) ==", "line 1"),
        ("assert 1 == 1", "call nothing"),
        ("x" + "(" * 10_000, "not Python"),
        ("assert f(1) == " + "-" * 100_000 + "1", ""),
    ],
)
def test_broken_programs_say_what_is_wrong(program: str, reason: str) -> None:
    assert reason in rewrite(program).get("broken", reason)


def test_work_in_place_is_seen() -> None:
    suite = rewrite("items = [3, 1, 2]\nsort(items)\nassert items == [1, 2, 3]")["calls"]
    assert suite["tests"][0]["calls"] == ("_mixwright_0()",)
    assert "sort(items)" in suite["driver"] and "return items" in suite["driver"]


def test_setup_runs_among_the_candidates_names() -> None:
    suite = rewrite("assert depth(root) == 2", setup="root = Node(1)\nroot.left = Node(2)")["calls"]
    assert suite["names"] == ("Node", "depth")
    assert "root.left = Node(2)" in suite["driver"]


def check_of(assertion: str) -> Any:
    return rewrite(assertion)["calls"]["tests"][0]["check"]


@pytest.mark.parametrize(
    ("assertion", "right", "wrong"),
    [
        ("assert f() == [1, (2, 3)]", [1, (2, 3)], [1, [2, 3]]),
        ("assert f() == {'a': {1, 2}}", {"a": {2, 1}}, {"a": {2}}),
        ("assert f() is True", True, 1),
        ("assert f() is None", None, False),
        ("assert abs(f() - 0.33) < 1e-6", 0.33000001, 0.34),
        ("assert math.isclose(f(), 0.1, rel_tol=0.5)", 0.12, 0.9),
        ("assert round(f(), 2) == 0.33", 0.3333, 0.34),
        ("assert not f()", [], [0]),
        ("assert 1 < f() <= 3", 3, 1),
        ("assert f() in (1, 2)", 2, 3),
        ("assert f() == [0] * 3 or f() == 10 ** 3", 1000, 999),
        ("assert len(f()) == 2", "ab", 12),
        ("assert f() == -1.5e3", -1500, 1500),
        ("assert f() == float('inf')", float("inf"), float("nan")),
    ],
)
def test_checks_are_made_outside(assertion: str, right: Any, wrong: Any) -> None:
    check = check_of(assertion)
    assert holds(check, [right, right], "python")
    assert not holds(check, [wrong, wrong], "python")
