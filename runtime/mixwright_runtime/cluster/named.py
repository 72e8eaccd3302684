"""A cluster by the name that a user gives it: `local:4`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator

from mixwright_runtime.cluster.local import LocalCluster
from mixwright_runtime.cluster.protocol import Cluster

MOST_LOCAL = 256
"""Workers of one machine; more would only be a slip of the finger."""


def local_count(name: str) -> int:
    """Workers that a name asks for on this machine.

    Raises:
        ValueError: it names no cluster; the message says what would.
    """
    kind, colon, count = name.partition(":")
    if kind != "local":
        raise ValueError(f"'{name}' names no cluster: local:N for N processes of this machine")
    if colon and re.fullmatch(r"[1-9]\d{0,3}", count) and int(count) <= MOST_LOCAL:
        return int(count)
    raise ValueError(
        f"'{name}' does not say how many workers: local:1 to local:{MOST_LOCAL}, as local:2 for two processes"
    )


@contextlib.asynccontextmanager
async def cluster_named(name: str) -> AsyncIterator[Cluster | None]:
    """The cluster of that name, closed at the end; None for an empty name."""
    if not name:
        yield None
        return
    cluster = LocalCluster(local_count(name))
    try:
        yield cluster
    finally:
        await cluster.close()
