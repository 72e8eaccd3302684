"""GPUs as the planner knows them: memory, arithmetic, traffic.

`memory_bytes` is the nominal size in decimal gigabytes. The card really has 7% more (80 GiB on a card of "80 GB"); that
difference is what the CUDA context, NCCL's buffers and fragmentation may take.
"""

from __future__ import annotations

from collections.abc import Mapping

from mixwright_dsl.lazy_dataclass import dataclass, replace


@dataclass(frozen=True)
class Machine:
    """One kind of GPU, and what joins it to others.

    peak: dense bf16 floating-point operations a second, as its data sheet says.
    utilisation: share of the peak that the matrix products of a step reach, the recomputed ones counted (HFU).
    bandwidth, network: bytes a second and GPU at which ZeRO-3 gathers and scatters inside a node of `node` GPUs, and
    between nodes. host: bytes a second and GPU to and from the host's memory.
    overlaps: traffic of a layer hides behind the arithmetic of another; else the two add up.
    origin: where the constants come from, in words; is_measured: from a probe of this machine.
    """

    name: str
    memory_bytes: float
    peak: float
    utilisation: float
    bandwidth: float
    network: float
    origin: str
    node: int = 8
    host: float = 25e9
    overlaps: bool = True
    is_measured: bool = False

    def joined(self, gpus: int) -> float:
        """Bytes a second and GPU between so many of them."""
        return self.bandwidth if gpus <= self.node else min(self.bandwidth, self.network)


HOST_MEMORY = 200e9
"""Bytes a second that a node's own memory moves, which is what an optimizer step on its processors waits for. Assumed:
eight channels of DDR4-3200 have 205e9."""

_ALPACA = "fitted to four published LLaMA runs on A800s"
_TULU = "fitted to the two published Tulu 3 runs, of assumed lengths"
_ASSUMED = "assumed; 'mixwright train --probe' measures them"

# On Alpaca's own lengths, each micro-step as slow as its longest example on any GPU: hours of the four published rows
# within 9 % (-1.6, +7.3, -7.5, +8.3). Within a node and between two of them one figure does.
_A800 = (0.315, 41e9, 41e9)
# 8B on 32 and 70B on 64 GPUs, 939,343 rows of 700 tokens on average: +21 and -22 %; a smaller share of the peak or a
# faster network helps the one and hurts the other.
_H100 = (0.345, 150e9, 130e9)

MACHINES: Mapping[str, Machine] = {
    machine.name: machine
    for machine in (
        Machine("a800_80gb", 80e9, 312e12, *_A800, _ALPACA),
        Machine("a100_80gb", 80e9, 312e12, *_A800, f"{_ALPACA}, whose arithmetic is the same"),
        Machine("a100_40gb", 40e9, 312e12, *_A800, f"{_ALPACA}, whose arithmetic is the same"),
        Machine("h100_80gb", 80e9, 989e12, *_H100, _TULU),
        Machine("h800_80gb", 80e9, 989e12, 0.345, 65e9, 65e9, _ASSUMED),
        Machine("h20_96gb", 96e9, 148e12, 0.45, 150e9, 65e9, _ASSUMED),
        Machine("h200_141gb", 141e9, 989e12, *_H100, f"{_TULU} on H100s, whose arithmetic is the same"),
        Machine("b200_180gb", 180e9, 2250e12, 0.30, 300e9, 130e9, _ASSUMED),
        Machine("l40s_48gb", 48e9, 362e12, 0.35, 10e9, 10e9, _ASSUMED),
        Machine("l4_24gb", 24e9, 121e12, 0.35, 8e9, 8e9, _ASSUMED),
        Machine("a10_24gb", 24e9, 125e12, 0.35, 8e9, 8e9, _ASSUMED),
        Machine("rtx4090_24gb", 24e9, 165e12, 0.35, 8e9, 8e9, _ASSUMED),
    )
}


def calibrated(machine: Machine, *, utilisation: float, bandwidth: float | None) -> Machine:
    """The machine with constants that a probe measured; `bandwidth` None where one rank sends nothing.

    A probe solves for arithmetic and traffic that add up, so its constants are read in that way.
    """
    measured = machine.bandwidth if bandwidth is None else bandwidth
    return replace(
        machine,
        utilisation=utilisation,
        bandwidth=measured,
        network=machine.network if bandwidth is None else bandwidth,
        overlaps=bandwidth is None and machine.overlaps,
        origin="measured by a probe on this machine",
        is_measured=True,
    )


def machine_of_device(device: str, memory_bytes: float) -> Machine | None:
    """The machine that a driver calls `device`, such as "NVIDIA H100 80GB HBM3"; None for one that is not listed."""
    name = device.lower().replace(" ", "").replace("-", "")
    kinds = [m for m in MACHINES.values() if m.name.partition("_")[0] in name]
    # Longest name first: an A100 is no A10. Of the same kind, the size that is nearest.
    kinds.sort(key=lambda m: (-len(m.name.partition("_")[0]), abs(m.memory_bytes - memory_bytes)))
    return kinds[0] if kinds else None
