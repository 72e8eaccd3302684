"""What became of a training job: its report, made from what ranks wrote, and kept beside the model."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mixwright_compiler.load.json_text import Damaged
from mixwright_runtime.training import measuring
from mixwright_runtime.training.curve import read_curve
from mixwright_runtime.training.encode import FATES
from mixwright_runtime.training.held_out import FILE as HELD_OUT
from mixwright_runtime.training.held_out import read_held_out
from mixwright_runtime.training.prepare import Prepared
from mixwright_runtime.training.state import read_state


@dataclass(frozen=True)
class TrainReport:
    """What a training run did. Losses are per trained token; `seconds` and tokens are of this process alone."""

    output: str
    how: str
    steps: int
    rows: int
    examples: int
    bins: int
    fill: float
    tokens: int
    trained_tokens: int
    parameters: int
    ranks: int
    first_loss: float | None
    last_loss: float | None
    reloaded_loss: float | None
    tokens_per_s: float | None
    seconds: float
    held_out: dict[str, list[float]]
    """Of each component its held-out loss per trained token before and after; empty without `holdout`."""
    evaluation: dict[str, dict[str, dict[str, Any]]]
    """`before` and `after`: of each measure its `mixwright_runtime.training.evaluate.Accuracy`. Empty without
    `evaluate`; without `before` where that was not asked for."""
    not_trained: dict[str, list[str]]
    """Ids of rows that are not trained on whole, by what became of them: see
    `mixwright_runtime.training.encode.FATES`."""
    best_step: int | None = None
    """The step whose weights were kept, where `measure` chose; losses of the curve are of the last step."""
    measured: list[list[float]] = field(default_factory=list)
    """Each step at which it was measured, with what it chose by there."""


def finished_report(prepared: Prepared, output: Path) -> TrainReport | None:
    """The report of this very job if it has ended and its model is still in place."""
    marker = prepared.directory / "report.json"
    if not (marker.exists() and (output / "config.json").exists()):
        return None
    current = output / "state" / "current"
    if not current.exists() or current.read_bytes() != prepared.fingerprint.encode():
        return None
    try:
        return read_state(TrainReport, marker)
    except Damaged:
        return None  # half of it was written: the job goes on from its last checkpoint


def report_of(
    prepared: Prepared,
    output: Path,
    how: str,
    reloaded: float | None,
    evaluation: dict[str, dict[str, dict[str, Any]]],
    seconds: float,
) -> TrainReport:
    """What became of a job, from what its ranks wrote down."""
    manifest = prepared.manifest
    curve = read_curve(prepared.directory / "curve.jsonl")
    # The first step also pays for start-up.
    speeds = sorted(line["tokens_per_s"] for line in curve[1:])
    measure, points = prepared.settings.measure, []
    if measure is not None and measure.best:
        points = measuring.points_of(prepared.directory, measure, steps=prepared.steps)
    best = measuring.best_of(points, is_loss=measure is not None and measure.is_loss)
    return TrainReport(
        output=str(output),
        how=how,
        steps=curve[-1]["step"] if curve else 0,
        rows=manifest.counts["rows"],
        examples=manifest.examples,
        bins=manifest.bins,
        fill=manifest.fill,
        tokens=manifest.tokens,
        trained_tokens=manifest.trained_tokens,
        parameters=prepared.parameters,
        ranks=prepared.settings.ranks,
        first_loss=curve[0]["loss"] if curve else None,
        last_loss=curve[-1]["loss"] if curve else None,
        reloaded_loss=reloaded,
        tokens_per_s=speeds[len(speeds) // 2] if speeds else None,
        seconds=round(seconds, 1),
        held_out=_held_out_losses(prepared.directory / HELD_OUT, None if best is None else best[0]),
        evaluation=evaluation,
        not_trained={reason: manifest.counts[reason] for reason in FATES},
        best_step=None if best is None else best[0],
        measured=[list(point) for point in points],
    )


def _held_out_losses(path: Path, kept: int | None) -> dict[str, list[float]]:
    """Of each component the loss before, and with the weights that are kept: those of a step, else the last."""
    lines = read_held_out(path)
    if not lines:
        return {}
    first = lines[0]["losses"]
    last = next((line["losses"] for line in lines if line["step"] == kept), lines[-1]["losses"])
    return {component: [first[component], last[component]] for component in first}


def written(report: TrainReport, prepared: Prepared, output: Path) -> TrainReport:
    """The report, after it was written beside the model, or for a paused run beside its checkpoints."""
    text = json.dumps(asdict(report), indent=1) + "\n"
    if report.how == "done":
        (prepared.directory / "report.json").write_text(text, encoding="utf-8")
        (output / "state" / "current").write_text(prepared.fingerprint, encoding="utf-8")
        (output / "report.json").write_text(text, encoding="utf-8")
        # Only now: an evaluation that fails, or a kill before the report, must not cost the training.
        for name in ("checkpoints", "measured"):
            shutil.rmtree(prepared.directory / name, ignore_errors=True)
    else:
        (prepared.directory / "paused.json").write_text(text, encoding="utf-8")
    return report
