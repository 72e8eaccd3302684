"""A run on a Ray cluster of this machine: the same rows, though the process of an actor is killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fake_server import ThreadedServer
from mixwright_runtime.run.execute import run_plan
from mixwright_runtime.run.run import RunOptions
from mixwright_runtime.store.store import Store

pytest.importorskip("ray", reason="Ray is not installed (extra `ray`)")
pytestmark = pytest.mark.ray

from test_local_cluster import alone, plan_of, rows_of  # noqa: E402

from tests.checkout import IMPORT_PATH  # noqa: E402


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A head without a CPU, and two nodes with one each."""
    from ray.cluster_utils import Cluster

    # Actors import what this process runs.
    os.environ["PYTHONPATH"] = os.pathsep.join([IMPORT_PATH, os.environ.get("PYTHONPATH", "")])
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    memory = 100 * 2**20
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": memory})
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=memory)
    yield cluster.address
    cluster.shutdown()


def actors() -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and b"ray::NodeActor" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def ran(directory: Path, server: ThreadedServer, address: str) -> tuple[list[Any], dict[str, Any]]:
    with Store.open(directory / "store") as store:
        options = RunOptions(exports=False, cluster=address)
        report = run_plan(plan_of(directory, server), store=store, options=options)
        return rows_of(store), report.summary["cluster"]


def test_rows_are_those_without_workers(tmp_path: Path, server: ThreadedServer, address: str) -> None:
    expected = alone(tmp_path / "alone", server)
    rows, cluster = ran(tmp_path / "ray", server, address)
    assert rows == expected and len(cluster["workers"]) == 2
    assert sum(worker["answered"] for worker in cluster["workers"]) == len(rows)


def test_an_actor_that_is_killed_costs_its_leases_and_no_row(
    tmp_path: Path, server: ThreadedServer, address: str
) -> None:
    expected = alone(tmp_path / "alone", server)
    server.fake.reset()
    server.fake.use({"latency_ms": 100})

    def kill() -> None:
        while server.fake.stats["answered"] < 60:
            time.sleep(0.005)
        os.kill(actors()[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    rows, cluster = ran(tmp_path / "ray", server, address)
    killer.join()
    assert rows == expected
    assert cluster["leases"]["lost"] >= 1 and 1 <= cluster["leases"]["re_leased"] <= 16
    assert not actors(), "they end with the run"
