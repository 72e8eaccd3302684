"""A busy machine makes no program late: CPU time decides, and a job that got none says nothing about its code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from mixwright_runtime.sandbox import running
from mixwright_runtime.sandbox.box import RunningJob
from mixwright_runtime.sandbox.protocol import Call, CallsJob, Limits, Ran, Value

LIMITS = Limits(wall_s=30, cpu_s=10)


@pytest.mark.parametrize(
    ("used_s", "waited_s", "outcome"),
    [
        (0.1, 0.0, "timeout"),  # it slept
        (9.0, 20.0, "sandbox_error"),  # it computed, and others had the processors most of the time
        (0.0, 29.9, "sandbox_error"),
        (11.0, 20.0, "timeout"),  # its own processes kept each other waiting
        (5.0, 2.0, "timeout"),
    ],
)
def test_who_is_to_blame_for_a_late_job(used_s: float, waited_s: float, outcome: str) -> None:
    ends = cast(Any, None)
    clock = Limits(wall_s=1, cpu_s=10)
    kept = RunningJob(1, ends, ends, -1, -1, ends, 0.0, 1.0)
    assert running._timed_out(clock, [kept], "no result after 1 s").outcome == "timeout"
    job = RunningJob(1, ends, ends, -1, -1, ends, used_s, waited_s)
    assert running._timed_out(LIMITS, [job], "no result after 30 s").outcome == outcome


@pytest.mark.parametrize("again", ["done", "sandbox_error"])
def test_a_job_that_was_kept_waiting_is_run_once_more_with_more_patience(
    monkeypatch: pytest.MonkeyPatch, again: Any
) -> None:
    ran: list[Limits] = []

    async def once(box: Any, job: CallsJob) -> Ran:
        ran.append(job.limits)
        return Ran("sandbox_error" if len(ran) == 1 else again)

    monkeypatch.setattr(running, "_run_calls", once)
    found = asyncio.run(running.run_job(cast(Any, None), CallsJob("", [], limits=LIMITS)))
    assert found.outcome == again
    assert ran == [LIMITS, replace(LIMITS, wall_s=120)]


def test_the_box_accounts_for_a_job_that_it_ends(run: Callable[..., Ran]) -> None:
    """A job that sleeps stood in no line."""
    source = "def f(x):\n    import time\n    time.sleep(100)"
    ran = run(CallsJob(source, [Call("f", [1])], limits=Limits(wall_s=1, cpu_s=1)))
    assert ran.outcome == "timeout"
    assert run(CallsJob("def f(x):\n    return x", [Call("f", [1])])).answers == (Value(1),)
