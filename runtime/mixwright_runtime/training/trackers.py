"""The curve of a run in W&B, MLflow and trackio: one adapter that reads `curve.jsonl`, for packages that are installed.

Trackers only watch: what fails in one is told once, and the training goes on without it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from mixwright_runtime.errors import MissingExtra
from mixwright_runtime.training.curve import read_curve

Log = Callable[[int, dict[str, float]], None]
"""Takes a step and its values."""


def required(names: Sequence[str]) -> None:
    """Refuse a tracker whose package is not installed, before anything is trained.

    Raises:
        MissingExtra: it names the command that installs the package.
    """
    for name in names:
        _module(name)


class Trackers:
    """Follows a job's curve. `says` hears of a tracker that fails."""

    def __init__(
        self,
        names: Sequence[str],
        curve: Path,
        *,
        project: str,
        run: str,
        settings: Mapping[str, object],
        says: Callable[[str], None],
    ) -> None:
        self._curve, self._says = curve, says
        self._sent = 0
        self._logs: dict[str, Log] = {}
        self._ends: dict[str, Callable[[], Any]] = {}
        for name in names:
            try:
                self._logs[name], self._ends[name] = _begun(name, _module(name), project, run, settings)
            except Exception as error:  # a service that is down, no login: whatever it is
                self._gave_up(name, error)

    def follow(self) -> None:
        """Send the lines of the curve that were not sent; of a run that goes on also those from before."""
        if not self._logs:
            return
        for line in read_curve(self._curve):
            if line["step"] <= self._sent:
                continue
            self._sent = line["step"]
            values = {f"train/{name}": float(value) for name, value in line.items() if name != "step"}
            for name, log in list(self._logs.items()):
                try:
                    log(line["step"], values)
                except Exception as error:
                    self._gave_up(name, error)

    def end(self) -> None:
        for name in list(self._logs):
            try:
                self._ends[name]()
            except Exception as error:
                self._gave_up(name, error)

    def _gave_up(self, name: str, error: Exception) -> None:
        self._logs.pop(name, None)
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        self._says(f"warning: {name} is left out: {reason}; the curve is in {self._curve}")


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(f"tracker '{name}' needs: pip install {name} ({error})") from error


def _begun(
    name: str, module: Any, project: str, run: str, settings: Mapping[str, Any]
) -> tuple[Log, Callable[[], Any]]:
    """Begin a run with a tracker; returns how it takes values and how it ends."""
    if name == "mlflow":
        module.set_experiment(project)
        module.start_run(run_name=run)
        module.log_params({key: str(value)[:250] for key, value in settings.items()})
        return (lambda step, values: module.log_metrics(values, step=step)), module.end_run
    # trackio has W&B's interface.
    module.init(project=project, name=run, config=dict(settings))
    return (lambda step, values: module.log(values, step=step)), module.finish


__all__ = ["Trackers", "required"]
