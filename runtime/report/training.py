"""What a report shows of a training run: read from the directory it left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from compiler.plan import Plan
from runtime.report.html import TrainingFacts


def training_facts(plan: Plan, mixture: str | None = None) -> TrainingFacts | None:
    """The first `train` block (of a mixture) whose output has a curve; None when nothing was trained."""
    for train in plan.trains.values():
        output = train.attributes.get("output")
        if not output or (mixture is not None and train.mixture != mixture):
            continue
        directory = Path(plan.directory) / str(output)
        curve = _lines(directory / "curve.jsonl")
        if curve:
            evaluation = (_document(directory / "report.json") or {}).get("evaluation") or {}
            return TrainingFacts(
                train.name, curve, _accuracies(evaluation.get("before")), _accuracies(evaluation.get("after"))
            )
    return None


def _accuracies(measures: Any) -> dict[str, float] | None:
    """Measure -> accuracy; what an older version wrote is left out."""
    if not isinstance(measures, dict):
        return None
    return {
        f"{name}, {found.get('asked', 0):,} problems": float(found["accuracy"])
        for name, found in measures.items()
        if isinstance(found, dict) and found.get("accuracy") is not None
    }


def _lines(path: Path) -> list[dict[str, Any]]:
    """Complete lines with a step and a loss; what a killed run cut short is left out."""
    if not path.is_file():
        return []
    found = [_parsed(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in found if isinstance(line, dict) and {"step", "loss"} <= line.keys()]


def _document(path: Path) -> dict[str, Any] | None:
    document = _parsed(path.read_text(encoding="utf-8")) if path.is_file() else None
    return document if isinstance(document, dict) else None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
