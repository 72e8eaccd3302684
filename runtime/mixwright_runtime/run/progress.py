"""What a run shows while it goes on: one status document, a block for terminals, lines at intervals for logs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from mixwright_runtime.cluster.status import cluster_status, cluster_warnings
from mixwright_runtime.run.live import Intervals, LiveBlock, is_live
from mixwright_runtime.run.progress_text import block_of, line_of
from mixwright_runtime.run.quotas import note
from mixwright_runtime.run.run import Run

STATUS_EVERY_S = 1.0


def status_of(run: Run) -> dict[str, Any]:
    """The run at this moment, as `status.json` has it (mixwright_runtime/store/status.py)."""
    counts = run.calls.counts.values()
    spending = run.spending
    pipelines = []
    for name, pipeline in run.runs.items():
        steps = [
            {
                "id": node.id,
                "operation": node.plan.operation,
                "rows_in": node.tally.rows_in,
                "rows_out": node.tally.rows_out,
                "forked": node.tally.forked,
                "dropped": dict(node.tally.drop_reasons),
                "quarantined": dict(node.tally.quarantine_reasons),
            }
            for node in pipeline.executor.nodes
        ]
        pipelines.append(
            {
                "name": name,
                "wanted": pipeline.wanted,
                "started": pipeline.executor.started,
                "kept": run.outcomes[name].kept,
                "steps": steps,
            }
        )
    quotas = [
        {"mixture": mixture.name, "component": component, "wanted": wanted, "got": got}
        for mixture in run.mixture_runs.values()
        for component, wanted, got in mixture.progress()
    ]
    asked = sum(c.answered + c.failed for c in counts)
    return {
        "run_id": run.run_id,
        "spec": run.plan.spec,
        "command": run.options.command,
        "state": "running",
        "started": run.started_at,
        "elapsed_s": spending.seconds,
        "eta_s": run.pace.left(),
        "pipelines": pipelines,
        "quotas": quotas,
        "requests": {
            "hits": sum(c.reused for c in counts),
            "misses": asked,
            "failed": sum(c.failed for c in counts),
            "in_flight": run.calls.in_flight,
        },
        **({"addresses": addresses} if (addresses := run.calls.addresses()) else {}),
        "tokens": {"prompt": spending.prompt_tokens, "output": spending.output_tokens},
        "cost": spending.cost,
        "warnings": [*run.store.warnings, *run.calls.warnings(), *cluster_warnings(run.leased)],
        "message": run.stop.reason,
        **cluster_status(run.leased),
    }


def watcher(
    path: Path | None, *, stream: TextIO = sys.stderr, is_quiet: bool = False
) -> Callable[[Run], Any]:
    """A coroutine function that writes `status.json` every second and shows a run on `stream`.

    On a terminal a block of lines renews itself; elsewhere a line is written every ten seconds, later every minute.
    Progress must never end a run: a status file that cannot be written is given up.
    """

    async def watch(run: Run) -> None:
        show = _shower(stream, is_quiet)
        status = path
        try:
            while True:
                note(run)
                if status is not None:
                    from mixwright_runtime.store.status import write_status

                    try:
                        write_status(status, status_of(run))
                    except OSError:
                        status = None
                show(run)
                if run.store.space_warning:
                    run.stop.stop(run.store.space_warning)
                await asyncio.sleep(STATUS_EVERY_S)
        finally:
            show(None)

    return watch


def _shower(stream: TextIO, is_quiet: bool) -> Callable[[Run | None], None]:
    if is_quiet:
        return lambda _: None
    if is_live(stream):
        block = LiveBlock(stream)
        return lambda run: block.end() if run is None else block.show(block_of(run, *block.size()))
    intervals = Intervals()

    def plain(run: Run | None) -> None:
        if run is not None and intervals.is_time(run.spending.seconds):
            print(line_of(run), file=stream, flush=True)

    return plain
