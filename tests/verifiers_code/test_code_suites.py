"""What the tests of a row may look like."""

from __future__ import annotations

from typing import Any

import pytest

from mixwright_runtime.verifiers.code.suites import (
    BadTests,
    DataCall,
    DataCalls,
    ProgramTests,
    SqlTest,
    SqlTests,
    StdioTest,
    StdioTests,
    suite_of,
)


@pytest.mark.parametrize(
    ("value", "suite"),
    [
        ("assert f(1) == 2", ProgramTests("assert f(1) == 2")),
        (["assert f(1) == 2", "assert f(2) == 3"], ProgramTests("assert f(1) == 2\nassert f(2) == 3")),
        ([{"input": "1\n", "output": "2\n"}], StdioTests((StdioTest("1\n", "2\n"),))),
        ('[{"input": "1", "output": "2"}]', StdioTests((StdioTest("1", "2"),))),
        (
            {"inputs": ["1", ["2", "3"]], "outputs": ["4", 5]},
            StdioTests((StdioTest("1", "4"), StdioTest("2\n3", "5"))),
        ),
        ([{"args": [1, 2], "expected": 3}], DataCalls((DataCall((1, 2), 3),))),
        (
            {"inputs": [[1, 2]], "outputs": [[3]], "fn_name": "add"},
            DataCalls((DataCall((1, 2), [3], {}, "add", True),)),
        ),
        ([], None),
        ("", None),
        (None, None),
        (7, None),
        ([1, 2], None),
        ([{"input": "1"}], None),
        ({"inputs": ["1"], "outputs": []}, None),
        ([{"input": "", "output": "x"}] * 5_001, None),
        ("[" * 100_000, ProgramTests("[" * 100_000)),
    ],
)
def test_forms_of_tests(value: Any, suite: Any) -> None:
    if suite is None:
        with pytest.raises(BadTests):
            suite_of(value, "python")
    else:
        assert suite_of(value, "python") == suite


def test_forms_of_sql_tests() -> None:
    rows = [{"setup": "CREATE TABLE t (x INT)", "expected": [[1], {"x": 2}, 3], "ordered": True}]
    assert suite_of(rows, "sql") == SqlTests(
        (SqlTest("CREATE TABLE t (x INT)", ((1,), (2,), (3,)), "", True),)
    )
    assert suite_of([{"reference": "SELECT 1"}], "sql") == SqlTests((SqlTest("", None, "SELECT 1"),))
    for bad in ("SELECT 1", [{"setup": ""}], [{"expected": 3}]):
        with pytest.raises(BadTests):
            suite_of(bad, "sql")
