"""A LESS job as a process of its own: `python -m mixwright_runtime.training.influence.job DIRECTORY`.

The directory was written by `mixwright_runtime/steps/select_less.py`: `settings.json`, `rows/`, `targets/` and
`tasks.json`. The job writes `progress.json` as it goes, and last the scores (see `score.scores_file`), (rows,)
float64, NaN where a row's gradient is not finite. Killed, it goes on at the example where it was: see `features.py`.
`failed` holds what went wrong. With `--until-warm` it ends after the warm-up and tells in `probe.json` what others need
who take features in its stead; what they leave is taken when it is run again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mixwright_runtime.training.influence.features import FeatureStore, feature_of
from mixwright_runtime.training.influence.gradient_ranges import Probe, epoch_files, probe_file, stores_of
from mixwright_runtime.training.influence.prepare import Examples, examples_in, examples_told, read_examples
from mixwright_runtime.training.influence.score import scores, scores_file
from mixwright_runtime.training.influence.settings import PLAIN, settings_from_json
from mixwright_runtime.training.influence.taking import Taker
from mixwright_runtime.training.influence.warmup import warm_up
from mixwright_runtime.values.ranges import LIMIT_S

PARENT_PID = "MIXWRIGHT_PARENT_PID"
FAILED = "failed"
UNTIL_WARM = "--until-warm"
PART_S, MOST_TOKENS = 2.0, 16_384
"""Of examples that a worker takes together: about so much of its work, and no more tokens. Chosen."""
PATIENCE = 20.0
"""A worker may take so many times what the probe took here. Chosen."""
_TELL_S = 0.5


def main() -> None:
    """Run the job of a directory; status 0 when the scores are written, or the probe."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument(UNTIL_WARM, action="store_true", help="warm up, and tell of it what others need")
    arguments = parser.parse_args()
    _end_with_the_parent()
    try:
        (run_until_warm if arguments.until_warm else run)(arguments.directory)
    except Exception:
        (arguments.directory / FAILED).write_text(traceback.format_exc(), encoding="utf-8")
        sys.exit(1)


def run(directory: Path) -> None:
    """Warm up, take the features of every example under every epoch that has none, score."""
    settings = settings_from_json((directory / "settings.json").read_text(encoding="utf-8"))
    rows, targets = read_examples(directory / "rows"), read_examples(directory / "targets")
    tasks = json.loads((directory / "tasks.json").read_text(encoding="utf-8"))
    says = _Progress(directory / "progress.json")
    epochs = warm_up(settings, rows, directory / "warmup", says)
    of_rows, of_targets, rates = [], [], []
    is_broken = np.zeros(len(rows), np.bool_)
    taker: Taker | None = None
    for number, epoch in enumerate(epochs):
        kept, wanted = stores_of(directory, number, settings, len(rows), len(targets))
        if len(kept.missing()) or len(wanted.missing()):
            taker = taker or Taker(settings)
            taker.turn_to(*epoch_files(directory, number))
            _take(taker, rows, kept, says, f"epoch {number + 1}", settings.gradient)
            _take(taker, targets, wanted, says, f"epoch {number + 1}, targets", PLAIN)
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


def run_until_warm(directory: Path) -> None:
    """Warm up, and tell what the features of some rows are, so that others can show that theirs are the same."""
    import torch

    settings = settings_from_json((directory / "settings.json").read_text(encoding="utf-8"))
    rows = read_examples(directory / "rows")
    warm_up(settings, rows, directory / "warmup", _Progress(directory / "progress.json"))
    began_s = time.process_time()
    taker = Taker(settings)
    loading_s = time.process_time() - began_s
    taker.turn_to(*epoch_files(directory, settings.epochs - 1))
    by_length = sorted(range(len(rows)), key=lambda row: len(rows[row][0]))
    probed = sorted({by_length[0], by_length[len(rows) // 2], by_length[-1]})
    told = examples_in(examples_told(rows, probed))
    identity = taker.identity(told)
    began_s, began = time.process_time(), time.monotonic()
    taker.digest(told)
    length = len(told.tokens)
    token_s, token_cpu_s = (time.monotonic() - began) / length, (time.process_time() - began_s) / length
    tokens = max(1, min(MOST_TOKENS, int(PART_S / token_s)))
    longest_s = token_cpu_s * max(tokens, len(rows[by_length[-1]][0]))
    limit_s = max(LIMIT_S, PATIENCE * (loading_s + longest_s))
    probe = Probe(identity, probed, torch.get_num_threads(), tokens, limit_s)
    probe_file(directory).write_text(json.dumps(asdict(probe)) + "\n", encoding="utf-8")


def _take(
    taker: Taker, examples: Examples, store: FeatureStore, says: _Progress, phase: str, shape: str
) -> None:
    """Write the features of the examples that have none yet."""
    missing = store.missing()
    for done, i in enumerate(missing, len(examples) - len(missing) + 1):
        store.put(int(i), feature_of(taker.feature(*examples[int(i)], shape)))
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
