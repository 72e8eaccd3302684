"""One rank among the processes of a job: how they meet, wait for each other and leave.

Three things are arranged for CPU ranks; each was found to be needed with deepspeed 0.19 and accelerate 1.15:

1. `deepspeed.init_distributed` comes before `TrainingArguments`: accelerate starts DeepSpeed only on GPUs.
2. The shared-memory op is switched off: it is compiled at start, takes minutes, and only inference uses it.
3. The process leaves by `os._exit` after a barrier: a gloo thread aborts about one regular exit in four.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from datetime import timedelta

from mixwright_runtime.training.curve import LAUNCHER_PID
from mixwright_runtime.training.settings import TrainSettings

MEETING = timedelta(seconds=120)
"""How long ranks may take to answer each other at the start."""


def start_processes(settings: TrainSettings) -> None:
    """Let the ranks find each other, as the settings share the model."""
    if settings.zero:
        import deepspeed

        if has_gpu():
            deepspeed.init_distributed(verbose=False)
        else:
            import deepspeed.ops

            deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
            deepspeed.init_distributed(dist_backend="gloo", verbose=False)


def meet() -> None:
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


def has_gpu() -> bool:
    """Whether this machine has a GPU that torch can use."""
    import torch

    return bool(torch.cuda.is_available())


def rank() -> int:
    """This process's number among all."""
    return int(os.environ.get("RANK", "0"))


def barrier() -> None:
    """Wait for the other ranks."""
    import torch.distributed as distributed

    if distributed.is_initialized():
        distributed.barrier()


def leave() -> None:
    """End this process with status 0, together with the others."""
    import torch.distributed as distributed

    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def end_with_the_launcher() -> None:
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
