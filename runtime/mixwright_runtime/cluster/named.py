"""A cluster by the name that a user gives it: `local:4`, `auto`, or the address of a Ray cluster."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator

from mixwright_runtime.cluster.protocol import Cluster

MOST_LOCAL = 256
"""Workers of one machine; more would only be a slip of the finger."""

_ADDRESS = re.compile(r"([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]):(\d{1,5})")


def local_count(name: str) -> int:
    """Workers that a name asks for on this machine; 0 for a Ray cluster.

    Raises:
        ValueError: it names no cluster; the message says what would.
    """
    kind, colon, count = name.partition(":")
    if kind == "local":
        if colon and re.fullmatch(r"[1-9]\d{0,3}", count) and int(count) <= MOST_LOCAL:
            return int(count)
        raise ValueError(
            f"'{name}' does not say how many workers: local:1 to local:{MOST_LOCAL}, as local:2 for two processes"
        )
    address = _ADDRESS.fullmatch(name)
    if name == "auto" or (address is not None and 0 < int(address[2]) < 65_536):
        return 0
    raise ValueError(
        f"'{name}' names no cluster: local:N for N processes of this machine, auto for the Ray cluster that this "
        "machine belongs to, or its address, HOST:PORT"
    )


@contextlib.asynccontextmanager
async def cluster_named(name: str) -> AsyncIterator[Cluster | None]:
    """The cluster of that name, closed at the end; None for an empty name.

    Raises:
        RunError: it cannot be reached.
    """
    if not name:
        yield None
        return
    cluster: Cluster
    if count := local_count(name):
        from mixwright_runtime.cluster.local import LocalCluster

        cluster = LocalCluster(count)
    else:
        from mixwright_runtime.cluster.ray import connected

        cluster = connected(name)
    try:
        yield cluster
    finally:
        await cluster.close()
