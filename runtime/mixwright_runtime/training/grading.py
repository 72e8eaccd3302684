"""Replies graded by a plan's verifiers, as they grade rows in a pipeline, without a pipeline around them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from mixwright_compiler.plan.plan import Budget, Plan, Step
from mixwright_runtime.calls.budget import Spending
from mixwright_runtime.calls.calls import Calls
from mixwright_runtime.calls.fault import SystemClock
from mixwright_runtime.calls.gathering import gather_all
from mixwright_runtime.calls.models import engines_of
from mixwright_runtime.calls.stop import StopSignal
from mixwright_runtime.errors import RunError, RunStopped
from mixwright_runtime.plugins.loading import load_plugins
from mixwright_runtime.plugins.protocol import Measurement
from mixwright_runtime.store.store import Store
from mixwright_runtime.stream.context import RunContext
from mixwright_runtime.stream.driving import closed, decided, prepared
from mixwright_runtime.stream.measuring import heard
from mixwright_runtime.stream.nodes import Node, nodes_of
from mixwright_runtime.stream.supply import Sources
from mixwright_runtime.values.rows import Row, digest

OWNER = "evaluate"
"""What verifiers of an evaluation belong to, as others do to a pipeline."""
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
    rows: Sequence[Mapping[str, object]],
    *,
    sandbox: str = "bwrap",
    kept: Path | None = None,
) -> dict[str, list[Grade]]:
    """For each verifier, by its id, a grade of each row, which is a problem's columns and `reply`.

    kept: directory of a store with what was measured, and what models were asked for it: nothing of that is done again.
    Without it nothing is kept.

    Raises:
        RunError: a verifier cannot work here (no sandbox, an extra, a model that does not answer), or fails too often
            (`mixwright_runtime.stream.measuring`); what was measured is kept.
    """
    load_plugins(plan)
    with _opened(kept) as store:
        return asyncio.run(_graded(plan, steps, rows, sandbox, store))


@contextmanager
def _opened(directory: Path | None) -> Iterator[Store]:
    with TemporaryDirectory() as passing:
        store = Store.open(directory or Path(passing))
        try:
            yield store
        finally:
            store.close()


async def _graded(
    plan: Plan, steps: Sequence[Step], rows: Sequence[Mapping[str, object]], sandbox: str, store: Store
) -> dict[str, list[Grade]]:
    engines, clock, stop = engines_of(plan, steps), SystemClock(), StopSignal()
    run_id = store.begin_run(plan, OWNER)
    spending = Spending(Budget(), clock)
    calls = Calls(plan.models, engines, store, run_id=run_id, spending=spending, stop=stop, clock=clock)
    context = RunContext(plan, Sources(plan, Path(plan.directory), stop), calls, sandbox=sandbox)
    nodes: list[Node] = []
    try:
        nodes = nodes_of(steps, context, store, owner=OWNER, seed=0, run_id=run_id)
        await prepared(nodes)
        found = {node.id: await _by_one(node, rows, stop) for node in nodes}
        await store.flush()
        store.end_run(run_id, "done", {})
        return found
    except RunStopped as stopped:
        raise stop.failure or RunError(f"evaluate: {stopped}") from None
    finally:
        await calls.close()
        await closed(nodes)  # what goes wrong there says nothing of a grade
        await context.close()


async def _by_one(node: Node, rows: Sequence[Mapping[str, object]], stop: StopSignal) -> list[Grade]:
    """A verifier's grade of each row; of none any more when it has failed too often."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def grade(number: int, columns: Mapping[str, object]) -> Grade:
        row_id = digest("mixwright.reply.v1", number)
        row = Row(row_id, dict(columns), row_id, number)
        if not node.applies(row):
            return Grade("not asked", Measurement("unmeasurable"))
        assert node.measuring is not None
        row = heard(row, node.plan)
        async with turns:
            stop.check()
            try:
                [measurement] = await node.measuring.of([row])
            except RunError as failed:
                stop.stop(str(failed), failed)
                raise
        if not str(row.columns[REPLY] or "").strip():
            # Some constraints hold of an empty text; it is no answer all the same.
            return Grade("unanswered", measurement)
        return _grade_of(node, row, measurement)

    return await gather_all(grade(i, columns) for i, columns in enumerate(rows))


def _grade_of(node: Node, row: Row, measurement: Measurement) -> Grade:
    [verdict] = decided(node, [row], [measurement])
    if isinstance(verdict, Row):
        return Grade("right", measurement)
    if verdict.quarantined:
        return Grade("failed", measurement)
    return Grade("unanswered" if measurement.outcome == "unmeasurable" else "wrong", measurement)
