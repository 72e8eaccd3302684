"""Train on the rows of a mixture: encode, pack, launch, check, measure.

    rows ─encode─▶ sequences ─pack─▶ packed/ ─schedule─▶ slots.npy ─ranks─▶ final/ ─check─▶ output

Everything of one job lies in `output/state/<fingerprint>/`, so that the same settings and rows continue where they
stopped, and others start beside them.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from mixwright_compiler.load.json_text import Damaged
from mixwright_compiler.plan.plan import Plan, Train
from mixwright_runtime.errors import RunError, require
from mixwright_runtime.training import measuring
from mixwright_runtime.training.alone import only_run
from mixwright_runtime.training.curve import read_curve
from mixwright_runtime.training.encode import FATES, EncodingCounts, Learned, encode
from mixwright_runtime.training.groups import parameter_names, refuse_idle_patterns
from mixwright_runtime.training.held_out import FILE as HELD_OUT
from mixwright_runtime.training.held_out import divided, open_held_out, read_held_out, without
from mixwright_runtime.training.launch import Ended, Interrupted, Nodes, last_checkpoint, run_ranks
from mixwright_runtime.training.nodes import give_up, meeting, tell
from mixwright_runtime.training.packed import PackedManifest, packed_source, read_manifest, write_packed
from mixwright_runtime.training.planning.room import machine_here, refuse_overflow
from mixwright_runtime.training.preflight import check_attention, check_sharing, with_chunks, with_packing
from mixwright_runtime.training.preview import job_tokenizer
from mixwright_runtime.training.schedule import Layout, bins_by_slot, layout_of, steps_of
from mixwright_runtime.training.settings import TrainSettings, is_of, settings_of
from mixwright_runtime.training.state import read_state
from mixwright_runtime.training.trackers import Trackers, required


@dataclass(frozen=True)
class Prepared:
    """A job before its ranks start. `steps` is the whole run's, `resumed_at` where it continues."""

    directory: Path
    fingerprint: str
    settings: TrainSettings
    manifest: PackedManifest
    layout: Layout
    steps: int
    parameters: int
    resumed_at: int
    notes: tuple[str, ...] = ()
    """Why `packing = auto` pads and `chunked_loss = auto` computes the loss whole, where they do."""


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
        report = _finished_report(prepared, output)
        if report is not None:
            if others is not None:
                give_up(others, "the job has ended before")
            evaluation |= _evaluate(plan, train, prepared, listener, "after", sandbox, output)
            return _written(replace(report, evaluation=evaluation), prepared, output)
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
        report = _report(prepared, output, ended.how, reloaded, evaluation, time.monotonic() - began)
        return _written(report, prepared, output)


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


def prepare(
    settings: TrainSettings,
    rows: Iterable[dict[str, Any]],
    output: Path,
    *,
    held_out: Mapping[str, list[dict[str, Any]]] | None = None,
) -> Prepared:
    """Encode, pack and schedule the rows, and write everything that ranks read.

    held_out: these examples are not trained on, instead of those that `holdout` chooses.

    Raises:
        RunError: nothing to train on, or an architecture that cannot keep packed sequences apart.
    """
    from mixwright_runtime.training.fresh import base_digest, parameter_count, start_config, write_start

    listed = list(rows)
    if settings.vocabulary is not None:
        settings = replace(settings, tokenizer=str(_made_tokenizer(settings, listed, output / "state")))
    tokenizer = job_tokenizer(settings)
    if settings.chat_template is not None or settings.new_tokens is not None:
        settings = replace(settings, tokenizer=str(_changed_tokenizer(settings, tokenizer, output / "state")))
    check_attention(settings)
    settings, why_padded = with_packing(settings)
    settings, why_whole = with_chunks(settings)
    check_sharing(settings)
    listed, held = divided(listed, settings.holdout) if held_out is None else without(listed, held_out)
    packed_place = output / "state" / "packed" / packed_source(settings, listed, tokenizer)[:12]
    manifest = _pack(settings, listed, tokenizer, packed_place)
    layout = layout_of(
        batch=settings.batch,
        examples=manifest.examples,
        bins=manifest.bins,
        ranks=settings.groups,
        micro_batch=settings.micro_batch,
    )
    steps = steps_of(layout, bins=manifest.bins, epochs=settings.epochs, steps=settings.steps)
    last = max(1, round(manifest.bins * settings.epochs)) if settings.steps is None else None
    fingerprint = settings.fingerprint(manifest.digest, base_digest(settings))
    directory = output / "state" / fingerprint[:12]
    directory.mkdir(parents=True, exist_ok=True)
    _link(directory / "packed", packed_place)
    _hold_out(settings, held, tokenizer, directory / "held")
    if settings.measure is not None and settings.measure.is_loss and open_held_out(directory).is_empty:
        raise RunError(
            "`measure` chooses by the loss of held-out examples, and there are none: write `holdout = 2%`"
        )
    np.save(
        directory / "slots.npy",
        bins_by_slot(layout, bins=manifest.bins, steps=steps, seed=settings.seed, last=last),
    )
    (directory / "layout.json").write_text(json.dumps(asdict(layout)) + "\n", encoding="utf-8")
    (directory / "settings.json").write_text(settings.to_json(), encoding="utf-8")
    if settings.rates or settings.frozen:
        refuse_idle_patterns(settings, *parameter_names(start_config(settings, tokenizer)))
    write_start(settings, tokenizer, directory)
    place = Path(settings.start(directory)[0])
    parameters = parameter_count(place) if place.is_dir() else 0
    resume = last_checkpoint(directory / "checkpoints")
    resumed_at = resume.step if resume else 0
    return Prepared(
        directory,
        fingerprint,
        settings,
        manifest,
        layout,
        steps,
        parameters,
        resumed_at,
        notes=tuple(note for note in (why_padded, why_whole) if note),
    )


def _with_problems(settings: TrainSettings, plan: Plan, train: Train) -> TrainSettings:
    """The settings, and where an evaluation decides which weights are kept, its problems and verifiers with them."""
    measure = settings.measure
    if measure is None or measure.best is None or measure.is_loss:
        return settings
    from mixwright_runtime.training.evaluate import problems_digest

    deciding = [e for e in train.evaluations if is_of(measure.best, e.name)]
    return replace(settings, measure=replace(measure, problems=problems_digest(plan, deciding)))


def _changed_tokenizer(settings: TrainSettings, tokenizer: Any, state: Path) -> Path:
    """Directory of the tokenizer with the template and the new tokens of the block; ranks load it, and save it with the
    model."""
    key = f"{settings.tokenizer}@{settings.revision}\0{settings.chat_template}\0{settings.new_tokens}"
    place = state / "tokenizer" / f"changed-{blake2b(key.encode(), digest_size=6).hexdigest()}"
    partial = place.with_name(place.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    tokenizer.save_pretrained(partial)
    shutil.rmtree(place, ignore_errors=True)
    partial.rename(place)
    return place


def _made_tokenizer(settings: TrainSettings, rows: list[dict[str, Any]], state: Path) -> Path:
    """Directory of a tokenizer made from the rows' texts; made once for the same texts."""
    from mixwright_runtime.training.tokenizer import train_tokenizer

    assert settings.vocabulary is not None
    texts = [str(message.get("content") or "") for row in rows for message in row["messages"]]
    key = json.dumps(["mixwright.tokenizer.v1", settings.vocabulary, settings.context, texts])
    place = state / "tokenizer" / blake2b(key.encode(), digest_size=6).hexdigest()
    if not place.exists():
        # Whole or not at all: one that a kill cut short would be taken for made.
        partial = place.with_name(place.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        train_tokenizer(texts, partial, vocabulary=settings.vocabulary, context=settings.context)
        partial.rename(place)
    return place


def _pack(settings: TrainSettings, rows: list[dict[str, Any]], tokenizer: Any, place: Path) -> PackedManifest:
    found = read_manifest(place)
    if found is not None:
        return found
    counts = EncodingCounts()
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0
    sequences = encode(
        rows,
        tokenizer,
        context=settings.context,
        overlong=settings.overlong,
        counts=counts,
        learned=Learned(settings.learn, last_turn_only=settings.turns == "last"),
    )
    return write_packed(
        sequences,
        place,
        context=settings.context,
        packing="none" if settings.packing == "none" else "best_fit",
        seed=settings.seed,
        pad=pad,
        source=place.name,
        counts=counts,
    )


def _hold_out(
    settings: TrainSettings, held: dict[str, list[dict[str, Any]]], tokenizer: Any, place: Path
) -> None:
    """Pack each component's held-out examples; one in which nothing is trained has none."""
    names = {}
    for number, (component, rows) in enumerate(sorted(held.items())):
        name = f"{number}/{packed_source(settings, rows, tokenizer)[:12]}"
        try:
            _pack(settings, rows, tokenizer, place / name)
        except RunError:
            continue
        names[component] = name
    if names:
        (place / "names.json").write_text(json.dumps(names) + "\n", encoding="utf-8")


def _link(link: Path, target: Path) -> None:
    relative = os.path.relpath(target, link.parent)
    if link.is_symlink() and os.readlink(link) == relative:
        return
    link.unlink(missing_ok=True)
    link.symlink_to(relative)


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


def _finished_report(prepared: Prepared, output: Path) -> TrainReport | None:
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


def _report(
    prepared: Prepared,
    output: Path,
    how: str,
    reloaded: float | None,
    evaluation: dict[str, dict[str, dict[str, Any]]],
    seconds: float,
) -> TrainReport:
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


def _written(report: TrainReport, prepared: Prepared, output: Path) -> TrainReport:
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


def _quieten() -> None:
    """Keep library advice out of the progress of the run."""
    import torch
    import transformers

    if not torch.cuda.is_available():
        # transformers imports deepspeed where it can, and that warns when it has to find out itself.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()


__all__ = ["Interrupted", "Listener", "Prepared", "TrainReport", "prepare", "train_mixture"]
