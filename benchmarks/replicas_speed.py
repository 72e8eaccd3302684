"""What further addresses of a model bring: rows a second with one server, with several, with one of half the speed.

    python benchmarks/replicas_speed.py [--rows 600] [--servers 2] [--slots 10] [--latency-ms 200]

A server (`fake_server.py`) works on `--slots` requests at once and lets the others wait, so that it has a rate of its
own, `slots / latency`. What is measured is how much of the servers' joint rate a run gets, with and without workers.
"""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import Sequence

from asked_numbers import rows_a_second
from fake_server import ThreadedServer


def main() -> None:
    """Print a line for each way of asking."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--slots", type=int, default=10)
    parser.add_argument("--latency-ms", type=float, default=200)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(ThreadedServer(text="ok ")) for _ in range(options.servers)]
        even = [options.latency_ms] * options.servers
        one = measured("one address", servers[:1], even, options)
        several = measured(f"{options.servers} addresses", servers, even, options)
        measured(f"{options.servers}, one of half the speed", servers, [2 * even[0], *even[1:]], options)
        measured(f"{options.servers} addresses, local:2", servers, even, options, cluster="local:2")
    print(f"{options.servers} addresses against one: {several / one:.2f} times the rows a second")


def measured(
    name: str,
    servers: Sequence[ThreadedServer],
    latencies_ms: Sequence[float],
    options: argparse.Namespace,
    *,
    cluster: str = "",
) -> float:
    """Rows a second of a run on these servers."""
    for server, latency_ms in zip(servers, latencies_ms, strict=False):
        server.fake.reset()
        server.fake.use({"latency_ms": latency_ms, "slots": options.slots})
    urls = json.dumps([server.url for server in servers])
    width = 2 * options.slots * len(servers)
    rate = rows_a_second(options.rows, f"base_url = {urls}, max_in_flight = {width}", cluster)
    joint = sum(1000 * options.slots / latency for latency in latencies_ms[: len(servers)])
    requests = " + ".join(f"{server.fake.stats['chat']:,}" for server in servers)
    print(
        f"{name:>28}: {rate:6.0f} rows/s, {rate / joint:.2f} of the servers' {joint:.0f}; {requests} requests"
    )
    return rate


if __name__ == "__main__":
    main()
