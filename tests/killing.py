"""Runs that end by SIGKILL, each in a process of its own.

A process that has imported what they need, and has done nothing with it, forks one for each: imports take longer than
what a run does until it is killed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from itertools import pairwise
from pathlib import Path

from tests.checkout import IMPORT_PATH, ROOT

Ended = Callable[..., int]
"""Calls the function with these arguments, paths and numbers, in a process of its own. Returns its exit status, of one
that was killed the negative signal."""


@contextmanager
def killing(module: str, function: str, *folders: Path) -> Iterator[Ended]:
    """Args: folders: where the module is looked for, too."""
    path = os.pathsep.join((IMPORT_PATH, *map(str, (ROOT, *folders))))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.killing", module, function],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    requests, statuses = process.stdin, process.stdout

    def ended(*arguments: Path | str | int) -> int:
        requests.write(json.dumps([str(a) if isinstance(a, Path) else a for a in arguments]) + "\n")
        requests.flush()
        return int(statuses.readline())

    try:
        yield ended
    finally:
        process.communicate()


def kill_on_the_way(run: Callable[[int], int], answers: int, kills: int, seed: str) -> None:
    """Kill runs of one store at moments that lie all along the way, and let the last one end.

    run: takes the answers after which it is killed, 0 for never. Each goes on from where the one before was killed.
    answers: of a whole run.
    """
    moments = [0, *sorted(random.Random(seed).sample(range(1, answers), kills))]
    for before, moment in pairwise(moments):
        assert run(moment - before) == -signal.SIGKILL
    assert run(0) == 0


def rows_of(store: Path, run: int | None = None) -> list[tuple[object, ...]]:
    """What became of the rows of a run of a store, of its last when not stated; that of two runs is to be equal."""
    from mixwright_runtime.store.store import Store

    with Store.open(store, read_only=True) as opened:
        return opened.sql(
            "SELECT pipeline, hex(row_id), status, step, reason, columns FROM row_outcome WHERE run_id = "
            "coalesce(?, (SELECT max(run_id) FROM outcome)) ORDER BY ALL",
            [run],
        )


def _ended(function: Callable[..., object], arguments: list[str | int]) -> int:
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        os.dup2(2, 1)
        function(*arguments)
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    called = getattr(import_module(sys.argv[1]), sys.argv[2])
    for line in sys.stdin:
        print(_ended(called, json.loads(line)), flush=True)
