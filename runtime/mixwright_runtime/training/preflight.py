"""Whether an architecture keeps packed sequences apart, and whether its loss can be computed in chunks and its sequences
on several ranks.

`transformers` derives the borders from the positions, but some architectures never pass the positions on to their
attention mask (opt, bloom, gpt_oss with eager attention, falcon ...). They train on without an error while every
sequence sees its neighbours. Those with a state (Mamba and the like) carry it from one sequence into the next. What could
not be tried is not taken for right.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mixwright_compiler.hardware.shape import sharing
from mixwright_runtime.errors import RunError, not_loaded
from mixwright_runtime.training.attention import refuse_attention
from mixwright_runtime.training.settings import TrainSettings
from mixwright_runtime.training.trials import (
    Unknown,
    chunking_error_of,
    kernel_error_of,
    leak_of,
    sharing_error_of,
)

if TYPE_CHECKING:
    from transformers import PretrainedConfig

LEAK_LIMIT = 1e-4
"""Relative difference of logits, separate against packed: below 1e-5 where nothing leaks, above 0.01 where it does."""
BF16_LIMIT = 0.02
"""The same of a kernel that computes in bf16, of which a number has eight bits."""
CHUNKING_LIMIT = 1e-5
"""Relative difference of loss and gradients, whole against in chunks, in fp32: 1e-6 where the same is computed."""


def check_attention(settings: TrainSettings) -> None:
    """Refuse an attention kernel that cannot run here, or with which the model gives other logits.

    Raises:
        RunError: it says why, and what would run.
    """
    refuse_attention(settings)
    if settings.attention == "auto":
        return
    config = _architecture_of(settings)
    named = f"`attention = {settings.attention}` of architecture '{config.model_type}'"
    try:
        error = kernel_error_of(config, settings.attention)
    except Unknown as unknown:
        raise RunError(f"{named} could not be tried: {unknown}; write `attention = auto`") from unknown
    limit = BF16_LIMIT if settings.attention == "flash" else LEAK_LIMIT
    if not error <= limit:
        raise RunError(
            f"{named} gives other logits than plain matrices: by {error:.2g} of the largest, {limit:.0e} is allowed; "
            "write `attention = auto`"
        )


def check_sharing(settings: TrainSettings) -> None:
    """Refuse `sequence_parallel` where heads do not divide, or where a cut sequence gives other logits.

    settings: with `packing` decided.

    Raises:
        RunError: it says why, and what would run.
    """
    size = settings.sequence_parallel
    if size == 1:
        return
    config = _architecture_of(settings).get_text_config()
    sizes = settings.architecture
    heads = sizes.heads if sizes else getattr(config, "num_attention_heads", size)
    kv_heads = sizes.kv_heads if sizes else getattr(config, "num_key_value_heads", None) or heads
    if heads % size or kv_heads % size:
        raise RunError(
            f"`sequence_parallel = {size}` does not divide the heads of attention, of which '{config.model_type}' has "
            f"{heads} for queries and {kv_heads} for keys: write `sequence_parallel = {sharing(heads, kv_heads, size)}`"
        )
    named = f"`sequence_parallel = {size}` with architecture '{config.model_type}'"
    try:
        error = sharing_error_of(config, settings.attention, is_packed=settings.packing == "best_fit")
    except Unknown as unknown:
        raise RunError(f"{named} could not be tried: {unknown}; write `sequence_parallel = 1`") from unknown
    limit = BF16_LIMIT if settings.attention == "flash" else LEAK_LIMIT
    if not error <= limit:
        raise RunError(
            f"{named} gives other logits than whole sequences, by {error:.2g} of the largest, {limit:.0e} is allowed: "
            "something but its attention looks at earlier tokens; write `sequence_parallel = 1`"
        )


def with_chunks(settings: TrainSettings) -> tuple[TrainSettings, str]:
    """The settings with `chunked_loss` decided, and why `auto` computes the loss whole where it does.

    Raises:
        RunError: `on`, with an architecture whose head cannot be taken apart.
    """
    if settings.chunked_loss == "off":
        return settings, ""
    adapted = settings.lora.layers if settings.lora else ()
    config = _architecture_of(settings)
    try:
        error = chunking_error_of(config, adapted)
    except Unknown as unknown:
        found = (
            f"whether the loss of architecture '{config.model_type}' can be computed in chunks is not known: "
            f"{unknown}"
        )
    else:
        if error <= CHUNKING_LIMIT:
            return replace(settings, chunked_loss="on"), ""
        found = (
            f"computed in chunks, the loss of architecture '{config.model_type}' or a gradient would be off by "
            f"{error:.2g} of the largest, {CHUNKING_LIMIT:.0e} is allowed"
        )
    if settings.chunked_loss == "auto":
        return replace(settings, chunked_loss="off"), f"{found}; it is computed whole"
    raise RunError(f"{found}; write `chunked_loss = off`, or `chunked_loss = auto`")


def _takes_varlen(config: PretrainedConfig) -> bool:
    """Does an architecture have the same logits, packed and not, with each example's attention by itself?"""
    try:
        return max(kernel_error_of(config, "varlen"), leak_of(config, "varlen")) <= LEAK_LIMIT
    except Unknown:
        return False


def _architecture_of(settings: TrainSettings) -> Any:
    if settings.architecture is None:
        return config_of(settings)
    from transformers import LlamaConfig

    return LlamaConfig()


def config_of(settings: TrainSettings) -> Any:
    """Configuration of a job's base.

    Raises:
        RunError: it cannot be read.
    """
    from transformers import AutoConfig

    revision = {"revision": settings.revision} if settings.revision else {}
    try:
        return AutoConfig.from_pretrained(settings.place, trust_remote_code=False, **revision)
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{settings.place} cannot be trained: {not_loaded(error)}") from error


def with_packing(settings: TrainSettings, *, is_ours: bool = True) -> tuple[TrainSettings, str]:
    """The settings with `packing` decided, and the kernel of attention with it, and why `auto` pads where it does.

    is_ours: is it trained here? Another trainer has no kernel of ours.

    Raises:
        RunError: `best_fit`, with an architecture that lets packed examples see each other, or may.
    """
    if settings.packing == "none":
        return settings, ""
    config = _architecture_of(settings)
    try:
        leak = leak_of(config, settings.attention)
    except Unknown as error:
        found = (
            f"whether architecture '{config.model_type}' keeps packed examples apart is not known: {error}"
        )
    else:
        limit = BF16_LIMIT if settings.attention == "flash" else LEAK_LIMIT
        if leak <= limit:
            is_varlen = is_ours and settings.attention == "auto" and _takes_varlen(config)
            attention = "varlen" if is_varlen else settings.attention
            return replace(settings, packing="best_fit", attention=attention), ""
        found = (
            f"architecture '{config.model_type}' lets packed examples see each other: logits differ by {leak:.2g} of "
            f"the largest, {limit:.0e} is allowed"
        )
    if settings.packing == "auto":
        return replace(settings, packing="none"), f"{found}; examples are padded"
    raise RunError(f"{found}; write `packing = none`, or `packing = auto` to pad where packing is not exact")
