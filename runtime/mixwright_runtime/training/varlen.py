"""Scaled-dot-product attention of each packed example by itself, for models that take their attention from outside.

A mask of all pairs of places costs arithmetic for pairs that never see each other, and its own memory (17 GB at 128k).
Here a batch's examples, told apart by positions that begin anew, are cut out and given to PyTorch one by one, so that
it takes the kernel that needs no mask. What is not plain causal attention of whole sequences (padding, a cache, a
sliding window, an overlay of blocks) is left to `sdpa` and its mask.
"""

from __future__ import annotations

from typing import Any

NAME = "mixwright_varlen"


def register() -> str:
    """Make the kernel known to `transformers`; returns its name there."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, _attention)
    AttentionMaskInterface.register(NAME, _mask)
    return NAME


def _mask(**given: object) -> Any:
    """The mask that `sdpa` would take; None where positions alone say what sees what."""
    from transformers.masking_utils import sdpa_mask

    is_plain = (
        given.get("attention_mask") is None
        and given["q_length"] == given["kv_length"]
        and not given.get("q_offset")
        and given.get("local_size") is None
        and not given.get("use_vmap")
    )
    return None if is_plain else sdpa_mask(**given)


def _attention(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any = None, **named: Any
) -> tuple[Any, None]:
    """query, key, value: (batch, heads, tokens, head); returns (batch, tokens, heads, head).

    Raises:
        NotImplementedError: the model's attention has more than `sdpa` computes.
    """
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward as sdpa

    extra = [name for name in ("s_aux", "softcap") if named.get(name) is not None]
    if extra:
        raise NotImplementedError(f"scaled-dot-product attention has no {', '.join(extra)}")
    positions = named.get("position_ids")
    is_apart = (
        attention_mask is None
        and positions is not None
        and positions.ndim == 2
        and query.shape[2] == key.shape[2] == positions.shape[1]
        and named.get("position_bias") is None
        and named.get("is_causal") is not False
        and getattr(module, "is_causal", True)
    )
    if not is_apart:
        return sdpa(module, query, key, value, attention_mask, **named)  # type: ignore[no-any-return]
    lengths = _lengths(positions, len(query))
    if len(lengths) == len(query):
        return sdpa(module, query, key, value, None, **named)  # type: ignore[no-any-return]

    def examples(tensor: Any) -> Any:
        # One row of all tokens, then its examples: a split has a gradient without copies of the whole.
        return tensor.transpose(0, 1).flatten(1, 2).split(lengths, dim=1)

    parts = [
        sdpa(module, q[None], k[None], v[None], None, **named)[0]
        for q, k, v in zip(examples(query), examples(key), examples(value), strict=True)
    ]
    return torch.cat(parts, dim=1).reshape(len(query), query.shape[2], *parts[0].shape[2:]), None


_latest: tuple[Any, int, list[int]] | None = None


def _lengths(positions: Any, rows: int) -> list[int]:
    """Lengths of the examples of all rows, in order. All layers of a model ask for the same positions."""
    global _latest
    latest = _latest
    if latest is not None and latest[0] is positions and latest[1] == rows:
        return latest[2]
    begins = (positions.expand(rows, -1) == 0).clone()
    begins[:, 0] = True
    starts = begins.flatten().nonzero().flatten().tolist()
    lengths = [end - start for start, end in zip(starts, [*starts[1:], begins.numel()], strict=True)]
    _latest = positions, rows, lengths
    return lengths
