"""Seconds that a step takes: arithmetic, the traffic of ZeRO where it does not hide behind it, and an offloaded update.

    t_micro = max(f F / (u peak), B / 3 / bandwidth) + max((1 - f) F / (u peak), 2 B / 3 / bandwidth)
    F = tokens * (6 P' + 6 L d T) * 7.55/6          P' parameters that each token meets, T tokens that it attends over
    B = 3 * 2 P * (g - 1) / g                       ZeRO-3: gather forward, gather backward, scatter gradients, in bf16

6 P' is two operations a parameter forward and four backward. 6 L d T is causal attention, half of 12 L d T, in the layers
that attend. The factor 7.55/6 is recomputation: measured 1.259 and not 4/3, for the last product of a layer is not needed
again. f = 2/7.55 is the forward share. While one layer is worked on the next is fetched, so of arithmetic and traffic the
longer counts, in each direction. All GPUs wait for each other at each layer: `tokens` are those of the GPU with the most.

GPUs that share a sequence have their part of its tokens each. They exchange queries, keys, values and outputs within each
layer, forward, recomputed and backward, and arithmetic waits for that.

With `offload` an optimizer step sends 2 bytes of gradient and 2 of weight a parameter between GPU and host, and moves 30
bytes a parameter through the host's memory (gradient, weight and both moments read in fp32, three of them and the bf16
weight written).

A constant MFU is wrong by up to 76 % on four published runs of 7B to 65B on 2 to 16 A800s, this by 9 % at most, on the
real lengths of the data: traffic is per micro-step, so small micro-batches of large models wait for the network.
"""

from __future__ import annotations

from dataclasses import dataclass

from mixwright_compiler.hardware.machines import HOST_MEMORY, Machine
from mixwright_compiler.hardware.shape import Shape

RECOMPUTED = 7.55 / 6
UPDATE_BYTES = 30


def operations(
    shape: Shape, tokens: float, attended: float, *, recompute: bool = True, lora: bool = False
) -> float:
    """Floating-point operations of forward and backward over `tokens` tokens that attend over `attended` each.

    lora: frozen weights need no gradient of their own: two of the six operations a parameter fall away.
    """
    per_parameter = 4 if lora else 6
    once = per_parameter * shape.multiplied + 6 * shape.attending * shape.queries * attended
    return tokens * once * (RECOMPUTED if recompute else 1.0)


def traffic(shape: Shape, gpus: int, *, zero: int = 3, accumulation: int = 1, lora_rank: int = 0) -> float:
    """Bytes that each GPU sends in a micro-step, the mean over the micro-steps of a step."""
    if gpus < 2:
        return 0.0
    share = (gpus - 1) / gpus
    trained = shape.lora_parameters(lora_rank) if lora_rank else shape.parameters
    if zero == 3:
        return (2 * 2 * shape.parameters + 2 * trained) * share
    if zero == 2:
        return (2 * trained + 2 * trained / accumulation) * share
    return 2 * 2 * trained / accumulation * share


def exchange(shape: Shape, tokens: float, sharing: int, *, recompute: bool = True) -> float:
    """Bytes that each GPU sends in a micro-step to those with which it shares sequences; `tokens` of its own, in bf16."""
    passes = 3 if recompute else 2
    return 2 * passes * shape.attending * shape.exchanged * tokens * (sharing - 1) / sharing


@dataclass(frozen=True)
class MicroStep:
    """Seconds of one micro-step. Its parts overlap: together they take at most their sum, and no less than either."""

    arithmetic: float
    traffic: float
    together: float


def micro_step(
    shape: Shape,
    machine: Machine,
    *,
    gpus: int,
    tokens: float,
    attended: float,
    zero: int = 3,
    accumulation: int = 1,
    recompute: bool = True,
    lora_rank: int = 0,
    sharing: int = 1,
) -> MicroStep:
    """What a micro-step takes whose fullest GPU, or `sharing` GPUs that share sequences, has `tokens` token places."""
    tokens /= sharing
    exchanging = exchange(shape, tokens, sharing, recompute=recompute) / machine.joined(sharing)
    work = operations(shape, tokens, attended, recompute=recompute, lora=lora_rank > 0)
    sent = traffic(shape, gpus, zero=zero, accumulation=accumulation, lora_rank=lora_rank)
    arithmetic, sending = work / (machine.utilisation * machine.peak), sent / machine.joined(gpus)
    if not machine.overlaps:
        return MicroStep(arithmetic, sending + exchanging, arithmetic + sending + exchanging)
    forward = 2 / ((4 if lora_rank else 6) * (RECOMPUTED if recompute else 1.0))
    gathered = 1 / 3 if zero == 3 else 0.0
    together = max(forward * arithmetic, gathered * sending) + max(
        (1 - forward) * arithmetic, (1 - gathered) * sending
    )
    return MicroStep(arithmetic, sending + exchanging, together + exchanging)


def offload_seconds(shape: Shape, machine: Machine, *, gpus: int, lora_rank: int = 0) -> float:
    """Seconds that an optimizer step on the host's processors takes, during which the GPUs wait."""
    trained = shape.lora_parameters(lora_rank) if lora_rank else shape.parameters
    on_host = trained / gpus * min(gpus, machine.node)
    return 4 * trained / gpus / machine.host + UPDATE_BYTES * on_host / HOST_MEMORY
