"""What a run shows while it goes on."""

from __future__ import annotations

import io
import json
from pathlib import Path

import plans
import pytest
from plans import generate, numbered
from virtual import ScriptedEngine

from runtime import progress
from runtime.eta import Pace
from runtime.run import Run, RunOptions, run_plan
from runtime.store.store import Store


def run_watched(directory: Path, stream: io.StringIO, status: Path | None) -> None:
    plan = plans.plan(
        directory,
        models=[plans.model("http://nowhere")],
        sources=[numbered(30)],
        pipelines=[plans.pipeline(generate())],
    )
    with Store.open(directory / "store") as store:
        engine = ScriptedEngine(slots=4, latency_s=0.02)
        options = RunOptions(exports=False, watch=progress.watcher(status, stream=stream))
        run_plan(plan, store=store, options=options, engines={"teacher": engine})


def test_a_log_gets_a_line_and_others_get_a_status_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "STATUS_EVERY_S", 0.02)
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.05)
    stream = io.StringIO()
    run_watched(tmp_path, stream, tmp_path / "status.json")
    lines = stream.getvalue().splitlines()
    assert lines and all("kept of" in line and "in flight" in line for line in lines)
    status = json.loads((tmp_path / "status.json").read_text())
    (pipeline,) = status["pipelines"]
    assert (status["state"], pipeline["name"], pipeline["steps"][0]["id"]) == ("running", "essays", "answer")
    assert status["requests"]["misses"] <= 30


def test_a_status_file_that_cannot_be_written_ends_no_run(tmp_path: Path) -> None:
    run_watched(tmp_path, io.StringIO(), tmp_path / "missing" / "status.json")


def test_no_remaining_time_is_told_before_it_can_be_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[float, float] | None] = []

    async def watch(run: Run) -> None:
        seen.append(progress.eta_s(run))

    plan = plans.plan(
        tmp_path,
        models=[plans.model("http://nowhere")],
        sources=[numbered(3)],
        pipelines=[plans.pipeline(generate())],
    )
    with Store.open(tmp_path / "store") as store:
        run_plan(
            plan,
            store=store,
            options=RunOptions(exports=False, watch=watch),
            engines={"teacher": ScriptedEngine(latency_s=0.01)},
        )
    assert seen == [None]


def test_the_remaining_time_is_that_of_the_last_answers() -> None:
    """Half came at once out of the store; what is asked for takes a second for each hundredth."""
    pace = Pace()
    pace.note(0, 0)
    assert pace.left() is None
    for second in range(1, 41):
        pace.note(second, 0.5 + second / 100)
    assert pace.left() == (10.0, 15.0)


def test_no_remaining_time_is_told_before_a_twentieth_is_there() -> None:
    pace = Pace()
    for second in range(100):
        pace.note(second, second / 2500)
    assert pace.left() is None


@pytest.mark.parametrize("width", [40, 80, 119, 200])
def test_the_line_fits_and_keeps_the_remaining_time(tmp_path: Path, width: int) -> None:
    seen: list[str] = []

    async def watch(run: Run) -> None:
        run.pace.note(-10.0, -1.0)
        run.pace.left = lambda: (3600.0, 5400.0)  # type: ignore[method-assign]
        seen.append(progress.line_of(run, width))

    plan = plans.plan(
        tmp_path,
        models=[plans.model("http://nowhere")],
        sources=[numbered(3)],
        pipelines=[plans.pipeline(generate())],
    )
    with Store.open(tmp_path / "store") as store:
        options = RunOptions(exports=False, watch=watch)
        run_plan(plan, store=store, options=options, engines={"teacher": ScriptedEngine(latency_s=0.01)})
    assert [len(line) <= width and line.startswith("60 min to 1.5 h left") for line in seen] == [True]
