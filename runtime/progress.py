"""What a run shows while it goes on: one status document, a line for terminals, a line every ten seconds for logs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from dsl.visible import printable
from runtime.eta import filled
from runtime.run import Run

STATUS_EVERY_S = 1.0
LINE_EVERY_S = 10.0


def status_of(run: Run) -> dict[str, Any]:
    """The run at this moment, as `status.json` has it (runtime/store/status.py)."""
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
        "eta_s": eta_s(run),
        "pipelines": pipelines,
        "quotas": quotas,
        "requests": {
            "hits": sum(c.reused for c in counts),
            "misses": asked,
            "failed": sum(c.failed for c in counts),
            "in_flight": run.calls.in_flight,
        },
        "tokens": {"prompt": spending.prompt_tokens, "output": spending.output_tokens},
        "cost": spending.cost,
        "warnings": [text for text in (run.store.space_warning, run.store.journal_warning) if text],
        "message": run.stop.reason,
    }


def eta_s(run: Run) -> tuple[float, float] | None:
    """Seconds that are left, from and to; None while it cannot be told. Each call notes how far the run is."""
    share = filled(run)
    if share is None:
        return None
    run.pace.note(run.spending.seconds, share)
    return run.pace.left()


def line_of(run: Run, width: int | None = None) -> str:
    """The run in one line of plain text, of at most `width` columns: what is left to do stays, the last parts go."""
    started = sum(pipeline.executor.started for pipeline in run.runs.values())
    kept = sum(outcomes.kept for outcomes in run.outcomes.values())
    dropped = sum(outcomes.dropped for outcomes in run.outcomes.values())
    quarantined = sum(outcomes.quarantined for outcomes in run.outcomes.values())
    counts = run.calls.counts.values()
    elapsed = max(run.spending.seconds, 1e-6)
    parts = [f"{kept:,} kept of {started:,} started"]
    left = eta_s(run)
    if left is not None:
        parts.insert(0, f"{_span(left[0])} to {_span(left[1])} left")
    if dropped:
        parts.append(f"{dropped:,} dropped")
    if quarantined:
        parts.append(f"{quarantined:,} quarantined")
    asked = sum(c.answered + c.failed for c in counts)
    if asked:
        parts.append(f"{asked:,} answers ({asked / elapsed:,.1f}/s)")
    reused = sum(c.reused for c in counts)
    if reused:
        parts.append(f"{reused:,} reused")
    parts.append(f"{run.calls.in_flight} in flight")
    if run.stop.reason:
        parts.insert(0, f"stopping: {run.stop.reason}")
    shown = [printable(part) for part in parts]
    while width is not None and len(shown) > 1 and len(" · ".join(shown)) > width:
        shown.pop()
    return " · ".join(shown)


def watcher(
    path: Path | None, *, stream: TextIO = sys.stderr, is_quiet: bool = False
) -> Callable[[Run], Any]:
    """A coroutine function that writes `status.json` every second and shows a run on `stream`.

    On a terminal the line renews itself (rich); elsewhere a line is written every ten seconds. Progress must never
    end a run: a status file that cannot be written is given up.
    """

    async def watch(run: Run) -> None:
        show = _shower(stream, is_quiet)
        status = path
        try:
            while True:
                if status is not None:
                    from runtime.store.status import write_status

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
    if stream.isatty():
        return _live(stream)
    next_line_s = LINE_EVERY_S

    def plain(run: Run | None) -> None:
        nonlocal next_line_s
        if run is not None and run.spending.seconds >= next_line_s:
            next_line_s = run.spending.seconds + LINE_EVERY_S
            print(line_of(run), file=stream, flush=True)

    return plain


def _live(stream: TextIO) -> Callable[[Run | None], None]:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    live: Live | None = None
    # Rich moves the cursor itself; what it shows was made printable.
    console = Console(file=getattr(stream, "unguarded", stream))

    def show(run: Run | None) -> None:
        nonlocal live
        if run is None:
            if live is not None:
                live.stop()
            return
        text = Text(line_of(run, console.width), no_wrap=True, overflow="ellipsis")
        if live is None:
            live = Live(text, console=console, auto_refresh=False, transient=True)
            live.start()
        live.update(text, refresh=True)

    return show


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
