"""What a training run tells while it goes on: the curve, and the checkpoint it pauses at."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from mixwright_compiler.hardware.machines import machine_of_device
from mixwright_runtime.training.encode import IGNORED
from mixwright_runtime.training.packed import Packed
from mixwright_runtime.training.schedule import EMPTY, Layout
from mixwright_runtime.training.state import read_lines, write_lines, write_state
from mixwright_runtime.training.tensorboard import EventFile

COMPLETE = "COMPLETE"
"""File in a checkpoint that every rank finished writing; holds the number of ranks as JSON."""
FAILED = "failed."
"""Start of the name of the file in which a failing rank leaves its traceback; the rank follows."""
LAUNCHER_PID = "MIXWRIGHT_LAUNCHER_PID"
"""Environment variable by which ranks know who started them."""


_LINE = {"step": int, "loss": float, "tokens_per_s": float, "seconds": float}


def read_curve(path: Path) -> list[dict[str, Any]]:
    """The complete lines of a curve, in order of steps; empty when there is none.

    Raises:
        Damaged: a line holds something else.
    """
    what_to_do = "delete it, and the same command goes on; the losses of earlier steps are then gone"
    return read_lines(path, _LINE, what_to_do=what_to_do)


def curve_callback(path: Path, packed: Packed, slots: Any, layout: Layout, *, is_sum: bool = False) -> Any:
    """A callback with which rank 0 appends a line for each step to `path`.

    is_sum: the loss that is trained on is a sum over tokens. A line: step, loss (mean per trained token, or per example's
    mean under `loss = example`), learning_rate, grad_norm (before clipping), tokens and trained_tokens of
    the step, tokens_per_s (of the step's wall time), seconds since this process began to train, memory_bytes (the most
    that this rank's GPU, or on a CPU its process, has held), and mfu where the GPU's peak is known: 6 times the
    parameters times the examples' own tokens a second, over the peak of all ranks. A run that resumes drops the lines
    after its checkpoint first. The same goes to `tensorboard/` beside `path`.
    """
    from transformers import TrainerCallback

    class Curve(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
        def __init__(self) -> None:
            self._began = self._last = time.monotonic()
            self._operations = 0.0
            self._peak: float | None = None
            self._events: EventFile | None = None

        def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:
            self._began = self._last = time.monotonic()
            if state.is_world_process_zero:
                kept = [line for line in read_curve(path) if line["step"] <= state.global_step]
                write_lines(path, kept)
                self._events = EventFile(path.parent / "tensorboard", started_at=time.time())
                self._operations = 6.0 * _parameters(given["model"])
                self._peak = _peak_of(args.device, args.world_size)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if not state.is_world_process_zero or "loss" not in (logs or {}):
                return
            at = (state.global_step - 1) * layout.slots
            bins = [int(b) for b in slots[at : at + layout.slots] if b != EMPTY]
            now = time.monotonic()
            tokens = int(packed.used[bins].sum())
            trained = int((packed.labels[bins] != IGNORED).sum())
            line = {
                "step": state.global_step,
                "loss": float(logs["loss"]) / (trained if is_sum else 1),
                "learning_rate": float(logs["learning_rate"]),
                "grad_norm": float(logs.get("grad_norm") or 0.0),
                "tokens": tokens,
                "trained_tokens": trained,
                "tokens_per_s": round(tokens / max(1e-9, now - self._last), 1),
                "seconds": round(now - self._began, 3),
                "memory_bytes": _memory_bytes(args.device),
            }
            if self._peak is not None:
                line["mfu"] = round(self._operations * line["tokens_per_s"] / self._peak, 4)
            self._last = now
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            if self._events is not None:
                values = {f"train/{name}": float(value) for name, value in line.items() if name != "step"}
                self._events.scalars(line["step"], time.time(), values)

    return Curve()


def _parameters(model: Any) -> int:
    """All parameters of a model, also where ZeRO-3 has taken them apart."""
    return sum(int(getattr(parameter, "ds_numel", parameter.numel())) for parameter in model.parameters())


def _peak_of(device: Any, ranks: int) -> float | None:
    """Floating-point operations a second of all ranks' GPUs; None on a CPU or an unknown GPU."""
    if device.type != "cuda":
        return None
    import torch

    properties = torch.cuda.get_device_properties(device)
    machine = machine_of_device(properties.name, properties.total_memory)
    return None if machine is None else machine.peak * ranks


def _memory_bytes(device: Any) -> int:
    if device.type == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    return peak_resident_bytes()


def peak_resident_bytes() -> int:
    """The most memory that this process has held.

    By Linux' own count for its present program: `ru_maxrss` begins with what the parent held when it forked, which for a
    rank is the launcher's.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource
        import sys

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def pause_callback(stop: Path, pause_after: int) -> Any:
    """A callback that ends the run at a checkpoint once `stop` exists or `pause_after` steps are done (0: never).

    It also marks a checkpoint as complete when every rank has written its part, so that a run killed while
    saving resumes from the one before.
    """
    import torch
    import torch.distributed as distributed
    from transformers import TrainerCallback

    class Pause(TrainerCallback):  # type: ignore[misc]  # transformers is untyped here
        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            wanted = state.is_world_process_zero and stop.exists()
            if distributed.is_initialized():
                # Rank 0 decides for all: a file that appears between two looks would split them.
                flag = torch.tensor([int(wanted)], device=args.device)
                distributed.broadcast(flag, src=0)
                wanted = bool(flag.item())
            if wanted or (pause_after and state.global_step >= pause_after):
                control.should_save = True
                control.should_training_stop = True

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if distributed.is_initialized():
                distributed.barrier()
            if state.is_world_process_zero:
                ranks = int(os.environ.get("WORLD_SIZE", "1"))
                place = Path(args.output_dir) / f"checkpoint-{state.global_step}"
                write_state(place / COMPLETE, {"ranks": ranks})

    return Pause()
