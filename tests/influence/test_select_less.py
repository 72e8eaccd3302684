"""The spec of `select less`, on the model that ships with the project."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import mixwright
from mixwright import cli
from mixwright_runtime.cluster.leases import LeaseTable
from mixwright_runtime.cluster.local import LocalWorker
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import Run, RunOptions
from mixwright_runtime.store.store import Store
from tests.checkout import ROOT
from tests.killing import killing, rows_of

pytestmark = [
    pytest.mark.train,
    pytest.mark.slow,
]  # each job imports torch and trains an adapter: 10 CPU-seconds
pytest.importorskip("peft")

SPEC = (ROOT / "specs/methods/less.mix").read_text(encoding="utf-8")
"""Forty lines of which eight are sums, the kind that is wanted; the best six are kept."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which the spec was run."""
    project = project_in(tmp_path_factory.mktemp("whole"))
    assert cli.main(["run", str(spec_of(project))]) == 0
    return project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return project_in(tmp_path)


def project_in(folder: Path) -> Path:
    (folder / "pyproject.toml").touch()
    shutil.copytree(ROOT / "specs/tiny/model", folder / "specs/tiny/model")
    (folder / "specs/methods").mkdir()
    spec_of(folder).write_text(SPEC, encoding="utf-8")
    return folder


def spec_of(project: Path, *changes: tuple[str, str]) -> Path:
    """The project's spec, with other words in place of some."""
    spec, text = project / "specs/methods/less.mix", SPEC
    for before, now in changes:
        assert before in text
        text = text.replace(before, now)
    if changes:
        spec.write_text(text, encoding="utf-8")
    return spec


def selected(project: Path) -> set[str]:
    from mixwright import rows

    return {row["messages"][0]["content"].split()[0] for row in rows(project / ".mixwright", "best")}


def test_the_planted_kind_is_on_top_and_another_count_computes_nothing(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert selected(whole) == {"Ada"}
    [directory] = (whole / ".mixwright" / "less").iterdir()
    [scores] = directory.glob("scores-*.npy")
    made = scores.stat().st_mtime_ns

    fewer = ("count = 6", "count = 4")
    assert cli.main(["run", str(spec_of(whole, fewer))]) == 0
    assert scores.stat().st_mtime_ns == made
    assert list((whole / ".mixwright" / "less").iterdir()) == [directory]

    # Each target a task of its own: other scores, from the features that are there.
    features = directory / "features" / "epoch-0" / "rows" / "features.npy"
    taken = features.stat().st_mtime_ns
    each = ("assistant = answer\n", "assistant = answer\n    by = question\n")
    assert cli.main(["run", str(spec_of(whole, fewer, each))]) == 0, capsys.readouterr().err
    assert list((whole / ".mixwright" / "less").iterdir()) == [directory]
    assert len(list(directory.glob("scores-*.npy"))) == 2
    assert features.stat().st_mtime_ns == taken


def test_a_killed_run_goes_on_at_the_row_where_it_was(whole: Path, project: Path) -> None:
    """Killed as features are taken, and again as rows end: what was written is not taken again, and the rows and scores
    are those of a run that was not killed."""
    spec, store = spec_of(project), project / ".mixwright"
    command = [sys.executable, "-m", "mixwright", "run", str(spec)]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    marks = ".mixwright/less/*/features/epoch-0/rows/written.npy"
    while not list(project.glob(marks)) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    [directory] = (store / "less").iterdir()
    assert not list(directory.glob("scores-*.npy"))
    trained = (directory / "warmup" / "epoch-1" / "epoch.json").stat().st_mtime_ns
    with killing("tests.methods.stand_in", "run_unasked") as run_unasked:
        assert run_unasked(spec, store, 20) == -signal.SIGKILL
        [scores] = directory.glob("scores-*.npy")
        made = scores.stat().st_mtime_ns
        assert run_unasked(spec, store, 0) == 0
    assert (directory / "warmup" / "epoch-1" / "epoch.json").stat().st_mtime_ns == trained
    assert scores.stat().st_mtime_ns == made
    assert scores.read_bytes() == (whole / scores.relative_to(project)).read_bytes()
    assert rows_of(store) == rows_of(whole / ".mixwright", run=1)


def test_workers_take_the_features_and_one_that_is_killed_loses_none(whole: Path, project: Path) -> None:
    """What is selected, and all that it rests on, is the same to the byte."""
    told: list[LeaseTable] = []

    async def kill_the_first_at_work(run: Run) -> None:
        assert run.leased is not None
        cluster, leasings = run.leased.cluster, run.leased.leasings
        while True:
            tables = [
                leasing.table for leasing in leasings if leasing.name == "gradients of chosen.select_less"
            ]
            for place, worker in cluster.workers.items():
                if tables and tables[0].open_at(place) and isinstance(worker, LocalWorker):
                    told.append(tables[0])
                    os.kill(worker.pid, signal.SIGKILL)
                    return
            await asyncio.sleep(0.001)

    with Store.open(project / ".mixwright") as store:
        options = RunOptions(cluster="local:2", watch=kill_the_first_at_work)
        report = run_plan(mixwright.plan(spec_of(project)), store=store, options=options)
        assert report.status == "done" and not [line for line in report.messages if "takes no part" in line]
    [table] = told
    assert table.stats.lost == 1 and table.stats.re_leased and table.stats.items >= 4 + table.stats.re_leased
    made = [(place / ".mixwright" / "less", place / ".mixwright") for place in (whole, project)]
    files = [sorted(less.rglob("features/**/*.npy")) for less, _ in made]
    assert len(files[0]) == len(files[1]) == 8
    assert [file.read_bytes() for file in files[0]] == [file.read_bytes() for file in files[1]]
    assert rows_of(project / ".mixwright") == rows_of(whole / ".mixwright", run=1)


def test_what_is_wrong_with_the_targets_is_said_before_anything_runs(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["run", str(spec_of(project, ("user = question\n", "user = asked\n")))]) == 1
    assert "no column `asked` in rows of `wanted`" in capsys.readouterr().err
    assert not (project / ".mixwright" / "less").exists()
