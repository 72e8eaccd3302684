"""What a candidate returns is looked at in a worker, under a deadline: nothing that it can make stops a run."""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

import pytest

from mixwright_runtime.sandbox.plain import form_of
from mixwright_runtime.verifiers.code import python_judge
from mixwright_runtime.verifiers.code.checks import checked, compared


@pytest.mark.parametrize(
    ("value", "tests"),
    [
        ("range(10**18)", "assert f(1) == 1\nassert 'x' in f(3)\nassert f(4) == 4"),
        ("range(10**18)", "assert f(1) == 1\nassert 0.5 not in f(3)\nassert f(4) == 4"),
    ],
)
def test_a_value_that_takes_for_ever_to_compare_fails_its_test(judged: Any, value: str, tests: str) -> None:
    verdict = judged(
        f"def f(x):\n    return {value} if x == 3 else x", tests, entry_point="f", time_limit_s=0.3
    )
    assert [(r.is_passed, r.reason) for r in verdict.results] == [
        (True, ""),
        (False, "timeout"),
        (False, "timeout"),
    ]


def test_a_loop_goes_on_while_values_are_compared(
    judged: Any, code_loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that compares is called in this process."""

    def refuse(*args: Any) -> Any:
        raise AssertionError("compared in the event loop")

    for name in ("holds", "is_equal_as_json", "checked", "compared"):
        monkeypatch.setattr(f"mixwright_runtime.verifiers.code.checks.{name}", refuse)
    assert not {"holds", "is_equal_as_json"} & set(vars(python_judge))
    assert judged("def f(x):\n    return x", "assert f(1) == 1").score == 1.0
    assert judged("def f(x):\n    return x", [{"args": [1], "expected": 1}], entry_point="f").score == 1.0


def test_checks_are_made_of_forms() -> None:
    forms = [form_of(value, 1000) for value in (3, [1, 2])]
    check = ["==", ["got", 0], ["const", form_of(3, 100)]]
    assert checked([[check, [forms[0]]], [check, [forms[1]]]], "python") == [
        [True, "", ""],
        [False, "3", "[1, 2]"],
    ]
    one = form_of([3], 100)
    assert compared([[forms[0], one, True], [forms[0], one, False]]) == [
        [True, "[3]", "3"],
        [False, "[3]", "3"],
    ]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize("payload", ['{"map":[5]}', "[" * 20_000, "\x1e0\x1f" * 20_000])
def test_a_record_that_the_candidate_prints_itself_is_its_failed_test(judged: Any, payload: str) -> None:
    program = (
        f"process.stdout.write('\\x1e0\\x1f' + {payload!r} + '\\x1d');\nfunction f(x) {{ process.exit(0); }}"
    )
    verdict = judged(program, [{"args": [1], "expected": {"a": 1}}], entry_point="f", language="javascript")
    assert (verdict.outcome, verdict.score) == ("measured", 0.0)
