"""Who was asked in a run, as text for a terminal: a model's addresses, a cluster's workers and leases."""

from __future__ import annotations

from collections.abc import Iterable

from mixwright.terminal import table
from mixwright_runtime.store.status import AddressStatus, ClusterStatus


def cluster_line(cluster: ClusterStatus) -> str:
    """`cluster local:2: 12 leases of 90 items, 1 late; 8 items sent again`; what there is none of is left out."""
    leases = cluster["leases"]
    ended = [
        f"{leases[name]:,} {words}" for name, words in (("late", "late"), ("lost", "lost")) if leases[name]
    ]
    items = [
        f"{leases[name]:,} {words}"
        for name, words in (
            ("re_leased", "items sent again"),
            ("late_answers", "answers that came late and were used"),
            ("duplicates", "answers that came twice"),
            ("poisoned", "items given up, since workers died with them"),
        )
        if leases[name]
    ]
    text = f"cluster {cluster['name']}: {leases['leases']:,} leases of {leases['items']:,} items"
    return "; ".join([", ".join([text, *ended]), *items])


def cluster_lines(cluster: ClusterStatus) -> list[str]:
    """The line, and a table of the workers by node."""
    rows = [["node", "worker", "", "has", "answered"]]
    for worker in sorted(cluster["workers"], key=lambda each: (each["node"], each["name"])):
        trouble = f": {worker['trouble']}" if worker["trouble"] else ""
        rows.append(
            [
                worker["node"],
                worker["name"],
                worker["state"] + trouble,
                f"{worker['open']:,}",
                f"{worker['answered']:,}",
            ]
        )
    return [cluster_line(cluster), table(rows, right=(3, 4))]


def address_lines(addresses: Iterable[AddressStatus]) -> list[str]:
    """`model teacher: 120 requests to http://a/v1, 80 to http://b/v1 (does not answer)`, a line a model."""
    models: dict[str, list[str]] = {}
    for found in addresses:
        parts = models.setdefault(found["model"], [])
        unit = "" if parts else " requests"
        silent = "" if found["answers"] else " (does not answer)"
        parts.append(f"{found['requests']:,}{unit} to {found['address']}{silent}")
    return [f"model {model}: {', '.join(parts)}" for model, parts in models.items()]
