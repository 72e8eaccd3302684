"""A run on two Ray nodes in two network namespaces, whose link is cut for a while; prints what came of it, as JSON.

The process is in a user and a network namespace of its own:

    PYTHONPATH=. unshare --user --map-root-user --net python tests/runtime/execution/link_cut.py FOLDER

Each namespace has a node with one CPU and a server at its loopback address. Needs Ray, util-linux and `ip`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from test_local_cluster import alone, plan_of, rows_of, run_and_harm, wait_for

from benchmarks.fake_server import ThreadedServer
from mixwright_runtime.cluster.ray import connected, nodes_of
from mixwright_runtime.store.store import Store
from tests.checkout import IMPORT_PATH, ROOT

HERE, THERE = "10.77.0.1", "10.77.0.2"
# Any port: Ray looks through all processes of the machine whether one is at its address, in other namespaces too.
RAY = f"{HERE}:{random.randrange(20_000, 30_000)}"
MEMORY = 100 * 2**20
LATENCY_MS = 400


def ip(command: str, *, at: list[str] | None = None) -> None:
    subprocess.run([*(at or []), "ip", *command.split()], check=True)


@contextlib.contextmanager
def started(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    # However this process ends, none of its nodes is left.
    process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], text=True, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def linked() -> Iterator[list[str]]:
    """Another network namespace, and a link to it; yields what a command there begins with."""
    own = os.readlink("/proc/self/ns/net")
    with started(["unshare", "--net", "sleep", "infinity"]) as there:
        wait_for(lambda: os.readlink(f"/proc/{there.pid}/ns/net") != own)
        beyond = ["nsenter", "--target", str(there.pid), "--net", "--"]
        ip(f"link add here type veth peer name there netns {there.pid}")
        for end, address, at in (("here", HERE, []), ("there", THERE, beyond)):
            ip("link set lo up", at=at)
            ip(f"address add {address}/24 dev {end}", at=at)
            ip(f"link set {end} up", at=at)
        yield beyond


@contextlib.contextmanager
def ray_nodes(beyond: list[str]) -> Iterator[None]:
    """A Ray cluster of two nodes, one here and one there."""
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    environment["PYTHONPATH"] = os.pathsep.join([IMPORT_PATH, os.environ.get("PYTHONPATH", "")])
    options: dict[str, Any] = {"env": environment, "stdout": subprocess.DEVNULL}
    node = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1"]
    node.append(f"--object-store-memory={MEMORY}")
    head = [*node, "--head", f"--node-ip-address={HERE}", f"--port={RAY.partition(':')[2]}"]
    with started([*head, "--include-dashboard=false"], **options) as first:
        wait_for_nodes(1, first)
        join = [*beyond, *node, f"--node-ip-address={THERE}", f"--address={RAY}"]
        with started(join, **options) as second:
            wait_for_nodes(2, second)
            yield


def wait_for_nodes(count: int, process: subprocess.Popen[str]) -> None:
    import ray

    found = 0
    while found < count:
        assert process.poll() is None, "Ray does not start"
        with contextlib.suppress(ConnectionError, RuntimeError, ValueError):
            ray.init(address=RAY, log_to_driver=False, logging_level="ERROR")
            found = len(nodes_of(ray))
            ray.shutdown()


@contextlib.contextmanager
def servers(beyond: list[str]) -> Iterator[tuple[ThreadedServer, list[str]]]:
    """A server at the same loopback address in both namespaces: the one here, and what asks the other one's counters."""
    with ThreadedServer(latency_s=LATENCY_MS / 1000) as server:
        port = str(server.fake.port)
        program = [sys.executable, str(ROOT / "benchmarks" / "fake_server.py")]
        with started([*beyond, *program, "--port", port, "--latency-ms", str(LATENCY_MS)]):
            ask = f"import urllib.request as r; print(r.urlopen('http://127.0.0.1:{port}/stats').read().decode())"
            yield server, [*beyond, sys.executable, "-c", ask]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--cut-s", type=float, default=6.0)
    parser.add_argument("--deadline-s", type=float, default=2.0)
    given = parser.parse_args()
    found: dict[str, Any] = {}

    with linked() as beyond, ray_nodes(beyond), servers(beyond) as (server, counters):
        expected = alone(given.folder / "alone", server, given.rows)
        server.fake.reset()

        async def cut(_worker: object) -> None:
            while len(cluster.workers) < 2 or not all(one.has_served for one in cluster.workers.values()):
                await asyncio.sleep(0.01)
            await asyncio.sleep(1.0)  # both have leases
            ip("link set here down")
            answers = [server.fake.stats["answered"]]
            changed, longest_s = time.monotonic(), 0.0
            back = changed + given.cut_s
            try:
                while (now := time.monotonic()) < back:
                    if server.fake.stats["answered"] > answers[-1]:
                        answers.append(server.fake.stats["answered"])
                        changed, longest_s = now, max(longest_s, now - changed)
                    await asyncio.sleep(0.01)
            finally:
                ip("link set here up")
                found.update(answered_while_cut=answers[-1] - answers[0], longest_gap_s=round(longest_s, 2))

        cluster = connected(RAY)
        plan = plan_of(given.folder / "cut", server, given.rows)
        with Store.open(given.folder / "cut" / "store") as store:
            deadline_s = given.deadline_s
            report = run_and_harm(plan, store, server, cut, cluster, least_deadline_s=deadline_s)
            found["rows_are_the_same"] = rows_of(store) == expected
        told = subprocess.run(counters, capture_output=True, text=True, check=True).stdout
        found["sent"] = server.fake.stats["chat"] + json.loads(told)["chat"]
        found["requests"] = report.summary["requests"]
        found["leases"] = report.summary["cluster"]["leases"]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
