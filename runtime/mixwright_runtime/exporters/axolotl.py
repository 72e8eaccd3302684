"""Export of a mixture for axolotl."""

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
from mixwright_runtime.mixture.rows import MixtureRow
from mixwright_runtime.plugins.attributes import TRAINER
from mixwright_runtime.plugins.declare import declare

CONFIG = "axolotl.yaml"


@declare("export", "axolotl", label="name", reads=("messages",), attributes=TRAINER)
class AxolotlExport:
    """Write a mixture for axolotl: messages and a configuration.

    Makes what `messages` makes, and where there is a `train` block on the mixture `axolotl.yaml`, `deepspeed.json`
    where the block has ZeRO, and `tokenizer/`. The data set is of axolotl's type `chat_template` with the tokenizer's
    own template; it finds the assistant by itself, by turns, and a message's `weight` decides whether its turn is
    trained. A row that holds the text of a control token is an error. What differs is on the card: axolotl packs in
    its own order.

        export hub of tulu3 { format = axolotl, path = "out/axolotl", train = student }

    Made for axolotl 0.19.
    """

    data_file = f"data/{SHARD}.jsonl"
    shape = MESSAGES

    @staticmethod
    def write(job: Job, rows: Iterable[MixtureRow]) -> Written:
        count, recipe = write_lines(job, rows, example_of, keeps=("truncate", "drop"))
        if recipe is None:
            return Written(count)
        write_tokenizer(job, recipe.tokenizer)
        data = {
            "path": AxolotlExport.data_file,
            "ds_type": "json",
            "type": "chat_template",
            "field_messages": "messages",
            "message_field_training": "weight",
            "roles_to_train": ["assistant"],
            "train_on_eos": "turn",
        }
        ends = _turn_ends(recipe.tokenizer)
        values = axolotl_values(recipe, data) | {
            "chat_template": "tokenizer_default",
            "eot_tokens": ends or None,
        }
        write_config(job, CONFIG, values, recipe)
        notes = [
            "axolotl finds turns by rendering them one by one; `format = tokenized` gives it the very labels.",
            "axolotl packs with first fit in the order of its sampler: its sequences, and so its steps, are a few more.",
        ]
        if recipe.is_packed:
            notes.append(
                "Packed, it needs FlashAttention 2: with other kernels it lets examples see each other."
            )
        told = instructions("axolotl", f"axolotl train {CONFIG}", recipe, notes)
        return Written(count, told, facts_of(recipe))


def axolotl_values(recipe: Recipe, data: dict[str, Any]) -> dict[str, Any]:
    """axolotl's configuration for one data set."""
    settings, lora = recipe.settings, recipe.settings.lora
    adapters: dict[str, Any] = {}
    if lora is not None:
        adapters = {
            "adapter": "lora",
            "lora_r": lora.rank,
            "lora_alpha": lora.alpha,
            "lora_dropout": lora.dropout,
            "lora_target_modules": list(lora.layers) or None,
            "lora_target_linear": None if lora.layers else True,
        }
    return {
        "base_model": recipe.base,
        "revision_of_model": settings.revision or None,
        "tokenizer_config": "tokenizer",
        "datasets": [data],
        "sequence_len": settings.context,
        "excess_length_strategy": "drop" if settings.overlong == "drop" else "truncate",
        "sample_packing": recipe.is_packed,
        "pad_to_sequence_len": recipe.is_packed,
        # With another kernel axolotl lets packed examples see each other.
        "attn_implementation": "flash_attention_2" if recipe.is_packed else None,
        "micro_batch_size": recipe.micro,
        "gradient_accumulation_steps": recipe.accumulation,
        "num_epochs": None if settings.steps else settings.epochs,
        "max_steps": settings.steps,
        "learning_rate": settings.learning_rate,
        "lr_scheduler": recipe.schedule,
        "warmup_steps": recipe.warmup_steps,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.clip,
        **recipe.adamw,
        "optimizer": "adamw_torch",
        "bf16": settings.precision == "bf16",
        "gradient_checkpointing": settings.recompute,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if settings.recompute else None,
        "seed": settings.seed,
        **adapters,
        "deepspeed": DEEPSPEED_FILE if settings.zero else None,
        "output_dir": recipe.output,
        "logging_steps": 1,
        "save_steps": max(1, -(-recipe.steps // max(1, settings.checkpoints))),
    }


def _turn_ends(tokenizer: Any) -> list[str]:
    """Tokens that end a turn beside the tokenizer's own end; axolotl trains on one only where it is told of it."""
    from mixwright_runtime.training.conversation import Renderer

    ids = sorted(Renderer(tokenizer).stop_ids() - {tokenizer.eos_token_id})
    return [str(tokenizer.convert_ids_to_tokens(token)) for token in ids]
