"""A source's query ends at its limit and at a signal, whatever it computes, and the signal still does what it does."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest

import mixwright
from mixwright_runtime.errors import RunStopped
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.sources import watched
from mixwright_runtime.sources.watched import Watched
from mixwright_runtime.store.store import Store

ENDLESS = (
    "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range = b.range + 1 OR random() < 0"
)


class Computing:
    """A connection whose query sends the process a signal, and ends when it is interrupted."""

    def __init__(self, number: int, *, is_deaf: bool = False) -> None:
        self.number = number
        self.interrupted = 0
        self.is_closed = False
        self._is_deaf = is_deaf
        self._ended = threading.Event()

    def execute(self, sql: str, parameters: Any) -> None:
        os.kill(os.getpid(), self.number)
        self._ended.wait()
        raise duckdb.InterruptException("INTERRUPT")

    def interrupt(self) -> None:
        self.interrupted += 1
        if not self._is_deaf:
            self._ended.set()

    def close(self) -> None:
        self.is_closed = True


def test_ctrl_c_interrupts_a_query() -> None:
    connection = Computing(signal.SIGINT)
    query = Watched(connection, 600.0)
    with pytest.raises(KeyboardInterrupt):
        query.execute(ENDLESS)
    query.close()
    assert connection.interrupted and connection.is_closed
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_that_stops_a_run_is_called_and_the_query_ends() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with pytest.raises(RunStopped):
            Watched(Computing(signal.SIGTERM), 600.0).execute(ENDLESS)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]


def test_a_query_that_hears_nothing_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "GRACE_S", 3 * watched.STEP_S)
    connection = Computing(signal.SIGINT, is_deaf=True)
    query = Watched(connection, 600.0)
    with pytest.raises(KeyboardInterrupt):
        query.execute(ENDLESS)
    query.close()
    assert connection.interrupted == 3 and not connection.is_closed
    connection._ended.set()


def test_one_that_is_deaf_to_its_limit_is_left_alone_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "GRACE_S", 3 * watched.STEP_S)
    connection = Computing(0, is_deaf=True)
    query = Watched(connection, 0.01)
    with pytest.raises(duckdb.InterruptException, match="does not end"):
        query.execute(ENDLESS)
    query.close()
    assert connection.interrupted == 3 and not connection.is_closed
    connection._ended.set()


def test_the_limit_holds_for_all_of_a_query() -> None:
    with pytest.raises(duckdb.InterruptException):
        Watched(duckdb.connect(":memory:"), 0.01).execute(ENDLESS)


def test_rows_come_through() -> None:
    query = Watched(duckdb.connect(":memory:"), 600.0)
    assert query.execute("SELECT range AS n FROM range(3) WHERE range <> $1", [1]).description[0][0] == "n"
    assert [query.fetchmany(2), query.fetchmany(2)] == [[(0,), (2,)], []]
    query.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_stops_while_it_reads_a_source(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def execute(self: Watched, sql: str, parameters: Any = None) -> Watched:
        def work() -> Any:
            os.kill(os.getpid(), number)
            return self.connection.execute(sql)

        self._result = self._timed(work)
        return self

    spec = tmp_path / "a.mix"
    spec.write_text(
        f'edition 2026\nsource s duckdb {{ sql = "{ENDLESS.replace("count(*)", "count(*) AS n")}" }}\n'
        "pipeline p { from s, derive { m = n } }\n",
        encoding="utf-8",
    )
    plan = mixwright.plan(spec)
    monkeypatch.setattr(Watched, "execute", execute)
    with Store.open(tmp_path / "store") as store:
        report = run_plan(plan, store=store, options=RunOptions(exports=False), engines={})
    assert (report.status, report.exit_code) == ("stopped", 128 + number)
    assert "interrupted" in report.messages[0]
