"""Judges SQL queries by the rows that they give, in a DuckDB of its own that can open nothing.

    memory only, no files, no network, no extensions, settings locked, one thread, a memory limit
    the candidate is one SELECT; it is interrupted at its time limit, and its process is killed when that does not help

Rows are compared as bags, or in order where the test says so or its reference query has an ORDER BY; numbers by value,
within a relative 1e-9; column names do not count.
"""

from __future__ import annotations

import datetime
import math
import re
import threading
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from mixwright_compiler.schema import is_number
from mixwright_runtime.verifiers.code.suites import SqlTest
from mixwright_runtime.verifiers.code.verdict import TestResult, Verdict, cut, failed, unmeasurable
from mixwright_runtime.workers.pool import WorkerDied, WorkerTimeout

RUN = "mixwright_runtime.verifiers.code.sql_judge:run_tests"
ROWS_LIMIT = 100_000
TOLERANCE = 1e-9
SPARE_S = 5.0
"""What a worker gets on top of the query's own limit before it is killed."""


class SqlJudge:
    """Runs queries in the pool of workers."""

    def __init__(self, workers: Any) -> None:
        self._workers = workers

    async def by_rows(
        self, query: str, tests: Sequence[SqlTest], *, setup: str, limit_s: float, memory_bytes: int
    ) -> Verdict:
        """The verdict on a query.

        Raises:
            WorkerError: the worker failed by itself.
        """
        plain = [asdict(test) for test in tests]
        limit = 2 * limit_s * len(tests) + SPARE_S
        try:
            found = await self._workers.run(RUN, [query, plain, setup, limit_s, memory_bytes], limit)
        except WorkerTimeout:
            return failed("sql", "timeout", "it could not be interrupted", tests=len(tests), grade="outside")
        except WorkerDied as died:
            return failed("sql", "limit: memory", str(died), tests=len(tests), grade="outside")
        if "broken" in found:
            return unmeasurable("sql", "bad tests", found["broken"])
        if "error" in found:
            return failed("sql", found["reason"], found["error"], tests=len(tests))
        results = [TestResult(**result) for result in found["results"]]
        return Verdict("measured", results, grade="outside", language="sql")


def run_tests(
    query: str, tests: list[dict[str, Any]], setup: str, limit_s: float, memory_bytes: int
) -> dict[str, Any]:
    """Each test's result as JSON. Runs in a worker."""
    import duckdb

    with duckdb.connect(":memory:") as parser:
        try:
            statements = parser.extract_statements(query)
        except duckdb.Error as error:
            return {"reason": "does not parse", "error": _first_line(error)}
    kinds = [statement.type.name for statement in statements]
    if kinds != ["SELECT"]:
        return {"reason": "not one SELECT", "error": f"found {', '.join(kinds) or 'nothing'}"}
    results = []
    for number, test in enumerate(tests, 1):
        connection = _connection(memory_bytes)
        name = f"test {number}"
        try:
            try:
                for statement in (setup, test["setup"]):
                    if statement.strip():
                        _rows(connection, statement, limit_s)
                wanted = test["expected"]
                if wanted is None:
                    wanted = _rows(connection, test["reference"], limit_s)
            except (duckdb.Error, _Late) as error:
                return {"broken": f"{name}: {_first_line(error)}"}
            results.append(_result(connection, query, name, test, [list(row) for row in wanted], limit_s))
        finally:
            connection.close()
    return {"results": results}


class _Late(Exception):
    pass


def _result(
    connection: Any, query: str, name: str, test: dict[str, Any], wanted: list[list[Any]], limit_s: float
) -> dict[str, Any]:
    import duckdb

    shown = {"test": name, "expected": cut(repr(wanted[:20]))}
    try:
        got = _rows(connection, query, limit_s)
    except _Late:
        return {"is_passed": False, **shown, "reason": "timeout"}
    except duckdb.OutOfMemoryException as error:
        return {"is_passed": False, **shown, "reason": "limit: memory", "got": cut(_first_line(error))}
    except (duckdb.Error, ValueError) as error:
        return {"is_passed": False, **shown, "reason": "raised", "got": cut(_first_line(error))}
    ordered = test["is_ordered"]
    if ordered is None:
        ordered = re.search(r"\border\s+by\b[^)]*$", test["reference"], re.I) is not None
    if is_same_table(got, wanted, is_ordered=ordered):
        return {"is_passed": True, "test": name}
    return {"is_passed": False, **shown, "reason": "wrong", "got": cut(repr(got[:20]))}


def _connection(memory_bytes: int) -> Any:
    import duckdb

    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "memory_limit": f"{memory_bytes // 1024}KiB",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
        },
    )
    connection.execute("SET temp_directory = ''")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _rows(connection: Any, sql: str, limit_s: float) -> list[list[Any]]:
    """The rows of the last statement, as plain values."""
    import duckdb

    late = threading.Event()

    def interrupt() -> None:
        late.set()
        connection.interrupt()

    watchdog = threading.Timer(limit_s, interrupt)
    watchdog.daemon = True
    watchdog.start()
    try:
        result = connection.execute(sql)
        rows = result.fetchmany(ROWS_LIMIT + 1) if result.description else []
    except (duckdb.Error, RuntimeError):
        if late.is_set():
            raise _Late(f"no result after {limit_s:g} s") from None
        raise
    finally:
        watchdog.cancel()
    if len(rows) > ROWS_LIMIT:
        raise ValueError(f"more than {ROWS_LIMIT:,} rows")
    return [[_cell(cell) for cell in row] for row in rows]


def _cell(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, list | tuple):
        return [_cell(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _cell(item) for key, item in value.items()}
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def is_same_table(got: list[list[Any]], wanted: list[list[Any]], *, is_ordered: bool) -> bool:
    """Equal rows, as bags or in order."""
    if len(got) != len(wanted):
        return False
    if not is_ordered:
        got, wanted = sorted(got, key=_sort_key), sorted(wanted, key=_sort_key)
    return all(_is_same(g, w) for g, w in zip(got, wanted, strict=True))


def _is_same(got: Any, wanted: Any) -> bool:
    if isinstance(got, list) and isinstance(wanted, list):
        return len(got) == len(wanted) and all(map(_is_same, got, wanted))
    if isinstance(got, bool) or isinstance(wanted, bool) or got is None or wanted is None:
        return got is wanted
    if isinstance(got, int | float) and isinstance(wanted, int | float):
        return math.isclose(got, wanted, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(got == wanted)


def _sort_key(row: list[Any]) -> list[tuple[str, str, float]]:
    """An order in which numbers that are nearly the same stand side by side."""
    key = []
    for cell in row:
        if is_number(cell):
            key.append(("number", "", round(float(cell), 6) if math.isfinite(cell) else 0.0))
        else:
            key.append((type(cell).__name__, str(cell), 0.0))
    return key


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
