"""Rows that wait for a step which decides on all of them lie on disk: it sees the same rows, and holds none."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from spec_runs import SpecRuns

from mixwright_runtime.errors import RunError
from mixwright_runtime.steps.select_plain import SelectTop
from mixwright_runtime.stream.outcomes import Whence
from mixwright_runtime.stream.waiting import Waiting
from mixwright_runtime.values import spool
from mixwright_runtime.values.rows import Dropped, Row

PAIRS = """source pairs duckdb {
  sql = "SELECT i, [i, 1000 + i] AS pair, i % 3 > 0 AS ranked FROM range(1000) AS r(i)"
}
pipeline p { from pairs
  each n { of = pair }
  select top { by = n, count = 50, when = ranked }
}
"""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SpecRuns]:
    monkeypatch.setattr(spool, "MEMORY_BYTES", 1)
    made = SpecRuns(tmp_path, lambda prompt: "")
    yield made
    made.store.close()


class OnEven:
    """A step for rows with an even number."""

    name = "p.step"

    def applies(self, row: Row) -> bool:
        return row.columns["n"] % 2 == 0  # type: ignore[no-any-return]


def row(position: int, item: int, **columns: Any) -> Row:
    named = position.to_bytes(8) + item.to_bytes(8)
    return Row(named, columns, b"o" * 16, position, parents=(b"p" * 16,), scores={"s": 1.5}, path=(item,))


def test_rows_come_back_in_start_order_whichever_came_first() -> None:
    node: Any = OnEven()
    waiting = Waiting(node, None)
    starts = [
        [row(n, k, n=n + k, odd=[float("nan"), "\ud800"]) for k in range(n % 3 + 1)] for n in range(700)
    ]
    starts[5] = [row(5, 0, n=5, day=date(2026, 1, 2))]  # JSON has no form for it
    shuffled = random.Random(1).sample(starts, len(starts))
    for rows in shuffled:
        waiting.add(rows, Whence("source", f"line {rows[0].position}"))
    whole = [made for rows in starts for made in rows]
    concerned = waiting.concerned()
    assert list(map(repr, concerned)) == [repr(made) for made in whole if made.columns["n"] % 2 == 0]
    assert repr(concerned[-1]) == repr(list(concerned)[-1]) and repr(concerned[2:4][1]) == repr(concerned[3])
    found = list(waiting.in_start_order())
    assert [(position, whence) for position, whence, _ in found] == [
        (n, ("source", f"line {n}")) for n in range(700)
    ]
    left_out = [[None if made.columns["n"] % 2 == 0 else repr(made) for made in rows] for rows in starts]
    assert [[made and repr(made) for made in rows] for _, _, rows in found] == left_out


def test_a_run_decides_as_plain_lines_do_and_leaves_no_file(runs: SpecRuns) -> None:
    runs.run(PAIRS)
    numbers = {(i, n) for i in range(1000) for n in (i, 1000 + i)}
    passed = {(i, n) for i, n in numbers if i % 3 == 0}
    best = sorted(((n, -i) for i, n in numbers - passed), reverse=True)[:50]
    rows = runs.rows()
    found = {(c["i"], c["n"]) for status, _, c in rows if status == "kept"}
    assert {n for _, n in found - passed} == {n for n, _ in best} and found > passed
    assert len(found) == len(passed) + 50 and len(rows) == 2000
    runs.store.check_accounting(1, complete=True)
    assert not [file for file in runs.store.directory.rglob("*") if "tmp" in file.name]


def test_neither_the_step_nor_what_it_decided_holds_the_rows(
    runs: SpecRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = SelectTop.table
    alive: list[int] = []

    def count() -> None:
        gc.collect()
        alive.append(sum(isinstance(thing, Row) for thing in gc.get_objects()))

    async def table(step: SelectTop, rows: Sequence[Row]) -> Iterator[Any]:
        count()
        places = await sound(step, rows)
        count()

        def counted() -> Iterator[Any]:
            for at, place in enumerate(places):
                yield place
                if at % 500 == 0:
                    count()

        return counted()

    monkeypatch.setattr(SelectTop, "table", table)
    runs.run(PAIRS)
    assert len(alive) > 4 and max(alive) < 500  # of 2,000


@pytest.mark.parametrize(
    ("places", "told"),
    [
        (lambda rows: iter(rows[:-1]), "answered 39 verdicts for 40 rows, a bug in it"),
        (lambda rows: iter([*rows, rows[0]]), "answered 41 verdicts for 40 rows, a bug in it"),
        (lambda rows: iter([[] for _ in rows]), "left nothing of a row"),
        (lambda rows: (row.nothing for row in rows), "failed: AttributeError"),
        (lambda rows: 7, "failed: TypeError"),
    ],
)
def test_what_is_wrong_with_places_is_said_as_they_are_asked_for(
    runs: SpecRuns, monkeypatch: pytest.MonkeyPatch, places: Callable[[Any], Any], told: str
) -> None:
    async def table(step: SelectTop, rows: Sequence[Row]) -> Any:
        return places(rows)

    spec = PAIRS.replace("range(1000)", "range(30)")
    monkeypatch.setattr(SelectTop, "table", table)
    with pytest.raises(RunError, match=told):
        runs.run(spec)
    monkeypatch.undo()
    runs.run(spec)
    runs.store.check_accounting(2, complete=True)


def test_rows_behind_that_wait_are_bounded(runs: SpecRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is decided is read when there is room for it, and every row goes through."""
    from mixwright_runtime.stream import stream

    monkeypatch.setattr(stream, "MOST_BEHIND", 8)
    made, most = 0, 0
    sound = SelectTop.table

    async def table(step: SelectTop, rows: Sequence[Row]) -> Any:
        places = await sound(step, rows)

        def counted() -> Iterator[Any]:
            nonlocal made, most
            for place in places:
                made += not isinstance(place, Dropped)
                most = max(most, made - len(runs.prompts))
                yield place

        return counted()

    monkeypatch.setattr(SelectTop, "table", table)
    runs.run(
        PAIRS.replace("range(1000)", "range(300)").replace("count = 50", "count = 400").removesuffix("}\n")
        + '  generate said { prompt = ask, model = teacher }\n}\ntemplate ask { user = "{{ n }} {{ i }}" }\n'
    )
    assert len(runs.prompts) == 600 and most < 300
    runs.store.check_accounting(1, complete=True)


def test_what_is_lost_in_front_of_a_table_holds_up_nobody_behind_it(runs: SpecRuns) -> None:
    runs.run("""source numbers duckdb { sql = "SELECT i, i % 5 AS rest, i % 3 AS third FROM range(30) AS r(i)" }
pipeline p { from numbers
  filter { where = third > 0 }
  select top { by = i, count = 15 }
  dedup exact { on = rest }
  select random { count = 3 }
  dedup exact { on = rest }
}
""")
    best = sorted((i for i in range(30) if i % 3), reverse=True)[:15]
    assert len([c for status, _, c in runs.rows() if status == "kept"]) == min(3, len({i % 5 for i in best}))
    runs.store.check_accounting(1, complete=True)
