"""How a run stands: the document that a runner writes every second, and that the store gives for finished runs.

A run holds the store's lock, so nobody else can ask the store; `status.json` beside it is what others read.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict

from mixwright_compiler.load.json_text import json_of

STATUS_FORMAT = 1
STATUS_NAME = "status.json"


class StepStatus(TypedDict, total=False):
    """Rows that reached a step and left it. `dropped` and `quarantined`: reason -> rows."""

    id: str
    operation: str
    rows_in: int
    rows_out: int
    forked: int
    unfinished: int
    dropped: dict[str, int]
    quarantined: dict[str, int]
    note: str
    """What else there is to say of it."""


class PipelineStatus(TypedDict, total=False):
    """`wanted`: rows that mixtures need of it, None when they take all there are."""

    name: str
    wanted: int | None
    started: int
    kept: int
    steps: list[StepStatus]


class QuotaStatus(TypedDict, total=False):
    """A line of a mixture. `wanted` is None for quotas that take what there is."""

    mixture: str
    component: str
    wanted: int | None
    got: int


class RequestStatus(TypedDict, total=False):
    """`hits`: answered from the store; `misses`: asked; `failed`: of these, ended without a good answer."""

    hits: int
    misses: int
    failed: int
    in_flight: int


class AddressStatus(TypedDict):
    """One of several addresses of a model: requests that it was sent in this run, and whether it answers at present."""

    model: str
    address: str
    requests: int
    answers: bool


class WorkerStatus(TypedDict):
    """A worker of a cluster.

    `state`: `up`, `resting` (late or out of reach, and not asked for a while), `down`. `open`: items that it has;
    `answered`: items whose answers were used; `trouble`: why an engine does not start there.
    """

    name: str
    node: str
    state: Literal["up", "resting", "down"]
    open: int
    answered: int
    trouble: str


class ClusterStatus(TypedDict):
    """A run's workers. `leases`: what became of these, over all models (`LeaseStats` of `cluster/leases.py`)."""

    name: str
    workers: list[WorkerStatus]
    leases: dict[str, int]


class Status(TypedDict, total=False):
    """A run at one moment. Times are seconds since the epoch, spans seconds; a missing field is not known.

    `state`: `running`; `done`; `short` (a quota could not be filled); `stopped` (by a signal or a budget); `failed`;
    `killed` (its process is gone and it never ended).
    """

    format: int
    run_id: int
    pid: int
    process_started: int
    """Start time of the process in clock ticks since boot: tells the runner from a later process with its pid."""
    spec: str
    command: str
    state: Literal["running", "done", "short", "stopped", "failed", "killed"]
    started: float
    updated: float
    elapsed_s: float
    eta_s: tuple[float, float] | None
    """From and to; None while it cannot be told."""
    pipelines: list[PipelineStatus]
    quotas: list[QuotaStatus]
    requests: RequestStatus
    addresses: list[AddressStatus]
    """Of models that have several."""
    tokens: dict[str, int]
    """`prompt` and `output`, of the requests asked in this run."""
    cost: float
    """Dollars."""
    warnings: list[str]
    message: str
    """Why it stopped or failed."""
    cluster: ClusterStatus
    """Of a run with `--cluster`."""


def status_path(directory: Path) -> Path:
    """The run's status file in a store directory."""
    return directory / STATUS_NAME


def write_status(path: Path, status: Mapping[str, Any]) -> None:
    """Replace the status file at `path`; a reader sees the old text or the new one, never a part.

    `format`, `pid`, `process_started` and `updated` are filled in. Not synced to disk: it is worth nothing after a
    power cut.
    """
    pid = os.getpid()
    document = {
        "format": STATUS_FORMAT,
        "pid": pid,
        "process_started": process_started(pid),
        "updated": time.time(),
        **status,
    }
    fresh = path.with_name(f".{path.name}.{pid}")
    fresh.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8", errors="replace")
    os.replace(fresh, path)


def read_status(path: Path) -> Status | None:
    """The status file's document; None when there is none that can be read."""
    try:
        document = json_of(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("format") != STATUS_FORMAT:
        return None
    status: Status = document  # type: ignore[assignment]
    return status


def is_alive(status: Status) -> bool:
    """Whether the process that wrote the status still runs."""
    pid = status.get("pid", 0)
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    state, started = _process(pid)
    noted = status.get("process_started", 0)
    # A killed process whose parent has not asked for its end stays in the table as a zombie.
    return state not in ("Z", "X") and (noted == 0 or started in (0, noted))


def process_started(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 where the system does not tell."""
    return _process(pid)[1]


def _process(pid: int) -> tuple[str, int]:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "", 0
    # The second field, the name in parentheses, may hold spaces. After it: state first, start time twentieth.
    fields = stat.rpartition(")")[2].split()
    return fields[0], int(fields[19])
