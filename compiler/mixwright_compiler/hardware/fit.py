"""Does a training job fit on its GPUs, and if not, what would?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mixwright_compiler.hardware.machines import Machine
from mixwright_compiler.hardware.memory import Memory, memory_of
from mixwright_compiler.hardware.shape import Shape
from mixwright_dsl.lazy_dataclass import dataclass, replace

MOST_GPUS = 4096
"""Chosen: where the search for the fewest ends."""
LORA_RANK = 16
"""Chosen: what is proposed where a full training does not fit."""


@dataclass(frozen=True)
class Load:
    """What decides the memory of a job. `width`: token places of its widest sequence, at most `context`. `packed`:
    several examples stand in one, told apart by a mask. `chunked`: the logits are never there all at once.
    `sequence_parallel`: GPUs that share a sequence; the mask is whole on each."""

    shape: Shape
    micro_batch: int
    width: int
    zero: int = 3
    recompute: bool = True
    precision_bytes: int = 2
    lora_rank: int = 0
    offload: bool = False
    packed: bool = False
    chunked: bool = False
    sequence_parallel: int = 1

    def memory(self, gpus: int) -> Memory:
        """Bytes on each of `gpus` GPUs."""
        return memory_of(
            self.shape,
            gpus=gpus,
            tokens=-(-self.micro_batch * self.width // self.sequence_parallel),
            zero=self.zero,
            recompute=self.recompute,
            precision_bytes=self.precision_bytes,
            lora_rank=self.lora_rank,
            offload=self.offload,
            masked=float(self.micro_batch * self.width**2) if self.packed else 0.0,
            chunked=self.chunked,
        )

    def fits(self, machine: Machine, gpus: int) -> bool:
        return self.memory(gpus).total <= machine.memory_bytes


def load_of(given: Mapping[str, Any], shape: Shape, *, micro_batch: int, width: int) -> Load:
    """The load of a `train` block's attributes, for micro-batches of `micro_batch` sequences of `width` token places."""
    return Load(
        shape,
        micro_batch,
        width,
        zero=int(given["zero"]),
        recompute=bool(given["recompute"]),
        precision_bytes=2 if given["precision"] == "bf16" else 4,
        lora_rank=int((given.get("lora") or {}).get("rank") or 0),
        offload=given.get("offload") not in (None, "none"),
        packed=given.get("packing") not in (None, "none") and needs_mask(given),
        chunked=given.get("chunked_loss") not in (None, "off"),
        sequence_parallel=int(given.get("sequence_parallel") or 1),
    )


def needs_mask(given: Mapping[str, Any]) -> bool:
    """Does the attention kernel of a `train` block tell packed examples apart by a mask of all pairs?

    `auto` is reckoned with one: only a trial tells whether a model takes `varlen`.
    """
    return given.get("attention") not in ("varlen", "flash", "flex")


@dataclass(frozen=True)
class Remedy:
    """A change that makes a job fit, as the user types it, and the bytes it then takes on each GPU."""

    change: str
    total: float


def fewest_gpus(load: Load, machine: Machine) -> int | None:
    """The fewest GPUs that hold a job, a power of two of those that share a sequence; None when 4,096 do not."""
    gpus = load.sequence_parallel
    while gpus <= MOST_GPUS:
        if load.fits(machine, gpus):
            return gpus
        gpus *= 2
    return None


def remedies(load: Load, machine: Machine, gpus: int) -> list[Remedy]:
    """Changes of one attribute each with which a job fits: first those that leave the result as it is."""
    found: list[Remedy] = []

    def consider(change: str, changed: Load, count: int = gpus) -> bool:
        total = changed.memory(count).total
        if total <= machine.memory_bytes:
            found.append(Remedy(change, total))
        return total <= machine.memory_bytes

    if not load.recompute:
        consider("recompute = true", replace(load, recompute=True))
    if not load.chunked:
        consider("chunked_loss = on", replace(load, chunked=True))
    micro = load.micro_batch // 2
    while micro >= 1 and not consider(f"micro_batch = {micro}", replace(load, micro_batch=micro)):
        micro //= 2
    shared = 2 * load.sequence_parallel
    while gpus % shared == 0 and load.shape.sharing(shared) == shared:
        if consider(f"sequence_parallel = {shared}", replace(load, sequence_parallel=shared)):
            break
        shared *= 2
    if load.zero < 3 and gpus > 1:
        consider("zero = 3", replace(load, zero=3))
    enough = fewest_gpus(load, machine)
    if enough is not None and enough > gpus:
        found.append(Remedy(f"gpus = {enough}", load.memory(enough).total))
    if not load.offload and load.zero == 3:
        consider("offload = optimizer", replace(load, offload=True))
    if not load.lora_rank:
        consider(f"lora {{ rank = {LORA_RANK} }}", replace(load, lora_rank=LORA_RANK))
    width = load.width // 2
    while width >= 256 and not consider(f"context = {width}", replace(load, width=width)):
        width //= 2
    return found
