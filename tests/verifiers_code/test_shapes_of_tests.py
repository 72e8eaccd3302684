"""Test programs of every shape: those that test something tell a right program from a wrong one, the others say nothing.

Of each shape a right and a wrong program are judged. A shape that asserts nothing of the candidate's values is bad tests
for both: it must never give the wrong one its score.
"""

from __future__ import annotations

from typing import Any

import pytest

RIGHT = """
def f(x):
    if x < 0:
        raise ValueError("negative")
    return 2 * x

async def g(x):
    return 2 * x

def fill(items):
    items.append(len(items))
"""
WRONG = """
def f(x):
    return 2 * x + 1

async def g(x):
    return 2 * x + 1

def fill(items):
    items.append(7)
"""

P = "import pytest\n"
U = "import unittest\n"
CASE = U + "class T(unittest.TestCase):\n"
RUN_GUARD = "if __name__ == '__main__':\n"

TELLING = {
    "an assertion": "assert f(2) == 4",
    "a function of pytest": "def test_f():\n    assert f(2) == 4",
    "imported from solution": "from solution import f\ndef test_f():\n    assert f(2) == 4",
    "imported by another name": "from solution import f as double\ndef test_f():\n    assert double(2) == 4",
    "the module imported": "import solution\ndef test_f():\n    assert solution.f(2) == 4",
    "a class without a base": "class TestF:\n    def test_f(self):\n        assert f(2) == 4",
    "a class that sets up": "class TestF:\n    def setup_method(self):\n        self.x = 2\n"
    "    def test_f(self):\n        assert f(self.x) == 4",
    "a class with a helper": "class TestF:\n    def check(self, x, y):\n        assert f(x) == y\n"
    "    def test_f(self):\n        self.check(2, 4)",
    "a class with a table": "class TestF:\n    CASES = [(2, 4)]\n    def test_f(self):\n"
    "        for x, y in self.CASES:\n            assert f(x) == y",
    "parametrize": P
    + "@pytest.mark.parametrize('x,y', [(2, 4), (3, 6)])\ndef test_f(x, y):\n    assert f(x) == y",
    "parametrize twice": P + "@pytest.mark.parametrize('x', [1, 2])\n@pytest.mark.parametrize('k', [2])\n"
    "def test_f(x, k):\n    assert f(x) == k * x",
    "parametrize in a class": P + "class TestF:\n    @pytest.mark.parametrize('x,y', [(2, 4)])\n"
    "    def test_f(self, x, y):\n        assert f(x) == y",
    "pytest.param": P + "@pytest.mark.parametrize('x,y', [pytest.param(2, 4, id='two')])\n"
    "def test_f(x, y):\n    assert f(x) == y",
    "a fixture": P
    + "@pytest.fixture\ndef case():\n    return 2, 4\ndef test_f(case):\n    assert f(case[0]) == case[1]",
    "a fixture of the candidate's": P
    + "@pytest.fixture\ndef got():\n    return f(2)\ndef test_f(got):\n    assert got == 4",
    "a fixture that yields": P
    + "@pytest.fixture\ndef two():\n    yield 2\ndef test_f(two):\n    assert f(two) == 4",
    "pytest.approx": P + "def test_f():\n    assert f(2) == pytest.approx(4.0)",
    "approx by name": "from pytest import approx\ndef test_f():\n    assert f(2) == approx(4.0)",
    "pytest.raises": P + "def test_f():\n    with pytest.raises(ValueError):\n        f(-1)",
    "the exception is looked at": P
    + "def test_f():\n    with pytest.raises(ValueError, match='neg') as e:\n        f(-1)\n"
    "    assert 'negative' in str(e.value)",
    "unittest": CASE + "    def test_f(self):\n        self.assertEqual(f(2), 4)",
    "unittest.main": CASE
    + "    def test_f(self):\n        self.assertEqual(f(2), 4)\n"
    + RUN_GUARD
    + "    unittest.main()",
    "setUpClass": CASE + "    @classmethod\n    def setUpClass(cls):\n        cls.x = 2\n"
    "    def test_f(self):\n        self.assertEqual(f(self.x), 4)",
    "assertRaises": CASE
    + "    def test_f(self):\n        with self.assertRaises(ValueError):\n            f(-1)",
    "assertRaises as a call": CASE + "    def tearDown(self):\n        pass\n"
    "    def test_f(self):\n        self.assertRaises(ValueError, f, -1)",
    "subTest": CASE + "    def test_f(self):\n        for x in [1, 2]:\n            with self.subTest(x=x):\n"
    "                self.assertEqual(f(x), 2 * x)",
    "a runner of its own": CASE + "    def test_f(self):\n        self.assertEqual(f(2), 4)\n"
    "unittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(T))",
    "an async test": "async def test_g():\n    assert await g(2) == 4",
    "an async test with a mark": P + "@pytest.mark.asyncio\nasync def test_g():\n    assert await g(2) == 4",
    "asyncio.run": "import asyncio\nassert asyncio.run(g(2)) == 4",
    "an async main": "import asyncio\nasync def main():\n    got = await asyncio.gather(g(1), g(2))\n"
    "    assert got == [2, 4]\nasyncio.run(main())",
    "an async case": U + "class T(unittest.IsolatedAsyncioTestCase):\n    async def test_g(self):\n"
    "        self.assertEqual(await g(2), 4)",
    "a main guard": RUN_GUARD + "    assert f(2) == 4",
    "a guarded function": "def main():\n    xs = [1, 2]\n    while xs:\n        x = xs.pop()\n"
    "        assert f(x) == 2 * x\n" + RUN_GUARD + "    main()",
    "check(candidate)": "def check(candidate):\n    assert candidate(2) == 4",
    "raise where it is wrong": "if f(2) != 4:\n    raise ValueError('wrong')",
    "raise in a test": "def test():\n    got = f(2)\n    if got != 4:\n        raise AssertionError(got)",
    "sys.exit(0) at its end": "import sys\nassert f(2) == 4\nsys.exit(0)",
    "the exit status says it": "import sys\ndef main():\n    for x in [1, 2]:\n"
    "        if f(x) != 2 * x:\n            return 1\n"
    "    return 0\nsys.exit(main())",
    "exit in the guard": "def run():\n    assert f(2) == 4\n" + RUN_GUARD + "    run()\n    exit()",
    "results that are gathered": "results = []\nfor x in [1, 2]:\n    results.append(f(x) == 2 * x)\nassert all(results)",
    "failures that are counted": "failed = 0\nfor x in [1, 2]:\n    try:\n        assert f(x) == 2 * x\n"
    "    except AssertionError:\n        failed += 1\nprint(failed)",
    "try and fail": "try:\n    f(-1)\n    assert False\nexcept ValueError:\n    pass",
    "try and else": "try:\n    f(-1)\nexcept ValueError:\n    pass\nelse:\n    raise AssertionError('no error')",
    "a flag": "raised = False\ntry:\n    f(-1)\nexcept ValueError:\n    raised = True\nassert raised",
    "zip of map": "for got, want in zip(map(f, [1, 2]), [2, 4]):\n    assert got == want",
    "a helper": "def same(a, b):\n    assert a == b\nsame(f(2), 4)",
    "a function in a test": "def test():\n    def inner():\n        assert f(2) == 4\n    inner()",
    "a table of functions": "tests = [lambda: f(2) == 4]\nfor t in tests:\n    assert t()",
    "match": "match f(2):\n    case 4: pass\n    case _: raise AssertionError()",
    "work in place": "items = [0]\nwhile len(items) < 3:\n    fill(items)\nassert items == [0, 1, 2]",
    "lines before the end": 'if True:\n    assert (f(2)\n            == 4), f"got {f(2)}"  # ü\n',
}

SAYING_NOTHING = {
    "a comparison": "f(2) == 4",
    "a comparison in a test": "def test():\n    f(2) == 4",
    "a comparison that is returned": "def test():\n    return f(2) == 4",
    "a comparison that is printed": "print(f(2) == 4)",
    "comparisons in a list": "[f(x) == 2 * x for x in range(3)]",
    "a comment": "# assert f(2) == 4",
    "a text": "'''assert f(2) == 4'''\nf(1)",
    "a doctest": "def test():\n    '''\n    >>> f(2)\n    4\n    '''",
    "a call": "f(2)",
    "assert True": "f(2)\nassert True",
    "an assertion of a text": "f(2)\nassert 'f(2) == 4'",
    "literals": "assert 2 * 2 == 4",
    "literals beside a call": "got = f(2)\nassert 4 == 4",
    "an argument": "x = 2\nf(x)\nassert x == 2",
    "a pair": "assert (f(2) == 4, 'message')",
    "a list": "assert [f(2) == 4]",
    "a function": "assert lambda: f(2) == 4",
    "or True": "assert f(2) == 4 or True",
    "itself": "got = f(2)\nassert got == got",
    "after a return": "def test():\n    return\n    assert f(2) == 4",
    "after the exit": "import sys\nsys.exit(0)\nassert f(2) == 4",
    "a function that nothing calls": "def verify():\n    assert f(2) == 4",
    "a function in a test that nothing calls": "def test():\n    def inner():\n        assert f(2) == 4",
    "a coroutine that nothing awaits": "async def verify():\n    assert await g(2) == 4\nverify()",
    "a generator": "def test():\n    yield\n    assert f(2) == 4",
    "a loop over nothing": "for x in []:\n    assert f(x) == 4",
    "a loop over an empty range": "for x in range(0):\n    assert f(x) == 4",
    "a loop over an empty variable": "xs = []\nfor x in xs:\n    assert f(x) == 4",
    "a loop over what is filtered out": "for x in [y for y in [1, 2] if y > 5]:\n    assert f(x) == 4",
    "if False": "if False:\n    assert f(2) == 4",
    "while False": "while False:\n    assert f(2) == 4",
    "callable": "assert callable(f)",
    "not None": "assert f is not None",
    "a class of another name": "class Checks:\n    def test_f(self):\n        assert f(2) == 4",
    "a method of another name": "class TestF:\n    def verify(self):\n        assert f(2) == 4",
    "a case's method of another name": CASE + "    def verify(self):\n        self.assertEqual(f(2), 4)",
    "a test that is skipped": P + "@pytest.mark.skip\ndef test_f():\n    assert f(2) == 4",
    "passing over everything": "try:\n    f(2) == 4\nexcept Exception:\n    pass",
    "a line in a log": "import logging\nif f(2) != 4:\n    logging.error('wrong')",
    "all of nothing": "f(2)\nassert all([])",
    "a package that is not here": "from hypothesis import given\nassert f(2) == 4",
    "a fixture that is not here": "def test_f(capsys):\n    f(2)\n    assert capsys.readouterr().out == ''",
    "no tests of its own": "import nowhere_to_be_found\nassert nowhere_to_be_found == f(2)",
}


@pytest.mark.parametrize("shape", TELLING)
def test_a_right_program_is_told_from_a_wrong_one(judged: Any, shape: str) -> None:
    right = judged(RIGHT, TELLING[shape], entry_point="f")
    wrong = judged(WRONG, TELLING[shape], entry_point="f")
    assert (right.outcome, right.score) == ("measured", 1.0), right
    assert wrong.outcome == "measured" and wrong.score < 1.0, wrong


@pytest.mark.parametrize("grade", ["second_job", "same_program"])
@pytest.mark.parametrize("shape", SAYING_NOTHING)
def test_tests_that_test_nothing_measure_nothing(judged: Any, shape: str, grade: str) -> None:
    for program in (RIGHT, WRONG):
        verdict = judged(program, SAYING_NOTHING[shape], entry_point="f", grade=grade)
        assert (verdict.outcome, verdict.reason) == ("unmeasurable", "bad tests"), verdict


OBJECTS = (
    "class Pair:\n    def __init__(self, x):\n        self.x = x\n    def double(self):\n        return {}\n"
)
OWN_CLASS = [
    "def test_pair():\n    p = Pair(2)\n    q = [p]\n    while q:\n        assert q.pop().double() == 4",
    "class TestPair:\n    def make(self):\n        return Pair(2)\n    def test_pair(self):\n"
    "        assert self.make().double() == 4",
    "import sys\nq = [Pair(2)]\nwhile q:\n    assert q.pop().double() == 4\nsys.exit(0)",
]


@pytest.mark.parametrize("tests", OWN_CLASS)
def test_objects_of_the_candidate_need_its_own_process(judged: Any, tests: str) -> None:
    right, wrong = OBJECTS.format("2 * self.x"), OBJECTS.format("5")
    assert judged(right, tests).reason == "grade"
    same = [judged(program, tests, grade="same_program") for program in (right, wrong)]
    assert [(v.outcome, v.score, v.grade) for v in same] == [
        ("measured", 1.0, "same_program"),
        ("measured", 0.0, "same_program"),
    ]
    empty = "q = [Pair(2)]\nwhile q:\n    q.pop().double() == 4\n"
    assert judged(right, empty, grade="same_program").reason == "bad tests"


def test_assertions_about_the_tests_themselves_are_no_tests(judged: Any) -> None:
    tests = "cases = [(1, 2), (2, 4)]\nassert len(cases) == 2\nassert f(2) == 4"
    assert len(judged(RIGHT, tests).results) == 1
    assert judged(WRONG, tests).score == 0.0
    assert judged(RIGHT, tests.replace("== 2\n", "== 3\n")).reason == "bad tests"


EXCEPTIONS = [
    "StopIteration",
    "StopAsyncIteration",
    "GeneratorExit",
    "KeyboardInterrupt",
    "SystemExit",
    "AssertionError",
    "ValueError",
    "AttributeError",
    "ModuleNotFoundError",
    "Unusable",
    "Unanswered",
    "Sly",
]
SLY = """
class Kind(type):
    def __instancecheck__(cls, other): return True
    def __subclasscheck__(cls, other): return True
    def __eq__(cls, other): return True
    def __hash__(cls): return 0
class Sly(Exception, metaclass=Kind):
    def __eq__(self, other): return True
    def __str__(self): return "passed"
class Unusable(BaseException): pass
class Unanswered(BaseException): pass
def f(x):
    if x == 0:
        return 0
    raise {}
"""
LOOP = "xs = [0, 1]\nwhile xs:\n    x = xs.pop(0)\n"
STEERED = {
    "zip of map": "for got, want in zip(map(f, [0, 1]), [0, 2]):\n    assert got == want",
    "list of map": "assert all(got == 2 * x for x, got in enumerate(map(f, [0, 1])))",
    "next with a default": "it = map(f, [0, 1])\nassert next(it) == 0\nassert next(it, 2) == 2",
    "except Exception": LOOP + "    try:\n        assert f(x) == 2 * x\n    except Exception:\n        pass",
    "a bare except": LOOP + "    try:\n        assert f(x) == 2 * x\n    except:\n        pass",
    "failures that are printed": "failed = 0\n" + LOOP + "    try:\n        assert f(x) == 2 * x\n"
    "    except Exception as e:\n        failed += 1\n        print(e)",
    "named exceptions": LOOP + "    try:\n        assert f(x) == 2 * x\n"
    "    except (ValueError, AttributeError, StopIteration):\n        print('skipped')",
    "suppress": "import contextlib\n"
    + LOOP
    + "    with contextlib.suppress(Exception):\n        assert f(x) == 2 * x",
    "a generator": "def gen():\n    for x in [0, 1]:\n        yield f(x) == 2 * x\nassert all(gen())",
    "unittest": CASE
    + "    def tearDown(self):\n        pass\n    def test_f(self):\n        for x in [0, 1]:\n"
    "            with self.subTest(x=x):\n                self.assertEqual(f(x), 2 * x)",
    "a test of pytest": "class TestF:\n    def go(self, x):\n        assert f(x) == 2 * x\n    def test_f(self):\n"
    "        self.go(0)\n        self.go(1)",
    "assertions": "assert f(0) == 0\nassert f(1) == 2",
}


@pytest.mark.parametrize("form", STEERED)
@pytest.mark.parametrize("error", EXCEPTIONS)
def test_no_exception_of_a_candidate_steers_its_tests(judged: Any, error: str, form: str) -> None:
    verdict = judged(SLY.format(error), STEERED[form], entry_point="f")
    assert verdict.outcome == "measured" and verdict.score < 1.0, verdict
    assert judged(RIGHT, STEERED[form], entry_point="f").score == 1.0


@pytest.mark.parametrize(
    "tests",
    [
        P + "class TestF:\n    def go(self):\n        f(-1)\n    def test_f(self):\n"
        "        with pytest.raises(ValueError):\n            self.go()",
        CASE
        + "    def tearDown(self):\n        pass\n    def test_f(self):\n        self.assertRaises(ValueError, f, -1)",
        "xs = [-1]\nwhile xs:\n    try:\n        f(xs.pop())\n    except ValueError as e:\n"
        "        assert str(e) == 'negative'\n"
        "    else:\n        assert False",
        "got = None\nxs = [-1]\nwhile xs:\n    try:\n        got = f(xs.pop())\n    except Exception as e:\n"
        "        got = str(e)\nassert got == 'negative'",
        "import contextlib\nxs = [-1]\nwhile xs:\n    with contextlib.suppress(ValueError):\n"
        "        f(xs.pop())\nassert f(2) == 4",
        "xs = [-1]\nwhile xs:\n    try:\n        f(xs.pop())\n    except ValueError:\n        pass\nassert f(2) == 4",
    ],
)
def test_an_exception_that_is_asked_for_is_right(judged: Any, tests: str) -> None:
    verdict = judged(RIGHT, tests, entry_point="f")
    assert (verdict.score, verdict.grade) == (1.0, "second_job"), verdict
