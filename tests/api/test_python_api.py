"""The Python API: the commands' stages as functions."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

import mixwright

SPEC = """edition 2026

source numbers inline { license = "cc0-1.0", rows = [{ n = 1 }, { n = 2 }, { n = 3 }] }

pipeline even {
  from numbers
  derive { question = "twice " + text(n), answer = text(2 * n) }
  filter { where = n > 1 }
  chat { user = question, assistant = answer }
}

mixture all_even {
  seed = 1
  even = 1
}
"""


def spec_file(directory: Path, text: str = SPEC) -> Path:
    path = directory / "even.mix"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_spec_is_checked_planned_run_and_read(tmp_path):
    spec = spec_file(tmp_path)
    assert mixwright.check(spec) == ()
    plan = mixwright.plan(spec)
    assert plan.pipelines["even"].columns["messages"] == "chat"
    report = mixwright.run(plan, store=tmp_path / "store")
    assert (report.status, report.exit_code) == ("done", 0)
    (row,) = mixwright.rows(tmp_path / "store", "all_even")
    assert row["answer"] == str(2 * row["n"])
    assert row["n"] > 1


def test_a_spec_with_errors_raises_its_findings(tmp_path):
    spec = spec_file(tmp_path, SPEC.replace("where = n > 1", "where = m > 1"))
    with pytest.raises(mixwright.SpecError) as raised:
        mixwright.plan(spec)
    (finding,) = raised.value.findings
    assert (finding.code, finding.primary.span.position.line) == ("MIX401", 8)
    assert "no column `m`" in str(raised.value)


def test_rows_under_an_unknown_name_are_an_error(tmp_path):
    mixwright.run(spec_file(tmp_path), store=tmp_path / "store")
    with pytest.raises(Exception, match="holds no rows of 'odd'"):
        list(mixwright.rows(tmp_path / "store", "odd"))


def test_a_run_works_where_an_event_loop_runs_already(tmp_path):
    """As in a notebook, whose cells are run by a loop."""

    async def cell() -> mixwright.api.RunReport:
        return mixwright.run(spec_file(tmp_path), store=tmp_path / "store")

    report = asyncio.run(cell())
    assert (report.status, report.exit_code) == ("done", 0)

    async def broken() -> None:
        mixwright.run(spec_file(tmp_path, SPEC.replace("where = n > 1", "where = m > 1")))

    with pytest.raises(mixwright.SpecError):
        asyncio.run(broken())


INTERRUPTED = """
import asyncio, os, signal, sys
import mixwright
import mixwright_runtime.run.run as running

async def work(run):
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.kill(os.getpid(), signal.SIGINT)
    while not run.stop.reason:
        await asyncio.sleep(0)
    if sys.argv[2] == "twice":
        run._task = asyncio.current_task()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()
    run.stop.check()

running.Run.work = work

async def cell():
    return mixwright.run(sys.argv[1], store=sys.argv[1] + ".store")

if sys.argv[3] == "unheard":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print(asyncio.run(cell()).status)
"""


@pytest.mark.parametrize("times", ["once", "twice"])
@pytest.mark.parametrize("arrival", ["heard", "unheard"])
def test_ctrl_c_stops_a_run_inside_a_loop(tmp_path, times, arrival):
    """Also where the signal does not end the main thread's wait: it came to another thread, or just before the wait."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(spec_file(tmp_path)), times, arrival],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "stopped\n", done.stderr


def test_a_run_needs_nothing_of_what_trains(tmp_path, monkeypatch):
    monkeypatch.setattr("mixwright.extras.find_spec", lambda name: None)
    trained = SPEC + 'train student on all_even { repo = "org/base", output = "out/student" }\n'
    assert mixwright.run(spec_file(tmp_path, trained), store=tmp_path / "store").exit_code == 0


def test_explain_of_a_row_says_nothing_of_leaks(tmp_path):
    mixwright.run(spec_file(tmp_path), store=tmp_path / ".mixwright")
    done = subprocess.run(
        [sys.executable, "-m", "mixwright", "explain", "ab", "--store", str(tmp_path / ".mixwright")],
        capture_output=True,
        text=True,
    )
    assert "leaked" not in done.stderr + done.stdout
