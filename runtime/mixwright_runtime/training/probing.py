"""A short run that measures this machine's constants for the planner: see `planning/probe.py`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from mixwright_compiler.hardware.machines import MACHINES, machine_of_device
from mixwright_compiler.hardware.model import shape_of
from mixwright_compiler.hardware.shape import Shape
from mixwright_compiler.plan.plan import Plan, Train
from mixwright_runtime.errors import RunError, require
from mixwright_runtime.training.curve import read_curve
from mixwright_runtime.training.launch import run_ranks
from mixwright_runtime.training.planning.duration import exchange, operations, traffic
from mixwright_runtime.training.planning.probe import Calibration, Timed, calibration_of, steady_seconds
from mixwright_runtime.training.prepare import prepare
from mixwright_runtime.training.settings import TrainSettings, settings_of

STEPS = 10
"""Of each of two widths: twenty in all."""
CPU_PEAK = 1e12
"""A CPU has no data sheet that tells; its rate is told as a share of this."""


def probe(
    plan: Plan,
    train: Train,
    rows: Iterable[dict[str, Any]],
    output: Path | None = None,
    *,
    ranks: int | None = None,
    says: Callable[[str], None] = lambda text: None,
) -> Calibration:
    """Train a few steps at two micro-batches, time them, and work out the constants. Nothing of it is kept.

    Raises:
        RunError: the model's sizes are not known, or the machine is too busy to measure.
    """
    torch = require("torch", "train", "a probe")
    directory = Path(plan.directory)
    model = shape_of(train.attributes, directory)
    if model is None:
        raise RunError(f"train '{train.name}': the sizes of its model are not known on this machine")
    settings = settings_of(train, directory, ranks=ranks, nodes=1)
    narrow = max(1, settings.micro_batch // 2)
    place = (output or directory / train.attributes["output"]) / "state" / "probe"
    listed = list(rows)
    timed = []
    for micro in (narrow, 2 * narrow):
        shutil.rmtree(place, ignore_errors=True)
        found = _timed(settings, model[0], listed, place, micro)
        says(f"{micro} sequences on each rank: {found.seconds:.3f} s a step")
        timed.append(found)
    shutil.rmtree(place, ignore_errors=True)
    device, peak = "cpu", CPU_PEAK
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        machine = machine_of_device(properties.name, properties.total_memory)
        if machine is None:
            raise RunError(
                f"'{properties.name}' is none of the GPUs that the planner knows: {', '.join(MACHINES)}"
            )
        device, peak = machine.name, machine.peak
    try:
        return calibration_of(timed[0], timed[1], device=device, ranks=settings.ranks, peak=peak)
    except ValueError as error:
        raise RunError(str(error)) from error


def _timed(
    settings: TrainSettings, shape: Shape, rows: list[dict[str, Any]], place: Path, micro: int
) -> Timed:
    """One micro-step of `micro` sequences on each rank, the median of some."""
    # One micro-batch of every rank a step: `batch` counts examples, of which a packed sequence has several.
    settings = replace(
        settings,
        steps=STEPS,
        checkpoints=0,
        micro_batch=micro,
        batch=settings.groups * micro,
        holdout=0.0,
        measure=None,
    )
    prepared = prepare(settings, rows, place)
    manifest, is_packed = prepared.manifest, prepared.settings.packing == "best_fit"
    if is_packed:
        examples = round(settings.groups * micro * manifest.examples / manifest.bins)
        prepared = prepare(replace(settings, batch=max(1, examples)), rows, place)
    run_ranks(
        prepared.directory, ranks=settings.ranks, on_line=lambda line: None, is_sharded=settings.zero > 0
    )
    lines = read_curve(prepared.directory / "curve.jsonl")
    ends = [float(line["seconds"]) for line in lines]
    seconds = steady_seconds([after - before for before, after in pairwise(ends)])
    width = float(manifest.context if is_packed else manifest.tokens / manifest.examples)
    layout = prepared.layout
    rank = settings.lora.rank if settings.lora else 0
    tokens, sharing = layout.micro * width / settings.sequence_parallel, settings.sequence_parallel
    done = operations(shape, tokens, width, recompute=settings.recompute, lora=settings.lora is not None)
    sent = traffic(shape, settings.ranks, zero=settings.zero, lora_rank=rank)
    sent += exchange(shape, tokens, sharing, recompute=settings.recompute)
    return Timed(done, sent, seconds / layout.accumulation)
