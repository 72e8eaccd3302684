"""Export of a mixture for TRL's SFT trainer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mixwright_runtime.errors import RunError
from mixwright_runtime.exporters.files import SHARD, example_of
from mixwright_runtime.exporters.marks import with_marks
from mixwright_runtime.exporters.protocol import MESSAGES, Job, Written
from mixwright_runtime.exporters.recipe import (
    DEEPSPEED_FILE,
    Check,
    Recipe,
    facts_of,
    instructions,
    launched,
    write_config,
    write_lines,
    write_tokenizer,
)
from mixwright_runtime.mixture.messages import ChatError
from mixwright_runtime.mixture.rows import MixtureRow
from mixwright_runtime.plugins.attributes import TRAINER
from mixwright_runtime.plugins.declare import declare

if TYPE_CHECKING:
    from mixwright_runtime.training.encode import Encoded
    from mixwright_runtime.training.settings import TrainSettings

CONFIG = "trl.yaml"


@declare("export", "trl", label="name", reads=("messages",), attributes=TRAINER)
class TrlExport:
    """Write a mixture for TRL's `trl sft`: messages, chat template and a configuration.

    Makes what `messages` makes, and where there is a `train` block on the mixture `trl.yaml` (model, context, batch,
    rate, schedule, epochs, packing, precision, adapters, loss on the assistant alone), `deepspeed.json` where the
    block has ZeRO, and `tokenizer/` with the chat template. TRL finds the assistant by `{% generation %}` marks in
    the template. One that has none gets them, where each message is written by one expression.

    Whether TRL trains on the same tokens is tried on every row: the template is rendered as TRL does, and tokens and
    mask are compared with the labels that `mixwright train` uses. A row that differs stops the export and is named;
    `format = tokenized` holds the labels themselves, and TRL trains on them.

        export hub of tulu3 { format = trl, path = "out/trl", train = student }

    Made for TRL 1.16, whose losses on these files are those of `mixwright train`.
    """

    data_file = f"data/{SHARD}.jsonl"
    shape = MESSAGES

    @staticmethod
    def write(job: Job, rows: Iterable[MixtureRow]) -> Written:
        keeps = ["truncate"]
        if job.train is not None and job.train.attributes.get("packing") != "none":
            keeps.append("split")
        count, recipe = write_lines(job, rows, _example, check=_compared, keeps=keeps)
        if recipe is None:
            return Written(count)
        write_tokenizer(job, recipe.tokenizer, _template(recipe.tokenizer))
        marked = {"assistant_only_loss": True, "chat_template_path": "tokenizer/chat_template.jinja"}
        write_config(job, CONFIG, trl_values(recipe) | marked, recipe)
        told = instructions("TRL", launched(recipe, f"trl sft --config {CONFIG}"), recipe)
        return Written(count, told, facts_of(recipe))


def trl_values(recipe: Recipe) -> dict[str, Any]:
    """TRL's configuration but for where labels come from."""
    settings, lora = recipe.settings, recipe.settings.lora
    adapters: dict[str, Any] = {}
    if lora is not None:
        adapters = {
            "use_peft": True,
            "lora_r": lora.rank,
            "lora_alpha": lora.alpha,
            "lora_dropout": lora.dropout,
            "lora_target_modules": list(lora.layers) or ["all-linear"],
        }
    return {
        "model_name_or_path": recipe.base,
        "model_revision": settings.revision or None,
        # Under autocast or DeepSpeed the weights that are updated are fp32 ones.
        "dtype": "bfloat16" if settings.precision == "bf16" and settings.zero else "float32",
        "dataset_name": "data",
        "max_length": settings.context,
        "packing": recipe.is_packed,
        "packing_strategy": "bfd_split" if settings.overlong == "split" else "bfd",
        "per_device_train_batch_size": recipe.micro,
        "gradient_accumulation_steps": recipe.accumulation,
        "num_train_epochs": None if settings.steps else settings.epochs,
        "max_steps": settings.steps,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": recipe.schedule,
        "warmup_steps": recipe.warmup_steps,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.clip,
        **recipe.adamw,
        "optim": "adamw_torch",
        "bf16": settings.precision == "bf16",
        "gradient_checkpointing": settings.recompute,
        "gradient_checkpointing_kwargs": {"use_reentrant": False} if settings.recompute else None,
        "seed": settings.seed,
        **adapters,
        "deepspeed": DEEPSPEED_FILE if settings.zero else None,
        "output_dir": recipe.output,
        "logging_steps": 1,
        "save_strategy": "steps" if settings.checkpoints else "no",
        "save_steps": max(1, -(-recipe.steps // max(1, settings.checkpoints))),
        "report_to": "none",
    }


def _example(row: MixtureRow) -> dict[str, Any]:
    """TRL has no weights of turns: all of an assistant's are trained."""
    if any(message.get("weight") == 0 for message in row.messages):
        raise ChatError(
            "TRL trains on every turn, and one has `weight = 0`; `format = tokenized` holds its labels"
        )
    return example_of(row)


def _template(tokenizer: Any) -> str | None:
    from mixwright_runtime.training.conversation import Renderer

    template = tokenizer.chat_template
    if not isinstance(template, str):
        return None
    ids = [*Renderer(tokenizer).stop_ids()]
    return with_marks(template, [tokenizer.convert_ids_to_tokens(token) for token in ids])


def _compared(tokenizer: Any, settings: TrainSettings) -> Check:
    from mixwright_runtime.training.encode import IGNORED

    template = _template(tokenizer)
    if template is None:
        raise RunError(
            "the chat template has no {% generation %} marks and is not of a form that they can be put in; "
            "`format = tokenized` holds the labels themselves, and TRL trains on them; "
            "`config = false` writes the data alone"
        )

    def reason(row: MixtureRow, sequence: Encoded) -> str | None:
        if "/" in sequence.id:
            return None
        try:
            read = tokenizer.apply_chat_template(
                row.messages,
                tools=row.tools,
                chat_template=template,
                return_dict=True,
                return_assistant_tokens_mask=True,
            )
        except Exception as error:  # a template is a program of its own
            return f"the chat template fails on it as TRL calls it: {error}"
        pairs = zip(read["input_ids"], read["assistant_masks"], strict=True)
        labels = [token if is_trained else IGNORED for token, is_trained in pairs][: settings.context]
        labels[:1] = [IGNORED]
        if read["input_ids"][: settings.context] != sequence.tokens.tolist():
            return "TRL would make other tokens of it; `format = tokenized` holds them"
        if labels != sequence.labels.tolist():
            return "TRL would train on other tokens of it; `format = tokenized` holds the labels"
        return None

    return reason
