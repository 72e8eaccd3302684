"""Models before and after a job: a fresh one's weights, and the saved one's against the trained one's."""

from __future__ import annotations

import shutil
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mixwright_runtime.errors import RunError
from mixwright_runtime.training.new_tokens import write_widened
from mixwright_runtime.training.preflight import config_of
from mixwright_runtime.training.settings import TrainSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_PROBE_LIMIT_BYTES = 4 * 1024**3
"""Weights over this size are checked by their shapes alone: a second copy may not fit beside the store."""


def write_start(settings: TrainSettings, tokenizer: PreTrainedTokenizerBase, directory: Path) -> None:
    """Write the model that a job in this directory starts from, where it is not the base as it is; once."""
    initial = directory / "initial"
    if initial.exists():
        return
    if settings.architecture is not None:
        write_initial(settings, tokenizer, initial)
    elif settings.new_tokens is not None:
        write_widened(settings, tokenizer, initial)


def start_config(settings: TrainSettings, tokenizer: PreTrainedTokenizerBase) -> Any:
    """Configuration of the model that a job starts from."""
    if settings.architecture is None:
        return config_of(settings)
    from transformers import LlamaConfig

    sizes = settings.architecture
    return LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=sizes.hidden,
        intermediate_size=sizes.ffn,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.kv_heads,
        max_position_embeddings=settings.context,
        tie_word_embeddings=sizes.tie,
        initializer_range=settings.init_std,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def write_initial(settings: TrainSettings, tokenizer: PreTrainedTokenizerBase, directory: Path) -> None:
    """Write a Llama of the settings' architecture, drawn under the seed with deviation `init_std`, and its tokenizer.

    The directory is there whole or not at all.
    It is written rather than built by each rank so that ZeRO-3 loads fresh and given weights the same way.
    """
    import torch
    from transformers import LlamaForCausalLM

    partial = directory.with_name(directory.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    tokenizer.save_pretrained(partial)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        LlamaForCausalLM(start_config(settings, tokenizer)).save_pretrained(partial)
    partial.rename(directory)


def base_digest(settings: TrainSettings) -> str:
    """Hex digest of the weights that training starts from; of the settings where those are drawn or pinned by a hub."""
    if settings.architecture is not None or not settings.is_local:
        return f"{settings.place}@{settings.revision}"
    hashed = blake2b(digest_size=16)
    place = Path(settings.place)
    files = sorted(place.glob("*.safetensors"))
    if not files:
        raise RunError(f"{place} has no safetensors; weights in other formats are not loaded")
    for file in [place / "config.json", *files]:
        with file.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                hashed.update(chunk)
    return hashed.hexdigest()


def parameter_count(directory: Path) -> int:
    """Parameters in a directory's safetensors; tied ones count once."""
    return sum(size for _, size in _tensors(directory))


def _tensors(directory: Path) -> list[tuple[str, int]]:
    from math import prod

    from safetensors import safe_open

    found = []
    for file in sorted(directory.glob("*.safetensors")):
        with safe_open(str(file), "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - not a mapping
                found.append((name, prod(tensors.get_slice(name).get_shape())))
    return found


def merge_adapter(directory: Path, base: str, revision: str) -> None:
    """Turn a directory with a saved adapter into one with the whole model; the adapter goes to `adapter/`."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    adapter = directory / "adapter"
    adapter.mkdir(exist_ok=True)
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        (directory / name).replace(adapter / name)
    options = {"revision": revision} if revision else {}
    model = AutoModelForCausalLM.from_pretrained(base, dtype="auto", use_safetensors=True, **options)
    PeftModel.from_pretrained(model, str(adapter)).merge_and_unload().save_pretrained(directory)


def finish_weights(directory: Path, save_as: str) -> bool:
    """Rewrite a saved model's weights in the number format `save_as`; returns whether they were in another."""
    import torch
    from transformers import AutoModelForCausalLM

    dtype = torch.bfloat16 if save_as == "bf16" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(directory, dtype="auto", use_safetensors=True)
    if model.dtype == dtype:
        return False
    model.to(dtype).save_pretrained(directory)
    return True


def check_saved(directory: Path, packed: Path, expected_loss: float, *, tolerance: float = 0.05) -> float:
    """Load the saved model as a user would and compare its loss on the first bins; returns that loss.

    Raises:
        RunError: a tensor is empty, or the loss differs by more than `tolerance` of it (and 0.02): bf16 weights round,
            wrong ones differ by far more.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    empty = [name for name, size in _tensors(directory) if size == 0]
    if empty:
        raise RunError(
            f"the saved model is broken: {len(empty)} empty tensors, first {empty[0]}, in {directory}"
        )
    if sum(file.stat().st_size for file in directory.glob("*.safetensors")) > _PROBE_LIMIT_BYTES:
        return expected_loss
    import torch

    from mixwright_runtime.training.batches import probe_batch
    from mixwright_runtime.training.packed import open_packed

    AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, use_safetensors=True).eval()
    with torch.inference_mode():
        loss = float(model(**probe_batch(open_packed(packed)), use_cache=False).loss)
    if not abs(loss - expected_loss) <= max(0.02, tolerance * expected_loss):
        raise RunError(
            f"the saved model differs from the trained one: loss {loss:.4f} after reloading, {expected_loss:.4f} "
            f"before; kept in {directory}"
        )
    return loss
