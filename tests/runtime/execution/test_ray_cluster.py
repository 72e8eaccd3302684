"""A run on a Ray cluster of this machine: the same rows, though an actor is killed or stopped, or its node is lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fake_server import ThreadedServer
from mixwright_runtime.run.run import RunReport
from mixwright_runtime.store.store import Store

pytest.importorskip("ray", reason="Ray is not installed (extra `ray`)")
pytestmark = pytest.mark.ray

from test_local_cluster import alone, exported, plan_of, rows_of, run_and_harm, sending, wait_for  # noqa: E402

from mixwright_runtime.cluster.ray import RayWorker, connected  # noqa: E402
from tests.checkout import IMPORT_PATH  # noqa: E402

MEMORY = 100 * 2**20


@pytest.fixture(scope="module")
def site() -> Iterator[Any]:
    """A head without a CPU, and two nodes with one each."""
    from ray.cluster_utils import Cluster

    # Actors import what this process runs.
    os.environ["PYTHONPATH"] = os.pathsep.join([IMPORT_PATH, os.environ.get("PYTHONPATH", "")])
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": MEMORY})
    for _ in range(2):
        cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
    yield cluster
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


def ran(
    directory: Path, server: ThreadedServer, site: Any, harm: Callable[[RayWorker], Any], **policy: Any
) -> RunReport:
    """A run of which a worker is harmed, with every row as without any."""
    expected = alone(directory / "alone", server)
    server.fake.use({"latency_ms": 250})
    server.fake.reset()
    plan = plan_of(directory / "ray", server)
    with Store.open(directory / "ray" / "store") as store:
        report = run_and_harm(plan, store, server, harm, connected(site.address), **policy)
        assert rows_of(store) == expected
    leases = report.summary["cluster"]["leases"]
    ended = leases["lost"] + leases["late"]
    assert ended >= 1 and leases["poisoned"] == 0
    # Sixteen are under way at most, so no lease has more; on a slow machine others are late, too.
    assert 1 <= leases["re_leased"] <= 16 * ended
    assert server.fake.stats["chat"] <= report.summary["requests"] == 250 + leases["re_leased"]
    wait_for(lambda: not actors())
    return report


def test_exports_are_the_same_bytes_as_without_workers(
    tmp_path: Path, server: ThreadedServer, site: Any
) -> None:
    exported(tmp_path, server, "", "local:2", site.address)


def test_an_actor_that_is_killed_costs_its_leases_and_no_row(
    tmp_path: Path, server: ThreadedServer, site: Any
) -> None:
    report = ran(tmp_path, server, site, sending(signal.SIGKILL))
    assert report.summary["cluster"]["leases"]["lost"] >= 1


def test_an_actor_that_is_stopped_is_left_aside_and_comes_to_an_end(
    tmp_path: Path, server: ThreadedServer, site: Any
) -> None:
    report = ran(tmp_path, server, site, sending(signal.SIGSTOP), least_deadline_s=2.0)
    assert report.summary["cluster"]["leases"]["late"] >= 1


def test_a_node_that_is_lost_costs_its_leases_and_no_row(
    tmp_path: Path, server: ThreadedServer, site: Any
) -> None:
    async def lose(worker: RayWorker) -> None:
        node = next(node for node in site.worker_nodes if worker.name.endswith(node.node_id[:6]))
        await asyncio.to_thread(site.remove_node, node, allow_graceful=False)

    ran(tmp_path, server, site, lose, least_deadline_s=2.0)
    assert len(site.worker_nodes) == 1
