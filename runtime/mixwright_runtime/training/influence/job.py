"""A LESS job as a process of its own: `python -m mixwright_runtime.training.influence.job DIRECTORY`.

The directory was written by `mixwright_runtime/steps/select_less.py`: `settings.json`, `rows/`, `targets/` and
`tasks.json`. The job writes `progress.json` as it goes, and last the scores (see `score.scores_file`), (rows,)
float64, NaN where a row's gradient is not finite. Killed, it goes on at the example where it was: see `features.py`.
`failed` holds what went wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from mixwright_runtime.training.influence.features import FeatureStore
from mixwright_runtime.training.influence.gradients import adam_direction, gradient_of, trainable
from mixwright_runtime.training.influence.prepare import Examples, read_examples
from mixwright_runtime.training.influence.projection import Projector
from mixwright_runtime.training.influence.score import scores, scores_file
from mixwright_runtime.training.influence.settings import LessSettings, settings_from_json
from mixwright_runtime.training.influence.warmup import load_adapted, warm_up

PARENT_PID = "MIXWRIGHT_PARENT_PID"
FAILED = "failed"
_TELL_S = 0.5


def main() -> None:
    """Run the job of a directory; status 0 when the scores are written."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    _end_with_the_parent()
    try:
        run(directory)
    except Exception:
        (directory / FAILED).write_text(traceback.format_exc(), encoding="utf-8")
        sys.exit(1)


def run(directory: Path) -> None:
    """Warm up, take the features of every example under every epoch, score."""
    settings = settings_from_json((directory / "settings.json").read_text(encoding="utf-8"))
    rows, targets = read_examples(directory / "rows"), read_examples(directory / "targets")
    tasks = json.loads((directory / "tasks.json").read_text(encoding="utf-8"))
    says = _Progress(directory / "progress.json")
    epochs = warm_up(settings, rows, directory / "warmup", says)
    of_rows, of_targets, rates = [], [], []
    is_broken = np.zeros(len(rows), np.bool_)
    for number, epoch in enumerate(epochs):
        place = directory / "features" / f"epoch-{number}"
        kept = FeatureStore(place / "rows", len(rows), settings.projection)
        wanted = FeatureStore(place / "targets", len(targets), settings.projection)
        if len(kept.missing()) or len(wanted.missing()):
            _take(settings, epoch, rows, kept, says, f"epoch {number + 1}", settings.gradient)
            # Targets keep their plain gradient: it says where to go, not how the optimizer would.
            _take(settings, epoch, targets, wanted, says, f"epoch {number + 1}, targets", "sgd")
        if len(wanted.broken()):
            raise ValueError(f"the gradient of target {targets.names[wanted.broken()[0]]} is not finite")
        is_broken[kept.broken()] = True
        of_rows.append(kept.read())
        of_targets.append(wanted.read())
        rates.append(float(json.loads((epoch / "epoch.json").read_text(encoding="utf-8"))["rate"]))
    if is_broken.all():
        raise ValueError("no gradient is finite: the model's weights are broken, or its numbers overflow")
    found = scores(of_rows, of_targets, rates, tasks)
    found[is_broken] = np.nan
    partial = directory / "scores.partial.npy"
    np.save(partial, found)
    partial.replace(scores_file(directory, tasks))


def _take(
    settings: LessSettings,
    epoch: Path,
    examples: Examples,
    store: FeatureStore,
    says: _Progress,
    phase: str,
    shape: str,
) -> None:
    """Write the features of the examples that have none yet."""
    import torch

    missing = store.missing()
    if not len(missing):
        return
    model = load_adapted(settings, epoch / "adapter.safetensors").eval()
    size = sum(parameter.numel() for _, parameter in trainable(model))
    device = next(model.parameters()).device
    projector = Projector(
        size, settings.projection, seed=settings.seed, method=settings.method, device=device
    )
    first, second = (torch.from_numpy(array).to(device) for array in np.load(epoch / "moments.npy"))
    for done, i in enumerate(missing, len(examples) - len(missing) + 1):
        gradient = gradient_of(model, *examples[int(i)])
        if gradient is None:
            store.put(int(i), np.zeros(settings.projection))
        else:
            if shape == "adam":
                gradient = adam_direction(gradient, first, second, epsilon_inside=settings.epsilon_inside)
            elif shape == "sign":
                gradient = gradient.sign()
            store.put(int(i), projector(gradient).cpu().numpy())
        says({"phase": phase, "done": done, "of": len(examples)})
    store.flush()


class _Progress:
    """Keeps the last thing said in a file, at most twice a second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told_at = 0.0

    def __call__(self, what: dict[str, Any]) -> None:
        now = time.monotonic()
        if now - self._told_at < _TELL_S and what.get("done") != what.get("of"):
            return
        self._told_at = now
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(what) + "\n", encoding="utf-8")
        partial.replace(self._path)


def _end_with_the_parent() -> None:
    parent = int(os.environ.get(PARENT_PID, "0"))
    if not parent:
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(3)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
