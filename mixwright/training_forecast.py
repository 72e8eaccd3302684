"""Forecasts of a plan's training jobs for `mixwright plan`: from the rows that a run selected, where there are any."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from mixwright_dsl.visible import printable

if TYPE_CHECKING:
    from mixwright_compiler.hardware.fit import Remedy
    from mixwright_compiler.hardware.machines import Machine
    from mixwright_compiler.plan.plan import Plan, Train
    from mixwright_runtime.training.planning.forecast import Forecast
    from mixwright_runtime.training.planning.job_of import TrainForecast
    from mixwright_runtime.training.planning.lengths import Lengths

ROWS_READ = 20_000
"""Selected rows whose lengths are looked at; of a larger mixture they are a sample, for its order is random."""
TOKENIZED_ROWS = 2_000
"""Rows that are tokenised to learn how many characters a token has."""
CHARACTERS_PER_TOKEN = 4.0
TOKENS_PER_MESSAGE = 4
ASSUMED_TOKENS = 500
"""Mean tokens of an example where no run has selected rows yet."""


@dataclass(frozen=True)
class Unforeseen:
    """A `train` block that names its GPUs and has no forecast, and why."""

    train: str
    reason: str


def training_forecasts(plan: Plan, store: Path) -> list[TrainForecast | Unforeseen]:
    """A forecast, or why there is none, for each `train` block that names its GPUs; for all of them after a probe."""
    from mixwright_runtime.training.planning.probe import read_calibration

    calibration = read_calibration(store)
    trains = [
        t for t in plan.trains.values() if calibration or (t.attributes.get("cluster") or {}).get("gpu")
    ]
    if not trains:
        return []
    from mixwright_compiler.hardware.model import why_no_shape
    from mixwright_runtime.training.planning.job_of import train_forecast

    found: list[TrainForecast | Unforeseen] = []
    for train in trains:
        directory = Path(plan.directory)
        forecast = train_forecast(train, directory, lengths_for(plan, train, store), calibration)
        found.append(forecast or Unforeseen(train.name, why_no_shape(train.attributes, directory)))
    return found


def lengths_for(plan: Plan, train: Train, store: Path) -> Lengths:
    """Token lengths of a mixture's examples: of the last run's rows, scaled to the expected number, else assumed."""
    from mixwright_runtime.training.planning.lengths import assumed_lengths, lengths_of

    expected = _expected_rows(plan, train.mixture)
    selected = _selected(plan, train.mixture, store)
    if selected is None:
        rows = expected or 10_000
        mean = min(ASSUMED_TOKENS, int(train.attributes["context"]) // 2)
        origin = f"assumed: {mean} tokens on average; 'mixwright run --limit 200' measures them"
        return assumed_lengths(rows, float(mean), origin)
    import numpy as np

    ratio, how = _characters_per_token(plan, train, selected.rows[:TOKENIZED_ROWS])
    characters = np.asarray([sum(map(len, row)) for row in selected.rows])
    messages = np.asarray([len(row) for row in selected.rows])
    tokens = np.maximum(1, np.rint(characters / ratio).astype(np.int64) + TOKENS_PER_MESSAGE * messages)
    wanted = max(selected.total, expected or 0)
    origin = f"{len(tokens):,} rows of run {selected.run_id}, {how}"
    if wanted > len(tokens):
        origin += f", scaled to {wanted:,}"
        # Each row as often as it takes, the first ones once more: the shape stays.
        tokens = np.resize(tokens, wanted)
    return lengths_of(tokens, origin)


def _expected_rows(plan: Plan, mixture: str) -> int | None:
    by_node = {estimate.node: estimate for estimate in plan.estimates}
    parts = [by_node.get(f"{mixture}.{component.rows}") for component in plan.mixtures[mixture].components]
    counts = [part.rows_out for part in parts if part is not None and part.rows_out is not None]
    return sum(counts) if counts and len(counts) == len(parts) else None


@dataclass(frozen=True)
class _Selected:
    """The first rows that a run selected: the texts of each row's messages, and how many rows it selected in all."""

    run_id: int
    total: int
    rows: list[list[str]]


def _selected(plan: Plan, mixture: str, store: Path) -> _Selected | None:
    """None where there is nothing to measure: no run, another process in the store, a plan of another version."""
    from mixwright.selected import last_selection, open_store
    from mixwright_runtime.errors import RunError
    from mixwright_runtime.mixture.record import mixture_rows, read_record

    try:
        with open_store(plan, store) as opened:
            run_id, old = last_selection(opened, plan, mixture)
            total = read_record(opened, run_id, mixture).rows
            rows = islice(mixture_rows(opened, old, run_id, mixture), ROWS_READ)
            contents = [[_said(message) for message in row.messages] for row in rows]
    except RunError:
        return None
    return _Selected(run_id, total, contents) if contents else None


def _said(message: Mapping[str, Any]) -> str:
    """A message's whole text: reasoning is often most of it, and calls of tools may be all."""
    calls = message.get("tool_calls")
    parts = (message.get("reasoning_content"), message.get("content"), json.dumps(calls) if calls else "")
    return "".join(str(part) for part in parts if part)


def _characters_per_token(plan: Plan, train: Train, rows: list[list[str]]) -> tuple[float, str]:
    """Characters that a token of the model's tokenizer has in these rows, and in words how it was found."""
    guess = CHARACTERS_PER_TOKEN, f"{CHARACTERS_PER_TOKEN:g} characters a token assumed"
    place = train.attributes.get("tokenizer") or train.attributes.get("base")
    if not place:
        return guess
    file = Path(plan.directory) / str(place) / "tokenizer.json"
    try:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(file))
    except Exception:  # not installed, not there, not one: the library raises bare exceptions
        return guess
    texts = [content for row in rows for content in row]
    tokens = sum(len(encoded.ids) for encoded in tokenizer.encode_batch(texts, add_special_tokens=False))
    return max(0.1, sum(map(len, texts)) / max(1, tokens)), "measured with its tokenizer"


def forecast_text(forecast: TrainForecast | Unforeseen) -> str:
    """One training job's forecast for a terminal, without a line end at the end."""
    if isinstance(forecast, Unforeseen):
        return f"train {forecast.train}   no forecast: {printable(forecast.reason)}"
    from mixwright_runtime.training.schedule import idle_text

    found = forecast.found
    job, memory, machine = found.job, found.memory, found.machine
    gpus = f"{found.gpus} {machine.name}"
    tokens = job.lengths.limited(job.context).total
    kind = "packed" if job.packing else "padded"
    lines = [
        f"train {forecast.train}   ({forecast.model}, {_count(job.shape.parameters)} parameters, on {gpus})",
        f"  data      {job.lengths.examples:,} examples, {tokens / 1e6:,.1f} M tokens ({job.lengths.origin})",
        f"            {found.sequences.count:,} {kind} sequences of {found.sequences.width:,.0f} on average, "
        f"{tokens / max(1.0, found.sequences.count * found.sequences.width):.1%} full",
        f"  memory    {_gb(memory.total)} of {_gb(machine.memory_bytes)} on each GPU"
        + ("" if found.fits else "   does not fit"),
        f"            weights {_gb(memory.weights)}, gradients {_gb(memory.gradients)}, "
        f"optimizer {_gb(memory.optimizer)}, gathered layers {_gb(memory.gathered)}, "
        f"kept activations {_gb(memory.kept)}, working set {_gb(memory.working)}"
        + (f", mask {_gb(memory.mask)}" if memory.mask else "")
        + (f"; in host memory {_gb(memory.host)} for each GPU" if memory.host else ""),
    ]
    if forecast.smallest is not None:
        fewest = forecast.smallest.gpus
        lines.append(f"  smallest  {fewest} GPU{'s' * (fewest > 1)} would hold it")
    if not found.fits:
        lines += [f"  would fit {remedy.change}   ({_gb(remedy.total)})" for remedy in forecast.remedies]
        return "\n".join(lines)
    place = "each GPU" if job.sequence_parallel == 1 else f"every {job.sequence_parallel} GPUs together"
    lines.append(
        f"  time      {found.steps:,} steps of {found.accumulation} x {found.micro_batch} sequences on {place}, "
        f"{found.seconds:.2f} s each ({found.arithmetic_s:.2f} arithmetic, {found.traffic_s:.2f} traffic"
        + (f", {found.update_s:.2f} update on the host)" if found.update_s else ")")
    )
    if idle := idle_text(found.idle, found.filling_batch):
        lines.append(f"  idle      {idle}")
    cost = "" if forecast.dollars is None else f", ${forecast.dollars:,.2f}"
    lines.append(
        f"            {_hours(found.hours)}, {found.gpu_hours:,.1f} GPU-hours{cost}; "
        f"MFU {found.mfu:.1%} on real tokens, {found.padded_mfu:.1%} with padding"
    )
    lines.append(
        f"  constants {machine.utilisation * machine.peak / 1e12:,.3g} of {machine.peak / 1e12:,.0f} TFLOP/s, "
        f"{machine.joined(found.gpus) / 1e9:,.3g} GB/s: {machine.origin}"
    )
    return "\n".join(lines)


class NoForecast(TypedDict):
    """A `train` block without a forecast, and why."""

    train: str
    no_forecast: str


class Figures(TypedDict):
    """What a training job takes on so many GPUs."""

    gpus: int
    fits: bool
    parameters: int
    examples: int
    tokens: int
    sequences: int
    memory_bytes: dict[str, float]
    steps: int
    seconds_per_step: float
    hours: float
    gpu_hours: float
    mfu: float
    mfu_with_padding: float
    idle: float
    filling_batch: int | None


class ForecastReport(Figures):
    """The forecast of a `train` block. lengths: where those of the examples come from."""

    train: str
    model: str
    machine: Machine
    lengths: str
    smallest_gpus: int | None
    would_fit: list[Remedy]
    dollars: float | None


def forecast_report(forecast: TrainForecast | Unforeseen) -> ForecastReport | NoForecast:
    """The same for `--json`: bytes, seconds, hours, dollars."""
    if isinstance(forecast, Unforeseen):
        return {"train": forecast.train, "no_forecast": forecast.reason}
    return {
        "train": forecast.train,
        "model": forecast.model,
        **_figures(forecast.found),
        "machine": forecast.found.machine,
        "lengths": forecast.found.job.lengths.origin,
        "smallest_gpus": None if forecast.smallest is None else forecast.smallest.gpus,
        "would_fit": list(forecast.remedies),
        "dollars": forecast.dollars,
    }


def _figures(found: Forecast) -> Figures:
    return {
        "gpus": found.gpus,
        "fits": found.fits,
        "parameters": found.job.shape.parameters,
        "examples": found.job.lengths.examples,
        "tokens": found.job.lengths.limited(found.job.context).total,
        "sequences": found.sequences.count,
        "memory_bytes": {**asdict(found.memory), "total": found.memory.total},
        "steps": found.steps,
        "seconds_per_step": found.seconds,
        "hours": found.hours,
        "gpu_hours": found.gpu_hours,
        "mfu": found.mfu,
        "mfu_with_padding": found.padded_mfu,
        "idle": found.idle,
        "filling_batch": found.filling_batch,
    }


def _gb(bytes_: float) -> str:
    return f"{bytes_ / 1e9:,.1f} GB" if bytes_ >= 1e8 else f"{bytes_ / 1e6:,.1f} MB"


def _count(number: float) -> str:
    return f"{number / 1e9:,.2f} B" if number >= 1e8 else f"{number / 1e6:,.2f} M"


def _hours(hours: float) -> str:
    if hours < 1 / 60:
        return f"{math.ceil(hours * 3600)} s"
    return f"{hours * 60:.0f} min" if hours < 1 else f"{hours:,.1f} h"
