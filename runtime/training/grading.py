"""Replies graded by a plan's verifiers, as they grade rows in a pipeline, without a pipeline around them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from compiler.plan import Budget, Plan, Step
from runtime.measuring import heard
from runtime.plugin import RunError, implementation
from runtime.rows import Dropped, Row
from runtime.steps.protocol import Measurement, StepContext

REPLY = "reply"
"""Column in which verifiers find the model's answer."""
AT_ONCE = 64
"""Replies under way at a verifier; pools of workers and boxes have limits of their own."""

Verdict = Literal["right", "wrong", "unanswered", "failed", "not asked"]


@dataclass(frozen=True)
class Grade:
    """What a verifier says of one reply.

    `unanswered`: it is empty, or holds nothing to measure. `failed`: the verifier, which says nothing about the reply.
    `not asked`: its `when` leaves the row out.
    """

    verdict: Verdict
    measurement: Measurement


def graded(
    plan: Plan,
    steps: Sequence[Step],
    rows: Sequence[Mapping[str, Any]],
    *,
    sandbox: str = "bwrap",
    calls: Path | None = None,
) -> dict[str, list[Grade]]:
    """For each verifier, by its id, a grade of each row, which is a problem's columns and `reply`.

    calls: directory of a store that keeps what verifiers ask models (`judge`, `reward`); without it they cannot.

    Raises:
        RunError: a verifier cannot work here (no sandbox, an extra, a model that does not answer).
    """
    return asyncio.run(_graded(plan, steps, rows, sandbox, calls))


async def _graded(
    plan: Plan, steps: Sequence[Step], rows: Sequence[Mapping[str, Any]], sandbox: str, calls: Path | None
) -> dict[str, list[Grade]]:
    tools = _Tools(plan, steps, sandbox, calls)
    try:
        return {step.id: await _by_one(step, tools.context, rows) for step in steps}
    finally:
        await tools.close()


async def _by_one(step: Step, context: StepContext, rows: Sequence[Mapping[str, Any]]) -> list[Grade]:
    from runtime.service import RunStopped

    verifier = implementation(step.operation)(step, context)
    applies = context.expression(step.when) if step.when is not None else lambda columns: True
    turns = asyncio.Semaphore(AT_ONCE)

    async def grade(number: int, columns: Mapping[str, Any]) -> Grade:
        if applies(columns) is not True:
            return Grade("not asked", Measurement("unmeasurable"))
        row = heard(Row(b"%d" % number, dict(columns), b"", number), step)
        async with turns:
            measurement = await verifier.measure(row)
        if not str(row.columns[REPLY] or "").strip():
            # Some constraints hold of an empty text; it is no answer all the same.
            return Grade("unanswered", measurement)
        return _grade_of(verifier, row, measurement)

    try:
        if hasattr(verifier, "prepare"):
            await verifier.prepare()
        return list(await asyncio.gather(*(grade(i, columns) for i, columns in enumerate(rows))))
    except RunStopped as stopped:
        raise RunError(f"verifier '{step.id}': {stopped}") from None
    finally:
        if hasattr(verifier, "close"):
            await verifier.close()


def _grade_of(verifier: Any, row: Row, measurement: Measurement) -> Grade:
    if measurement.outcome in ("error", "timeout"):
        return Grade("failed", measurement)
    [decided] = verifier.decide([row], [measurement])
    if not isinstance(decided, Dropped):
        return Grade("right", measurement)
    return Grade("unanswered" if measurement.outcome == "unmeasurable" else "wrong", measurement)


class _Tools:
    """What verifiers may use, made when one first asks for it."""

    def __init__(self, plan: Plan, steps: Sequence[Step], sandbox: str, calls: Path | None) -> None:
        from runtime.sources.reader import read_rows
        from runtime.templates import compile_template

        self._sandbox_name = sandbox
        self._workers: Any = None
        self._boxes: Any = None
        self._store: Any = None
        self._calls: Any = None
        directory = Path(plan.directory)
        self.context = StepContext(
            plan=plan,
            directory=directory,
            seed=0,
            expression=_expression,
            template=lambda name: compile_template(plan.templates[name]),
            calls=self._models(plan, steps, calls),
            workers=self._pool,
            rows_of=lambda name: (row.columns for row in read_rows(plan.sources[name], directory)),
            pipeline="evaluate",
            sandbox=self._sandbox,
        )

    def _models(self, plan: Plan, steps: Sequence[Step], directory: Path | None) -> Any:
        from runtime.models import engines_of, models_of

        if directory is None or not any(models_of(step) for step in steps):
            return None
        from runtime.budget import Spending
        from runtime.calls import Calls
        from runtime.fault import SystemClock
        from runtime.service import StopSignal
        from runtime.store.store import Store

        engines, clock = engines_of(plan, steps), SystemClock()
        self._store = Store.open(directory)
        self._calls = Calls(
            plan.models,
            engines,
            self._store,
            run_id=self._store.begin_run(plan, "evaluate"),
            spending=Spending(Budget(), clock),
            stop=StopSignal(),
            clock=clock,
        )
        return self._calls

    def _pool(self) -> Any:
        if self._workers is None:
            from runtime.workers import WorkerPool

            self._workers = WorkerPool()
        return self._workers

    def _sandbox(self) -> Any:
        if self._boxes is None:
            from runtime.sandbox.backends import named_sandbox

            self._boxes = named_sandbox(self._sandbox_name)
        return self._boxes

    async def close(self) -> None:
        if self._calls is not None:
            await self._calls.close()
        for pool in (self._boxes, self._workers):
            if pool is not None:
                await pool.close()
        if self._store is not None:
            self._store.close()


def _expression(expression: Any) -> Callable[[Mapping[str, Any]], Any]:
    from runtime.expressions import compile_expression

    return compile_expression(expression)
