"""Faults of verifiers are no verdicts, and too many of them end the run: above 1% of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import plans
import pytest
import steps_for_tests
from plans import numbered, step
from spec_runs import SpecRuns

from mixwright_compiler.plan.plan import Step
from mixwright_runtime.errors import RunError
from mixwright_runtime.plugins.declare import declare
from mixwright_runtime.plugins.protocol import Measurement
from mixwright_runtime.plugins.shapes import Measure
from mixwright_runtime.run.ending import allowed_quarantine
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions, RunReport, policies_of
from mixwright_runtime.store.store import Store
from mixwright_runtime.values.rows import Row

FUNCTIONS = "tests.runtime.execution.functions_for_workers"
LENIENT = {"lenient": {"max_quarantined": 0.5}}


class Rows:
    """Numbered rows through one verifier that measures `score(text of n)`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = Store.open(directory / "store")

    def run(self, score: Any, rows: int) -> RunReport:
        to_text = call(lambda c: {"text": f"{c['n']}."}, id="text")
        named = steps_for_tests.named(score)
        check = step("verify.test_score", id="check", reads=("text",), response="text", score=named)
        return self.of(to_text, check, rows=rows)

    def of(self, *steps: Step, rows: int) -> RunReport:
        plan = plans.plan(
            self.directory,
            sources=[numbered(rows)],
            pipelines=[plans.pipeline(*steps)],
            policies=LENIENT,
        )
        return run_plan(plan, store=self.store, options=RunOptions(exports=False))


def call(function: Any, **more: Any) -> Step:
    return step("step.test_call", function=steps_for_tests.named(function), **more)


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Rows]:
    made = Rows(tmp_path)
    yield made
    made.store.close()


def broken_on(*numbers: int) -> Any:
    return lambda text: OSError("no disk") if int(text[:-1]) in numbers else 1


def test_2_percent_of_errors_stop_the_run_and_say_why(lines: Rows) -> None:
    with pytest.raises(
        RunError, match=r"'essays.check' failed on \d+ of \d+ rows, more than 1%; .*OSError: no disk"
    ):
        lines.run(broken_on(*range(0, 1000, 50)), rows=1000)
    assert lines.store.last_run().status == "failed"


def test_half_a_percent_of_errors_is_quarantined(lines: Rows) -> None:
    report = lines.run(broken_on(7, 400), rows=400)
    assert (report.exit_code, report.summary["quarantined"]) == (0, {"verifier error": 1})


def test_a_short_run_with_too_many_errors_ends_and_fails(lines: Rows) -> None:
    """Of 20 rows one error is 5%, whatever the policy says of quarantined rows; the other rows are kept."""
    report = lines.run(broken_on(3), rows=20)
    assert (report.exit_code, report.summary["rows"]["kept"]) == (1, 19)
    assert report.messages == (
        "verifier 'essays.check' failed on 1 of 20 rows, more than 1%; the last time with "
        'error: {"error":"OSError: no disk"}',
    )


def test_a_short_run_does_not_go_on_with_a_verifier_that_always_fails(lines: Rows) -> None:
    with pytest.raises(RunError, match=r"failed on (\d+) of \1 rows"):
        lines.run(broken_on(*range(50)), rows=50)


def test_a_resumed_run_counts_the_rows_that_were_sound_before(lines: Rows) -> None:
    """Only what failed is measured again; that all of it fails again is not a share of 100%."""
    bad = broken_on(*range(0, 2000, 200))
    first = lines.run(bad, rows=2000)
    second = lines.run(bad, rows=2000)
    assert first.summary["rows"] == second.summary["rows"]
    assert second.exit_code == 0


@pytest.mark.parametrize("score", [float("nan"), float("inf"), None, "high"])
def test_a_score_that_is_no_number_is_an_error(lines: Rows, score: Any) -> None:
    async def measure(self: Any, row: Any) -> Any:
        return steps_for_tests.Measurement("measured", score)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps_for_tests.ScoreText, "measure", measure)
        report = lines.run(broken_on(), rows=1)
    assert report.summary["quarantined"] == {"verifier error": 1}


def test_an_error_of_a_group_counts_for_each_of_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Any, rows: Any) -> Any:
        raise OSError("no disk")

    runs = SpecRuns(tmp_path, lambda prompt: "4")
    monkeypatch.setattr("mixwright_runtime.verifiers.agreement.Agreement.measure_group", fail)
    with pytest.raises(RunError, match=r"failed on (\d+) of \1 rows"):
        runs.run("""
            source sums inline { rows = [{ n = 1 }, { n = 2 }, { n = 3 }] }
            template ask { user = "{{ n }}" }
            pipeline p {
              from sums
              generate a { prompt = ask, model = teacher, samples = 5 }
              verify agreement { response = a }
            }""")
    runs.store.close()


@declare("verify", "test_in_worker")
class InWorker(Measure):
    """Passes every text that a worker process can look at."""

    def __init__(self, step: Any, context: Any) -> None:
        self.workers = context.workers

    async def measure(self, row: Row) -> Measurement:
        await self.workers().run(f"{FUNCTIONS}:killed_on_y", [row.columns["answer"]], 20)
        return Measurement.of(True)


def test_a_worker_killed_in_the_middle_is_an_error_of_its_row_alone(lines: Rows) -> None:
    to_text = call(lambda c: {"answer": "y" if c["n"] == 7 else str(c["n"])}, id="text")
    report = lines.of(to_text, step("verify.test_in_worker", id="check", reads=("answer",)), rows=40)
    ended = lines.store.sql(
        "SELECT columns->>'$.n', status, reason, detail FROM row_outcome WHERE status <> 'kept'"
    )
    why = '{"error":"WorkerDied: the worker ended during the job (signal 9)"}'
    assert ended == [("7", "quarantined", "verifier error", why)]
    assert report.summary["rows"]["kept"] == 39


def test_a_policy_of_one_mixture_holds_for_no_other() -> None:
    policies: dict[str, dict[str, Any]] = {
        "all": {"max_quarantined": 0.5},
        "strict": {"max_quarantined": 0.1, "of": "public"},
    }
    plan = SimpleNamespace(policies=policies)
    allowed = {name: allowed_quarantine(policies_of(cast(Any, plan), [name])) for name in ("main", "public")}
    assert allowed == {"main": 0.5, "public": 0.1}
