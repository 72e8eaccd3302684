"""One rank of a training job: `torchrun ... -m mixwright_runtime.training.job DIRECTORY`.

The directory was prepared by `mixwright_runtime.training.prepare`: `settings.json`, `packed/`, `slots.npy` (the bin of
every slot), `layout.json`, and, for a fresh model, `initial/`. The rank writes `curve.jsonl`, `checkpoints/`,
`final/` and, last, `ended.json` with how it ended: `done`, or `paused` by a file `STOP` or `--pause-after`.

The model is a `transformers` one, the loop is its `Trainer`, the sharding DeepSpeed's.
"""

from __future__ import annotations

import argparse
import traceback
from pathlib import Path
from typing import Any

from mixwright_compiler.load.json_text import Damaged
from mixwright_runtime.errors import RunError
from mixwright_runtime.training.attention import implementation
from mixwright_runtime.training.curve import FAILED
from mixwright_runtime.training.groups import freeze
from mixwright_runtime.training.held_out import FILE as HELD_OUT
from mixwright_runtime.training.held_out import held_out_callback, open_held_out
from mixwright_runtime.training.measuring import is_moment, measure_callback
from mixwright_runtime.training.packed import mapped, open_packed
from mixwright_runtime.training.ranks import (
    barrier,
    end_with_the_launcher,
    leave,
    meet,
    rank,
    start_processes,
)
from mixwright_runtime.training.resumed import resumed_callback
from mixwright_runtime.training.saving import save_candidate, save_whole
from mixwright_runtime.training.schedule import Layout
from mixwright_runtime.training.settings import HELD_OUT as HELD_OUT_NAME
from mixwright_runtime.training.settings import TrainSettings
from mixwright_runtime.training.state import read_state, write_state
from mixwright_runtime.training.trainer import arguments_of, trainer_of
from mixwright_runtime.training.ulysses import install, joined


def main() -> None:
    """Train; leaves the process with status 0 when it ended or paused, 1 with a traceback otherwise."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--resume", default="")
    parser.add_argument("--universal", action="store_true", help="other ranks wrote the checkpoint")
    parser.add_argument("--pause-after", type=int, default=0)
    arguments = parser.parse_args()
    end_with_the_launcher()
    try:
        settings = read_state(TrainSettings, arguments.directory / "settings.json")
        start_processes(settings)
        train(
            arguments.directory,
            settings,
            resume=arguments.resume,
            is_universal=arguments.universal,
            pause_after=arguments.pause_after,
        )
    except Exception as error:
        # torchrun tells which rank failed and not why; the last line is told to the user.
        story = traceback.format_exc() + (f"{error}\n" if isinstance(error, Damaged | RunError) else "")
        (arguments.directory / f"{FAILED}{rank()}").write_text(story, encoding="utf-8")
        raise
    leave()


def train(
    directory: Path, settings: TrainSettings, *, resume: str, is_universal: bool, pause_after: int
) -> None:
    """Run this rank's part of the job. is_universal: `resume` was written by another number of ranks."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(settings.seed)
    packed = open_packed(directory / "packed")
    slots = mapped(directory / "slots.npy")
    layout = read_state(Layout, directory / "layout.json")
    # Before the model: with ZeRO-3 these arguments make `from_pretrained` shard while it loads.
    arguments = arguments_of(
        directory, settings, layout, steps=len(slots) // layout.slots, is_universal=is_universal
    )
    meet()
    group = joined(settings.sequence_parallel)
    if group is not None:
        install(lambda: group)
    options: dict[str, Any] = {"trust_remote_code": False, "use_safetensors": True}
    place, revision = settings.start(directory)
    if revision:
        options["revision"] = revision
    # Without DeepSpeed, bf16 is autocast over fp32 weights; with it, DeepSpeed keeps the fp32 copy.
    is_bf16 = settings.precision == "bf16" and settings.zero > 0
    model = AutoModelForCausalLM.from_pretrained(
        place,
        dtype=torch.bfloat16 if is_bf16 else torch.float32,
        attn_implementation=implementation(settings.attention),
        **options,
    )
    if settings.lora is not None:
        model = _adapted(model, settings)
    freeze(model, settings)
    tokenizer = AutoTokenizer.from_pretrained(
        settings.tokenizer, trust_remote_code=False, revision=settings.revision or "main"
    )
    trainer = trainer_of(model, arguments, settings, packed, slots, layout, directory, pause_after, group)
    held = open_held_out(directory)
    measure = settings.measure
    if not held.is_empty:
        measured = held_out_callback(
            directory / HELD_OUT,
            held,
            layout.micro,
            lambda step, steps: (
                measure is not None and HELD_OUT_NAME in measure.on and is_moment(step, measure, steps)
            ),
            sharing=settings.sequence_parallel,
        )
        measured.trainer = trainer
        trainer.add_callback(measured)
    measuring = None
    if measure is not None and (measure.best or measure.evaluations):
        measuring = measure_callback(
            directory,
            measure,
            lambda place: save_candidate(trainer, tokenizer, packed, place),
            lambda: _last_checkpoint(directory),
        )
        trainer.add_callback(measuring)
    if resume:
        corrected = resumed_callback(Path(resume), is_universal=is_universal, seed=settings.seed)
        corrected.trainer = trainer
        trainer.add_callback(corrected)
    trainer.train(resume_from_checkpoint=resume or None)

    is_done = trainer.state.global_step >= arguments.max_steps
    if is_done:
        loss = save_whole(trainer, tokenizer, packed, directory / "final")
    barrier()
    if rank() == 0:
        how = "measured" if measuring is not None and measuring.has_ended else "paused"
        ended = {"how": "done" if is_done else how, "step": trainer.state.global_step}
        if is_done:
            ended["probe_loss"] = loss
        write_state(directory / "ended.json", ended)


def _adapted(model: object, settings: TrainSettings) -> Any:
    """The model with fresh adapters, the same on every rank; only they are trained."""
    from peft import LoraConfig, get_peft_model

    assert settings.lora is not None
    config = LoraConfig(
        r=settings.lora.rank,
        lora_alpha=settings.lora.alpha,
        lora_dropout=settings.lora.dropout,
        target_modules=list(settings.lora.layers) or "all-linear",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def _last_checkpoint(directory: Path) -> int:
    from mixwright_runtime.training.launch import last_checkpoint

    found = last_checkpoint(directory / "checkpoints")
    return found.step if found else 0


if __name__ == "__main__":
    main()
