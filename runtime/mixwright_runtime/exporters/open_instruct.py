"""Export of a mixture for open-instruct."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mixwright_runtime.exporters.files import SHARD, example_of
from mixwright_runtime.exporters.protocol import MESSAGES, Job, Written
from mixwright_runtime.exporters.recipe import (
    DEEPSPEED_FILE,
    Recipe,
    facts_of,
    instructions,
    write_config,
    write_lines,
    write_tokenizer,
)
from mixwright_runtime.mixture.messages import ChatError
from mixwright_runtime.mixture.rows import MixtureRow
from mixwright_runtime.plugins.attributes import TRAINER
from mixwright_runtime.plugins.declare import declare

CONFIG = "open_instruct.yaml"
_HOLDS = {"role", "content", "weight"}


@declare("export", "open_instruct", label="name", reads=("messages",), attributes=TRAINER)
class OpenInstructExport:
    """Write a mixture for open-instruct's `finetune.py`: messages and a configuration.

    Makes what `messages` makes, and where there is a `train` block on the mixture `open_instruct.yaml`, `deepspeed.json`
    where the block has ZeRO, and `tokenizer/`. Its fine-tuning renders role and content alone and trains on every turn of
    the assistant: rows with tools, calls, reasoning apart from the content, or `weight = 0` are errors that name them. It
    does not pack; a step has `batch` examples.

        export hub of tulu3 { format = open_instruct, path = "out/oi", train = student }
    """

    data_file = f"data/{SHARD}.jsonl"
    shape = MESSAGES

    @staticmethod
    def write(job: Job, rows: Iterable[MixtureRow]) -> Written:
        count, recipe = write_lines(job, rows, _example, packs=False)
        if recipe is None:
            return Written(count)
        write_tokenizer(job, recipe.tokenizer)
        write_config(job, CONFIG, _values(recipe), recipe)
        settings = recipe.settings
        launch = f"accelerate launch --mixed_precision {'bf16' if settings.precision == 'bf16' else 'no'}"
        launch += f" --num_machines {settings.nodes} --num_processes {settings.ranks}"
        if settings.zero:
            launch += f" --use_deepspeed --deepspeed_config_file {DEEPSPEED_FILE}"
        notes = []
        if settings.loss == "token":
            notes.append(
                "open-instruct takes the mean over each micro-batch, so tokens of short micro-batches weigh more; "
                "`mixwright train` takes it over the step."
            )
        if settings.packing == "best_fit":
            notes.append("open-instruct does not pack: examples are padded.")
        notes.append(
            "What its template writes after the token that ends a turn, open-instruct trains as well."
        )
        told = instructions("open-instruct", f"{launch} open_instruct/finetune.py {CONFIG}", recipe, notes)
        return Written(count, told, facts_of(recipe))


def _example(row: MixtureRow) -> dict[str, Any]:
    if row.tools:
        raise ChatError("open-instruct's fine-tuning reads no tools")
    for message in row.messages:
        if message["role"] == "tool" or not set(message) <= _HOLDS:
            key = "role tool" if message["role"] == "tool" else min(set(message) - _HOLDS)
            raise ChatError(
                f"open-instruct's fine-tuning reads role and content alone, and a message has {key}"
            )
        if message.get("weight") == 0:
            raise ChatError("open-instruct trains on every turn, and one has `weight = 0`")
    return example_of(row)


def _values(recipe: Recipe) -> dict[str, Any]:
    settings, lora = recipe.settings, recipe.settings.lora
    adapters: dict[str, Any] = {}
    if lora is not None:
        adapters = {"lora_rank": lora.rank, "lora_alpha": lora.alpha, "lora_dropout": lora.dropout}
    return {
        "model_name_or_path": recipe.base,
        "model_revision": settings.revision or None,
        "tokenizer_name_or_path": "tokenizer",
        "dataset_mixer_list": [OpenInstructExport.data_file, "1.0"],
        "dataset_mixer_list_splits": ["train"],
        "max_seq_length": settings.context,
        "per_device_train_batch_size": recipe.micro,
        "gradient_accumulation_steps": recipe.accumulation,
        "num_train_epochs": None if settings.steps else int(settings.epochs),
        "max_train_steps": settings.steps,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": recipe.schedule,
        "warmup_ratio": settings.warmup,
        "weight_decay": settings.weight_decay,
        # With DeepSpeed the norm is limited by its own configuration.
        "clip_grad_norm": None if settings.zero else settings.clip,
        "reduce_loss": "sum" if settings.loss == "sum" else "mean",
        "gradient_checkpointing": settings.recompute,
        "seed": settings.seed,
        "use_lora": bool(lora),
        **adapters,
        "output_dir": recipe.output,
        "do_not_randomize_output_dir": True,
        "checkpointing_steps": str(max(1, -(-recipe.steps // max(1, settings.checkpoints)))),
        "logging_steps": 1,
        "with_tracking": False,
        "push_to_hub": False,
        "try_launch_beaker_eval_jobs": False,
        "try_auto_save_to_beaker": False,
    }
