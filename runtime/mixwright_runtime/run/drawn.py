"""What pipelines draw of each other's rows and of their own, and what earlier runs have settled of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mixwright_compiler.plan.fingerprint import pipeline_row_hashes
from mixwright_compiler.plan.plan import Plan, plan_from_json
from mixwright_runtime.run.waves import PipelineRun
from mixwright_runtime.store.row_records import quarantined_in
from mixwright_runtime.store.runs import run_numbered
from mixwright_runtime.stream.pool import bound_of
from mixwright_runtime.stream.walk import Settled

if TYPE_CHECKING:
    from mixwright_runtime.store.store import Store


def columns_of(pipeline: PipelineRun) -> Iterable[Mapping[str, Any]]:
    """The columns of the rows that a pipeline has kept, in start order."""
    return [kept.row.columns for kept in pipeline.kept]


def lost_of_pool(plan: Plan, store: Store, pipeline: str, lag: int) -> Settled:
    """(row, step) -> in which run, the first of them, the row was lost there for the machine's reasons, and a row that
    was kept has seen the pool without it. One that nobody has seen to be missing is tried again.

    Runs count in which the pipeline had the same rows. Their plans are read where something was lost alone: most runs
    have lost nothing.
    """
    lost = [row for row in quarantined_in(store, pipeline) if row.position < bound_of(row.furthest, lag)]
    same = {run_id for run_id in {row.run_id for row in lost} if _is_same(plan, store, pipeline, run_id)}
    return {(row.row_id, row.step): f"lost in run {row.run_id}" for row in lost if row.run_id in same}


def _is_same(plan: Plan, store: Store, pipeline: str, run_id: int) -> bool:
    """Had the pipeline of this name the same rows in a run? False of a plan that cannot be read."""
    run = run_numbered(store, run_id)
    try:
        old = plan_from_json(run.plan) if run is not None else None
    except ValueError:
        return False
    if old is None or pipeline not in old.pipelines:
        return False
    return pipeline_row_hashes(old)[pipeline] == pipeline_row_hashes(plan)[pipeline]
