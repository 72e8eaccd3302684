"""A run can be watched while it holds the store, and read back when it has ended."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mixwright.cli import main
from mixwright.commands.status import rendered
from mixwright_compiler.load.project_root import project_root, store_directory
from mixwright_compiler.plan.plan import Component, CountQuota, Mixture, Origin, Plan, WeightQuota
from mixwright_runtime.store.records import CallRecord, OutcomeRecord, SelectionRecord, TallyRecord
from mixwright_runtime.store.status import is_alive, process_started, read_status, status_path, write_status
from mixwright_runtime.store.store import Store
from tests.runtime.store.conftest import key_of

RUNNING: dict[str, Any] = {
    "run_id": 4, "spec": "tiny.mix", "command": "run tiny.mix", "state": "running", "started": 1.0, "elapsed_s": 125.0,
    "pipelines": [
        {"name": "math", "wanted": 1_000, "started": 1_200, "kept": 950, "steps": [
            {"id": "solve", "operation": "step.generate", "rows_in": 1_200, "rows_out": 1_170,
             "dropped": {"length": 10, "parse": 20}, "quarantined": {"timeout": 10}},
        ]},
    ],
    "requests": {"hits": 900, "misses": 300, "failed": 12, "in_flight": 64},
    "tokens": {"prompt": 12_000, "output": 40_000},
}  # fmt: skip

FINISHED = """\
run 1 of tiny.mix: short, 4 s
  all requests spent
math: 3 started, 2 kept of 5 wanted
  step                in  out  dropped   quarantined
  short  step.filter   3    2  1 filter  -
mixture mix
  rows of  wanted  got
  math          5    2  3 short
  web         all    0
requests: 2 asked, 7 reused, 1 failed; tokens: 14 in, 18 out; $0.25
next: loosen a quota or add rows, then 'mixwright run tiny.mix': everything made so far is reused"""


def test_a_reader_never_sees_half_a_status(tmp_path: Path) -> None:
    path = status_path(tmp_path)
    write_status(path, RUNNING)
    finished = threading.Event()

    def rewrite() -> None:
        for size in range(300):
            write_status(path, {**RUNNING, "message": "x" * size * 50})
        finished.set()

    writer = threading.Thread(target=rewrite)
    writer.start()
    while not finished.is_set():
        assert read_status(path) is not None
    writer.join()
    assert [entry.name for entry in tmp_path.iterdir()] == ["status.json"]


def test_a_run_in_progress_is_shown_while_it_holds_the_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Store.open(tmp_path):
        write_status(status_path(tmp_path), RUNNING)
        assert main(["status", "--store", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert f"run 4 of tiny.mix: running (pid {os.getpid()})" in shown
    assert "math: 1,200 started, 950 kept of 1,000 wanted" in shown
    assert "1,200  1,170  30: 20 parse, 10 length  10 timeout" in shown
    assert "requests: 300 asked, 900 reused, 12 failed, 64 in flight; tokens: 12,000 in, 40,000 out" in shown


def test_a_run_whose_process_is_gone_is_not_called_running(tmp_path: Path, plan: Plan) -> None:
    with Store.open(tmp_path) as store:
        store.begin_run(plan, "run tiny.mix")
    gone = subprocess.Popen(["true"], stdout=subprocess.PIPE)
    assert gone.stdout is not None and gone.stdout.read() == b""
    os.waitid(os.P_PID, gone.pid, os.WEXITED | os.WNOWAIT)
    ended = {**RUNNING, "pid": gone.pid, "process_started": process_started(gone.pid)}
    write_status(status_path(tmp_path), ended)
    status = read_status(status_path(tmp_path))
    assert status is not None
    assert not is_alive(status), "a zombie was taken for a run"
    gone.wait()
    assert not is_alive(status)
    # The pid came to another process: told apart by when that one started.
    write_status(status_path(tmp_path), {**RUNNING, "process_started": 1})
    status = read_status(status_path(tmp_path))
    assert status is not None and not is_alive(status)


def test_a_killed_run_says_so_and_how_to_go_on(
    tmp_path: Path, plan: Plan, call: Callable[..., CallRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    with Store.open(tmp_path) as store:
        run = store.begin_run(plan, "run tiny.mix")
        store.put_call(call(1, run_id=run))
    write_status(status_path(tmp_path), {**RUNNING, "run_id": run, "process_started": 1})
    assert main(["status", "--store", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "run 1 of tiny.mix: killed" in shown
    assert "requests: 1 asked, 900 reused" in shown
    assert "solve  step.generate  1,200  1,170" in shown
    assert "'mixwright run tiny.mix' continues where it stopped" in shown


def mixture_plan(plan: Plan) -> Plan:
    here = Origin(file="tiny.mix", line=1, column=1)
    mixture = Mixture(
        name="mix", seed=0, columns={}, origin=here,
        components=(
            Component(rows="math", kind="pipeline", quota=CountQuota(count=5), origin=here),
            Component(rows="web", kind="source", quota=WeightQuota(weight=1), origin=here),
        ),
    )  # fmt: skip
    return plan.model_copy(update={"mixtures": {"mix": mixture}})


def test_a_finished_run_is_read_from_the_store(
    tmp_path: Path,
    plan: Plan,
    call: Callable[..., CallRecord],
    outcome: Callable[..., OutcomeRecord],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Store.open(tmp_path) as store:
        run = store.begin_run(mixture_plan(plan), "run tiny.mix")
        store.put_call(call(1))
        store.put_call(call(2, status="failed", reason="timeout"))
        store.put_outcome(outcome(0, status="dropped", step="short", reason="filter"))
        for number in (1, 2):
            store.put_outcome(outcome(number))
        store.put_tally(TallyRecord(run, "math", "short", 0, 3, 2, dropped=1))
        store.put_selection(
            SelectionRecord(run, "mix", position, "math", "math", key_of(position + 1))
            for position in range(2)
        )
        asyncio.run(store.flush())
        components = {"math": {"wanted": 5, "got": 2}, "web": {"wanted": None, "got": 0}}
        summary = {
            "seconds": 4.0, "reused": 7, "requests": 2, "cost": 0.25, "stopped_by": "all requests spent",
            "pipelines": {"math": {"wanted": 5}}, "mixtures": {"mix": {"components": components}},
        }  # fmt: skip
        store.end_run(run, "short", summary)
    assert main(["status", "--json", "--store", str(tmp_path)]) == 0
    status = json.loads(capsys.readouterr().out)
    status["pipelines"][0]["steps"][0]["operation"] = "step.filter"
    assert rendered(status) == FINISHED


def test_without_a_run_there_is_nothing_to_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--store", str(tmp_path)]) == 2
    assert "'mixwright run SPEC' starts one" in capsys.readouterr().err


def test_control_characters_of_a_run_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_status(status_path(tmp_path), {**RUNNING, "message": "engine said \x1b[2J\x9b\u202e"})
    main(["status", "--store", str(tmp_path)])
    assert "engine said \\u001b[2J\\u009b\\u202e" in capsys.readouterr().out


def test_the_store_is_at_the_root_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "specs" / "deep").mkdir(parents=True)
    assert project_root(tmp_path / "specs" / "deep") == tmp_path
    assert store_directory(tmp_path) == tmp_path / ".mixwright"
