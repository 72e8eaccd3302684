"""Show the run that is going on, or the last one: rows by step, quotas, requests, and what to type next.

Exit status: 0 shown; 2 there is no run, or its store cannot be read.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from mixwright.cluster_text import address_lines, cluster_lines
from mixwright.json_output import document_text
from mixwright.terminal import duration, printable, table
from mixwright.told import tell
from mixwright_compiler.load.project_root import project_root, store_directory
from mixwright_runtime.errors import StoreLocked
from mixwright_runtime.store.status import PipelineStatus, Status, is_alive, read_status, status_path


class PrintedStatus(Status, total=False):
    """A run's status. `command` is this one; `run_command` is what runs."""

    run_command: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--store", type=Path, metavar="DIR", help="the store's directory [ROOT/.mixwright]")
    parser.add_argument("--json", action="store_true", help="print the status document")


def run(arguments: argparse.Namespace) -> int:
    """Print the status; 2 when nothing was ever run here."""
    directory = store_directory(project_root(Path.cwd()), arguments.store)
    status = current_status(directory)
    if status is None:
        tell(f"no run in {directory}; 'mixwright run SPEC' starts one")
        return 2
    if arguments.json:
        # `command` is what the document is of.
        found = {"run_command" if name == "command" else name: value for name, value in status.items()}
        sys.stdout.write(document_text("status", found))
    else:
        print(printable(rendered(status)))
    return 0


def current_status(directory: Path) -> Status | None:
    """The status of the run in progress, else of the last one, else None.

    Raises:
        StoreLocked: another process holds the store and left no status.
        StoreBroken: the store cannot be read.
    """
    noted = read_status(status_path(directory))
    if noted is not None and noted.get("state") == "running" and is_alive(noted):
        noted["elapsed_s"] = max(noted.get("elapsed_s", 0.0), time.time() - noted.get("started", time.time()))
        return noted
    if not (directory / "store.duckdb").exists():
        return None
    from mixwright_runtime.facts.status import status_of
    from mixwright_runtime.store.store import Store

    try:
        with Store.open(directory, read_only=True) as store:
            last = store.last_run()
            if last is None:
                return None
            status = status_of(store, last)
    except StoreLocked:
        if noted is None:
            raise
        return noted
    if status["state"] == "killed" and noted is not None and noted.get("run_id") == last.run_id:
        # Steps put their counts into the store when a run ends; of a killed one the last status tells them.
        status["pipelines"] = noted.get("pipelines", [])
        status["requests"] = {**noted.get("requests", {}), **status["requests"]}
    return status


def rendered(status: Status) -> str:
    """The status as text for a terminal."""
    state = status.get("state", "running")
    head = f"run {status.get('run_id', '?')} of {status.get('spec', '?')}: {state}"
    if state == "running":
        head += f" (pid {status.get('pid')})"
    head += f", {duration(status.get('elapsed_s', 0.0))}"
    eta = status.get("eta_s")
    if eta:
        head += f", {duration(eta[0])} to {duration(eta[1])} left"
    parts = [head]
    if status.get("message"):
        parts.append(f"  {status['message']}")
    parts += [_pipeline(pipeline) for pipeline in status.get("pipelines", [])]
    parts += _quotas(status)
    parts += _requests(status)
    parts += address_lines(status.get("addresses", []))
    parts += cluster_lines(status["cluster"]) if "cluster" in status else []
    parts += [f"warning: {warning}" for warning in status.get("warnings", [])]
    parts.append(f"next: {_next(status)}")
    return "\n".join(parts)


def _pipeline(pipeline: PipelineStatus) -> str:
    wanted = pipeline.get("wanted")
    started = f"{pipeline['started']:,} started, " if "started" in pipeline else ""
    head = f"{pipeline.get('name', '')}: {started}{pipeline.get('kept', 0):,} kept"
    head += f" of {wanted:,} wanted" if wanted is not None else ""
    steps = pipeline.get("steps", [])
    if not steps:
        return head
    rows = [["step", "", "in", "out", "dropped", "quarantined"]]
    for step in steps:
        rows.append(
            [
                step.get("id", ""),
                step.get("operation", ""),
                f"{step.get('rows_in', 0):,}",
                f"{step.get('rows_out', 0):,}",
                _by_reason(step.get("dropped", {})),
                _by_reason(step.get("quarantined", {})),
            ]
        )
    notes = [f"  {step.get('id', '')}: {step['note']}" for step in steps if step.get("note")]
    return "\n".join([head, table(rows, right=(2, 3)), *notes])


def _by_reason(rows: dict[str, int]) -> str:
    """`30: 20 filter, 10 duplicate`, at most three reasons by name; `20 filter` when it is the only one."""
    if not rows:
        return "-"
    largest = sorted(rows.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{count:,} {reason}" for reason, count in largest[:3]]
    if len(largest) == 1:
        return named[0]
    if len(largest) > 3:
        named.append(f"{len(largest) - 3} more reasons")
    return f"{sum(rows.values()):,}: {', '.join(named)}"


def _quotas(status: Status) -> list[str]:
    by_mixture: dict[str, list[list[str]]] = {}
    for quota in status.get("quotas", []):
        wanted = quota.get("wanted")
        by_mixture.setdefault(quota.get("mixture", ""), []).append(
            [
                quota.get("component", ""),
                "all" if wanted is None else f"{wanted:,}",
                f"{quota.get('got', 0):,}",
                "" if wanted is None or quota.get("got", 0) >= wanted else f"{wanted - quota['got']:,} short",
            ]
        )
    return [
        f"mixture {mixture}\n" + table([["rows of", "wanted", "got", ""], *rows], right=(1, 2))
        for mixture, rows in by_mixture.items()
    ]


def _requests(status: Status) -> list[str]:
    requests = status.get("requests", {})
    if not any(requests.values()):
        return []
    text = f"requests: {requests.get('misses', 0):,} asked"
    text += f", {requests['hits']:,} reused" if "hits" in requests else ""
    text += f", {requests['failed']:,} failed" if requests.get("failed") else ""
    text += f", {requests['in_flight']:,} in flight" if requests.get("in_flight") else ""
    tokens = status.get("tokens", {})
    if tokens:
        text += f"; tokens: {tokens.get('prompt', 0):,} in, {tokens.get('output', 0):,} out"
    if status.get("cost"):
        text += f"; ${status['cost']:,.2f}"
    return [text]


def _next(status: Status) -> str:
    again = f"'mixwright run {status.get('spec', 'SPEC')}'"
    match status.get("state", "running"):
        case "running":
            return "'mixwright status' again; Ctrl-C in the run's terminal stops it and keeps what it has"
        case "done":
            return "'mixwright explain ROW' tells where a row comes from, or why it is missing"
        case "short":
            return f"loosen a quota or add rows, then {again}: everything made so far is reused"
        case "failed":
            return f"see the message above, then {again}: everything made so far is reused"
        case _:
            return f"{again} continues where it stopped"
