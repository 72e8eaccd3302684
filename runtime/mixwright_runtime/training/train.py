"""Train on the rows of a mixture: encode, pack, launch, check, measure.

    rows ─encode─▶ sequences ─pack─▶ packed/ ─schedule─▶ slots.npy ─ranks─▶ final/ ─check─▶ output

Everything of one job lies in `output/state/<fingerprint>/`, so that the same settings and rows continue where they
stopped, and others start beside them.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mixwright_compiler.plan.plan import Plan, Train
from mixwright_runtime.errors import RunError, require
from mixwright_runtime.training import measuring
from mixwright_runtime.training.alone import only_run
from mixwright_runtime.training.held_out import FILE as HELD_OUT
from mixwright_runtime.training.launch import Ended, Nodes, last_checkpoint, run_ranks
from mixwright_runtime.training.nodes import give_up, meeting, tell
from mixwright_runtime.training.outcome import TrainReport, finished_report, report_of, written
from mixwright_runtime.training.planning.room import machine_here, refuse_overflow
from mixwright_runtime.training.prepare import Prepared, prepare
from mixwright_runtime.training.settings import TrainSettings, is_of, settings_of
from mixwright_runtime.training.trackers import Trackers, required


@dataclass(frozen=True)
class Listener:
    """Hears of a run's progress: the prepared job once, each line of the curve, and named measurements."""

    prepared: Callable[[Prepared], None] = lambda prepared: None
    line: Callable[[dict[str, Any]], None] = lambda line: None
    measured: Callable[[str, dict[str, dict[str, Any]]], None] = lambda moment, measures: None
    says: Callable[[str], None] = lambda text: None


def train_mixture(
    plan: Plan,
    train: Train,
    rows: Iterable[dict[str, Any]],
    output: Path | None = None,
    *,
    ranks: int | None = None,
    steps: int | None = None,
    pause_after: int = 0,
    nodes: Nodes | None = None,
    held_out: Mapping[str, list[dict[str, Any]]] | None = None,
    evaluate_before: bool = True,
    sandbox: str = "bwrap",
    listener: Listener | None = None,
) -> TrainReport:
    """Train as `train` says on rows with `messages`, `id` and `component`; continues a run that was stopped.

    output: overrides the spec's. A run of the same settings and rows that has ended returns its report at once.
    held_out: examples by component that are not trained on, instead of those that `holdout` chooses.
    sandbox: what confines code that an evaluation's verifiers run.

    Raises:
        MissingExtra: torch, transformers, accelerate or deepspeed is not installed.
        RunError: settings that contradict each other, nothing to train on, a rank that failed.
        Interrupted: Ctrl-C; what was trained is in a checkpoint.
    """
    for module in ("torch", "transformers", "accelerate"):
        require(module, "train", "training")
    _quieten()
    listener = listener or Listener()
    directory = Path(plan.directory)
    settings = settings_of(train, directory, ranks=ranks, steps=steps, nodes=nodes.count if nodes else 1)
    settings = _with_problems(settings, plan, train)
    if settings.lora is not None:
        require("peft", "train", "`lora`")
    if settings.zero:
        require("deepspeed", "train", f"`zero = {settings.zero}`")
    required(train.attributes.get("trackers") or ())
    output = Path(os.path.normpath(output or directory / train.attributes["output"]))
    output.mkdir(parents=True, exist_ok=True)
    with only_run(output):
        began = time.monotonic()
        others = meeting(nodes) if nodes is not None and nodes.count > 1 else None
        try:
            prepared = prepare(settings, rows, output, held_out=held_out)
            listener.prepared(prepared)
            manifest = prepared.manifest
            refuse_overflow(
                train.attributes,
                directory,
                prepared.settings,
                micro=prepared.layout.micro,
                widest=manifest.context if prepared.settings.packing == "best_fit" else manifest.longest,
                machine=machine_here(),
            )
            evaluation = (
                _evaluate(plan, train, prepared, listener, "before", sandbox) if evaluate_before else {}
            )
        except BaseException:
            if others is not None:
                give_up(others, "the first node failed")
            raise
        report = finished_report(prepared, output)
        if report is not None:
            if others is not None:
                give_up(others, "the job has ended before")
            evaluation |= _evaluate(plan, train, prepared, listener, "after", sandbox, output)
            return written(replace(report, evaluation=evaluation), prepared, output)
        trackers = Trackers(
            train.attributes.get("trackers") or (),
            prepared.directory / "curve.jsonl",
            project=train.mixture,
            run=train.name,
            settings=asdict(prepared.settings),
            says=listener.says,
        )

        def on_line(line: dict[str, Any]) -> None:
            listener.line(line)
            trackers.follow()

        start = partial(
            run_ranks,
            prepared.directory,
            ranks=settings.ranks,
            on_line=on_line,
            pause_after=pause_after,
            is_sharded=settings.zero > 0,
            nodes=nodes,
            told=None if others is None else partial(tell, others, prepared.directory, ranks=settings.ranks),
        )
        judge = partial(_judge, plan, train, prepared, listener, sandbox)
        try:
            ended = _until_over(prepared, start, judge, listener)
        finally:
            trackers.end()
        reloaded = None
        if ended.how == "done":
            reloaded = _publish(prepared, output, ended.probe_loss)
            evaluation |= _evaluate(plan, train, prepared, listener, "after", sandbox, output)
        report = report_of(prepared, output, ended.how, reloaded, evaluation, time.monotonic() - began)
        return written(report, prepared, output)


def _until_over(
    prepared: Prepared, start: Callable[[], Ended], judge: Callable[[int], None], listener: Listener
) -> Ended:
    """Run the ranks, and the evaluations between their runs, to the end or until nothing gets better.

    The best model, where it is asked for, is then the job's final one.
    """
    measure, directory = prepared.settings.measure, prepared.directory
    if measure is None:
        return start()
    points = partial(measuring.points_of, directory, measure, steps=prepared.steps)
    while True:
        found = last_checkpoint(directory / "checkpoints")
        at = found.step if found else 0
        measuring.cut(directory, at)
        for step in measuring.unjudged(directory, at) if measure.evaluations else ():
            judge(step)
        if measure.best and measuring.is_over(points(until=at), measure):
            listener.says(f"stopped after step {at:,}: nothing got better in {measure.patience} measurements")
            ended = Ended("done", at)
            break
        ended = start()
        if ended.how == "paused":
            return ended
        if ended.how == "done":
            for step in measuring.unjudged(directory, ended.step) if measure.evaluations else ():
                judge(step)
            break
    best = measuring.best_of(points(), is_loss=measure.is_loss) if measure.best else None
    if best is None:
        return ended
    listener.says(f"kept the weights of step {best[0]:,}: {measure.best} {best[1]:.4g}")
    return replace(ended, probe_loss=measuring.take_best(directory, best[0]))


def _judge(plan: Plan, train: Train, prepared: Prepared, listener: Listener, sandbox: str, step: int) -> None:
    """Make the evaluations with the model that was saved at a step, and keep what they gave."""
    from mixwright_runtime.training.evaluate import measured
    from mixwright_runtime.training.fresh import merge_adapter

    settings, directory = prepared.settings, prepared.directory
    measure = settings.measure
    assert measure is not None
    place = measuring.place_of(directory, step)
    if settings.lora is not None and (place / "adapter_model.safetensors").exists():
        merge_adapter(place, *settings.start(directory))
    found = measured(
        plan,
        [evaluation for evaluation in train.evaluations if measure.asks(evaluation.name)],
        place,
        context=settings.context,
        kept=directory,
        moment=f"step-{step}",
        sandbox=sandbox,
        says=listener.says,
    )
    listener.measured(f"after step {step:,} of", found)
    if measure.best and not measure.is_loss and measure.best not in found:
        raise RunError(f"`measure` has no `{measure.best}`; it measures {', '.join(found)}")
    measuring.record(directory, step, {name: float(accuracy["accuracy"]) for name, accuracy in found.items()})
    measuring.prune(directory, measure, steps=prepared.steps, checkpoint=step)


def _with_problems(settings: TrainSettings, plan: Plan, train: Train) -> TrainSettings:
    """The settings, and where an evaluation decides which weights are kept, its problems and verifiers with them."""
    measure = settings.measure
    if measure is None or measure.best is None or measure.is_loss:
        return settings
    from mixwright_runtime.training.evaluate import problems_digest

    deciding = [e for e in train.evaluations if is_of(measure.best, e.name)]
    return replace(settings, measure=replace(measure, problems=problems_digest(plan, deciding)))


ROUNDED = 0.25
"""How much of its loss a small model may lose by rounding its weights."""


def _publish(prepared: Prepared, output: Path, probe_loss: float | None) -> float | None:
    """Check the saved model and put its files in the output directory; returns its loss after reloading."""
    from mixwright_runtime.training.fresh import check_saved, finish_weights, merge_adapter

    final = prepared.directory / "final"
    settings = prepared.settings
    if settings.lora is not None and (final / "adapter_model.safetensors").exists():
        merge_adapter(final, *settings.start(prepared.directory))
    reloaded = None
    if probe_loss is not None:
        reloaded = check_saved(final, prepared.directory / "packed", probe_loss)
    if finish_weights(final, settings.save_as) and probe_loss is not None:
        # What was saved is right; fp32 weights in bf16 may be 10% worse on a small model, and no more.
        reloaded = check_saved(final, prepared.directory / "packed", probe_loss, tolerance=ROUNDED)
    told = [prepared.directory / name for name in ("curve.jsonl", HELD_OUT, measuring.FILE, "tensorboard")]
    for file in [*final.iterdir(), *(place for place in told if place.exists())]:
        if file.is_dir():
            shutil.copytree(file, output / file.name, copy_function=shutil.copyfile, dirs_exist_ok=True)
        elif file.name != "training_args.bin":
            # Not its mode: safetensors writes files that only their owner can read.
            shutil.copyfile(file, output / file.name)
    return reloaded


def _evaluate(
    plan: Plan,
    train: Train,
    prepared: Prepared,
    listener: Listener,
    moment: str,
    sandbox: str,
    place: Path | None = None,
) -> dict[str, Any]:
    """`{moment: measures}` of the model before (no `place`) or after; empty without `evaluate`."""
    if not train.evaluations:
        return {}
    from mixwright_runtime.training.evaluate import measured

    settings = prepared.settings
    model, revision = settings.start(prepared.directory) if place is None else (str(place), "")
    found = measured(
        plan,
        train.evaluations,
        model,
        revision=revision,
        template=settings.chat_template,
        context=settings.context,
        kept=prepared.directory,
        moment=moment,
        sandbox=sandbox,
        says=listener.says,
    )
    listener.measured(moment, found)
    return {moment: found}


def _quieten() -> None:
    """Keep library advice out of the progress of the run."""
    import torch
    import transformers

    if not torch.cuda.is_available():
        # transformers imports deepspeed where it can, and that warns when it has to find out itself.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
