"""The inside of a process that holds a model: as `process.py`, without its limits. The memory of a GPU counts as address
space, and its driver may open sockets; what runs here is no model output.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mixwright_runtime.workers.process import answer_jobs

_OF_DEVICES = (
    *("CUDA_", "CUBLAS_", "NVIDIA_", "LD_LIBRARY_PATH"),
    *("PYTORCH_", "TORCH_", "ATEN_", "MKL_", "DNNL_", "ONEDNN_"),
)
"""How variables begin that say how a model is loaded and computed with."""


def serve() -> None:
    """Answer jobs on standard input until it ends."""
    answer_jobs()


def devices() -> list[Mapping[str, str]]:
    """What the environments of such processes have, one for each GPU that this process sees; one where it sees none."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(_OF_DEVICES)}
    seen = kept.get("CUDA_VISIBLE_DEVICES")
    if seen is None:
        gpus = [str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]
    else:
        gpus = [gpu.strip() for gpu in seen.split(",") if gpu.strip() not in ("", "-1")]
    return [{**kept, "CUDA_VISIBLE_DEVICES": gpu} for gpu in gpus] or [kept]
