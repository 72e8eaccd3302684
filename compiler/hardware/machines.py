"""GPUs as the planner knows them: memory, arithmetic, traffic.

`memory_bytes` is the nominal size in decimal gigabytes. The card really has 7% more (80 GiB on a card of "80 GB"); that
difference is what the CUDA context, NCCL's buffers and fragmentation may take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """One kind of GPU.

    peak: dense bf16 floating-point operations a second, as its data sheet says.
    utilisation: share of the peak that the matrix products of a step reach, the recomputed ones counted (HFU).
    bandwidth: bytes a second and GPU at which ZeRO-3 gathers and scatters, not overlapped with arithmetic.
    origin: where the last two come from, in words.
    """

    name: str
    memory_bytes: float
    peak: float
    utilisation: float
    bandwidth: float
    origin: str


_FITTED = "fitted to four published LLaMA runs on A800s"
_ASSUMED = "assumed; 'mixwright train --probe' measures them"

# The fit gave 62% with recomputation as 8/6 of the operations; with the measured 7.55/6 it is 58.5%.
_A800_UTILISATION = 0.62 * 7.55 / 8

MACHINES: Mapping[str, Machine] = {
    machine.name: machine
    for machine in (
        Machine("a800_80gb", 80e9, 312e12, _A800_UTILISATION, 51.5e9, _FITTED),
        Machine(
            "a100_80gb", 80e9, 312e12, _A800_UTILISATION, 51.5e9, f"{_FITTED}, whose arithmetic is the same"
        ),
        Machine(
            "a100_40gb", 40e9, 312e12, _A800_UTILISATION, 51.5e9, f"{_FITTED}, whose arithmetic is the same"
        ),
        Machine("h100_80gb", 80e9, 989e12, 0.50, 80e9, _ASSUMED),
        Machine("h800_80gb", 80e9, 989e12, 0.50, 51.5e9, _ASSUMED),
        Machine("h20_96gb", 96e9, 148e12, 0.60, 80e9, _ASSUMED),
        Machine("h200_141gb", 141e9, 989e12, 0.50, 80e9, _ASSUMED),
        Machine("b200_180gb", 180e9, 2250e12, 0.45, 120e9, _ASSUMED),
        Machine("l40s_48gb", 48e9, 362e12, 0.50, 10e9, _ASSUMED),
        Machine("l4_24gb", 24e9, 121e12, 0.50, 8e9, _ASSUMED),
        Machine("a10_24gb", 24e9, 125e12, 0.50, 8e9, _ASSUMED),
        Machine("rtx4090_24gb", 24e9, 165e12, 0.55, 8e9, _ASSUMED),
    )
}


def calibrated(machine: Machine, *, utilisation: float, bandwidth: float | None) -> Machine:
    """The machine with constants that a probe measured; `bandwidth` None where one rank sends nothing."""
    return Machine(
        machine.name,
        machine.memory_bytes,
        machine.peak,
        utilisation,
        machine.bandwidth if bandwidth is None else bandwidth,
        "measured by a probe on this machine",
    )


def machine_of_device(device: str, memory_bytes: float) -> Machine | None:
    """The machine that a driver calls `device`, such as "NVIDIA H100 80GB HBM3"; None for one that is not listed."""
    name = device.lower().replace(" ", "").replace("-", "")
    kinds = [m for m in MACHINES.values() if m.name.partition("_")[0] in name]
    # Longest name first: an A100 is no A10. Of the same kind, the size that is nearest.
    kinds.sort(key=lambda m: (-len(m.name.partition("_")[0]), abs(m.memory_bytes - memory_bytes)))
    return kinds[0] if kinds else None
