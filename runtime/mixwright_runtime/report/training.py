"""What a report shows of a training run: read from the directory it left."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mixwright_compiler.load.json_text import json_of
from mixwright_compiler.plan.plan import Plan
from mixwright_runtime.report.curves import TrainingFacts, training_html


def training_facts(plan: Plan, mixture: str | None = None) -> TrainingFacts | None:
    """The first `train` block (of a mixture) whose output has a curve; None when nothing was trained."""
    for train in plan.trains.values():
        output = train.attributes.get("output")
        if not output or (mixture is not None and train.mixture != mixture):
            continue
        found = facts_of(train.name, Path(plan.directory) / str(output))
        if found is not None:
            return found
    return None


def facts_of(name: str, directory: Path) -> TrainingFacts | None:
    """What a training run left in its output directory; None where there is no curve."""
    curve = _lines(directory / "curve.jsonl")
    if not curve:
        return None
    evaluation = (_document(directory / "report.json") or {}).get("evaluation") or {}
    return TrainingFacts(
        name,
        curve,
        _accuracies(evaluation.get("before")),
        _accuracies(evaluation.get("after")),
        _held_out(directory / "held_out.jsonl"),
    )


def write_training_page(name: str, directory: Path) -> Path | None:
    """Write `report.html` beside a trained model; None where there is no curve to draw."""
    facts = facts_of(name, directory)
    if facts is None:
        return None
    page = directory / "report.html"
    new = directory / f".report.html.{os.getpid()}"
    new.write_text(training_html(facts), encoding="utf-8")
    os.replace(new, page)
    return page


def _accuracies(measures: Any) -> dict[str, float] | None:
    """Measure -> accuracy; what an older version wrote is left out."""
    if not isinstance(measures, dict):
        return None
    return {
        f"{name}, {found.get('asked', 0):,} problems": float(found["accuracy"])
        for name, found in measures.items()
        if isinstance(found, dict) and found.get("accuracy") is not None
    }


def _held_out(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Component -> its loss at each step where it was measured."""
    found: dict[str, list[tuple[float, float]]] = {}
    for line in _lines(path, "losses"):
        for component, loss in line["losses"].items():
            found.setdefault(component, []).append((float(line["step"]), float(loss)))
    return found


def _lines(path: Path, needed: str = "loss") -> list[dict[str, Any]]:
    """Complete lines with a step and what is needed; what a killed run cut short is left out."""
    if not path.is_file():
        return []
    found = [_parsed(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in found if isinstance(line, dict) and {"step", needed} <= line.keys()]


def _document(path: Path) -> dict[str, Any] | None:
    document = _parsed(path.read_text(encoding="utf-8")) if path.is_file() else None
    return document if isinstance(document, dict) else None


def _parsed(text: str) -> Any:
    try:
        return json_of(text)
    except ValueError:
        return None
