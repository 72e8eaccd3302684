"""Several machines, one job: the first node prepares it and tells the others where it is; every node starts its ranks.

The nodes meet at the first one's address, on the port after `torchrun`'s. What they share is the output directory: it
must be on storage that all of them see, for the packed sequences are read and the checkpoints written there.
"""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from mixwright_runtime.errors import RunError
from mixwright_runtime.training.launch import (
    Ended,
    Interrupted,
    Nodes,
    end_session,
    ranks_command,
    ranks_environment,
    read_ended,
)
from mixwright_runtime.training.state import state_of

_POLL_S = 0.2
_TRY = timedelta(seconds=5)
"""Waiting inside the library hears no Ctrl-C: it is done in pieces of this length."""
WAIT = timedelta(hours=6)
"""How long a node waits for the first one: it may measure accuracy and pack before it has something to tell."""
_KEY = "mixwright.job"


def meeting(nodes: Nodes) -> Any:
    """The store at which nodes meet; the first node holds it.

    Raises:
        RunError: the first node cannot be reached, or its port is taken.
    """
    from torch.distributed import TCPStore

    is_first = nodes.rank == 0
    until = time.monotonic() + WAIT.total_seconds()
    while True:
        try:
            return TCPStore(
                nodes.master, nodes.port + 1, is_master=is_first, timeout=_TRY, wait_for_workers=False
            )
        except RuntimeError as error:
            if not is_first and time.monotonic() < until:
                time.sleep(_POLL_S)
                continue
            reason = str(error).partition("\n")[0]
            raise RunError(
                f"node {nodes.rank} cannot meet the others at {nodes.master}:{nodes.port + 1}: {reason}"
            ) from error


@dataclass(frozen=True)
class Told:
    """What the first node tells the others: the prepared job and how its ranks start, or why there is none."""

    directory: str = ""
    arguments: list[str] = field(default_factory=list)
    ranks: int = 1
    over: str = ""


def tell(store: Any, directory: Path, arguments: list[str], ranks: int) -> None:
    """The first node's part: where the prepared job is, and how its ranks start."""
    store.set(_KEY, json.dumps(asdict(Told(str(directory), arguments, ranks))))


def give_up(store: Any, reason: str) -> None:
    """Tell the others that there is nothing to do."""
    store.set(_KEY, json.dumps(asdict(Told(over=reason))))


def work(nodes: Nodes) -> Ended | None:
    """Another node's part: wait for the job, run this node's ranks, and say how it ended; None if it needed no ranks.

    The first interrupt (Ctrl-C) lets the ranks of all nodes save a checkpoint and end, as on the first node; a second
    one ends this node's at once, and with them the job.

    Raises:
        Interrupted: after a second one.
        RunError: the first node has gone, the job's directory is not on this machine, or a rank failed.
    """
    told = _job_told(nodes)
    if told.over:
        return None
    directory = Path(told.directory)
    if not (directory / "settings.json").exists():
        raise RunError(
            f"node {nodes.rank} does not see {directory}: `output` must be on storage that all nodes share"
        )
    command = ranks_command(directory, nodes, told.ranks, told.arguments)
    with (directory / f"ranks.{nodes.rank}.log").open("ab") as log:
        child = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=ranks_environment(told.ranks // nodes.count, is_alone=False),
            # Its own session, as on the first node: an interrupt must not end ranks before their checkpoint.
            start_new_session=True,
        )
        try:
            _wait(child, directory / "STOP")
        finally:
            end_session(child)
    ended = directory / "ended.json"
    if child.returncode and not ended.exists():
        raise RunError(
            f"the ranks of node {nodes.rank} failed (status {child.returncode}); the whole story is in {log.name}"
        )
    return read_ended(ended) if ended.exists() else None


def _job_told(nodes: Nodes) -> Told:
    """What the first node says: the job, or that there is none."""
    store = meeting(nodes)
    until = time.monotonic() + WAIT.total_seconds()
    try:
        while not store.check([_KEY]):
            if time.monotonic() > until:
                raise RunError(f"node {nodes.rank} heard nothing of a job for {WAIT}")
            time.sleep(_POLL_S)
        heard: bytes = store.get(_KEY)
    except RuntimeError as error:
        raise RunError(
            f"node {nodes.rank}: the first node at {nodes.master} ended before it had a job; its own messages tell why"
        ) from error
    return state_of(
        Told,
        heard,
        f"what the first node at {nodes.master} tells",
        what_to_do="every node needs the same version of mixwright",
    )


def _wait(child: subprocess.Popen[bytes], stop: Path) -> None:
    """Until the ranks end; an interrupt is passed on to the whole job by `stop`, which rank 0 looks for."""
    is_asked = False
    while child.poll() is None:
        try:
            time.sleep(_POLL_S)
        except KeyboardInterrupt:
            if is_asked:
                raise Interrupted(
                    "stopped at once; the same command continues from the last checkpoint"
                ) from None
            is_asked = True
            stop.touch()
