"""The machine's own constants, from a short run at two widths of micro-batch.

A step at micro-batch m takes t = F(m) / (u * peak) + B / bandwidth, F in operations and B in bytes sent. Two of them are
two equations for the utilisation u and the bandwidth:

    u = (F2 - F1) / (peak * (t2 - t1))        bandwidth = B / (t1 - F1 / (u * peak))

One rank sends nothing: then only u is measured, from the larger micro-batch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from mixwright_compiler.load.json_text import json_of

FILE = "machine.json"


@dataclass(frozen=True)
class Timed:
    """A micro-step that was run: its operations and bytes sent on each GPU, and its seconds."""

    operations: float
    sent: float
    seconds: float


@dataclass(frozen=True)
class Calibration:
    """What a probe measured; `bandwidth` None where nothing is sent. `device` names what it ran on."""

    device: str
    ranks: int
    peak: float
    utilisation: float
    bandwidth: float | None


def calibration_of(narrow: Timed, wide: Timed, *, device: str, ranks: int, peak: float) -> Calibration:
    """The constants that explain two timed micro-steps.

    Raises:
        ValueError: the wider one was not slower, so that noise would be measured.
    """
    if wide.operations <= narrow.operations or wide.seconds <= narrow.seconds:
        raise ValueError(
            f"the wider micro-batch took {wide.seconds:.3f} s and the narrower {narrow.seconds:.3f} s: "
            "the machine is too busy to measure"
        )
    if ranks == 1:
        return Calibration(device, ranks, peak, wide.operations / wide.seconds / peak, None)
    rate = (wide.operations - narrow.operations) / (wide.seconds - narrow.seconds)
    waiting = narrow.seconds - narrow.operations / rate
    # No time left for the traffic: it hides behind the arithmetic, and counts as free.
    bandwidth = narrow.sent / waiting if waiting > 1e-9 else 1e15
    return Calibration(device, ranks, peak, rate / peak, bandwidth)


def steady_seconds(seconds: Sequence[float], *, skipped: int = 3) -> float:
    """The median of step times without the first ones, which allocate and compile.

    Raises:
        ValueError: too few steps.
    """
    if len(seconds) <= skipped:
        raise ValueError(f"{len(seconds)} steps were run; a probe needs more than {skipped}")
    return median(seconds[skipped:])


def write_calibration(found: Calibration, directory: Path) -> Path:
    """Keep a calibration beside the store; returns the file."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / FILE
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def read_calibration(directory: Path) -> Calibration | None:
    """What a probe left beside the store; None without one, or when it cannot be read."""
    try:
        return Calibration(**json_of((directory / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
