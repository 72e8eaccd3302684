"""A training run on a page: its curves, the held-out loss of each component, accuracies before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from mixwright_runtime.report.page import TABLE_ROWS, page, part
from mixwright_runtime.report.svg import line
from mixwright_runtime.report.text import brief

HALF = 440
"""Width of a curve, of which two stand side by side, in CSS pixels."""
CURVES = (
    ("loss", "Loss per trained token", 1.0),
    ("learning_rate", "Learning rate", 1.0),
    ("grad_norm", "Norm of the gradient, before clipping", 1.0),
    ("tokens_per_s", "Tokens per second", 1.0),
    ("memory_bytes", "Memory, GB", 1e9),
    ("mfu", "MFU on real tokens, %", 0.01),
)
"""Fields of a curve's lines that are drawn, their captions, and what they are divided by."""


@dataclass(frozen=True)
class TrainingFacts:
    """A training run to show beside the data.

    curve: lines of `mixwright_runtime/training/curve.py`, `step` and `loss` each. held_out: (step, loss per trained
    token) of each component's examples that are not trained on. before, after: accuracy by task, 0..1.
    """

    name: str
    curve: Sequence[Mapping[str, Any]] = ()
    before: Mapping[str, float] | None = None
    after: Mapping[str, float] | None = None
    held_out: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)


def training_section(training: TrainingFacts) -> Markup:
    """The run's curves in a grid, then its accuracies."""
    drawn = (
        (caption, line(_points(training, name, scale), f"{caption} by step", width=HALF))
        for name, caption, scale in CURVES
    )
    losses = list(training.held_out.items())[:TABLE_ROWS]
    held_out = ((name, line(found, f"held-out loss of {name}", width=HALF)) for name, found in losses)
    return part(
        "training",
        "section",
        training.name,
        [(caption, chart) for caption, chart in drawn if chart],
        [(name, chart) for name, chart in held_out if chart],
        _accuracies(training),
    )


def training_html(training: TrainingFacts) -> str:
    """A page of a training run alone."""
    return page(f"Training {training.name}", [training_section(training)])


def _points(training: TrainingFacts, name: str, scale: float) -> list[tuple[float, float]]:
    return [(float(p["step"]), float(p[name]) / scale) for p in training.curve if p.get(name) is not None]


def _accuracies(training: TrainingFacts) -> list[tuple[str, ...]] | None:
    """Task, before, after and change; None where nothing was measured."""
    if training.before is None and training.after is None:
        return None
    before, after = training.before or {}, training.after or {}
    return [
        (
            brief(task),
            _share(before.get(task)),
            _share(after.get(task)),
            _change(before.get(task), after.get(task)),
        )
        for task in sorted({*before, *after})
    ]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _change(before: float | None, after: float | None) -> str:
    return "–" if before is None or after is None else f"{(after - before) * 100:+.1f} points"
