"""Export of a mixture as packed sequences."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mixwright_runtime.exporters.files import SHARD, lines_to_parquet
from mixwright_runtime.exporters.protocol import Job, Written
from mixwright_runtime.exporters.recipe import facts_of, instructions, recipe_of, write_tokenizer
from mixwright_runtime.exporters.tokenized import counted, sequences_of
from mixwright_runtime.mixture.rows import MixtureRow
from mixwright_runtime.plugins.attributes import EXPORT, TRAIN
from mixwright_runtime.plugins.declare import declare

if TYPE_CHECKING:
    from mixwright_runtime.training.packed import Packed

_COLUMNS = {"input_ids": "INTEGER[]", "labels": "INTEGER[]", "seq_lengths": "INTEGER[]"}


@declare(
    "export",
    "packed",
    label="name",
    reads=("messages",),
    extra="train",
    modules=("transformers",),
    attributes=(*EXPORT, TRAIN),
)
class PackedExport:
    """Write a mixture as packed sequences: whole examples side by side, by the best-fit packing of `mixwright train`.

    Makes `<path>/packed/` as the launcher maps it into memory: `tokens.npy`, `labels.npy`, `positions.npy` of shape
    (sequences, context), int32, `bins.jsonl` with the `ids` and `lineages` in each sequence, and a manifest with the
    counts; and the same sequences without padding as `<path>/data/train-00000-of-00001.parquet`: `input_ids`, `labels`,
    and `seq_lengths`, the length of each example, from which TRL's padding-free collator makes the positions:
    `SFTConfig(padding_free=True, max_length=None, dataset_kwargs={"skip_prepare_dataset": True})`. `tokenizer/` has the
    tokenizer.

    The first token of every example has no label, positions start again at 0, and no attention mask may be given:
    borders between examples are read off the positions.

        export bins of tulu3 { format = packed, path = "out/packed", train = student }
    """

    data_file = f"data/{SHARD}.parquet"
    shape = "packed `input_ids`, `labels`, and `seq_lengths` of the examples in each"

    @staticmethod
    def write(job: Job, rows: Iterable[MixtureRow]) -> Written:
        from mixwright_runtime.training.encode import EncodingCounts
        from mixwright_runtime.training.packed import open_packed, packed_source, write_packed

        count, settings, tokenizer, listed = counted(job, rows)
        counts = EncodingCounts()
        write_packed(
            sequences_of(job, listed, settings, tokenizer, counts),
            job.directory / "packed",
            context=settings.context,
            packing="none" if settings.packing == "none" else "best_fit",
            seed=settings.seed,
            pad=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0,
            source=packed_source(settings, [row.for_training() for row in listed], tokenizer),
            counts=counts,
        )
        packed = open_packed(job.directory / "packed")
        lengths = _unpadded(job.directory / PackedExport.data_file, packed)
        write_tokenizer(job, tokenizer)
        recipe = recipe_of(job, settings, tokenizer, lengths, counts)
        told = instructions("the launcher, or TRL's padding-free collator", "packed/  data/", recipe)
        return Written(count, told, facts_of(recipe))


def _unpadded(path: Path, packed: Packed) -> list[int]:
    """Write the sequences without their padding; returns the length of every example."""
    import numpy as np

    path.parent.mkdir()
    scratch, longest, all_lengths = path.with_suffix(".jsonl.tmp"), 0, []
    try:
        with scratch.open("wb") as file:
            for number, used in enumerate(packed.used.tolist()):
                starts = np.flatnonzero(packed.positions[number, :used] == 0)
                lengths = np.diff(np.append(starts, used)).tolist()
                all_lengths += lengths
                row = {
                    "input_ids": packed.tokens[number, :used].tolist(),
                    "labels": packed.labels[number, :used].tolist(),
                    "seq_lengths": lengths,
                }
                longest = max(longest, file.write(json.dumps(row, separators=(",", ":")).encode() + b"\n"))
        lines_to_parquet(scratch, path, _COLUMNS, longest=longest)
    finally:
        scratch.unlink(missing_ok=True)
    return all_lengths
