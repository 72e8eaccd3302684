"""Several machines, one job: the first node prepares it and tells the others where it is; every node starts its ranks.

The nodes meet at the first one's address, on the port after `torchrun`'s. What they share is the output directory: it
must be on storage that all of them see, for the packed sequences are read and the checkpoints written there.
"""

from __future__ import annotations

import json
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

from runtime.plugin import RunError
from runtime.training.launch import Ended, Nodes, ranks_command, ranks_environment

WAIT = timedelta(hours=6)
"""How long a node waits for the first one: it may measure accuracy and pack before it has something to tell."""
_KEY = "mixwright.job"


def meeting(nodes: Nodes) -> Any:
    """The store at which nodes meet; the first node holds it.

    Raises:
        RunError: the first node cannot be reached, or its port is taken.
    """
    from torch.distributed import TCPStore

    try:
        return TCPStore(
            nodes.master, nodes.port + 1, is_master=nodes.rank == 0, timeout=WAIT, wait_for_workers=False
        )
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise RunError(
            f"node {nodes.rank} cannot meet the others at {nodes.master}:{nodes.port + 1}: {reason}"
        ) from error


def tell(store: Any, directory: Path, arguments: list[str], ranks: int) -> None:
    """The first node's part: where the prepared job is, and how its ranks start."""
    store.set(_KEY, json.dumps({"directory": str(directory), "arguments": arguments, "ranks": ranks}))


def give_up(store: Any, reason: str) -> None:
    """Tell the others that there is nothing to do."""
    store.set(_KEY, json.dumps({"over": reason}))


def work(nodes: Nodes) -> Ended | None:
    """Another node's part: wait for the job, run this node's ranks, and say how it ended; None if it needed no ranks.

    Raises:
        RunError: the job's directory is not on this machine, or a rank failed.
    """
    store = meeting(nodes)
    told = json.loads(store.get(_KEY))
    if "over" in told:
        return None
    directory = Path(told["directory"])
    if not (directory / "settings.json").exists():
        raise RunError(
            f"node {nodes.rank} does not see {directory}: `output` must be on storage that all nodes share"
        )
    command = ranks_command(directory, nodes, told["ranks"], told["arguments"])
    with (directory / f"ranks.{nodes.rank}.log").open("ab") as log:
        child = subprocess.run(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=ranks_environment(told["ranks"] // nodes.count, is_alone=False),
        )
    ended = directory / "ended.json"
    if child.returncode and not ended.exists():
        raise RunError(
            f"the ranks of node {nodes.rank} failed (status {child.returncode}); the whole story is in {log.name}"
        )
    return Ended(**json.loads(ended.read_text(encoding="utf-8"))) if ended.exists() else None
