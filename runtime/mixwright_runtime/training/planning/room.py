"""Does a prepared job fit on the GPUs that are here? Asked once its sequences are known, before any rank starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mixwright_compiler.hardware.fit import load_of, needs_mask, remedies
from mixwright_compiler.hardware.machines import Machine
from mixwright_compiler.hardware.model import shape_of
from mixwright_runtime.errors import RunError
from mixwright_runtime.training.settings import TrainSettings


def refuse_overflow(
    given: Mapping[str, object],
    directory: Path,
    settings: TrainSettings,
    *,
    micro: int,
    widest: int,
    machine: Machine | None,
) -> None:
    """Refuse a job that `machine`, the kind of GPU that is here, cannot hold; on a CPU there is nothing to refuse.

    given: the block's attributes. micro, widest: sequences of a micro-batch, and token places of the widest.

    Raises:
        RunError: it does not fit; the message says what would.
    """
    model = shape_of(given, directory) if machine is not None else None
    if machine is None or model is None:
        return
    load = replace(
        load_of(given, model[0], micro_batch=micro, width=widest),
        packed=settings.packing == "best_fit" and needs_mask(given),
        chunked=settings.chunked_loss == "on",
    )
    if load.fits(machine, settings.ranks):
        return
    ways = [remedy.change for remedy in remedies(load, machine, settings.ranks)]
    would = f"; {' or '.join(f'`{way}`' for way in ways[:4])} would fit" if ways else ""
    raise RunError(
        f"the job needs {load.memory(settings.ranks).total / 1e9:,.0f} GB on each of {settings.ranks} GPUs, and "
        f"{machine.name} has {machine.memory_bytes / 1e9:,.0f}{would}; 'mixwright plan' shows the parts"
    )


def machine_here() -> Machine | None:
    """The kind of the first GPU of this machine; None on a CPU and for a GPU that is not listed."""
    import torch

    from mixwright_compiler.hardware.machines import machine_of_device

    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    machine = machine_of_device(properties.name, properties.total_memory)
    if machine is None:
        return None
    # A slice of a GPU has its name and not its memory.
    return replace(machine, memory_bytes=min(machine.memory_bytes, float(properties.total_memory)))
