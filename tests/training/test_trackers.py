"""Trackers: what each package is told of a curve, and that none of them can stop a training."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mixwright_runtime.errors import MissingExtra
from mixwright_runtime.training.trackers import Trackers, required

FUNCTIONS = {
    "wandb": ("init", "log", "finish"),
    "trackio": ("init", "log", "finish"),
    "mlflow": ("set_experiment", "start_run", "log_params", "log_metrics", "end_run"),
}


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What fake packages were called with."""
    calls: list[tuple[Any, ...]] = []

    def of(name: str) -> Any:
        return lambda *given, **keywords: calls.append((name, *given, *keywords.values()))

    for package, names in FUNCTIONS.items():
        fake: Any = SimpleNamespace(**{name: of(f"{package}.{name}") for name in names})
        monkeypatch.setitem(sys.modules, package, fake)
    return calls


def trackers(names: list[str], curve: Path, told: list[str]) -> Trackers:
    return Trackers(names, curve, project="m", run="student", settings={"batch": 8}, says=told.append)


def write(curve: Path, *steps: int) -> None:
    with curve.open("a") as file:
        for step in steps:
            values = {name.removeprefix("train/"): value for name, value in line(step).items()}
            file.write(json.dumps({"step": step, **values}) + "\n")


def line(step: int) -> dict[str, float]:
    """What a tracker is told of a step."""
    return {"train/loss": 1 / step, "train/tokens_per_s": 100.0, "train/seconds": 2.0 * step}


def test_each_line_of_the_curve_is_sent_once(tmp_path: Path, called: list[tuple[Any, ...]]) -> None:
    curve = tmp_path / "curve.jsonl"
    write(curve, 1, 2)
    following = trackers(["wandb", "mlflow"], curve, [])
    following.follow()
    write(curve, 4)
    following.follow()
    following.follow()
    following.end()
    assert [call for call in called if call[0].startswith("wandb")] == [
        ("wandb.init", "m", "student", {"batch": 8}),
        ("wandb.log", line(1), 1),
        ("wandb.log", line(2), 2),
        ("wandb.log", line(4), 4),
        ("wandb.finish",),
    ]
    assert [call for call in called if call[0].startswith("mlflow")] == [
        ("mlflow.set_experiment", "m"),
        ("mlflow.start_run", "student"),
        ("mlflow.log_params", {"batch": "8"}),
        ("mlflow.log_metrics", line(1), 1),
        ("mlflow.log_metrics", line(2), 2),
        ("mlflow.log_metrics", line(4), 4),
        ("mlflow.end_run",),
    ]


@pytest.mark.parametrize("function", ["init", "log", "finish"])
def test_one_that_fails_is_told_once_and_the_others_go_on(
    tmp_path: Path, called: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(sys.modules["wandb"], function, fails)
    told: list[str] = []
    write(tmp_path / "curve.jsonl", 1, 2)
    following = trackers(["wandb", "trackio"], tmp_path / "curve.jsonl", told)
    following.follow()
    following.end()
    assert [text.partition(";")[0] for text in told] == ["warning: wandb is left out: no route to host"]
    names = [call[0] for call in called if call[0].startswith("trackio")]
    assert names == ["trackio.init", "trackio.log", "trackio.log", "trackio.finish"]


@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
def test_a_missing_package_is_named_with_its_command(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gone: Any = None
    monkeypatch.setitem(sys.modules, name, gone)
    with pytest.raises(MissingExtra, match=f"tracker '{name}' needs: pip install {name}"):
        required([name])
