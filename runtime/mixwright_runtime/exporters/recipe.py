"""A `train` block in numbers that any trainer understands, worked out on the rows that are exported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_compiler.catalog.trainers import TRAINERS, lacking
from mixwright_runtime.errors import RunError
from mixwright_runtime.exporters.files import SHARD, LineFile
from mixwright_runtime.exporters.protocol import Job, refused
from mixwright_runtime.mixture.rows import MixtureRow

if TYPE_CHECKING:
    from mixwright_runtime.training.encode import Encoded, EncodingCounts
    from mixwright_runtime.training.settings import TrainSettings

AT_ONCE = 500
DEEPSPEED_FILE = "deepspeed.json"

Check = Callable[[MixtureRow, "Encoded"], str | None]
"""Why a trainer would not make these tokens and labels of a row; None where it would."""


@dataclass(frozen=True)
class Recipe:
    """What a training run of exported rows is. A step has `ranks * accumulation * micro` sequences.

    base: directory or repository of the model, as files of the export name it. sequences: packed, or as many as examples.
    wanted: sequences of a step as the train block has it; more or less where ranks do not divide it.
    """

    settings: TrainSettings
    base: str
    output: str
    tokenizer: Any
    counts: EncodingCounts
    examples: int
    sequences: int
    wanted: int
    micro: int
    accumulation: int
    steps: int

    @property
    def warmup_steps(self) -> int:
        return round(self.settings.warmup * self.steps)

    @property
    def is_packed(self) -> bool:
        return self.settings.packing == "best_fit"

    @property
    def schedule(self) -> str:
        """The schedule by the name that `transformers` has for it."""
        return "constant_with_warmup" if self.settings.schedule == "constant" else self.settings.schedule

    @property
    def adamw(self) -> dict[str, float]:
        """AdamW's numbers where the train states them, as `transformers`, and who takes its arguments, names them."""
        settings = self.settings
        first, second = settings.betas or (None, None)
        told = {"adam_beta1": first, "adam_beta2": second, "adam_epsilon": settings.eps}
        return {name: value for name, value in told.items() if value is not None}


@dataclass
class Lengths:
    """Collects what a recipe is worked out from while rows are encoded."""

    counts: EncodingCounts
    lengths: list[int] = field(default_factory=list)


def settings_for(job: Job) -> TrainSettings:
    """The settings of the export's train, for the processes that the spec names, else one.

    Raises:
        RunError: the trainer cannot do what they ask, or the model is not where they say.
    """
    from mixwright_runtime.training.preflight import with_packing
    from mixwright_runtime.training.settings import settings_of

    assert job.train is not None
    given = job.train.attributes
    found = lacking(job.export.format, given)
    if found is not None:
        raise RunError(f"export '{job.export.name}': {found.message}: {found.hint}")
    ranks = int(given.get("ranks") or (given.get("cluster") or {}).get("gpus") or 1)
    # The other trainer brings its own attention, maybe for GPUs that this machine lacks.
    return with_packing(
        replace(settings_of(job.train, job.root, ranks=ranks), attention="auto"), is_ours=False
    )[0]


def encoded(
    job: Job, rows: Iterable[MixtureRow], settings: TrainSettings, tokenizer: Any, counts: EncodingCounts
) -> Iterator[tuple[Sequence[MixtureRow], dict[str, Encoded]]]:
    """Rows in batches, each with its sequences by id, made exactly as training makes them by whoever the job has for
    that. `counts` is filled as batches pass."""
    from mixwright_runtime.training.token_ranges import token_work

    work = token_work(f"tokens of export '{job.export.name}'", settings, tokenizer)
    remaining = iter(rows)
    batches = iter(lambda: list(islice(remaining, AT_ONCE)), [])
    for batch, made in job.ranges.each(work, batches):
        counts.add(made.counts)
        yield batch, {sequence.id: sequence for sequence in made.sequences}


def write_lines(
    job: Job,
    rows: Iterable[MixtureRow],
    line: Callable[[MixtureRow], dict[str, Any]],
    *,
    check: Callable[[Any, TrainSettings], Check] | None = None,
    keeps: Iterable[str] = ("truncate",),
    packs: bool = True,
) -> tuple[int, Recipe | None]:
    """Write the data file of a trainer's export; returns the rows and, where a configuration is wanted, its recipe.

    line: a row as the trainer reads it, raising ChatError for one it cannot read. check: makes, of tokenizer and
    settings, the comparison of a row's tokens. keeps: what the trainer can do with an overlong row. packs: its
    batches are of packed sequences, not of examples.

    Raises:
        RunError: rows that the trainer would leave out or read otherwise, by id.
    """
    file = LineFile(job.directory / "data" / f"{SHARD}.jsonl", lambda row: [line(row)])
    recipe = None
    if job.train is None or not job.export.attributes.get("config", True):
        for _ in file.written(rows):
            pass
    else:
        recipe = _worked_out(job, file.written(rows), file.problems, check, set(keeps), packs=packs)
    if file.problems:
        raise refused(job, file.problems)
    return file.count, recipe


def _worked_out(
    job: Job,
    rows: Iterable[MixtureRow],
    problems: list[tuple[str, str]],
    check: Callable[[Any, TrainSettings], Check] | None,
    keeps: set[str],
    *,
    packs: bool,
) -> Recipe:
    from mixwright_runtime.training.encode import EncodingCounts
    from mixwright_runtime.training.preview import job_tokenizer

    settings = settings_for(job)
    tokenizer = job_tokenizer(settings)
    counts, lengths = EncodingCounts(), []
    compare = check(tokenizer, settings) if check is not None else None
    for batch, sequences in encoded(job, rows, settings, tokenizer, counts):
        lengths += [len(sequence.tokens) for sequence in sequences.values()]
        for row in batch:
            sequence = sequences.get(row.id)
            reason = compare(row, sequence) if compare is not None and sequence is not None else None
            if reason is not None:
                problems.append((row.id, reason))
    trainer = TRAINERS[job.export.format]
    exact = "`format = tokenized` holds its labels"
    read_otherwise = (
        (counts.forged, f"it has a control token as text, which {trainer} would take for one"),
        (
            counts.unwritten,
            f"the chat template leaves out an answer or a call of it; {trainer} would train on what is left",
        ),
        (counts.unlocatable, counts.why_unlocatable),
    )
    problems += [(name, reason) for names, reason in read_otherwise for name in names]
    if settings.overlong not in keeps:
        cut = {"truncate": counts.truncated, "split": counts.split, "drop": counts.dropped}[settings.overlong]
        does = "drops" if "drop" in keeps else "cuts"
        reason = (
            f"it is longer than context = {settings.context}, and {trainer} {does} it, "
            f"not `{settings.overlong}`; {exact}"
        )
        problems += [(name, reason) for name in cut]
    if problems:
        raise refused(job, problems)
    return recipe_of(job, settings, tokenizer, lengths, counts, packs=packs)


def recipe_of(
    job: Job,
    settings: TrainSettings,
    tokenizer: Any,
    lengths: list[int],
    counts: EncodingCounts,
    *,
    packs: bool = True,
) -> Recipe:
    """The recipe of sequences of these lengths.

    Raises:
        RunError: there is none to train on.
    """
    import numpy as np

    from mixwright_runtime.training.packing import pack

    assert job.train is not None
    if not lengths:
        raise RunError(f"export '{job.export.name}': no row has an assistant token within `context`")
    sequences = len(lengths)
    if packs and settings.packing == "best_fit":
        sequences = len(pack(np.asarray(lengths, np.int64), settings.context, seed=settings.seed))
    wanted = max(1, min(sequences, round(settings.batch * sequences / len(lengths))))
    per_rank = max(1, round(wanted / settings.ranks))
    micro = max(m for m in range(1, min(settings.micro_batch, per_rank) + 1) if per_rank % m == 0)
    per_step = per_rank * settings.ranks
    steps = settings.steps or max(1, -(-round(sequences * settings.epochs) // per_step))
    base = job.path_from_target(Path(settings.place)) if settings.is_local else settings.place
    output = job.root / f"{job.train.attributes['output']}-{job.export.format}"
    return Recipe(
        settings=settings,
        base="" if settings.architecture else base,
        output=job.path_from_target(output),
        tokenizer=tokenizer,
        counts=counts,
        examples=len(lengths),
        sequences=sequences,
        wanted=wanted,
        micro=micro,
        accumulation=per_rank // micro,
        steps=steps,
    )


def write_config(job: Job, name: str, values: Mapping[str, Any], recipe: Recipe) -> None:
    """Write a trainer's configuration, and DeepSpeed's beside it; `None` values are left away.

    Each value is JSON, which YAML reads as it is: no text can become a number or a truth value.
    """
    lines = [
        f"# Made by Mixwright from `train {job.train.name if job.train else ''}`; paths start in this directory."
    ]
    lines += [
        f"{key}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in values.items()
        if value is not None
    ]
    (job.directory / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    if recipe.settings.zero:
        from mixwright_runtime.training.trainer import deepspeed_config

        text = json.dumps(deepspeed_config(recipe.settings), indent=1)
        (job.directory / DEEPSPEED_FILE).write_text(text + "\n", encoding="utf-8")


def write_tokenizer(job: Job, tokenizer: Any, template: str | None = None) -> None:
    """Write `tokenizer/`; template: a chat template in the place of its own."""
    import copy

    written = copy.deepcopy(tokenizer)
    if template is not None:
        written.chat_template = template
    written.save_pretrained(job.directory / "tokenizer")


def instructions(trainer: str, command: str, recipe: Recipe, notes: Iterable[str] = ()) -> str:
    """The card's section on training: the command, what a step is, and what is not as 'mixwright train' does it."""
    settings = recipe.settings
    per_step = settings.ranks * recipe.micro * recipe.accumulation
    said = [
        f"{settings.ranks} process{'es' if settings.ranks > 1 else ''} of {recipe.micro} sequences × "
        f"{recipe.accumulation} accumulation steps: {per_step} sequences a step, "
        f"about {per_step * recipe.examples / recipe.sequences:.0f} examples; {recipe.steps:,} steps.",
    ]
    if per_step != recipe.wanted:
        said.append(
            f"The train block asks for {recipe.wanted} sequences a step, which its processes do not divide."
        )
    if settings.holdout:
        said.append(
            f"`holdout = {settings.holdout:.0%}` is not taken out: the file has every row of the mixture."
        )
    if settings.sequence_parallel > 1:
        said.append(
            f"`sequence_parallel = {settings.sequence_parallel}` is not told: each process takes whole sequences."
        )
    if settings.new_tokens is not None:
        count = len(settings.new_tokens.all)
        said.append(
            f"`tokenizer/` has {count} new token{'s' * (count > 1)}: the base needs a row for each "
            "(`resize_token_embeddings`) before it is trained."
        )
    said += [*notes, *refusals(recipe.counts)]
    listed = "\n".join(f"- {note}" for note in said)
    return f"## Training with {trainer}\n\nIn this directory:\n\n```\n{command}\n```\n\n{listed}"


def refusals(counts: EncodingCounts) -> list[str]:
    """What became of rows that are not trained on whole, in words, by id."""
    from mixwright_runtime.training.encode import fates

    return [
        f"{len(ids):,} row{'s' * (len(ids) > 1)} {text}: `{'`, `'.join(ids[:3])}`{' …' if len(ids) > 3 else ''}"
        for text, ids in fates(counts)
    ]


def launched(recipe: Recipe, program: str) -> str:
    """A command line that starts a program on the recipe's processes."""
    if recipe.settings.ranks == 1:
        return program
    nodes = recipe.settings.nodes
    return f"torchrun --nnodes={nodes} --nproc_per_node={recipe.settings.ranks // nodes} {program}"


def facts_of(recipe: Recipe | None) -> dict[str, Any]:
    """The recipe in the manifest, with the ids of all rows that are not trained on whole."""
    if recipe is None:
        return {}
    from mixwright_runtime.training.encode import FATES

    counts = recipe.counts
    ids = {name: getattr(counts, name) for name in FATES}
    return {
        "training": {
            "examples": recipe.examples,
            "sequences": recipe.sequences,
            "tokens": counts.tokens,
            "trained_tokens": counts.trained_tokens,
            "steps": recipe.steps,
            "not_whole": {name: found for name, found in ids.items() if found},
        }
    }
