"""How a cluster stands: its workers and nodes, and what became of leases, for `status` and a run's summary."""

from __future__ import annotations

from mixwright_runtime.cluster.engine import LeasedWork
from mixwright_runtime.cluster.leases import LeaseStats
from mixwright_runtime.cluster.leasing import Leasing
from mixwright_runtime.cluster.protocol import Cluster
from mixwright_runtime.store.status import ClusterStatus, WorkerStatus


def cluster_status(work: LeasedWork | None) -> dict[str, ClusterStatus]:
    """How it stands now, as `cluster`; nothing where there is none."""
    if work is None:
        return {}
    cluster, leasings = work.cluster, work.leasings
    total = LeaseStats()
    for leasing in leasings:
        total += leasing.table.stats
    workers = [_worker(cluster, place, leasings) for place in cluster.places]
    return {"cluster": {"name": cluster.name, "workers": workers, "leases": dict(vars(total))}}


def cluster_warnings(work: LeasedWork | None) -> list[str]:
    """Which workers do not take part in what, and why."""
    leasings, own = ([], []) if work is None else (work.leasings, work.ranges.warnings())
    return own + [
        f"worker {worker} takes no part in {leasing.name}: {trouble}"
        for leasing in leasings
        for worker, trouble in leasing.troubles.items()
    ]


def _worker(cluster: Cluster, place: str, leasings: list[Leasing]) -> WorkerStatus:
    worker = cluster.workers.get(place)
    rests = any(leasing.table.rests(place) for leasing in leasings)
    return {
        "name": place,
        "node": "" if worker is None else worker.node,
        "state": "down" if worker is None else "resting" if rests else "up",
        "open": sum(leasing.table.open_at(place) for leasing in leasings),
        "answered": sum(leasing.answered.get(place, 0) for leasing in leasings),
        "trouble": "; ".join(leasing.troubles[place] for leasing in leasings if place in leasing.troubles),
    }
