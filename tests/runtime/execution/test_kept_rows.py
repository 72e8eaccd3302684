"""Rows that were kept: put aside with all that they had, in start order, and no longer in memory."""

from __future__ import annotations

import errno
import math
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mixwright_runtime.errors import RunError
from mixwright_runtime.run import survivors as survivors_module
from mixwright_runtime.run.survivors import Survivors
from mixwright_runtime.stream.kept import KeptRows, StartSpool
from mixwright_runtime.stream.outcomes import Start
from mixwright_runtime.values import spool
from mixwright_runtime.values.rows import Row, digest


def start(position: int, *, path: tuple[int, ...] = (), **columns: Any) -> Start:
    row_id = digest("test", position, *path)
    return Start(Row(row_id, columns, row_id, position, path=path), "texts", f"rows.jsonl:{position}")


def kept(*waves: list[Start]) -> KeptRows:
    rows = KeptRows(None, "pipeline 'p'")
    for wave in waves:
        for one in wave:
            rows.add([(one, None)])
        rows.settle()
    return rows


@given(st.lists(st.permutations([(0,), (1,), (1, 0), (1, 1), (2,), (5,)]), min_size=1, max_size=3))
def test_a_wave_stands_in_start_order_behind_the_one_before(waves: list[list[tuple[int, ...]]]) -> None:
    made = [
        [start(10 * n + position, path=tuple(path)) for position, *path in wave]
        for n, wave in enumerate(waves)
    ]
    rows = kept(*made)
    read = list(rows)
    assert [(one.row.position, one.row.path) for one in read] == sorted(
        (one.row.position, one.row.path) for wave in made for one in wave
    )
    assert [row_id for row_id, _, _ in rows.names(0, len(rows))] == [one.row.row_id for one in read]


def test_candidates_of_one_row_stand_by_their_identity() -> None:
    one = start(3)
    forks = [one._replace(row=one.row.fork("s", n)) for n in range(9)]
    assert [s.row.row_id for s in kept(forks)] == sorted(fork.row.row_id for fork in forks)


def test_a_row_comes_back_as_it_was() -> None:
    columns = {
        "text": "é\n\ud800 \u2028",
        "n": 10**30,
        "x": [1.5, None, {"b": True, "a": ""}],
        "inf": -math.inf,
    }
    row = Row(
        b"i" * 16, columns, b"o" * 16, 7, 2, 1, (b"p" * 16,), (b"c" * 16, b"d" * 16), {"v": [1]}, (0, 3), (4,)
    )
    whole = Start(row, "texts", "a.jsonl:1", "leaf", 3)
    rows = StartSpool(None, "rows")
    rows.add([(whole, None), (start(1, text="next"), '{"text":"next"}')])
    assert list(rows.at([1, 0])) == [start(1, text="next"), whole]


def test_a_value_that_json_has_no_form_for_is_not_changed() -> None:
    odd = start(0, text="a", found={1, 2})
    assert list(kept([odd, start(1, text="b")])) == [odd, start(1, text="b")]


def test_rows_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "MEMORY_BYTES", 10_000)
    rows = KeptRows(None, "pipeline 'p'")
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for position in range(4_000):
            rows.add([(start(position, text=f"{position} " * 200), None)])
        rows.settle()
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held < 150 * 4_000


class FullDisk:
    """A file that takes nothing."""

    def seek(self, at: int) -> None:
        return

    def write(self, raw: bytes) -> None:
        if raw:
            raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        return


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(spool, "MEMORY_BYTES", 0)
    monkeypatch.setattr(spool, "TemporaryFile", lambda **_: FullDisk())
    yield


def test_a_full_disk_is_told_with_the_pipeline(full_disk: None) -> None:
    rows = kept([start(0, text="a")])
    with pytest.raises(
        RunError, match=r"^pipeline 'p': its rows cannot be put aside: No space left on device$"
    ):
        list(rows)


def test_what_a_mixtures_step_makes_of_a_row_is_what_an_outer_mixture_gets() -> None:
    rows = kept([start(0, text="a"), start(1, text="b"), start(2, text="c")])
    survivors = Survivors(["text"], StartSpool(None, "mixture 'm'"), is_nested=False)
    for place, came in enumerate(rows):
        if place == 1:
            survivors.add(place, came, came._replace(row=came.row.with_columns(text="B")))
        elif place == 2:
            survivors.add(place, came, came)
    found = survivors.candidates(is_complete=True)
    assert found.columns == {"text": ["B", "c"]}
    assert [survivors.at(rows, n).row.columns for n in range(2)] == [{"text": "B"}, {"text": "c"}]
    assert list(found.row_ids) == [survivors.at(rows, n).row.row_id for n in range(2)]


def test_equal_values_of_a_column_are_held_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survivors_module, "KNOWN_TEXTS", 2)
    texts = ["long enough", "another one", "long enough", "a third", None, "a third"]
    survivors = Survivors(["text"], None, is_nested=False)
    for place, came in enumerate(kept([start(n, text=text) for n, text in enumerate(texts)])):
        survivors.add(place, came, came)
    found = survivors.candidates(is_complete=True).columns["text"]
    assert found == texts
    assert found[0] is found[2]
    assert found[3] is not found[5], "no more are remembered"


def test_a_run_that_a_full_disk_has_ended_goes_on_and_asks_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import plans
    from virtual import ScriptedEngine

    from mixwright_compiler.plan.plan import CountQuota
    from mixwright_runtime.run.execute import run_plan
    from mixwright_runtime.run.run import RunOptions
    from mixwright_runtime.store.store import Store

    plan = plans.plan(
        tmp_path,
        models=[plans.model("http://nowhere")],
        sources=[plans.inline([{"n": n} for n in range(400)])],
        templates=[plans.template("{{ n }}")],
        pipelines=[plans.pipeline(plans.generate(), name="p")],
        mixtures=[plans.mixture(("p", "pipeline", CountQuota(count=300)))],
    )
    engine = ScriptedEngine(slots=8, latency_s=0)

    def run(store: Store) -> Any:
        return run_plan(plan, store=store, options=RunOptions(exports=False), engines={"teacher": engine})

    with Store.open(tmp_path / "store") as store:
        with monkeypatch.context() as patched:
            patched.setattr("mixwright_runtime.stream.kept.Spool", lambda *_: spool_on_a_full_disk(patched))
            with pytest.raises(RunError, match="cannot be put aside"):
                run(store)
        asked = len(engine.requests)
        assert asked > 0
        assert run(store).status == "done"
        assert len(engine.requests) == 300
        assert store.sql("SELECT count(*) FROM selection") == [(300,)]


def spool_on_a_full_disk(patched: pytest.MonkeyPatch) -> spool.Spool:
    made = spool.Spool(None, "pipeline 'p'")
    patched.setattr(made, "_file", FullDisk())
    return made
