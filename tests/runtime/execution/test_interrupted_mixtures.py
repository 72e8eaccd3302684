"""A run that is interrupted while a mixture's own steps decide ends there, however many rows wait for them."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest
from spec_runs import SpecRuns

from mixwright_runtime.run.run import Run

ROWS = 4_000
SPEC = """
source numbers jsonl { path = "numbers.jsonl" }
pipeline all { from numbers }
mixture main {
  seed = 1
  all = all
  dedup exact { on = text }
}
"""


@pytest.fixture
def runs(tmp_path: Path) -> SpecRuns:
    lines = (json.dumps({"text": f"number {i // 2}"}) for i in range(ROWS))
    (tmp_path / "numbers.jsonl").write_text("\n".join(lines))
    return SpecRuns(tmp_path, lambda prompt: "")


async def interrupt_at_the_first_verdicts(run: Run) -> None:
    while "main" not in run.mixture_runs or not any(run.mixture_runs["main"].dropped().values()):
        await asyncio.sleep(0)
    run.stop.interrupt(signal.SIGINT)


def test_an_interrupted_run_takes_no_more_rows_through_a_mixture(runs: SpecRuns) -> None:
    report = runs.run(SPEC, watch=interrupt_at_the_first_verdicts)
    assert (report.status, report.exit_code) == ("stopped", 128 + signal.SIGINT)
    # Rows go through the steps a thousand at a time.
    [(decided,)] = runs.store.sql("SELECT rows_in FROM tally WHERE pipeline = 'main.all'")
    assert 0 < decided < ROWS

    again = runs.run(SPEC)
    assert (again.status, again.exit_code) == ("done", 0)
    [(decided,)] = runs.store.sql("SELECT rows_in FROM tally WHERE pipeline = 'main.all' AND run_id = 2")
    assert decided == ROWS
