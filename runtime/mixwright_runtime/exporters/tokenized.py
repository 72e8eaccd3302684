"""Export of a mixture as token ids with labels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mixwright_runtime.errors import RunError
from mixwright_runtime.exporters.axolotl import CONFIG as AXOLOTL_CONFIG
from mixwright_runtime.exporters.axolotl import axolotl_values
from mixwright_runtime.exporters.files import SHARD, lines_to_parquet
from mixwright_runtime.exporters.protocol import Job, Written
from mixwright_runtime.exporters.recipe import (
    Recipe,
    encoded,
    facts_of,
    instructions,
    launched,
    recipe_of,
    settings_for,
    write_config,
    write_tokenizer,
)
from mixwright_runtime.exporters.trl import CONFIG as TRL_CONFIG
from mixwright_runtime.exporters.trl import trl_values
from mixwright_runtime.mixture.rows import MixtureRow
from mixwright_runtime.plugins.attributes import EXPORT, TRAIN
from mixwright_runtime.plugins.declare import declare

if TYPE_CHECKING:
    from mixwright_runtime.training.encode import Encoded
    from mixwright_runtime.training.settings import TrainSettings

_COLUMNS = {"input_ids": "INTEGER[]", "attention_mask": "TINYINT[]", "labels": "INTEGER[]"}


@declare(
    "export",
    "tokenized",
    label="name",
    reads=("messages",),
    extra="train",
    modules=("transformers",),
    attributes=(*EXPORT, TRAIN),
)
class TokenizedExport:
    """Write a mixture as Parquet with the columns `input_ids`, `attention_mask` and `labels`, for any trainer.

    Tokens and labels are those that `mixwright train` makes of the mixture by its `train` block: whatever `learn`,
    `turns`, `overlong` and weights of messages say is in the labels, `-100` where nothing is trained. Rows that it
    refuses are left out; the card counts them and the manifest has their ids. `ids.jsonl` has the row of each line,
    `id`, `lineage` and `component`; `tokenizer/` the tokenizer.

    TRL and axolotl read it as it is; where the `train` block continues from a model, `trl.yaml` and `axolotl.yaml`
    are written as well. For LLaMA-Factory's `tokenized_path`, `datasets` turns it into its own files:
    `DatasetDict(train=load_dataset("parquet", data_files="data/*.parquet", split="train")).save_to_disk("saved")`.

        export tokens of tulu3 { format = tokenized, path = "out/tokens", train = student }
    """

    data_file = f"data/{SHARD}.parquet"
    shape = "`input_ids`, `attention_mask`, `labels`: -100 is not trained"

    @staticmethod
    def write(job: Job, rows: Iterable[MixtureRow]) -> Written:
        count, settings, tokenizer, listed = counted(job, rows)
        path = job.directory / TokenizedExport.data_file
        path.parent.mkdir()
        scratch, lengths, longest = path.with_suffix(".jsonl.tmp"), [], 0
        from mixwright_runtime.training.encode import EncodingCounts

        counts = EncodingCounts()
        try:
            with scratch.open("wb") as file, (job.directory / "ids.jsonl").open("w", encoding="utf-8") as ids:
                for sequence in sequences_of(job, listed, settings, tokenizer, counts):
                    longest = max(longest, file.write(_line(sequence)))
                    lengths.append(len(sequence.tokens))
                    names = {
                        "id": sequence.id,
                        "lineage": sequence.lineage,
                        "component": sequence.component,
                    }
                    ids.write(json.dumps(names) + "\n")
            recipe = recipe_of(job, settings, tokenizer, lengths, counts)
            lines_to_parquet(scratch, path, _COLUMNS, longest=longest)
        finally:
            scratch.unlink(missing_ok=True)
        write_tokenizer(job, tokenizer)
        return Written(count, _configured(job, recipe), facts_of(recipe))


def counted(job: Job, rows: Iterable[MixtureRow]) -> tuple[int, TrainSettings, Any, list[MixtureRow]]:
    """Number of rows, settings, the tokenizer (made of the rows where the block says so), and the rows trained on.

    Raises:
        RunError: there is no train block, or its model or tokenizer is not there.
    """
    from mixwright_runtime.training.preview import job_tokenizer
    from mixwright_runtime.training.tokenizer import train_tokenizer

    if job.train is None:
        raise RunError(
            f"export '{job.export.name}': `format = {job.export.format}` needs a `train` block on "
            f"'{job.export.mixture}', which says of which tokenizer the tokens are"
        )
    settings, listed = settings_for(job), list(rows)
    if settings.vocabulary is None:
        return len(listed), settings, job_tokenizer(settings), listed
    place = job.directory / "tokenizer"
    texts = [str(message.get("content") or "") for row in listed for message in row.messages]
    train_tokenizer(texts, place, vocabulary=settings.vocabulary, context=settings.context)
    return len(listed), settings, job_tokenizer(replace(settings, tokenizer=str(place))), listed


def sequences_of(
    job: Job, rows: Iterable[MixtureRow], settings: TrainSettings, tokenizer: Any, counts: Any
) -> Iterator[Encoded]:
    """The sequences of rows, in order."""
    for _, sequences in encoded(job, rows, settings, tokenizer, counts):
        yield from sequences.values()


def _line(sequence: Encoded) -> bytes:
    tokens = sequence.tokens.tolist()
    row = {"input_ids": tokens, "attention_mask": [1] * len(tokens), "labels": sequence.labels.tolist()}
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def _configured(job: Job, recipe: Recipe) -> str:
    """Write the configurations of trainers that read labels; returns how to start them."""
    if not recipe.base or recipe.settings.new_tokens is not None:
        return instructions("your own trainer", "tokenizer/  data/", recipe)
    write_config(job, TRL_CONFIG, trl_values(recipe), recipe)
    data = {"path": TokenizedExport.data_file, "ds_type": "parquet", "type": ""}
    write_config(job, AXOLOTL_CONFIG, axolotl_values(recipe, data), recipe)
    command = f"{launched(recipe, f'trl sft --config {TRL_CONFIG}')}\naxolotl train {AXOLOTL_CONFIG}"
    return instructions("TRL or axolotl", command, recipe)
