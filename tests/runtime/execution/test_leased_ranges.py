"""Work on ranges of rows in a cluster's workers: the same in its order, whatever becomes of them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unicodedata import unidata_version

import numpy as np
import plans
import pytest

import mixwright
from mixwright_runtime.calls.fault import SystemClock
from mixwright_runtime.cluster.engine import LeasedWork
from mixwright_runtime.cluster.local import LocalCluster, LocalWorker
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.steps.sketch_ranges import Sketches, Sketching, sketch_work
from mixwright_runtime.store.store import Store
from mixwright_runtime.stream import in_ranges
from mixwright_runtime.stream.in_ranges import InRanges
from mixwright_runtime.values.ranges import HERE, RangeWork

HOW = Sketching(permutations=128, seed=1, ngram=5, bands=16, rows=8)
WORK: RangeWork[list[str], Sketches] = sketch_work("sketches", HOW, lambda texts: texts)
RANGES = [
    [f"row {n} of range {r}: " + " ".join(f"w{(n + r) * k % 97}" for k in range(40)) for n in range(20)]
    for r in range(60)
] + [["", "…", "Ⅳ 小明有三个梨 İ"], []]


def plain(found: Sketches) -> tuple[Any, ...]:
    return found.keys.shape, found.keys.tolist(), [one.tolist() for one in found.shingles]


def on_local(count: int, work: RangeWork[Any, Any], ranges: Iterator[Any], **other: Any) -> LeasedWork:
    """What was leased when all ranges were done, as they are done here. meanwhile: called beside with the cluster."""
    meanwhile = other.pop("meanwhile", None)

    async def main() -> LeasedWork:
        cluster = LocalCluster(count)
        leased = LeasedWork(
            plans.plan(Path("/nowhere")),
            {},
            cluster,
            sandbox="bwrap",
            clock=SystemClock(),
            again=lambda: None,
        )
        taken: list[Any] = []
        try:
            done = asyncio.to_thread(lambda: list(leased.ranges.each(work, iter(taken_of(ranges, taken)))))
            beside = [] if meanwhile is None else [meanwhile(cluster, leased)]
            made, *_ = await asyncio.gather(done, *beside)
        finally:
            await leased.ranges.close()
            await cluster.close()
        assert [given for given, _ in made] == taken
        assert [plain(value) for _, value in made] == [plain(value) for _, value in HERE.each(WORK, taken)]
        return leased

    return asyncio.run(main())


def taken_of(ranges: Iterator[Any], taken: list[Any]) -> Iterator[Any]:
    for given in ranges:
        taken.append(given)
        yield given


def test_ranges_come_back_in_order_and_as_they_are_made_here() -> None:
    leased = on_local(2, WORK, iter(RANGES))
    assert leased.ranges.warnings() == []
    [leasing] = [one for one in leased.leasings if one.name == "sketches"]
    assert sum(leasing.answered.values()) == len(RANGES) and leasing.table.stats.lost == 0


def test_ranges_of_a_worker_that_is_killed_are_done_by_another() -> None:
    killed = threading.Event()

    def ranges() -> Iterator[list[str]]:
        # As many as it takes: the other worker may be there first, and do however many there are.
        while not killed.is_set():
            yield from RANGES[:10]
        yield from RANGES

    async def kill(cluster: LocalCluster, leased: LeasedWork) -> None:
        while not (tables := [one.table for one in leased.leasings if one.name == "sketches"]):
            await asyncio.sleep(0.01)
        while not tables[0].open_at("local-1"):
            await asyncio.sleep(0)
        worker = cluster.workers["local-1"]
        assert isinstance(worker, LocalWorker)
        # What it has answered already arrives; the next lease is one that it cannot answer.
        os.kill(worker.pid, signal.SIGSTOP)
        await asyncio.sleep(0.05)
        while not tables[0].open_at("local-1"):
            await asyncio.sleep(0)
        os.kill(worker.pid, signal.SIGKILL)
        killed.set()

    leased = on_local(2, WORK, ranges(), meanwhile=kill)
    [leasing] = [one for one in leased.leasings if one.name == "sketches"]
    assert leasing.table.stats.lost >= 1 and leasing.table.stats.re_leased >= 1
    assert leased.ranges.warnings() == []


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (
            {"proof": lambda: ["another version", sample()]},
            "or processors than the run: VERSION, not another version",
        ),
        ({"proof": lambda: ["one"]}, "or processors than the run: ['VERSION', "),
        ({"prover": "no_such_library:f"}, "ModuleNotFoundError: No module named 'no_such_library'"),
    ],
)
def test_a_worker_that_lacks_what_it_takes_says_so_and_gets_none(changed: dict[str, Any], why: str) -> None:
    leased = on_local(1, replace(WORK, **changed), iter(RANGES[:3]))
    [leasing] = [one for one in leased.leasings if one.name == "sketches"]
    assert why.replace("VERSION", unidata_version) in leasing.troubles["local-1"] and not leasing.answered
    [told] = leased.ranges.warnings()
    assert told.startswith("3 ranges of sketches were done by the run itself: worker local-1 is not used: ")
    assert [one.troubles for one in leased.leasings if one is not leasing] == [{}, {}]


def sample() -> object:
    """What a worker says of a sketch besides the Unicode."""
    found = WORK.proof()
    assert isinstance(found, list)
    return found[1]


def test_a_range_that_no_worker_can_do_is_done_by_the_run() -> None:
    leased = on_local(1, replace(WORK, function="os.path:getsize"), iter(RANGES[:2]))
    [told] = leased.ranges.warnings()
    assert told.startswith("2 ranges of sketches were done by the run itself: TypeError: ")


SPEC = """edition 2026
source texts jsonl { path = "rows.jsonl", columns = { text = text } }
source exam jsonl { path = "exam.jsonl", columns = { text = text } }
pipeline several {
  from texts
  decontaminate ngram { against = [exam], n = 4, overlap = 0.6 }
  dedup minhash { on = text, threshold = 0.5 }
  chat { user = text, assistant = text }
}
mixture all_of_it {
  seed = 1
  several = all
  dedup minhash { on = messages, threshold = 0.4 }
  decontaminate ngram { against = [exam], n = 4, overlap = 0.4 }
}
"""


def test_verdicts_of_steps_are_the_same_with_any_workers(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    rows = [" ".join(f"w{n}" for n in chance.integers(0, 30, 12) // (1 + row % 9)) for row in range(1200)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in rows))
    exam = [*rows[:400:10], "short of four"]
    (tmp_path / "exam.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in exam))
    spec = tmp_path / "spec.mix"
    spec.write_text(SPEC)
    made = []
    for cluster in ("", "local:1", "local:2"):
        with Store.open(tmp_path / f"store{cluster}") as store:
            report = run_plan(mixwright.plan(spec), store=store, options=RunOptions(cluster=cluster))
            assert report.status == "done" and not report.messages
            outcomes = store.sql(
                "SELECT pipeline, row_id, status, reason, detail FROM row_outcome ORDER BY ALL"
            )
            told = [report.summary["pipelines"]["several"]["reports"], report.summary["mixtures"]]
            made.append((list(outcomes), told))
        if cluster:
            answered = [worker["answered"] for worker in report.summary["cluster"]["workers"]]
            assert sum(answered) >= 3 + 2 + 1 + 1, "ranges of each step of the pipeline and of the mixture"
    assert made[0] == made[1] == made[2]
    assert {(owner, reason) for owner, _, _, reason, _ in made[0][0]} == {
        (owner, reason)
        for owner in ("several", "all_of_it.several")
        for reason in ("", "duplicate", "contaminated")
    }


def test_rows_go_on_in_their_order_though_a_later_range_is_there_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(in_ranges, "MOST_ROWS", 3)
    asked: list[list[int]] = []
    first_may_end = asyncio.Event()

    class Others:
        async def one(self, work: Any, given: list[int]) -> list[int]:
            asked.append(given)
            if given[0] == 0:
                await first_may_end.wait()
            if 4 in given:
                first_may_end.set()
            if 6 in given:
                raise ValueError("6")
            return [-number for number in given]

    async def main() -> None:
        looked_at: Any = InRanges(SimpleNamespace(looks=lambda: None), Others())  # type: ignore[arg-type]
        told: list[Any] = []

        async def row(number: int) -> None:
            try:
                told.append(await looked_at.found(number))
            except ValueError as error:
                told.append(str(error))

        await asyncio.gather(*map(row, range(8)))
        assert asked == [[0, 1, 2], [3, 4, 5], [6, 7]]
        assert told == [0, -1, -2, -3, -4, -5, "6", "6"]

    asyncio.run(main())
