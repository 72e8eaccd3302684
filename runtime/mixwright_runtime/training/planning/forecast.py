"""Will a training job fit, and how long will it take? Memory and duration put together, and what to change.

The answer rests on the real lengths of the examples: packed, their number of sequences is what the packer makes of
them; padded, a micro-batch is as wide as the longest of its examples on average, and the memory as the longest of all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mixwright_compiler.hardware.fit import MOST_GPUS, Load
from mixwright_compiler.hardware.machines import Machine
from mixwright_compiler.hardware.memory import Memory
from mixwright_compiler.hardware.shape import Shape
from mixwright_runtime.training.packing import pack
from mixwright_runtime.training.planning.duration import micro_step, offload_seconds
from mixwright_runtime.training.planning.lengths import Lengths
from mixwright_runtime.training.schedule import filling_batch, layout_of, steps_of

PACKED_EXACTLY = 200_000
"""Examples that are packed to count the sequences; of more, a sample of this size is, and scaled up."""


@dataclass(frozen=True)
class Job:
    """A training job as far as it decides memory and time.

    batch: examples of an optimizer step; None takes one micro-batch of every GPU. micro_batch: sequences a GPU takes at
    once. lora_rank 0 trains every parameter.
    """

    shape: Shape
    lengths: Lengths
    context: int
    packing: bool = True
    micro_batch: int = 8
    batch: int | None = None
    epochs: float = 1.0
    steps: int | None = None
    zero: int = 3
    recompute: bool = True
    precision_bytes: int = 2
    lora_rank: int = 0
    offload: bool = False
    chunked: bool = False
    masked: bool = True
    """Packed examples are told apart by a mask of all pairs."""
    sequence_parallel: int = 1
    """GPUs that share each sequence."""


@dataclass(frozen=True)
class Sequences:
    """What the GPUs see. width: mean token places of a sequence, padding included; widest: the most of any."""

    count: int
    width: float
    widest: int


@dataclass(frozen=True)
class Forecast:
    """What a job takes on some GPUs of a machine. Seconds are of one step: of its arithmetic and its traffic, which hide
    behind each other in part, and of an offloaded update.

    mfu: 6 P times the examples' own tokens a second, over the GPUs' peak; P without the experts that a token does not
    meet. padded_mfu counts padding as tokens.
    """

    job: Job
    machine: Machine
    gpus: int
    load: Load
    memory: Memory
    sequences: Sequences
    micro_batch: int
    accumulation: int
    steps: int
    seconds: float
    arithmetic_s: float
    traffic_s: float
    update_s: float
    mfu: float
    padded_mfu: float
    idle: float
    """Share of the GPUs' sequence places that are empty in a step."""
    filling_batch: int | None
    """The `batch` that would fill them; None where none would, or nothing is idle."""

    @property
    def fits(self) -> bool:
        return self.memory.total <= self.machine.memory_bytes

    @property
    def hours(self) -> float:
        return self.steps * self.seconds / 3600

    @property
    def gpu_hours(self) -> float:
        return self.hours * self.gpus


def sequences_of(job: Job) -> Sequences:
    """The sequences that a job's examples become."""
    lengths = job.lengths.limited(job.context)
    if job.packing:
        examples = np.repeat(lengths.tokens, lengths.counts)
        scale = 1.0
        if len(examples) > PACKED_EXACTLY:
            scale = len(examples) / PACKED_EXACTLY
            examples = np.random.Generator(np.random.Philox(key=0)).permutation(examples)[:PACKED_EXACTLY]
        bins = max(1, round(len(pack(examples, job.context, seed=0)) * scale))
        # Attention over a packed row costs what the row's width does: its kernel masks, and does not skip.
        return Sequences(bins, float(job.context), job.context)
    width = lengths.expected_longest(job.micro_batch)
    return Sequences(lengths.examples, width, lengths.longest)


def forecast(job: Job, machine: Machine, gpus: int, *, sequences: Sequences | None = None) -> Forecast:
    """What a job takes on `gpus` GPUs; `sequences` saves counting them again."""
    seen = sequences or sequences_of(job)
    groups = max(1, gpus // job.sequence_parallel)
    batch = job.batch or groups * job.micro_batch
    if job.packing or job.batch is not None:
        layout = layout_of(
            batch=batch,
            examples=job.lengths.examples,
            bins=seen.count,
            ranks=groups,
            micro_batch=job.micro_batch,
        )
        micro, accumulation, per_step = layout.micro, layout.accumulation, layout.bins_per_step
        steps = steps_of(layout, bins=seen.count, epochs=job.epochs, steps=job.steps)
        idle = layout.idle
        filling = (
            filling_batch(layout, examples=job.lengths.examples, bins=seen.count, micro_batch=job.micro_batch)
            if idle
            else None
        )
        if not job.packing and micro < job.micro_batch:
            width = job.lengths.limited(job.context).expected_longest(micro)
            seen = replace(seen, width=width)
    else:
        micro, accumulation, per_step, idle, filling = job.micro_batch, 1, batch, 0.0, None
        steps = job.steps or max(1, -(-round(seen.count * job.epochs) // batch))
    # Each layer's traffic makes all GPUs wait for the one whose examples are longest.
    slowest = seen.width if job.packing else job.lengths.limited(job.context).expected_longest(micro * groups)
    one = micro_step(
        job.shape,
        machine,
        gpus=gpus,
        tokens=micro * slowest,
        attended=slowest,
        zero=job.zero,
        accumulation=accumulation,
        recompute=job.recompute,
        lora_rank=job.lora_rank,
        sharing=job.sequence_parallel,
    )
    update = offload_seconds(job.shape, machine, gpus=gpus, lora_rank=job.lora_rank) if job.offload else 0.0
    seconds = one.together * accumulation + update
    # A step is never more than all there is, however large `batch`.
    trained = seen.count * job.epochs if job.steps is None else float(steps * per_step)
    real = job.lengths.limited(job.context).total * trained / seen.count
    load = Load(
        job.shape,
        micro,
        seen.widest,
        zero=job.zero,
        recompute=job.recompute,
        precision_bytes=job.precision_bytes,
        lora_rank=job.lora_rank,
        offload=job.offload,
        packed=job.packing and job.masked,
        chunked=job.chunked,
        sequence_parallel=job.sequence_parallel,
    )
    per_token = 6 * job.shape.active / (gpus * machine.peak * steps * seconds)
    return Forecast(
        job=job,
        machine=machine,
        gpus=gpus,
        load=load,
        memory=load.memory(gpus),
        sequences=seen,
        micro_batch=micro,
        accumulation=accumulation,
        steps=steps,
        seconds=seconds,
        arithmetic_s=one.arithmetic * accumulation,
        traffic_s=one.traffic * accumulation,
        update_s=update,
        mfu=real * per_token,
        padded_mfu=seen.width * trained * per_token,
        idle=idle,
        filling_batch=filling,
    )


def smallest(job: Job, machine: Machine) -> Forecast | None:
    """The forecast on the fewest GPUs, a power of two of those that share a sequence, that hold the job; None when 4,096
    do not."""
    seen = sequences_of(job)
    gpus = job.sequence_parallel
    while gpus <= MOST_GPUS:
        found = forecast(job, machine, gpus, sequences=seen)
        if found.fits:
            return found
        gpus *= 2
    return None
