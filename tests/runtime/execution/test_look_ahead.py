"""Rows whose calls are stored: looked up together while others start in their stead, and in the order of the spec."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import plans
import pytest
from plans import generate, inline
from virtual import ScriptedEngine

from mixwright_compiler.plan.plan import CountQuota
from mixwright_runtime.engines.protocol import Answer, Request
from mixwright_runtime.run.collecting import THRESHOLDS
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store
from mixwright_runtime.stream.ordering import LongestFirst
from mixwright_runtime.stream.stream import Executor

ROWS = 300
WINDOW = 5
"""1.1 times four places, rounded up."""


class Watching(ScriptedEngine):
    """Notes how many rows were under way at each request, and what Python's collector is set to."""

    def __init__(self) -> None:
        super().__init__(slots=4, latency_s=0.01)
        self.under_way: list[int] = []
        self.thresholds: set[tuple[int, ...]] = set()
        self.executor: Executor | None = None

    async def complete(self, request: Request) -> Answer:
        assert self.executor is not None
        self.under_way.append(self.executor.in_flight)
        self.thresholds.add(gc.get_threshold())
        return await super().complete(request)


@pytest.fixture
def run_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs 300 rows and tells: the engine, queries for records, rows that taught an order, what was kept."""

    def run(rows: range = range(ROWS)) -> tuple[Watching, int, int, list[Any]]:
        engine, taught = Watching(), []
        wave, took = Executor.wave, LongestFirst.took

        async def watched(executor: Executor, starts: Any) -> None:
            engine.executor = executor
            await wave(executor, starts)

        with monkeypatch.context() as patched, Store.open(tmp_path / "store") as store:
            patched.setattr(Executor, "wave", watched)
            patched.setattr(LongestFirst, "took", lambda *args: (taught.append(1), took(*args)))
            plan = plans.plan(
                tmp_path,
                models=[plans.model("http://nowhere")],
                sources=[inline([{"n": f"{n} " + "x" * (n % 90)} for n in rows])],
                pipelines=[plans.pipeline(generate())],
                mixtures=[plans.mixture(("essays", "pipeline", CountQuota(count=len(rows))))],
            )
            run_plan(plan, store=store, options=RunOptions(exports=False), engines={"teacher": engine})
            kept = store.sql(
                """SELECT position, row_id, columns FROM row_outcome WHERE status = 'kept'
                AND run_id = (SELECT max(run_id) FROM run) ORDER BY position"""
            )
            return engine, store._calls._stored.joins, len(taught), kept

    return run


def test_stored_rows_are_looked_up_together_and_teach_no_order(run_of: Callable[..., Any]) -> None:
    first, joins, taught, kept = run_of()
    assert (len(first.requests), joins, taught) == (ROWS, 0, ROWS)
    assert max(first.under_way) <= WINDOW, "nothing was in the store, so nothing was ahead"
    again, joins, taught, same = run_of()
    assert (len(again.requests), taught) == (0, 0)
    assert joins <= 3, f"{ROWS} rows in {WINDOW} places took {joins} queries"
    assert same == kept


def test_rows_that_are_asked_keep_to_their_places_beside_stored_ones(run_of: Callable[..., Any]) -> None:
    run_of(range(200))
    engine, joins, taught, kept = run_of(range(100, 400))
    assert len(engine.requests) == taught == 200
    assert len(kept) == ROWS
    assert 1 <= joins < 100, "a query for each stored row"


def test_garbage_is_sought_rarely_during_a_run_alone(run_of: Callable[..., Any]) -> None:
    before = gc.get_threshold()
    engine, *_ = run_of(range(3))
    assert engine.thresholds == {THRESHOLDS}
    assert gc.get_threshold() == before
