"""What saturates first: a run's load on every part of it, by the number of GPUs and of rows.

    python benchmarks/saturation.py [--gpus 8,64,1000] [--rows 1e6,1e7,1e8] [--set NAME=NUMBER ...] [--markdown]

Arithmetic, no measurement: each figure below says where it comes from, and `--set` replaces one. GPUs set the pace, as
many rows a second as they write; every other part is asked how busy it is at that pace. Above 1 it holds the GPUs up, and
the rate that it allows is said instead.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

DAY_S = 86_400.0


@dataclass(frozen=True)
class Figure:
    """A number, its unit, and where it comes from: `measured` (docs/scale.md, benchmarks/README.md, or the prototype that
    the design of the cluster rests on), or `assumed`, which is to be replaced by what a user has."""

    value: float
    unit: str
    origin: str


FIGURES = {
    "gpu_tokens": Figure(
        5_000, "answer tokens a second of one GPU", "assumed: an 8B model in bf16 on an H100, full batches"
    ),
    "slots": Figure(256, "requests at once of one GPU", "assumed: vLLM's max_num_seqs as often set"),
    "output_tokens": Figure(350, "tokens of an answer", "assumed"),
    "requests": Figure(
        1, "requests of a row", "assumed: one generate; a judge or a second turn adds one each"
    ),
    "kept": Figure(0.7, "share of rows that are kept", "assumed"),
    "client_s": Figure(
        412e-6, "CPU-s of the run's process a row, requests over its own connections", "measured"
    ),
    "leased_s": Figure(245e-6, "the same, requests leased to workers", "measured"),
    "writer_s": Figure(
        53e-6, "CPU-s of the writer a row of 2.4 kB, of those above: a call and an outcome", "measured"
    ),
    "verify_s": Figure(
        1.3e-3, "CPU-s of verifiers a row", "measured: `language`, the dearest of the short ones"
    ),
    "program_s": Figure(5.2e-3, "CPU-s of the sandbox a program", "measured: prototype"),
    "programs": Figure(0, "programs run a row", "assumed: none; `verify code` runs one"),
    "cores": Figure(64, "cores of the run's machine that verifiers and boxes may use", "assumed"),
    "node_gpus": Figure(8, "GPUs of a node", "assumed"),
    "row_bytes": Figure(24_500, "bytes written to disk a row of 2.4 kB", "measured"),
    "stored_bytes": Figure(2_320, "bytes a row of 2.4 kB takes in the store", "measured"),
    "disk_bytes": Figure(
        500e6, "bytes a second that the coordinator's disk takes", "assumed: half of a cheap NVMe"
    ),
    "wire_bytes": Figure(3_000, "bytes of a request and its answer", "assumed: 352 B in, 2.4 kB out"),
    "net_bytes": Figure(1.25e9, "bytes a second of the coordinator's network", "assumed: 10 Gbit/s"),
    "source_memory": Figure(28, "bytes in memory a row of the source", "measured: id, place and order"),
    "kept_memory": Figure(
        200, "bytes in memory a row that is kept", "measured: from 100,000 to a million rows"
    ),
    "memory": Figure(256e9, "bytes of memory of the coordinator's machine", "assumed"),
    "files": Figure(65_536, "connections of one process", "what a run raises its limit on open files to"),
}

LEASED_ABOVE = 64
"""GPUs above which requests are leased to workers on their nodes, as the design says."""


@dataclass(frozen=True)
class Load:
    """A run of so many rows on so many GPUs. busy: part -> share of it that is used at the rate of the GPUs."""

    gpus: int
    rows: float
    is_leased: bool
    rate: float
    busy: dict[str, float]

    @property
    def first(self) -> str:
        """The part that is the busiest beside the GPUs."""
        return max(self.busy, key=self.busy.__getitem__)

    @property
    def seconds(self) -> float:
        """How long it takes when the busiest part sets the pace."""
        paces = (share for name, share in self.busy.items() if name != "memory")
        return self.rows / self.rate * max(1.0, *paces)


def load(gpus: int, rows: float, figures: dict[str, float]) -> Load:
    """What a run asks of each part of it. Verifiers and boxes are the run's machine's, however many nodes there are."""
    f = figures
    rate = gpus * f["gpu_tokens"] / f["output_tokens"] / f["requests"]
    is_leased = gpus > LEASED_ABOVE
    process_s = f["leased_s" if is_leased else "client_s"]
    # A worker has those of its node; a run that leases nothing has them all.
    connections = 1.1 * f["slots"] * (f["node_gpus"] if is_leased else gpus)
    busy = {
        "coordinator": rate * f["requests"] * process_s,
        "writer": rate * f["writer_s"] * (1 + f["requests"]) / 2,
        "verifiers": rate * f["verify_s"] / f["cores"],
        "sandbox": rate * f["programs"] * f["program_s"] / f["cores"],
        "disk": rate * f["row_bytes"] / f["disk_bytes"],
        "network": rate * f["requests"] * f["wire_bytes"] / f["net_bytes"],
        "connections": connections / f["files"],
        "memory": (rows * f["source_memory"] + rows * f["kept"] * f["kept_memory"]) / f["memory"],
    }
    return Load(gpus, rows, is_leased, rate, busy)


def table(loads: Sequence[Load], figures: dict[str, float], *, is_markdown: bool) -> str:
    """A line for each load."""
    parts = list(loads[0].busy)
    head = ["GPUs", "rows", "requests", "rows/s", "tokens/s", *parts, "store", "time", "first"]
    lines = [head]
    for one in loads:
        tokens = one.rate * figures["requests"] * figures["output_tokens"]
        lines.append(
            [
                f"{one.gpus:,}",
                f"{one.rows / 1e6:,.0f} M",
                "leased" if one.is_leased else "own",
                f"{one.rate:,.0f}",
                f"{tokens / 1e6:,.2f} M",
                *(_share(one.busy[name]) for name in parts),
                _size(one.rows * figures["stored_bytes"]),
                _time(one.seconds),
                one.first if one.busy[one.first] > 1 else f"none ({one.first})",
            ]
        )
    if is_markdown:
        rows = ["| " + " | ".join(line) + " |" for line in lines]
        return "\n".join([rows[0], "|" + "---|" * len(head), *rows[1:]])
    widths = [max(len(line[at]) for line in lines) for at in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in lines
    )


def limits(figures: dict[str, float], *, is_leased: bool) -> str:
    """The rate at which each part that the rows' number does not fill is full, and the GPUs that reach it."""
    at = 1_000_000 if is_leased else 1
    one = load(at, 1, figures)
    found = []
    for name in ("coordinator", "writer", "disk", "network"):
        rate = one.rate / one.busy[name]
        found.append(f"{name} at {rate:,.0f} rows/s ({rate / (one.rate / at):,.0f} GPUs)")
    return ", ".join(found)


def _share(value: float) -> str:
    return f"{value:.2f}" if value >= 0.01 else "0" if value == 0 else "<0.01"


def _size(size: float) -> str:
    return f"{size / 1e9:,.0f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"


def _time(seconds: float) -> str:
    if seconds < 7_200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.1f} h" if seconds < 2 * DAY_S else f"{seconds / DAY_S:.1f} days"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gpus", default="8,64,1000")
    parser.add_argument("--rows", default="1e6,1e7,1e8")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER", help=", ".join(FIGURES))
    parser.add_argument("--markdown", action="store_true")
    arguments = parser.parse_args()
    figures = {name: figure.value for name, figure in FIGURES.items()}
    for text in arguments.set:
        name, _, number = text.partition("=")
        if name not in figures:
            parser.error(f"no figure {name!r}; there are {', '.join(figures)}")
        figures[name] = float(number)
    loads = [
        load(int(gpus), float(rows), figures)
        for gpus in arguments.gpus.split(",")
        for rows in arguments.rows.split(",")
    ]
    print(table(loads, figures, is_markdown=arguments.markdown))
    for is_leased, how in ((False, "requests over own connections"), (True, "leased")):
        print(f"\n{how}: full are {limits(figures, is_leased=is_leased)}")
    print()
    for name, figure in FIGURES.items():
        shown = f"{figures[name]:g}" + (" (set)" if figures[name] != figure.value else "")
        if arguments.markdown:
            print(f"| `{name}` | {shown} | {figure.unit} | {figure.origin} |")
        else:
            print(f"{name:14} {shown:>12}  {figure.unit}; {figure.origin}")


if __name__ == "__main__":
    main()
