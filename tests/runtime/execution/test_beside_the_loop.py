"""Sources are read, selections recorded, exports written beside the event loop, and end when the run is interrupted."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from spec_runs import SpecRuns

from mixwright_runtime.errors import RunStopped
from mixwright_runtime.mixture import record
from mixwright_runtime.run.drawn import replay_of
from mixwright_runtime.run.run import Run
from mixwright_runtime.sources import pages
from mixwright_runtime.sources.parquet_rows import ParquetFiles
from mixwright_runtime.sources.watched import Watched
from mixwright_runtime.steps.draw import Draw
from mixwright_runtime.store.runs import newest_named
from mixwright_runtime.store.store import Store
from mixwright_runtime.stream.ahead import Ahead
from mixwright_runtime.stream.context import RunContext
from mixwright_runtime.stream.kept import StartSpool
from mixwright_runtime.values.beside import beside, ended_by, go_on

ROWS = 600
SPEC = """
source numbers jsonl { path = "numbers.jsonl" }
pipeline all { from numbers }
mixture main { seed = 1, all = all }
"""
OF_PARQUET = """
source numbers parquet { path = "numbers.parquet", columns = { text = text } }
pipeline all { from numbers }
mixture main { seed = 1, STEP }
"""


@pytest.fixture
def runs(tmp_path: Path) -> SpecRuns:
    lines = (json.dumps({"text": f"number {i}"}) for i in range(ROWS))
    (tmp_path / "numbers.jsonl").write_text("\n".join(lines))
    rows = f"SELECT 'number ' || i AS text FROM range({ROWS}) r(i)"
    duckdb.execute(f"COPY ({rows}) TO '{tmp_path / 'numbers.parquet'}' (FORMAT parquet)")
    return SpecRuns(tmp_path, lambda prompt: "")


class Turns:
    """A reading that waits for a turn of the event loop, which does not come if the reading holds the loop."""

    def __init__(self) -> None:
        self.waits = 0
        self._waiting = threading.Event()
        self._turn = threading.Event()

    def wrapped(self, read: Any) -> Any:
        def reading(*arguments: Any) -> Iterator[Any]:
            self._wait()
            yield from read(*arguments)

        return reading

    def wrapped_call(self, work: Any) -> Any:
        def working(*arguments: Any) -> Any:
            self._wait()
            return work(*arguments)

        return working

    def _wait(self) -> None:
        self.waits += 1
        self._turn.clear()
        self._waiting.set()
        assert self._turn.wait(20), "the event loop is held"

    async def watch(self, run: Run) -> None:
        while True:
            if self._waiting.is_set():
                self._waiting.clear()
                self._turn.set()
            await asyncio.sleep(0.001)


def test_a_source_is_read_beside_the_loop(runs: SpecRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns()
    monkeypatch.setattr(pages, "read_rows", turns.wrapped(pages.read_rows))
    assert runs.run(SPEC, watch=turns.watch).status == "done"
    assert turns.waits == 1


@pytest.mark.parametrize("step", ["all = all", "numbers = take(100)"])
def test_columns_are_read_beside_the_loop(step: str, runs: SpecRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns()
    monkeypatch.setattr(ParquetFiles, "read", turns.wrapped(ParquetFiles.read))
    assert runs.run(OF_PARQUET.replace("STEP", step), watch=turns.watch).status == "done"
    assert turns.waits


DRAWN = """
source numbers jsonl { path = "numbers.jsonl", limit = 20 }
source others jsonl { path = "numbers.jsonl" }
source terms inline { rows = [{ source = "number", target = "Zahl" }] }
tool search bm25 { over = others, on = text, top = 1 }
pipeline many { from others }
pipeline all {
  from numbers
  derive { calls = matches(text, "^.*$") }
  STEP
}
mixture main { seed = 1, all = all }
"""


@pytest.mark.parametrize(
    "step",
    [
        "draw shot { from = others, column = text }",
        "draw shot { from = many, column = text }",
        "draw shots { from = numbers, except = self, balance = text, count = 3 }",
        "dedup rouge { on = text, against = [others] }",
        "decontaminate ngram { on = text, against = [others] }",
        "call found { calls = calls, tools = [search] }",
        'verify translation { source = text, response = text, from = "en", to = "de", glossary = terms, '
        "checks = [numbers] }",
    ],
)
def test_what_steps_read_of_sources_and_pipelines_is_read_beside_the_loop(
    step: str, runs: SpecRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns()
    monkeypatch.setattr(RunContext, "rows_of", turns.wrapped(RunContext.rows_of))
    runs.run(DRAWN.replace("STEP", step), watch=turns.watch)
    assert turns.waits


@pytest.mark.parametrize("given", ["where = drawn.text != text", "balance = text", "spread = even"])
def test_a_row_that_draws_from_many_is_taken_beside_the_loop(
    given: str, runs: SpecRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same is drawn for it there."""
    spec = DRAWN.replace("STEP", f"draw shots {{ from = others, column = text, count = 2, {given} }}")
    assert runs.run(spec).status == "done"
    few, turns = runs.rows(), Turns()
    monkeypatch.setattr("mixwright_runtime.steps.draw.MANY", 50)
    monkeypatch.setattr("mixwright_runtime.steps.draw.LONG_PACK", 50)
    monkeypatch.setattr(Draw, "apply", turns.wrapped_call(Draw.apply))
    assert runs.run(spec, watch=turns.watch).status == "done"
    assert turns.waits == 20
    assert runs.rows() == few


def test_earlier_runs_are_asked_for_a_pool_beside_the_loop(
    runs: SpecRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = Turns()
    monkeypatch.setattr(Store, "streamed", turns.wrapped(Store.streamed))
    monkeypatch.setattr("mixwright_runtime.run.run.replay_of", turns.wrapped_call(replay_of))
    spec = DRAWN.replace("STEP", "draw shot { from = all, column = calls, fewer = ok, lag = 64 }")
    spec = spec.replace("mixture main { seed = 1, all = all }", "")
    for _ in range(2):
        assert runs.run(spec, watch=turns.watch).status == "done"
    # What it lost, what is expected again, and in the second run what the first has kept.
    assert turns.waits == 2 + 3


def test_a_selection_that_is_interrupted_is_none(runs: SpecRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Run] = []
    put = Store.put_selection

    def put_some(store: Store, records: Any) -> None:
        def interrupted() -> Iterator[Any]:
            for number, one in enumerate(records):
                if number == 100:
                    begun[0].stop.interrupt(signal.SIGINT)
                yield one

        put(store, interrupted())

    with monkeypatch.context() as patched:
        patched.setattr(Store, "put_selection", put_some)
        patched.setattr("mixwright_runtime.store.store.BATCH_RECORDS", 50)
        report = runs.run(SPEC, watch=noted(begun))
    assert (report.status, report.exit_code) == ("stopped", 128 + signal.SIGINT)
    assert 0 < runs.store.sql("SELECT count(*) FROM selection")[0][0] < ROWS  # those of whole batches
    runs.store.close()
    assert (runs.store.directory / "store.duckdb.wal").exists(), (
        "who waits for the end waits for no checkpoint"
    )
    runs.store = Store.open(runs.store.directory)
    assert runs.store.last_run(mixture="main") is None and newest_named(runs.store, "main") is None

    assert runs.run(SPEC).status == "done"
    last = runs.store.last_run(mixture="main")
    assert last is not None and last.run_id == 2
    runs.store.close()
    assert not (runs.store.directory / "store.duckdb.wal").exists()


def test_an_export_that_is_interrupted_leaves_what_was_there(
    runs: SpecRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = SPEC.replace("from numbers", "from numbers\n  chat { user = text, assistant = text }")
    spec += 'export out of main { path = "out", format = messages }\n'
    assert runs.run(spec, exports=True).status == "done"
    before = bytes_in(runs.directory / "out")
    begun: list[Run] = []
    rows = record.mixture_rows

    def interrupted(*arguments: Any, **more: Any) -> Iterator[Any]:
        for number, row in enumerate(rows(*arguments, **more)):
            if number == 100:
                begun[0].stop.interrupt(signal.SIGINT)
            yield row

    monkeypatch.setattr(record, "mixture_rows", interrupted)
    report = runs.run(spec, exports=True, watch=noted(begun))
    assert (report.status, report.exit_code) == ("stopped", 128 + signal.SIGINT)
    assert bytes_in(runs.directory / "out") == before


def bytes_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_table_is_read_beside_the_loop(runs: SpecRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns()
    monkeypatch.setattr(StartSpool, "at", turns.wrapped(StartSpool.at))
    spec = SPEC.replace("from numbers", "from numbers\n  balance { by = text, to = equal }")
    assert runs.run(spec, watch=turns.watch).status == "done"
    assert turns.waits


def test_a_table_is_read_no_further_when_the_run_is_interrupted(
    runs: SpecRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Run] = []
    read = StartSpool.at
    seen = 0

    def interrupted(spool: StartSpool, numbers: Any) -> Iterator[Any]:
        nonlocal seen
        for start in read(spool, numbers):
            if seen == 0:
                begun[0].stop.interrupt(signal.SIGINT)
            seen += 1
            yield start

    monkeypatch.setattr(StartSpool, "at", interrupted)
    monkeypatch.setattr("mixwright_runtime.values.spool._READ_BYTES", 1)
    spec = SPEC.replace("from numbers", "from numbers\n  balance { by = text, to = equal }")
    assert runs.run(spec, watch=noted(begun)).exit_code == 128 + signal.SIGINT
    assert seen == 1


def noted(begun: list[Run]) -> Any:
    async def watch(run: Run) -> None:
        begun.append(run)

    return watch


def test_the_next_part_is_read_when_all_of_one_are_given_away() -> None:
    """What has ended until then decides in which order the next rows start."""
    asked: list[int] = []

    def parts() -> Iterator[list[Any]]:
        for number in range(2):
            asked.append(number)
            yield [f"{number}.{at}" for at in range(2)]

    async def given_away() -> list[tuple[Any, list[int]]]:
        ahead = Ahead(parts(), lambda: None, is_in_memory=False)
        return [(await ahead.next(), list(asked)) for _ in range(5)]

    assert asyncio.run(given_away()) == [
        ("0.0", [0]),
        ("0.1", [0]),
        ("1.0", [0, 1]),
        ("1.1", [0, 1]),
        (None, [0, 1]),
    ]


def test_work_in_a_thread_ends_when_it_is_told_to() -> None:
    begun, told = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        while True:
            go_on()

    def check() -> None:
        if told.is_set():
            raise RunStopped("interrupted")

    async def interrupted() -> None:
        ending = asyncio.ensure_future(beside(check, work))
        while not begun.is_set():
            await asyncio.sleep(0)
        told.set()
        await ending

    with pytest.raises(RunStopped):
        asyncio.run(interrupted())
    go_on()  # outside, nobody ends anything


def test_a_query_asks_whether_to_go_on() -> None:
    looks = iter([None, None, RunStopped("interrupted")])

    def check() -> None:
        if (error := next(looks)) is not None:
            raise error

    endless = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range = b.range + 1 OR random() < 0"
    with duckdb.connect() as connection, ended_by(check), pytest.raises(RunStopped):
        Watched(connection, 600.0).execute(endless)
