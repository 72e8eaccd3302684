"""What pipelines draw of each other's rows and of their own, and what earlier runs have settled of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mixwright_compiler.plan.fingerprint import pipeline_row_hashes
from mixwright_compiler.plan.plan import Plan, plan_from_json
from mixwright_runtime.run.waves import PipelineRun
from mixwright_runtime.store.row_records import quarantined_in
from mixwright_runtime.store.runs import runs_begun
from mixwright_runtime.stream.pool import bound_of
from mixwright_runtime.stream.walk import Settled

if TYPE_CHECKING:
    from mixwright_runtime.store.store import Store


def columns_of(pipeline: PipelineRun) -> Iterable[Mapping[str, Any]]:
    """The columns of the rows that a pipeline has kept, in start order."""
    return [kept.row.columns for kept in pipeline.kept]


def runs_of_the_same(plan: Plan, store: Store, pipeline: str, *, before: int) -> Iterator[int]:
    """Runs before this one in which a pipeline of the same name had the same rows; plans that cannot be read are
    passed over."""
    wanted = pipeline_row_hashes(plan)[pipeline]
    for run in runs_begun(store):
        if run.run_id >= before:
            continue
        try:
            old = plan_from_json(run.plan)
        except ValueError:
            continue
        if pipeline in old.pipelines and pipeline_row_hashes(old)[pipeline] == wanted:
            yield run.run_id


def lost_in(store: Store, pipeline: str, runs: Iterable[int], lag: int) -> Settled:
    """(row, step) -> in which of these runs, the first of them, the row was lost there for the machine's reasons, and a
    row that was kept has seen the pool without it. One that nobody has seen to be missing is tried again."""
    return {
        (lost.row_id, lost.step): f"lost in run {lost.run_id}"
        for lost in quarantined_in(store, pipeline, list(runs))
        if lost.position < bound_of(lost.furthest, lag)
    }
