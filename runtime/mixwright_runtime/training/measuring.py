"""Measuring a model while it trains: which weights are the best so far, and when to stop.

At every moment (each `every` steps, and at the last one) the ranks save the model whole into `measured/step-N/`, where it
may be the best. Held-out loss they measure themselves. Evaluations need verifiers and the GPUs: the ranks end at a
checkpoint, the launcher asks the saved model, and the ranks go on from there. What was measured stands in
`held_out.jsonl` and `measures.jsonl`; every decision is a function of these, so that a killed run makes the same ones.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from mixwright_runtime.training.held_out import FILE as HELD_OUT_FILE
from mixwright_runtime.training.held_out import read_held_out
from mixwright_runtime.training.settings import Measure
from mixwright_runtime.training.state import read_lines, read_state, write_lines

FILE = "measures.jsonl"
PROBE = "probe.json"
"""In a saved model's directory: its loss on the first bins, as it was in training."""

Point = tuple[int, float]
"""A step and what was measured there."""


def is_moment(step: int, measure: Measure, steps: int) -> bool:
    """Is the model measured after this many of `steps` steps?"""
    return step > 0 and (step % measure.every == 0 or step == steps)


def best_of(points: Iterable[Point], *, is_loss: bool) -> Point | None:
    """The first of the best points: the lowest loss, or the highest share."""
    return min(points, key=lambda point: (point[1] if is_loss else -point[1], point[0]), default=None)


def is_over(points: Sequence[Point], measure: Measure) -> bool:
    """Have `patience` measurements in a row been no better than one before them?"""
    best = best_of(points, is_loss=measure.is_loss)
    if best is None or measure.patience is None:
        return False
    return sum(step > best[0] for step, _ in points) >= measure.patience


def points_of(directory: Path, measure: Measure, *, steps: int, until: int | None = None) -> list[Point]:
    """What a job's directory holds of the measure that decides, in order of steps, up to a step."""
    if measure.is_loss:
        found = [(line["step"], line["mean"]) for line in read_held_out(directory / HELD_OUT_FILE)]
    else:
        lines = read_measures(directory)
        found = [(line["step"], line["measures"][measure.best]) for line in lines]
    return [
        (step, value)
        for step, value in found
        if is_moment(step, measure, steps) and (until is None or step <= until)
    ]


def place_of(directory: Path, step: int) -> Path:
    """Where the model of a step is kept whole."""
    return directory / "measured" / f"step-{step}"


def prune(
    directory: Path, measure: Measure, *, steps: int, checkpoint: int, keep: Iterable[int] = ()
) -> None:
    """Delete saved models that can no longer be the best: but for the best one, and the best up to the last checkpoint,
    from which a killed run would go on."""
    kept = set(keep)
    if measure.best:
        for until in (None, checkpoint):
            best = best_of(points_of(directory, measure, steps=steps, until=until), is_loss=measure.is_loss)
            kept |= {best[0]} if best else set()
    for place in (directory / "measured").glob("step-*"):
        if place not in {place_of(directory, step) for step in kept}:
            shutil.rmtree(place, ignore_errors=True)


def measure_callback(
    directory: Path, measure: Measure, save: Callable[[Path], None], last: Callable[[], int]
) -> Any:
    """A callback that saves the model at each moment where it may be the best, and ends the ranks where evaluations
    are to be made or nothing got better.

    save: writes the model whole into a directory; every rank takes part. last: step of the last whole checkpoint. It
    comes after the callback that measures held-out loss. Its attribute `has_ended` says whether it ended the ranks.
    """
    import torch
    import torch.distributed as distributed
    from transformers import TrainerCallback

    class Measured(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
        has_ended = False

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            step, steps = state.global_step, state.max_steps
            if not is_moment(step, measure, steps):
                return
            saves, ends = bool(measure.evaluations), bool(measure.evaluations) and step < steps
            if measure.is_loss and state.is_world_process_zero:
                points = points_of(directory, measure, steps=steps, until=step)
                best = best_of(points, is_loss=True)
                saves |= best is not None and best[0] == step
                ends |= is_over(points, measure) and step < steps
            if distributed.is_initialized():
                # Rank 0 decides for all, as it alone wrote the file.
                flags = torch.tensor([int(saves), int(ends)], device=args.device)
                distributed.broadcast(flags, src=0)
                saves, ends = (bool(flag) for flag in flags.tolist())
            if saves:
                save(place_of(directory, step))
            if state.is_world_process_zero and not measure.evaluations:
                prune(directory, measure, steps=steps, checkpoint=last())
            if ends:
                self.has_ended = control.should_save = control.should_training_stop = True

    return Measured()


def cut(directory: Path, step: int) -> None:
    """Forget what was measured after a step from which training goes on."""
    path = directory / FILE
    if path.exists():
        write_lines(path, [line for line in read_measures(directory) if line["step"] <= step])
    for place in [*directory.glob("replies-step-*"), *directory.glob("accuracy-step-*")]:
        if int(place.name.split("-")[2]) > step:
            place.unlink()


def unjudged(directory: Path, until: int) -> list[int]:
    """Steps up to one whose saved model the evaluations have not been made with."""
    known = {line["step"] for line in read_measures(directory)}
    steps = [int(place.name.removeprefix("step-")) for place in (directory / "measured").glob("step-*[0-9]")]
    return sorted(step for step in steps if step not in known and step <= until)


def read_measures(directory: Path) -> list[dict[str, Any]]:
    """What evaluations gave, line by line in order of steps; empty when there is none.

    Raises:
        Damaged: a line holds something else.
    """
    what_to_do = "delete it, and the same command measures again"
    return read_lines(directory / FILE, {"step": int, "measures": dict[str, float]}, what_to_do=what_to_do)


def record(directory: Path, step: int, measures: dict[str, float]) -> None:
    """Append what the evaluations of a step gave."""
    with (directory / FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"step": step, "measures": measures}) + "\n")


def take_best(directory: Path, step: int) -> float:
    """Make the model of a step the job's final one; returns its loss on the first bins."""
    place, final = place_of(directory, step), directory / "final"
    partial = final.with_name("final.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(place, partial, ignore=shutil.ignore_patterns(PROBE))
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)
    return read_state(dict[str, float], place / PROBE)["loss"]
