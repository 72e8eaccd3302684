"""One rank of a training job: `torchrun ... -m mixwright_runtime.training.job DIRECTORY`.

The directory was prepared by `mixwright_runtime.training.train`: `settings.json`, `packed/`, `slots.npy` (the bin of
every slot), `layout.json`, and, for a fresh model, `initial/`. The rank writes `curve.jsonl`, `checkpoints/`,
`final/` and, last, `ended.json` with how it ended: `done`, or `paused` by a file `STOP` or `--pause-after`.

The model is a `transformers` one, the loop is its `Trainer`, the sharding DeepSpeed's. Three things are arranged
for CPU ranks; each was found to be needed with deepspeed 0.19 and accelerate 1.15:

1. `deepspeed.init_distributed` comes before `TrainingArguments`: accelerate starts DeepSpeed only on GPUs.
2. The shared-memory op is switched off: it is compiled at start, takes minutes, and only inference uses it.
3. The process leaves by `os._exit` after a barrier: a gloo thread aborts about one regular exit in four.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import threading
import time
import traceback
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from mixwright_compiler.load.json_text import Damaged
from mixwright_runtime.errors import RunError
from mixwright_runtime.training.attention import implementation, one_row
from mixwright_runtime.training.batches import batch_of, probe_batch
from mixwright_runtime.training.chunked import chunked_loss
from mixwright_runtime.training.curve import FAILED, LAUNCHER_PID, curve_callback, pause_callback
from mixwright_runtime.training.encode import IGNORED
from mixwright_runtime.training.groups import freeze, grouped
from mixwright_runtime.training.held_out import FILE as HELD_OUT
from mixwright_runtime.training.held_out import held_out_callback, open_held_out
from mixwright_runtime.training.loss import divisor, whole_loss
from mixwright_runtime.training.measuring import PROBE, is_moment, measure_callback
from mixwright_runtime.training.packed import Packed, mapped, open_packed
from mixwright_runtime.training.resumed import resumed_callback
from mixwright_runtime.training.schedule import Layout, share_of_rate
from mixwright_runtime.training.settings import HELD_OUT as HELD_OUT_NAME
from mixwright_runtime.training.settings import TrainSettings
from mixwright_runtime.training.state import read_state, write_state
from mixwright_runtime.training.ulysses import Group, install, joined

MEETING = timedelta(seconds=120)
"""How long ranks may take to answer each other at the start."""
BETAS, EPSILON = (0.9, 0.999), 1e-8
"""AdamW's where the spec does not say."""


def main() -> None:
    """Train; leaves the process with status 0 when it ended or paused, 1 with a traceback otherwise."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--resume", default="")
    parser.add_argument("--universal", action="store_true", help="other ranks wrote the checkpoint")
    parser.add_argument("--pause-after", type=int, default=0)
    arguments = parser.parse_args()
    _end_with_the_launcher()
    try:
        settings = read_state(TrainSettings, arguments.directory / "settings.json")
        _start_processes(settings)
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
        (arguments.directory / f"{FAILED}{_rank()}").write_text(story, encoding="utf-8")
        raise
    _leave()


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
    arguments = _arguments(
        directory, settings, layout, steps=len(slots) // layout.slots, is_universal=is_universal
    )
    _meet()
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
    trainer = _trainer(model, arguments, settings, packed, slots, layout, directory, pause_after, group)
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
            lambda place: _save_candidate(trainer, tokenizer, packed, place),
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
        loss = _save_whole(trainer, tokenizer, packed, directory / "final")
    _barrier()
    if _rank() == 0:
        how = "measured" if measuring is not None and measuring.has_ended else "paused"
        ended = {"how": "done" if is_done else how, "step": trainer.state.global_step}
        if is_done:
            ended["probe_loss"] = loss
        write_state(directory / "ended.json", ended)


def _adapted(model: Any, settings: TrainSettings) -> Any:
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


def _arguments(
    directory: Path, settings: TrainSettings, layout: Layout, *, steps: int, is_universal: bool
) -> Any:
    import torch
    from transformers import TrainingArguments

    is_cpu = not torch.cuda.is_available()
    return TrainingArguments(
        output_dir=str(directory / "checkpoints"),
        use_cpu=is_cpu,
        bf16=settings.precision == "bf16",
        deepspeed=deepspeed_config(settings, is_universal=is_universal) if settings.zero else None,
        optim="adamw_torch" if is_cpu else "adamw_torch_fused",
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.clip,
        adam_beta1=(settings.betas or BETAS)[0],
        adam_beta2=(settings.betas or BETAS)[1],
        adam_epsilon=settings.eps or EPSILON,
        max_steps=steps,
        per_device_train_batch_size=layout.micro,
        gradient_accumulation_steps=layout.accumulation,
        gradient_checkpointing=settings.recompute,
        gradient_checkpointing_kwargs={"use_reentrant": False} if settings.recompute else None,
        # The loss is a sum over the step's trained tokens, on all ranks, over their number.
        average_tokens_across_devices=True,
        remove_unused_columns=False,
        dataloader_drop_last=False,
        seed=settings.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps" if settings.checkpoints else "no",
        save_steps=max(1, -(-steps // max(1, settings.checkpoints))),
        save_total_limit=2,
        report_to=[],
        disable_tqdm=True,
        ddp_find_unused_parameters=False,
    )


def deepspeed_config(settings: TrainSettings, *, is_universal: bool = False) -> dict[str, Any]:
    """DeepSpeed's configuration for the settings. is_universal: other ranks wrote the checkpoint."""
    stage: dict[str, Any] = {
        "stage": settings.zero,
        "overlap_comm": False,
        "contiguous_gradients": True,
        "reduce_bucket_size": "auto",
    }
    if settings.zero == 3:
        stage |= {
            "stage3_prefetch_bucket_size": "auto",
            "stage3_param_persistence_threshold": "auto",
            "stage3_max_live_parameters": 1e9,
            "stage3_max_reuse_distance": 1e9,
            "stage3_gather_16bit_weights_on_model_save": True,
        }
    config: dict[str, Any] = {}
    if settings.offload != "none":
        stage["offload_optimizer"] = {"device": "cpu", "pin_memory": _has_gpu()}
        # Else it wants its own CPU AdamW, which is compiled at start; torch's works on the host's tensors as well.
        config["zero_force_ds_cpu_optimizer"] = False
    if settings.offload == "all":
        stage["offload_param"] = {"device": "cpu", "pin_memory": _has_gpu()}
    if is_universal:
        config["checkpoint"] = {"load_universal": True}
    return config | {
        "train_batch_size": "auto",
        "train_micro_batch_size_per_gpu": "auto",
        "gradient_accumulation_steps": "auto",
        "gradient_clipping": "auto",
        "bf16": {"enabled": settings.precision == "bf16"},
        "zero_optimization": stage,
        # An optimizer block here would make DeepSpeed compile its own AdamW.
        "steps_per_print": 1_000_000,
        "wall_clock_breakdown": False,
    }


class Slots:
    """The bins of a run, slot by slot: what the loader draws from, in order.

    It deals them to the ranks in turn, `micro` to each; ranks that share a sequence, `sharing` of them, get the same.
    """

    def __init__(self, slots: Any, *, micro: int, sharing: int) -> None:
        self._slots = slots
        self._micro = micro
        self._sharing = sharing

    def __len__(self) -> int:
        return len(self._slots) * self._sharing

    def __getitem__(self, dealt: int) -> int:
        turn, place = divmod(dealt, self._micro)
        return int(self._slots[turn // self._sharing * self._micro + place])


def _trainer(
    model: Any,
    arguments: Any,
    settings: TrainSettings,
    packed: Packed,
    slots: Any,
    layout: Layout,
    directory: Path,
    pause_after: int,
    group: Group | None = None,
) -> Any:
    from torch.optim.lr_scheduler import LambdaLR
    from torch.utils.data import SequentialSampler
    from transformers import Trainer

    arranged = one_row if settings.attention == "flash" else dict
    # Some models take no divisor; these losses are not theirs.
    is_ours = settings.chunked_loss == "on" or settings.loss == "example" or group is not None

    class SlotTrainer(Trainer):  # type: ignore[misc]  # transformers is untyped here
        """Takes the slots in order; its optimizer may be Muon."""

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            return SequentialSampler(self.train_dataset)

        def _get_num_items_in_batch(self, batches: Any, device: Any) -> Any:
            if settings.loss != "token":
                return divisor(batches, settings.loss, device, copies=settings.sequence_parallel)
            counted = super()._get_num_items_in_batch(batches, device)
            return counted if group is None else counted // group.size

        def compute_loss(self, model: Any, inputs: Any, *given: Any, **keywords: Any) -> Any:
            if not is_ours:
                return super().compute_loss(model, arranged(inputs), *given, **keywords)
            # DeepSpeed and DDP take the mean of the ranks' gradients.
            scale = self.accelerator.num_processes / keywords["num_items_in_batch"]
            return self._own_loss(model, inputs) * scale

        def _own_loss(self, model: Any, inputs: Any) -> Any:
            """Sum over this rank's trained tokens of -log p, of a batch or of its slice; `model` may be wrapped."""
            batch = arranged(inputs)
            if group is not None:
                batch = group.part_of(batch)
            if settings.chunked_loss == "on":
                return chunked_loss(model, self.model, batch)
            return whole_loss(model, batch)

        def summed_loss(self, model: Any, inputs: Any) -> Any:
            """The same over all of a batch's trained tokens, without gradients."""
            own = self._own_loss(model, inputs)
            return own if group is None else group.total(own)

        def create_optimizer(self, *given: Any) -> Any:
            if settings.optimizer != "muon":
                if settings.rates:
                    kind, numbers = self.get_optimizer_cls_and_kwargs(self.args, self.model)
                    decayed = self.get_decay_parameter_names(self.model)
                    self.optimizer: Any = kind(grouped(self.model, settings, decayed), **numbers)
                return super().create_optimizer(*given)
            from mixwright_runtime.training.muon import MuonWithAdamW

            self.optimizer = MuonWithAdamW(
                self.model.named_parameters(),
                muon_learning_rate=settings.muon_learning_rate,
                learning_rate=settings.learning_rate,
                weight_decay=settings.weight_decay,
                betas=settings.betas,
                epsilon=settings.eps or EPSILON,
            )
            return self.optimizer

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            share = partial(
                share_of_rate,
                steps=num_training_steps,
                warmup=round(settings.warmup * num_training_steps),
                schedule=settings.schedule,
                decay=settings.decay,
                least=(settings.min_learning_rate or 0.0) / (settings.learning_rate or 1.0),
            )
            self.lr_scheduler: Any = LambdaLR(optimizer or self.optimizer, share)
            self._created_lr_scheduler = True
            return self.lr_scheduler

    trainer = SlotTrainer(
        model=model,
        args=arguments,
        train_dataset=Slots(slots, micro=layout.micro, sharing=settings.sequence_parallel),
        data_collator=lambda bins: batch_of(packed, bins, by_example=settings.loss == "example"),
        callbacks=[
            curve_callback(directory / "curve.jsonl", packed, slots, layout, is_sum=settings.loss == "sum"),
            pause_callback(directory / "STOP", pause_after),
        ],
    )
    if is_ours:
        trainer.model_accepts_loss_kwargs = True
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    return trainer


def _save_whole(trainer: Any, tokenizer: Any, packed: Packed, place: Path) -> float:
    """Write model and tokenizer; returns the loss of the first bins. Every rank takes part."""
    loss = _probe_loss(trainer, packed)
    config = trainer.model.config
    # Off while training; saved so, every reader would generate without a cache.
    before, config.use_cache = config.use_cache, True
    trainer.save_model(str(place))
    config.use_cache = before
    if _rank() == 0:
        tokenizer.save_pretrained(place)
    return loss


def _save_candidate(trainer: Any, tokenizer: Any, packed: Packed, place: Path) -> None:
    """Write a model that may be the best, whole or not at all, with the loss that it is checked by."""
    partial = place.with_name(f"{place.name}.partial")
    if _rank() == 0:
        shutil.rmtree(partial, ignore_errors=True)
    _barrier()
    was_training = trainer.model_wrapped.training
    loss = _save_whole(trainer, tokenizer, packed, partial)
    trainer.model_wrapped.train(was_training)
    _barrier()
    if _rank() == 0:
        write_state(partial / PROBE, {"loss": loss})
        shutil.rmtree(place, ignore_errors=True)
        partial.rename(place)


def _last_checkpoint(directory: Path) -> int:
    from mixwright_runtime.training.launch import last_checkpoint

    found = last_checkpoint(directory / "checkpoints")
    return found.step if found else 0


def _probe_loss(trainer: Any, packed: Packed) -> float:
    """Loss per trained token of the first bins, to compare with the saved weights; every rank takes part."""
    import torch

    model = trainer.model_wrapped
    model.eval()
    with torch.no_grad():
        batch = {name: value.to(trainer.args.device) for name, value in probe_batch(packed).items()}
        count = (batch["labels"][:, 1:] != IGNORED).sum()
        return float(trainer.summed_loss(model, batch) / count)


def _start_processes(settings: TrainSettings) -> None:
    import torch

    is_cpu = not torch.cuda.is_available()
    if settings.zero:
        import deepspeed

        if is_cpu:
            import deepspeed.ops

            deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
            deepspeed.init_distributed(dist_backend="gloo", verbose=False)
        else:
            deepspeed.init_distributed(verbose=False)


def _meet() -> None:
    """Let every rank answer once before anything is loaded: one that cannot is named, where NCCL would hang.

    Raises:
        RuntimeError: some ranks did not answer in time; it says which.
    """
    import torch.distributed as distributed

    if not distributed.is_initialized() or distributed.get_world_size() == 1:
        return
    group = distributed.new_group(backend="gloo", timeout=MEETING)
    distributed.monitored_barrier(group, timeout=MEETING, wait_all_ranks=True)
    distributed.destroy_process_group(group)


def _has_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _rank() -> int:
    return int(os.environ.get("RANK", "0"))


def _barrier() -> None:
    import torch.distributed as distributed

    if distributed.is_initialized():
        distributed.barrier()


def _leave() -> None:
    import torch.distributed as distributed

    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _end_with_the_launcher() -> None:
    """Leave when the launcher is gone, however it went: a rank without one would train on unseen."""
    launcher = int(os.environ.get(LAUNCHER_PID, "0"))
    if not launcher:
        return

    def watch() -> None:
        while True:
            try:
                os.kill(launcher, 0)
            except ProcessLookupError:
                os._exit(3)
            except PermissionError:
                pass
            time.sleep(1.0)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
