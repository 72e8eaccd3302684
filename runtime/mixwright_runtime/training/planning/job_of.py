"""A `train` block as the planner sees it: which model, which machine, how many GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mixwright_compiler.hardware.fit import Remedy, needs_mask, remedies
from mixwright_compiler.hardware.machines import MACHINES, Machine, calibrated
from mixwright_compiler.hardware.model import shape_of
from mixwright_compiler.hardware.shape import Shape
from mixwright_compiler.plan.plan import Train
from mixwright_runtime.training.planning.forecast import Forecast, Job, forecast, smallest
from mixwright_runtime.training.planning.lengths import Lengths
from mixwright_runtime.training.planning.probe import Calibration


@dataclass(frozen=True)
class TrainForecast:
    """The forecast of a `train` block on the machines that it names.

    smallest: on the fewest GPUs that would hold it; None when none do. remedies: what makes it fit when it does not.
    price: dollars for a GPU-hour, where the block says it.
    """

    train: str
    model: str
    found: Forecast
    smallest: Forecast | None
    remedies: tuple[Remedy, ...]
    price: float | None

    @property
    def dollars(self) -> float | None:
        return None if self.price is None else self.found.gpu_hours * self.price


def job_of(train: Train, shape: Shape, lengths: Lengths) -> Job:
    """The job of a `train` block on these examples."""
    given = train.attributes
    adapters = given.get("lora") or {}
    return Job(
        shape=shape,
        lengths=lengths,
        context=int(given["context"]),
        packing=given["packing"] != "none",
        micro_batch=int(given["micro_batch"]),
        batch=int(given["batch"]),
        epochs=float(given["epochs"]),
        steps=int(given["steps"]) if given.get("steps") else None,
        zero=int(given["zero"]),
        recompute=bool(given["recompute"]),
        precision_bytes=2 if given["precision"] == "bf16" else 4,
        lora_rank=int(adapters.get("rank") or 0),
        offload=given.get("offload") not in (None, "none"),
        chunked=given.get("chunked_loss") not in (None, "off"),
        masked=needs_mask(given),
        sequence_parallel=int(given.get("sequence_parallel") or 1),
    )


def train_forecast(
    train: Train, directory: Path, lengths: Lengths, calibration: Calibration | None = None
) -> TrainForecast | None:
    """The forecast of a `train` block; None when its machine or its model's sizes are not known.

    calibration: of a probe. It takes the place of the assumed constants of the kind of GPU that `cluster` names; a block
    that names none is forecast on the machine that was probed.
    """
    cluster: Mapping[str, Any] = train.attributes.get("cluster") or {}
    named = str(cluster.get("gpu") or (calibration.device if calibration else ""))
    machine = MACHINES.get(named)
    if machine is None and calibration is not None and named == calibration.device:
        machine = Machine(named, _own_memory(), calibration.peak, 0.0, 1e15, 1e15, "")
    model = shape_of(train.attributes, directory)
    if machine is None or model is None:
        return None
    if calibration is not None and calibration.device == machine.name:
        machine = calibrated(machine, utilisation=calibration.utilisation, bandwidth=calibration.bandwidth)
    shape, name = model
    job = job_of(train, shape, lengths)
    fewest = smallest(job, machine)
    gpus = int(cluster.get("gpus") or 0) * int(cluster.get("nodes") or 1)
    if not cluster.get("gpu") and calibration is not None:
        gpus = int(train.attributes.get("ranks") or calibration.ranks)
    found = forecast(job, machine, gpus or (fewest.gpus if fewest else 1))
    price = cluster.get("price")
    return TrainForecast(
        train=train.name,
        model=name,
        found=found,
        smallest=fewest,
        remedies=() if found.fits else tuple(remedies(found.load, machine, found.gpus)),
        price=float(price) if price is not None else None,
    )


def _own_memory() -> float:
    """Bytes of this machine's memory."""
    import os

    return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
