"""Which attention kernel a job runs with, and what this machine needs for it.

`flash` and `varlen` take packed examples as they are, by where each begins; the others are told by a mask, which `flex`
makes of blocks. `auto` is `varlen` for packed examples where a trial shows the logits of plain matrices
(`preflight.with_packing`), else the model's own choice: scaled-dot-product attention where it has it, else eager.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from mixwright_runtime.errors import RunError
from mixwright_runtime.training import varlen
from mixwright_runtime.training.encode import IGNORED
from mixwright_runtime.training.settings import TrainSettings

_NAMES = {
    "auto": None,
    "varlen": varlen.NAME,
    "flash": "flash_attention_2",
    "flex": "flex_attention",
    "sdpa": "sdpa",
    "eager": "eager",
}


def implementation(chosen: str) -> str | None:
    """What `transformers` calls a kernel; None is the model's own choice."""
    if chosen == "varlen":
        varlen.register()
    return _NAMES[chosen]


def refuse_attention(settings: TrainSettings) -> None:
    """Refuse a kernel that this machine or the job's numbers cannot run.

    Raises:
        RunError: it says what is missing, and what would run.
    """
    chosen = settings.attention
    if chosen not in ("flash", "flex"):
        return
    import torch

    or_else = "write `attention = sdpa`, or `attention = auto`"
    if not torch.cuda.is_available():
        raise RunError(
            f"`attention = {chosen}` needs a GPU, and this machine has none that PyTorch sees; {or_else}"
        )
    if chosen == "flash" and find_spec("flash_attn") is None:
        raise RunError(f"`attention = flash` needs: pip install flash-attn; or {or_else}")
    if chosen == "flash" and settings.precision != "bf16":
        raise RunError(
            f"`attention = flash` needs `precision = bf16` (has {settings.precision}); or {or_else}"
        )


def placed(model: Any, chosen: str) -> Any:
    """The model where, and in the numbers in which, the kernel runs."""
    import torch

    match chosen:
        case "flash":
            return model.to(device="cuda", dtype=torch.bfloat16)
        case "flex":
            return model.to(device="cuda")
        case _:
            return model


def one_row(inputs: dict[str, Any]) -> dict[str, Any]:
    """A batch's sequences in one row: `flash` looks for where examples begin only there."""
    labels = inputs["labels"].clone()
    labels[:, 0] = IGNORED  # the token before it belongs to another sequence now
    return {name: value.reshape(1, -1) for name, value in {**inputs, "labels": labels}.items()}
