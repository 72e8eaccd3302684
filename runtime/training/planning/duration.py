"""Seconds that a step takes: arithmetic, plus the traffic of ZeRO that does not hide behind it.

    t_micro = F / (utilisation * peak) + B / bandwidth
    F = tokens * (6 P' + 6 L d T) * 7.55/6          P' parameters that each token meets, T tokens that it attends over
    B = 3 * 2 P * (g - 1) / g                       ZeRO-3: gather forward, gather backward, scatter gradients, in bf16

6 P' is two operations a parameter forward and four backward. 6 L d T is causal attention, half of 12 L d T. The factor
7.55/6 is recomputation: measured 1.259 and not 4/3, for the last product of a layer is not needed again.

Two terms are needed. Fitted on four runs of 7B to 65B on 2 to 16 A800s a constant MFU is wrong by up to 76%, the sum of
both terms by 5.4%: the traffic is per micro-step, so small micro-batches of large models wait for the network.
"""

from __future__ import annotations

from compiler.hardware.machines import Machine
from compiler.hardware.shape import Shape

RECOMPUTED = 7.55 / 6


def operations(
    shape: Shape, tokens: float, attended: float, *, recompute: bool = True, lora: bool = False
) -> float:
    """Floating-point operations of forward and backward over `tokens` tokens that attend over `attended` each.

    lora: frozen weights need no gradient of their own: two of the six operations a parameter fall away.
    """
    per_parameter = 4 if lora else 6
    once = per_parameter * shape.multiplied + 6 * shape.layers * shape.hidden * attended
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


def micro_step_seconds(
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
) -> tuple[float, float]:
    """Seconds of arithmetic and of traffic in one micro-step."""
    work = operations(shape, tokens, attended, recompute=recompute, lora=lora_rank > 0)
    sent = traffic(shape, gpus, zero=zero, accumulation=accumulation, lora_rank=lora_rank)
    return work / (machine.utilisation * machine.peak), sent / machine.bandwidth
