"""What a node other than the first does while it waits and when it is interrupted. No ranks, no model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.free_ports import free_port

pytestmark = pytest.mark.train
pytest.importorskip("torch")

WORKER = """
import sys, json
import mixwright_runtime.training.nodes as nodes
from mixwright_runtime.training.launch import Nodes

# Ranks that know how to end: they wait for STOP, as rank 0 does after each step.
RANKS = '''
import json, pathlib, sys, time
place = pathlib.Path(sys.argv[1])
(place / "started").touch()
while not (place / "STOP").exists():
    time.sleep(0.05)
(place / "ended.json").write_text(json.dumps({"how": "paused", "step": 7}))
'''
nodes.ranks_command = lambda directory, *rest: [sys.executable, "-c", RANKS, str(directory)]

meet = nodes.meeting
def meeting(where):
    store = meet(where)
    print("met", flush=True)
    return store
nodes.meeting = meeting
print("waiting", flush=True)
try:
    print(nodes.work(Nodes(2, 1, "127.0.0.1", int(sys.argv[1]))), flush=True)
except KeyboardInterrupt:
    sys.exit(130)
except nodes.RunError as error:
    print("RunError:", error, flush=True)
    sys.exit(2)
"""


def worker(port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(port)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def store_at(port: int) -> object:
    from torch.distributed import TCPStore

    return TCPStore(
        "127.0.0.1", port + 1, is_master=True, timeout=timedelta(seconds=30), wait_for_workers=False
    )


def test_an_interrupt_on_another_node_lets_the_whole_job_save_its_checkpoint(tmp_path: Path) -> None:
    """To the whole process group, as a terminal and Slurm send it: the ranks must not get it."""
    from mixwright_runtime.training.nodes import tell

    (tmp_path / "settings.json").touch()
    port = free_port(2)
    store = store_at(port)
    tell(store, tmp_path, [], 2)
    other = worker(port)
    until = time.monotonic() + 60
    while not (tmp_path / "started").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    os.killpg(other.pid, signal.SIGINT)
    told, _ = other.communicate(timeout=60)
    assert (other.returncode, "how='paused', step=7" in told) == (0, True)
    assert json.loads((tmp_path / "ended.json").read_text())["step"] == 7


def test_a_node_that_waits_for_the_first_one_hears_an_interrupt() -> None:
    other = worker(free_port(2))
    assert other.stdout is not None and other.stdout.readline() == "waiting\n"
    time.sleep(0.5)
    other.send_signal(signal.SIGINT)
    assert other.wait(timeout=30) == 130


def test_a_first_node_that_ends_before_it_has_a_job_is_an_error() -> None:
    port = free_port(2)
    code = (
        "import time; from datetime import timedelta; from torch.distributed import TCPStore; "
        f"store = TCPStore('127.0.0.1', {port + 1}, is_master=True, wait_for_workers=False, "
        "timeout=timedelta(seconds=9)); time.sleep(600)"
    )
    first = subprocess.Popen([sys.executable, "-c", code])
    other = worker(port)
    assert other.stdout is not None
    try:
        assert [other.stdout.readline() for _ in range(2)] == ["waiting\n", "met\n"]
        assert other.poll() is None
    finally:
        first.kill()
        first.wait()
    told, _ = other.communicate(timeout=60)
    assert other.returncode == 2
    assert "ended before it had a job" in told
