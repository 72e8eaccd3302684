"""What loading a checkpoint leaves wrong when another number of ranks wrote it, put right before the first step.

Each was found with deepspeed 0.19, whose ZeRO-3 loads a universal checkpoint so that

1. the states of all sub-groups share one tensor that counts Adam's steps, and each update counts it once for each of
   them: the averages are corrected for a step that is far ahead;
2. every group of parameters takes the first one's settings, so that norms and biases decay as matrices do.

And with transformers 5.19, which restores a random state to the rank that saved it: one that finds none would draw the
first steps' dropout again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def resumed_callback(checkpoint: Path, *, is_universal: bool, seed: int) -> Any:
    """A callback that puts right what was loaded from `checkpoint`. is_universal: other ranks wrote it.

    Its attribute `trainer` must be set: the optimizer is the wrapped model's.
    """
    import torch
    from transformers import TrainerCallback

    class Resumed(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
        trainer: Any = None

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            # A rank that has a saved random state takes it after this.
            torch.manual_seed(seed + state.global_step)
            if is_universal:
                optimizer = self.trainer.model_wrapped.optimizer.optimizer
                give_own_states(optimizer)
                give_own_settings(optimizer, saved_groups(checkpoint))

    return Resumed()


def give_own_states(optimizer: Any) -> None:
    """Make every tensor of an optimizer's states its own, where several states share one."""
    import torch

    seen: set[int] = set()
    for state in optimizer.state.values():
        for name, value in state.items():
            if torch.is_tensor(value):
                if id(value) in seen:
                    state[name] = value.clone()
                seen.add(id(value))


def give_own_settings(optimizer: Any, saved: list[dict[str, Any]]) -> None:
    """Give each group of parameters the settings (rate, decay, betas …) that it was saved with."""
    for group, own in zip(optimizer.param_groups, saved, strict=True):
        group.update({name: value for name, value in own.items() if name != "params"})


def saved_groups(checkpoint: Path) -> list[dict[str, Any]]:
    """The groups of parameters of a converted checkpoint, in the optimizer's order."""
    import torch

    tag = (checkpoint / "latest_universal").read_text(encoding="utf-8").strip()
    # Written by this job's own ranks; DeepSpeed, too, reads it whole.
    held = torch.load(
        checkpoint / tag / "zero" / "optimizer_state.pt", map_location="cpu", weights_only=False
    )
    groups: list[dict[str, Any]] = held["param_groups"]
    return groups
