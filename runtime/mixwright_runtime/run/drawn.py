"""What pipelines draw of each other's rows and of their own, and what earlier runs have settled of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from mixwright_compiler.plan.fingerprint import pipeline_row_hashes
from mixwright_compiler.plan.plan import Plan, plan_from_json
from mixwright_runtime.run.waves import PipelineRun
from mixwright_runtime.store.records import content_digest
from mixwright_runtime.store.row_records import kept_by_position, quarantined_in
from mixwright_runtime.store.runs import newest_ended, run_numbered
from mixwright_runtime.stream.pool import bound_of, first_to_see
from mixwright_runtime.stream.walk import Settled
from mixwright_runtime.values.rows import Row
from mixwright_runtime.values.stored_text import json_of

if TYPE_CHECKING:
    from mixwright_runtime.store.store import Store


def rows_kept(pipeline: PipelineRun) -> Iterable[Row]:
    """The rows that a pipeline has kept, in start order, one by one."""
    return (start.row for start in pipeline.kept)


def lost_of_pool(plan: Plan, store: Store, pipeline: str, lag: int) -> Settled:
    """(row, step) -> in which run, the first of them, the row was lost there for the machine's reasons, and a row that
    was kept has seen the pool without it. One that nobody has seen to be missing is tried again.

    Runs count in which the pipeline had the same rows. Their plans are read where something was lost alone: most runs
    have lost nothing.
    """
    lost = [row for row in quarantined_in(store, pipeline) if row.position < bound_of(row.furthest, lag)]
    same = {run_id for run_id in {row.run_id for row in lost} if _is_same(plan, store, pipeline, run_id)}
    return {(row.row_id, row.step): f"lost in run {row.run_id}" for row in lost if row.run_id in same}


class Replay:
    """Holds the pool of a pipeline that draws from its own rows against that of an earlier run in which the pipeline was
    the same, and whose pool is expected again: its answers are in the store, and all else follows from them."""

    def __init__(self, pipeline: str, run_id: int, lag: int, kept: Mapping[int, list[bytes]]) -> None:
        """
        Args:
            kept: position -> digests of what the earlier run kept of it, ascending; of each that ended there.
        """
        self._pipeline = pipeline
        self._run_id = run_id
        self._lag = lag
        self._kept = kept
        self.differs_at: int | None = None
        """The first position of which this run has kept something else."""

    def closed(self, position: int, rows: Sequence[Row]) -> None:
        """So much is kept of the row at this position; positions come in order."""
        if self.differs_at is None and position in self._kept:
            kept = sorted(content_digest(json_of(row.columns)) for row in rows)
            if kept != self._kept[position]:
                self.differs_at = position

    @property
    def note(self) -> str:
        """A sentence on what differs, empty where nothing does."""
        if self.differs_at is None:
            return ""
        return (
            f"pipeline '{self._pipeline}' has kept other rows than in run {self._run_id} from row {self.differs_at:,} "
            f"on, though nothing that decides them has changed: answers are gone from the store, or a step does not "
            f"decide twice the same; rows from {first_to_see(self.differs_at, self._lag):,} on were asked otherwise"
        )


def replay_of(plan: Plan, store: Store, pipeline: str, lag: int, run_id: int) -> Replay | None:
    """What a run of a pool is held against: the newest run of the spec before it that came to its end. None where that
    had other rows, or there is none."""
    earlier = newest_ended(store, plan.spec, pipeline, run_id)
    if earlier is None or not _is_same(plan, store, pipeline, earlier):
        return None
    return Replay(pipeline, earlier, lag, dict(kept_by_position(store, earlier, pipeline)))


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
