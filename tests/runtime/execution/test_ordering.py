"""Which rows of a wave start first, and that nothing else depends on it."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import plans
import pytest
from plans import generate, inline, step
from virtual import ScriptedEngine

from mixwright_compiler.plan.plan import Budget, CountQuota
from mixwright_runtime.engines.protocol import Answer, Request
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store
from mixwright_runtime.stream.ordering import ENOUGH_ROWS, LongestFirst, size_of_columns
from mixwright_runtime.stream.outcomes import Start
from mixwright_runtime.values.rows import Row


def starts(sizes: list[int]) -> list[Start]:
    return [
        Start(Row(f"r{n}", {"text": "x" * size}, f"r{n}", n), "s", str(n)) for n, size in enumerate(sizes)
    ]


def sizes(found: Any) -> list[int]:
    return [len(start.row.columns["text"]) for start in found]


def taught(order: LongestFirst, seconds_of: Any, rows: int = ENOUGH_ROWS) -> LongestFirst:
    for start in starts([10 * n for n in range(rows)]):
        order.took(start.row, seconds_of(len(start.row.columns["text"])))
    return order


def new_order(window: int = 4, *, in_blocks: bool = False) -> LongestFirst:
    return LongestFirst(size_of_columns(["text"]), window, in_blocks=in_blocks)


def in_order(order: LongestFirst, rows: list[Start]) -> Iterator[Start]:
    return chain.from_iterable(order.ordered(rows))


@pytest.mark.parametrize(
    ("seconds_of", "expected"),
    [
        (lambda size: 0.1 * size, [5, 4, 3, 1]),
        (lambda size: 50 / (1 + size), [1, 3, 4, 5]),
        (lambda size: 1.0, [3, 1, 5, 4]),
        (lambda size: 1 + size // 10 % 2, [3, 1, 5, 4]),
    ],
)
def test_rows_go_longest_first_where_size_tells_how_long(seconds_of: Any, expected: list[int]) -> None:
    assert sizes(in_order(taught(new_order(), seconds_of), starts([3, 1, 5, 4]))) == expected


def test_nothing_is_reordered_before_there_is_evidence() -> None:
    order = taught(new_order(), lambda size: size, rows=ENOUGH_ROWS - 1)
    assert sizes(in_order(order, starts([3, 1, 5, 4]))) == [3, 1, 5, 4]


def test_the_first_rows_of_the_first_wave_teach_the_rest() -> None:
    order = new_order(window=2)
    wanted = [(n * 7) % 50 for n in range(60)]
    found = in_order(order, starts(wanted))
    first = [next(found) for _ in range(2 + ENOUGH_ROWS)]
    assert sizes(first) == wanted[: len(first)]
    for start in first:
        order.took(start.row, float(len(start.row.columns["text"])))
    assert sizes(found) == sorted(wanted[len(first) :], reverse=True)


def test_behind_a_breaker_no_row_is_put_off_for_longer_than_a_block() -> None:
    order = taught(new_order(window=2, in_blocks=True), lambda size: size)
    found = sizes(in_order(order, starts(list(range(24)))))
    assert found == [n for end in (8, 16, 24) for n in range(end - 1, end - 9, -1)]


def test_the_makespan_of_long_tailed_work_shrinks() -> None:
    """400 rows at 32 places; the engine's time is the size. Simulated: no clock, no engine."""

    def makespan(order: Any) -> float:
        places = [0.0] * 32
        for start in order:
            heapq.heappush(places, heapq.heappop(places) + len(start.row.columns["text"]))
        return max(places)

    ratios = []
    for seed in range(20):
        chance = random.Random(seed)
        work = starts([int(min(4_000, chance.lognormvariate(5.5, 0.9))) for _ in range(400)])
        ratios.append(makespan(work) / makespan(in_order(taught(new_order(32), lambda size: size), work)))
    assert sum(ratios) / len(ratios) > 1.25
    assert min(ratios) > 0.99


class SlowForLong(ScriptedEngine):
    """Takes 10 µs for a character of the prompt."""

    async def complete(self, request: Request) -> Answer:
        self.latency_s = 1e-5 * len(str(request.messages[-1]["content"]))
        return await super().complete(request)


@pytest.mark.parametrize("breaker", [False, True])
def test_what_comes_out_does_not_depend_on_the_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaker: bool
) -> None:
    chance = random.Random(0)
    rows = [{"n": "x" * int(min(900, chance.lognormvariate(4, 1))) + str(n)} for n in range(300)]
    outcomes, orders = [], []
    took = LongestFirst.took
    # As long as their texts, and not as the clock of a busy machine has it.
    monkeypatch.setattr(
        LongestFirst, "took", lambda self, row, _: took(self, row, len(row.columns["n"]) / 1e3)
    )
    for name, wave in (("a", 300), ("b", 70), ("plain", 90)):
        if name == "plain":
            monkeypatch.setattr("mixwright_runtime.run.run.Run._order", lambda *_: None)
        monkeypatch.setattr(
            "mixwright_runtime.run.waves.PipelineRun.next_wave", lambda run, missing, wave=wave: wave
        )
        engine = SlowForLong(slots=16)
        store = Store.open(tmp_path / name)
        steps = [generate(), *([step("dedup.exact", on="answer")] if breaker else [])]
        plan = plans.plan(
            tmp_path,
            models=[plans.model("http://nowhere")],
            sources=[inline(rows)],
            pipelines=[plans.pipeline(*steps)],
            mixtures=[plans.mixture(("essays", "pipeline", CountQuota(count=120)))],
        )
        run_plan(plan, store=store, options=RunOptions(exports=False), engines={"teacher": engine})
        outcomes.append(_kept(store))
        orders.append([len(str(r.messages[-1]["content"])) for r in engine.requests])
        store.close()
    # Another number of rows was started, but the first survivors are the same, whatever was asked first.
    assert outcomes[0][:120] == outcomes[1][:120] == outcomes[2][:120]
    # After the rows that teach, the longest went first.
    rest = orders[0][16 + ENOUGH_ROWS + 16 :]
    if not breaker:
        assert rest == sorted(rest, reverse=True) and len(rest) > 200
    assert orders[2] != sorted(orders[2], reverse=True)


def _kept(store: Store) -> list[tuple[Any, ...]]:
    return store.sql(
        "SELECT position, row_id, columns FROM row_outcome WHERE status = 'kept' ORDER BY position, row_id"
    )


def test_under_a_budget_rows_start_in_start_order(tmp_path: Path) -> None:
    """Where it is spent half-way, what was asked must not be the large rows."""
    engine = SlowForLong(slots=4)
    store = Store.open(tmp_path / "store")
    rows = [{"n": "x" * (n * 37 % 400) + str(n)} for n in range(200)]
    plan = plans.plan(
        tmp_path,
        models=[plans.model("http://nowhere")],
        sources=[inline(rows)],
        pipelines=[plans.pipeline(generate())],
        mixtures=[plans.mixture(("essays", "pipeline", CountQuota(count=200)), budget=Budget(requests=150))],
    )
    run_plan(plan, store=store, options=RunOptions(exports=False), engines={"teacher": engine})
    asked = store.sql("SELECT position FROM outcome WHERE status = 'kept' ORDER BY position")
    assert [position for (position,) in asked] == list(range(len(asked)))
    assert len(asked) >= 140
