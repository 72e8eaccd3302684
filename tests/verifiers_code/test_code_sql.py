"""Queries, by the rows they give, in a DuckDB that can open nothing."""

from __future__ import annotations

from typing import Any

import pytest

SETUP = "CREATE TABLE t (name TEXT, n INT); INSERT INTO t VALUES ('a', 1), ('b', 2), ('b', 4)"
TESTS = [
    {"expected": [["b", 6], ["a", 1]]},
    {"setup": "DELETE FROM t WHERE n = 4", "expected": [["a", 1], ["b", 2]]},
]


def query(judged: Any, sql: str, tests: Any = TESTS, **more: Any) -> Any:
    return judged(sql, tests, language="sql", setup=SETUP, **more)


def test_rows_are_compared_as_bags(judged: Any) -> None:
    answer = "```sql\nSELECT name, sum(n) FROM t GROUP BY name\n```"
    assert query(judged, answer).evidence() == {
        "language": "sql", "passed": 2, "of": 2, "grade": "outside", "results": "11",
    }  # fmt: skip
    assert query(judged, "SELECT name, max(n) FROM t GROUP BY name").evidence()["results"] == "01"


def test_order_counts_where_the_test_or_its_reference_has_one(judged: Any) -> None:
    up, down = "SELECT n FROM t ORDER BY n", "SELECT n FROM t ORDER BY n DESC"
    reference = [{"reference": "SELECT n FROM t ORDER BY n"}]
    assert query(judged, up, reference).score == 1.0
    assert query(judged, down, reference).score == 0.0
    assert query(judged, down, [{"reference": "SELECT n FROM t"}]).score == 1.0
    assert query(judged, down, [{"expected": [1, 2, 4], "ordered": True}]).score == 0.0


def test_numbers_are_equal_by_value(judged: Any) -> None:
    tests = [{"expected": [[7 / 3, 7]]}]
    assert query(judged, "SELECT avg(n), sum(n)::DECIMAL(9, 2) FROM t", tests).score == 1.0
    assert query(judged, "SELECT avg(n), '7' FROM t", tests).score == 0.0


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELEC 1", "does not parse"),
        ("SELECT 1; SELECT 2", "not one SELECT"),
        ("DROP TABLE t", "not one SELECT"),
        ("COPY t TO '/tmp/out.csv'", "not one SELECT"),
        ("SELECT * FROM read_csv('/etc/passwd')", "raised"),
        ("SELECT * FROM '/etc/passwd'", "raised"),
        ("SELECT * FROM read_text('/etc/hostname')", "raised"),
        ("SELECT * FROM 'https://example.org/x.parquet'", "raised"),
        ("SELECT nothing FROM t", "raised"),
        ("SELECT count(*) FROM range(100000000000) a, range(1000) b WHERE a.range % 7 = b.range", "timeout"),
        ("SELECT list(range) FROM range(1000000000)", "limit: memory"),
    ],
)
def test_what_a_query_may_not_do_fails_it(judged: Any, sql: str, reason: str) -> None:
    verdict = query(judged, sql, [{"expected": [[1]]}], time_limit_s=1.0, memory_bytes=256 * 1024**2)
    assert verdict.outcome == "measured" and verdict.score == 0.0
    found = verdict.evidence()["reason"]
    assert found == reason or (reason == "limit: memory" and found == "timeout")


def test_tests_that_fail_by_themselves_are_no_verdict(judged: Any) -> None:
    verdict = query(judged, "SELECT 1", [{"setup": "INSERT INTO gone VALUES (1)", "expected": [[1]]}])
    assert verdict.outcome == "unmeasurable" and "gone" in verdict.detail
