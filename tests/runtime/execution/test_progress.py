"""What a run shows while it goes on."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import plans
import pytest
from plans import generate, numbered
from virtual import ScriptedEngine, run_plan_virtually

from mixwright_compiler.plan.plan import CountQuota
from mixwright_dsl.visible import width
from mixwright_runtime.engines.protocol import Answer, Finish
from mixwright_runtime.run import live, progress
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.live import one_line
from mixwright_runtime.run.pace import Pace, Quota, RunPace
from mixwright_runtime.run.progress_text import block_of, line_of, span_between
from mixwright_runtime.run.quotas import note, quotas_of
from mixwright_runtime.run.run import Run, RunOptions
from mixwright_runtime.store.store import Store

GOLDEN = [
    "5 to 14 s left · 4 s so far · 27 kept of 38 started · 9 in flight",
    "part_0   █████████████████████████████████████████████░░░░░   90%  18 of 20",
    "part_1   ███████████▎░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░   22%  9 of 40",
    "teacher  6.8 requests/s · 33.8 tokens/s · $0.54 · 9 in flight",
]


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
    monkeypatch.setattr(live, "LINE_EVERY_S", 0.05)
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


def test_the_remaining_time_is_that_of_the_last_answers() -> None:
    """Half came at once out of the store; what is asked for takes a second for each hundredth."""
    pace = Pace()
    pace.note(0, 0)
    assert pace.seconds is None
    for second in range(1, 41):
        pace.note(second, 0.5 + second / 100)
    assert pace.seconds == pytest.approx(10)


def test_no_remaining_time_is_told_before_a_twentieth_is_there() -> None:
    pace = Pace()
    for second in range(100):
        pace.note(second, second / 2500)
    assert pace.seconds is None


Seen = tuple[float, tuple[float, float] | None, list[Quota]]


def watched(
    directory: Path, *pipelines: Any, wanted: dict[str, int], every_s: float = 1, **engine: Any
) -> list[Seen]:
    """What a whole run of pipelines for a mixture told every second: its age, what is left, its quotas."""
    plan = plans.plan(
        directory,
        models=[plans.model("http://nowhere")],
        sources=[numbered(2000)],
        templates=[plans.template(), plans.template("Again {{ n }}.", "again")],
        pipelines=pipelines,
        mixtures=[
            plans.mixture(*((name, "pipeline", CountQuota(count=count)) for name, count in wanted.items()))
        ],
    )
    seen: list[Seen] = []

    async def watch(run: Run) -> None:
        while True:
            note(run)
            seen.append((run.spending.seconds, run.pace.left(), quotas_of(run)))
            await asyncio.sleep(every_s)

    with Store.open(directory / "store") as store:
        report = run_plan_virtually(plan, store=store, watch=watch, engine=ScriptedEngine(**engine))
    assert report.status == "done"
    return seen


def assert_right(seen: list[Seen], *, within: float, answer_s: float = 1) -> None:
    """From a fifth on what is left lies between what was told, give or take a share of it and two answers."""
    ended = seen[-1][0]
    lacking = [s for s in seen if s[0] >= ended / 5 and any(quota.share != 1 for quota in s[2])]
    told = [(ended - at, left) for at, left, _ in lacking]
    assert len(told) > 10
    for truth, left in told:
        assert left is not None
        give = within * truth + 2 * answer_s
        assert left[0] - give <= truth <= left[1] + give, (truth, left)


def test_a_whole_run_tells_what_is_left_from_a_twentieth_on(tmp_path: Path) -> None:
    seen = watched(tmp_path, plans.pipeline(generate()), wanted={"essays": 300})
    assert [left for _, left, (quota,) in seen if quota.there < 15 and left] == []
    assert [quota.there for _, _, (quota,) in seen] == sorted(quota.there for _, _, (quota,) in seen)
    assert_right(seen, within=0.2)


def test_rows_that_are_dropped_are_no_progress(tmp_path: Path) -> None:
    """Every third answer is cut off: a third of what is started never becomes a row."""

    def script(text: str, before: int) -> Answer | None:
        return Answer("cut", Finish.LENGTH) if int(text.split()[-1][:-1]) % 3 == 0 else None

    seen = watched(tmp_path, plans.pipeline(generate()), wanted={"essays": 300}, script=script)
    assert_right(seen, within=0.15)


def test_a_run_ends_with_its_slowest_quota(tmp_path: Path) -> None:
    """One needs a call a row, the other three, and both share the model's slots."""
    slow = [generate("one", prompt="again"), generate("two", max_tokens=9), generate("three", max_tokens=8)]
    seen = watched(
        tmp_path,
        plans.pipeline(generate(), name="quick"),
        plans.pipeline(*slow, name="slow"),
        wanted={"quick": 100, "slow": 300},
    )
    assert_right(seen, within=0.2)


def test_what_the_store_had_says_nothing_of_what_is_asked(tmp_path: Path) -> None:
    watched(tmp_path, plans.pipeline(generate()), wanted={"essays": 400})
    seen = watched(tmp_path, plans.pipeline(generate()), wanted={"essays": 800})
    assert_right(seen, within=0.25)


def test_a_night_is_told_as_well_as_a_minute(tmp_path: Path) -> None:
    seen = watched(tmp_path, plans.pipeline(generate()), wanted={"essays": 1000}, every_s=30, latency_s=120.0)
    assert seen[-1][0] > 3 * 3600
    assert_right(seen, within=0.1, answer_s=120)


def test_while_a_quota_has_nothing_only_the_least_is_told() -> None:
    pace = RunPace()
    for second in range(60):
        quick = Quota("m", "quick", second, 100, second / 100, 100)
        pace.note(second, [quick, Quota("m", "slow", 0, 100, 0.0, 100)])
    assert (pace.left(), pace.least) == (None, pytest.approx(41))
    pace.note(61, [quick, Quota("m", "slow", 100, 100, 1.0, 100)])
    assert pace.left() is not None


def blocks(directory: Path, *sizes: tuple[int, int], quotas: int = 2) -> list[list[list[str]]]:
    """The block in each size (columns, rows), of each second of a whole run with so many quotas."""
    pipelines = [
        plans.pipeline(generate(max_tokens=10 + number), name=f"part_{number}") for number in range(quotas)
    ]
    priced = plans.model("http://nowhere", price_in=1000, price_out=2000)
    plan = plans.plan(
        directory,
        models=[priced],
        sources=[numbered(200)],
        pipelines=pipelines,
        mixtures=[
            plans.mixture(
                *((p.name, "pipeline", CountQuota(count=20 * (at + 1))) for at, p in enumerate(pipelines))
            )
        ],
    )
    seen: list[list[list[str]]] = []

    async def watch(run: Run) -> None:
        while True:
            note(run)
            seen.append([block_of(run, *size) for size in sizes])
            await asyncio.sleep(1)

    with Store.open(directory / "store") as store:
        run_plan_virtually(plan, store=store, watch=watch, engine=ScriptedEngine())
    return seen


def test_a_bar_a_quota_and_a_line_a_model(tmp_path: Path) -> None:
    assert blocks(tmp_path, (79, 23))[4] == [GOLDEN]


def test_the_block_fits_the_terminal(tmp_path: Path) -> None:
    sizes = [(columns, rows) for columns in (1, 10, 39, 79, 118, 199) for rows in (1, 2, 5, 23)]
    for moment in blocks(tmp_path, *sizes, quotas=6):
        for (columns, rows), block in zip(sizes, moment, strict=True):
            assert 1 <= len(block) <= rows
            assert all(width(line) <= columns for line in block)


def test_of_more_quotas_than_rows_the_least_filled_are_shown(tmp_path: Path) -> None:
    block = blocks(tmp_path, (79, 6), quotas=8)[20][0]
    assert [line.split()[0] for line in block[1:4]] == ["part_7", "part_6", "part_5"]
    assert block[4] == "5 other quotas, 1 of them full"
    assert block[5].startswith("teacher")


def test_names_and_reasons_of_others_move_no_cursor_and_no_line() -> None:
    assert one_line("a\x1b[2J\r\nb") == "a\\u001b[2J\\u000d b"


@pytest.mark.parametrize("columns", [40, 80, 119, 200])
def test_the_line_fits_and_keeps_the_remaining_time(tmp_path: Path, columns: int) -> None:
    seen: list[str] = []

    async def watch(run: Run) -> None:
        run.pace.left = lambda: (3600.0, 5400.0)  # type: ignore[method-assign]
        seen.append(line_of(run, columns))

    plan = plans.plan(
        tmp_path,
        models=[plans.model("http://nowhere")],
        sources=[numbered(3)],
        pipelines=[plans.pipeline(generate())],
    )
    with Store.open(tmp_path / "store") as store:
        options = RunOptions(exports=False, watch=watch)
        run_plan(plan, store=store, options=options, engines={"teacher": ScriptedEngine(latency_s=0.01)})
    assert [len(line) <= columns and line.startswith("60 min to 1.5 h left") for line in seen] == [True]


@pytest.mark.parametrize(
    ("between", "said"),
    [
        ((700, 1100), "12 to 18 min"),
        ((80, 120), "80 s to 2 min"),
        ((3.2, 3.4), "3 s"),
        ((3600, 5400), "60 min to 1.5 h"),
    ],
)
def test_a_range_says_its_unit_once(between: tuple[float, float], said: str) -> None:
    assert span_between(*between) == said
