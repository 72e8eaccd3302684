"""The loop of a job: the `Trainer` of transformers with our order, loss, optimizer and schedule; DeepSpeed's set-up."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from mixwright_runtime.training.attention import one_row
from mixwright_runtime.training.batches import batch_of
from mixwright_runtime.training.chunked import chunked_loss
from mixwright_runtime.training.curve import curve_callback, pause_callback
from mixwright_runtime.training.groups import grouped
from mixwright_runtime.training.loss import divisor, whole_loss
from mixwright_runtime.training.packed import Packed
from mixwright_runtime.training.ranks import has_gpu
from mixwright_runtime.training.schedule import Layout, share_of_rate
from mixwright_runtime.training.settings import TrainSettings
from mixwright_runtime.training.ulysses import Group

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""AdamW's where the spec does not say."""


def arguments_of(
    directory: Path, settings: TrainSettings, layout: Layout, *, steps: int, is_universal: bool
) -> Any:
    """The `TrainingArguments` of a job. is_universal: other ranks wrote the checkpoint."""
    from transformers import TrainingArguments

    is_cpu = not has_gpu()
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
        stage["offload_optimizer"] = {"device": "cpu", "pin_memory": has_gpu()}
        # Else it wants its own CPU AdamW, which is compiled at start; torch's works on the host's tensors as well.
        config["zero_force_ds_cpu_optimizer"] = False
    if settings.offload == "all":
        stage["offload_param"] = {"device": "cpu", "pin_memory": has_gpu()}
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


def trainer_of(
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
    """The `Trainer` of a job, which takes the slots in order and computes the loss that the settings ask for."""
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
