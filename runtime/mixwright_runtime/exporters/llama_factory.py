"""Export of a mixture for LLaMA-Factory."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from mixwright_runtime.exporters.files import SHARD
from mixwright_runtime.exporters.protocol import Job, Written
from mixwright_runtime.exporters.recipe import (
    DEEPSPEED_FILE,
    Recipe,
    facts_of,
    instructions,
    write_config,
    write_lines,
)
from mixwright_runtime.mixture.messages import ChatError
from mixwright_runtime.mixture.rows import MixtureRow
from mixwright_runtime.plugins.attributes import TRAINER
from mixwright_runtime.plugins.declare import attribute, declare

CONFIG = "llama_factory.yaml"
_TURNS = {"user": "user", "tool": "observation", "assistant": "assistant"}


@declare(
    "export",
    "llama_factory",
    label="name",
    reads=("messages",),
    attributes=(
        *TRAINER,
        attribute(
            "template",
            "text",
            "LLaMA-Factory's name for the model's chat template; without it, it is read off the tokenizer's own",
            cls="set",
        ),
    ),
)
class LlamaFactoryExport:
    """Write a mixture for LLaMA-Factory: its own form of conversations, and a configuration.

    Makes `<path>/data/train-00000-of-00001.jsonl` with `messages` (`role` is user, assistant, observation or
    function_call), `system` and `tools`, `dataset_info.json` that names it after the mixture, and where there is a
    `train` block on the mixture `llama_factory.yaml`, and `deepspeed.json` where the block has ZeRO. Reasoning goes
    in `<think>` before the answer; calls of tools are one JSON list.

    LLaMA-Factory skips, with a line in its log, a conversation in which user and assistant do not take turns, or that
    ends with the user; it has no place for text beside a call of tools or for turns that are not trained; and its
    packing leaves out rows longer than the context. Here each is an error that names the row. It renders with a chat
    template of its own, so its tokens can differ from the tokenizer's template; `format = tokenized` has them
    exactly, for its `tokenized_path`.

        export hub of tulu3 { format = llama_factory, path = "out/lf", train = student, template = "llama3" }

    Made for LLaMA-Factory 0.9.5.
    """

    data_file = f"data/{SHARD}.jsonl"
    shape = "LLaMA-Factory's `messages`, `system`, `tools`"

    @staticmethod
    def write(job: Job, rows: Iterable[MixtureRow]) -> Written:
        given = job.train.attributes if job.train else {}
        keeps = ("drop",) if given.get("packing") != "none" else ("truncate",)
        count, recipe = write_lines(job, rows, llama_factory_example, keeps=keeps)
        entry = {
            "file_name": LlamaFactoryExport.data_file,
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "system": "system", "tools": "tools"},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
                "observation_tag": "observation",
                "function_tag": "function_call",
                "system_tag": "system",
            },
        }
        text = json.dumps({job.export.mixture: entry}, indent=1, ensure_ascii=False)
        (job.directory / "dataset_info.json").write_text(text + "\n", encoding="utf-8")
        if recipe is None:
            return Written(count)
        template = job.export.attributes.get("template")
        write_config(job, CONFIG, _values(recipe, job.export.mixture, template), recipe)
        rendered = f"its template `{template}`" if template else "what it reads off the tokenizer's template"
        notes = [
            f"LLaMA-Factory renders with {rendered}: look at the example that it prints at its start.",
            "Its packing takes a thousand rows at a time: a few more sequences, and so steps.",
        ]
        told = instructions("LLaMA-Factory", f"llamafactory-cli train {CONFIG}", recipe, notes)
        return Written(count, told, facts_of(recipe))


def llama_factory_example(row: MixtureRow) -> dict[str, Any]:
    """A row in LLaMA-Factory's form.

    Raises:
        ChatError: it would skip the row, or has no place for a part of it.
    """
    messages = list(row.messages)
    system = messages.pop(0)["content"] if messages[0]["role"] == "system" else ""
    turns = [_turn(message) for message in messages]
    for number, turn in enumerate(turns):
        is_answer = turn["role"] in ("assistant", "function_call")
        if is_answer != bool(number % 2):
            raise ChatError(
                f"LLaMA-Factory skips it: message {number + 1} is of role {messages[number]['role']}, where "
                f"{'an assistant' if number % 2 else 'a user or one tool'} has to speak"
            )
    if len(turns) % 2:
        raise ChatError("LLaMA-Factory skips it: it does not end with the assistant")
    tools = json.dumps([tool["function"] for tool in row.tools], ensure_ascii=False) if row.tools else ""
    return {
        "messages": turns,
        "system": system,
        "tools": tools,
        "id": row.id,
        "lineage": row.lineage,
        "component": row.component,
        "source": row.source,
    }


def _turn(message: dict[str, Any]) -> dict[str, str]:
    if message["role"] not in _TURNS:
        raise ChatError("LLaMA-Factory takes a system message only as the first")
    if message.get("weight") == 0:
        raise ChatError("LLaMA-Factory has no turns that are not trained, and one has `weight = 0`")
    content = str(message["content"])
    reasoning = message.get("reasoning_content")
    calls = message.get("tool_calls")
    if calls:
        if content.strip() or reasoning:
            raise ChatError("LLaMA-Factory has no place for text beside a call of tools")
        functions = [call["function"] for call in calls]
        listed = [{"name": f["name"], "arguments": _arguments(f["arguments"])} for f in functions]
        return {"role": "function_call", "content": json.dumps(listed, ensure_ascii=False)}
    if reasoning:
        content = f"<think>\n{reasoning}\n</think>\n\n{content}"
    return {"role": _TURNS[message["role"]], "content": content}


def _arguments(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise ChatError("LLaMA-Factory reads the arguments of calls as JSON, and one's are none") from None


def _values(recipe: Recipe, dataset: str, template: str | None) -> dict[str, Any]:
    settings, lora = recipe.settings, recipe.settings.lora
    adapters: dict[str, Any] = {}
    if lora is not None:
        adapters = {
            "lora_rank": lora.rank,
            "lora_alpha": lora.alpha,
            "lora_dropout": lora.dropout,
            "lora_target": ",".join(lora.layers) or "all",
        }
    return {
        "model_name_or_path": recipe.base,
        "model_revision": settings.revision or None,
        "trust_remote_code": False,
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora" if lora else "full",
        **adapters,
        "dataset_dir": ".",
        "dataset": dataset,
        "template": template,
        # Packing takes one off, to pad by one.
        "cutoff_len": settings.context + recipe.is_packed,
        "packing": recipe.is_packed,
        "neat_packing": recipe.is_packed,
        "mask_history": settings.turns == "last",
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
        "disable_gradient_checkpointing": not settings.recompute,
        "seed": settings.seed,
        "deepspeed": DEEPSPEED_FILE if settings.zero else None,
        "output_dir": recipe.output,
        "logging_steps": 1,
        "save_strategy": "steps" if settings.checkpoints else "no",
        "save_steps": max(1, -(-recipe.steps // max(1, settings.checkpoints))),
        "report_to": "none",
    }
