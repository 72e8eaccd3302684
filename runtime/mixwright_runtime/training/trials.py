"""What an architecture does with packed or cut sequences and with a loss in chunks: tried on a small model of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from mixwright_runtime.training.attention import implementation, placed

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_SMALL = {
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "vocab_size": 97,
    "n_embd": 64,
    "n_head": 4,
    "ffn_dim": 64,
    "word_embed_proj_dim": 64,
    "rotary_dim": 8,
    "num_kv_shared_layers": 0,
    "num_local_experts": 2,
    "num_experts": 2,
    "n_routed_experts": 2,
    "num_experts_per_tok": 1,
    "moe_intermediate_size": 64,
    "vocab_size_per_layer_input": 97,
    "hidden_size_per_layer_input": 8,
}
_LATENT = {
    "kv_lora_rank": 16,
    "q_lora_rank": 16,
    "qk_rope_head_dim": 16,
    "qk_nope_head_dim": 16,
    "qk_head_dim": 32,
    "v_head_dim": 16,
    "head_dim": 16,
    "n_group": 1,
    "topk_group": 1,
    "moe_topk": 1,
}
"""Of architectures with latent attention, whose rotated part has a size of its own."""
_STATE = {
    "mamba_expand": 2,
    "mamba_d_ssm": 128,
    "mamba_n_heads": 4,
    "mamba_d_head": 32,
    "mamba_d_state": 16,
    "mamba_n_groups": 1,
    "mamba_ngroups": 1,
    "mamba_dt_rank": 4,
    "n_mamba_heads": 4,
    "mamba_headdim": 32,
    "attention_hidden_size": 128,
    "attention_head_dim": 64,
    "adapter_rank": 8,
    "state_size": 16,
    "expand": 2,
    "num_heads": 4,
    "n_groups": 1,
    "time_step_rank": 4,
    "expert_layer_period": 2,
}
"""Of architectures with a state, alone or beside attention."""
_DEPTHS = ("num_hidden_layers", "n_layer", "num_layers")
_KINDS = ("layer_types", "layers_block_type", "block_types", "mlp_layer_types", "attention_layers")


class Unknown(Exception):
    """Whether an architecture keeps packed sequences apart could not be tried; the message says why."""


def leak_of(config: PretrainedConfig, attention: str = "auto") -> float:
    """Largest difference of a logit between sequences run one by one and packed in one row.

    attention: the kernel, by its name in `mixwright_runtime.training.attention`.

    Raises:
        Unknown: the architecture cannot be built small, or not with every kind of its layers.
    """
    return _measured(config, _leak_of, attention)


def kernel_error_of(config: PretrainedConfig, attention: str) -> float:
    """Largest relative difference of a logit between an attention kernel and plain matrices.

    Raises:
        Unknown: the architecture cannot be built small, or not with this kernel.
    """
    return _measured(config, partial(_kernel_error_of, attention=attention), attention)


def chunking_error_of(config: PretrainedConfig, adapted: Sequence[str] = ()) -> float:
    """Largest relative difference that computing the loss in chunks makes to it and to a gradient.

    adapted: ends of the names of layers that get adapters.

    Raises:
        Unknown: the architecture cannot be built small, or its head cannot be taken apart.
    """
    return _measured(config, partial(_chunking_error_of, adapted=adapted))


def sharing_error_of(config: PretrainedConfig, attention: str = "auto", *, is_packed: bool = True) -> float:
    """Largest relative difference of a logit that cutting sequences in two makes, each half on a rank of its own.

    Raises:
        Unknown: the architecture cannot be built small, or not be cut.
    """
    return _measured(config, partial(_sharing_error_of, is_packed=is_packed), attention)


def _measured(config: Any, measure: Callable[[Any], float], attention: str = "auto") -> float:
    """What `measure` finds at a small model of the configuration's architecture, with this kernel.

    It has random weights and at least one layer of each kind that the architecture has. Takes about 0.3 CPU-seconds and
    leaves the caller's random state alone.

    Raises:
        Unknown: the architecture cannot be built small, or not with every kind of its layers.
    """
    import torch
    from transformers import AutoModelForCausalLM

    config = config.get_text_config()
    wanted, reasons = _kinds_of(config), []
    for shrunk, sizes in (
        (_shrunk, _SMALL),
        (_shrunk, _SMALL | _LATENT),
        (_shrunk, _SMALL | _STATE),
        (_made_anew, _SMALL),
    ):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            try:
                small = shrunk(config, sizes)
                model = AutoModelForCausalLM.from_config(
                    small, dtype=torch.float32, attn_implementation=implementation(attention)
                ).eval()
                missing = wanted - _kinds_of(model.config)
                if not missing:
                    return measure(placed(model, attention))
                reasons.append(f"it has no layer of kind {', '.join(sorted(missing))}")
            except Exception as error:  # whatever an architecture raises when its sizes do not go together
                reasons.append(str(error).partition("\n")[0] or type(error).__name__)
    raise Unknown(f"no small model of it could be tried: {reasons[0]}")


def _shrunk(config: PretrainedConfig, sizes: Mapping[str, int]) -> Any:
    """A configuration of the same architecture with small sizes and as few layers as hold all kinds."""
    small = copy.deepcopy(config)
    depth = next((int(getattr(config, name)) for name in _DEPTHS if hasattr(config, name)), 0)
    kinds = list(zip(*_kinds_by_layer(config), strict=False))
    # The first layer of each kind; where that many are no prefix, all up to the last of them.
    first = [n for n, kind in enumerate(kinds) if kind not in kinds[:n]]
    if len(first) < 2:
        first = [0, 1][: max(1, depth)]
    chosen, count = first, len(first)
    if any(_is_fixed(small, name, [getattr(config, name)[n] for n in first]) for name in _listed(config)):
        chosen, count = list(range(max(first) + 1)), max(first) + 1
    for name, value in (*sizes.items(), *((name, count) for name in _DEPTHS)):
        if hasattr(small, name):
            with suppress(AttributeError):  # some derive it from the others
                setattr(small, name, value)
    for name, value in list(vars(small).items()):
        if depth > 2 and isinstance(value, list | tuple) and len(value) == depth:
            per_layer = [sizes.get(name, value[n]) for n in chosen]
            with suppress(AttributeError):
                setattr(small, name, per_layer)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        setattr(small, name, None)
    return small


def _made_anew(config: Any, sizes: Mapping[str, int]) -> Any:
    """The same from the class of the configuration, for those whose values cannot be set one by one."""
    layers = _kinds_by_layer(config)
    kinds = list(zip(*layers, strict=False))
    first = [n for n, kind in enumerate(kinds) if kind not in kinds[:n]] or [0]
    of_layers = {
        name: [values[n] for n in first] for name, values in zip(_listed(config), layers, strict=True)
    }
    known = config.to_dict()
    depth = {name: len(first) for name in _DEPTHS if name in known}
    given = {name: value for name, value in sizes.items() if name in known}
    window = {name: known[name] for name in ("sliding_window",) if known.get(name)}
    return type(config)(**given, **depth, **of_layers, **window)


def _listed(config: PretrainedConfig) -> list[str]:
    """The attributes that say of each layer what kind it is."""
    return [name for name in _KINDS if isinstance(getattr(config, name, None), list | tuple)]


def _kinds_by_layer(config: PretrainedConfig) -> list[list[str]]:
    return [[str(kind) for kind in getattr(config, name)] for name in _listed(config)]


def _kinds_of(config: PretrainedConfig) -> set[str]:
    return {kind for layers in _kinds_by_layer(config) for kind in layers}


def _is_fixed(config: PretrainedConfig, name: str, value: list[Any]) -> bool:
    """Is an attribute worked out from others, so that it cannot be set?"""
    try:
        setattr(copy.deepcopy(config), name, value)
    except AttributeError:
        return True
    return False


def _leak_of(model: Any) -> float:
    import torch

    device = next(model.parameters()).device
    sequences = [torch.randint(1, 97, (1, length)).to(device) for length in (5, 9, 3)]
    with torch.inference_mode():
        # Wide weights make attention matter; fresh ones barely look around.
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(3.0)
        apart = torch.cat([model(input_ids=s, use_cache=False).logits for s in sequences], dim=1)
        positions = torch.cat([torch.arange(s.shape[1])[None] for s in sequences], dim=1).to(device)
        packed = model(input_ids=torch.cat(sequences, dim=1), position_ids=positions, use_cache=False).logits
    return float((apart - packed).abs().max() / apart.abs().max().clamp(min=1e-6))


def _sharing_error_of(model: Any, *, is_packed: bool) -> float:
    import torch

    from mixwright_runtime.training.ulysses import Group, group_of_thread, in_threads, install

    device = next(model.parameters()).device
    lengths = (10, 9, 5) if is_packed else (24,)
    batch = {
        "input_ids": torch.randint(1, 97, (1, sum(lengths))).to(device),
        "position_ids": torch.cat([torch.arange(length) for length in lengths])[None].to(device),
    }
    batch["labels"] = batch["input_ids"]

    def half(group: Group) -> Any:
        with torch.inference_mode():
            part = group.part_of(batch)
            given = {name: part[name] for name in ("input_ids", "position_ids")}
            return model(**given, use_cache=False).logits

    with torch.inference_mode():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(3.0)
        whole = model(
            input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False
        ).logits
    undo = install(group_of_thread)
    try:
        halves = torch.cat(in_threads(2, half), dim=1)
    finally:
        undo()
    return float((halves - whole).abs().max() / whole.abs().max().clamp(min=1e-6))


def _kernel_error_of(model: Any, *, attention: str) -> float:
    import torch

    tokens = torch.randint(1, 97, (2, 12)).to(next(model.parameters()).device)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(3.0)
        chosen = model(input_ids=tokens, use_cache=False).logits
        model.set_attn_implementation("eager")
        plain = model(input_ids=tokens, use_cache=False).logits
    return float((chosen - plain).abs().max() / plain.abs().max().clamp(min=1e-6))


def _chunking_error_of(model: Any, *, adapted: Sequence[str]) -> float:
    import torch

    from mixwright_runtime.training.chunked import chunked_loss, head_of

    head = head_of(model)
    name = next(name for name, module in model.named_modules() if module is head)
    if any(name == layer or name.endswith(f".{layer}") for layer in adapted):
        raise TypeError("its head has adapters")
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(3.0)
    batch = {"input_ids": torch.randint(1, 97, (2, 12)), "labels": torch.randint(1, 97, (2, 12))}
    batch["labels"][0, :5] = -100
    count = int((batch["labels"][:, 1:] != -100).sum())
    found = []
    for is_whole in (True, False):
        model.zero_grad()
        loss = (
            model(**batch, use_cache=False).loss * count
            if is_whole
            else chunked_loss(model, model, batch, places=7)
        )
        torch.autograd.backward(loss)
        gradients = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        found.append((loss.detach()[None], torch.cat(gradients)))
    errors = [
        (whole - parts).abs().max() / whole.abs().max().clamp(min=1e-6)
        for whole, parts in zip(*found, strict=True)
    ]
    return float(torch.stack(errors).max())  # which is NaN where one is
