"""The loss of a causal model without the logits of all its tokens at once.

Logits, their copy in fp32 and their gradients are 42 of the 67 GB that a model of 8 billion parameters takes at 32k.
Here the model runs as it is up to its last layer, the head, which then takes `CHUNK_PLACES` token places after each
other, only those that are trained, and works out their loss and its gradient in the same pass, as Liger does (Hsu et al.
2024). Nothing is computed twice, and places without a label, padding and prompts, cost nothing: exact, for their part of
the loss and of every gradient is 0.

The head is called as the module that it is, so that ZeRO-3 gathers its weights once and not once a chunk, and tied
weights get both their gradients. What a model makes of its raw logits is repeated here (`shaped`); that loss and
gradients are the model's own is measured on a small one before any rank starts, see
`mixwright_runtime.training.preflight`.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from mixwright_compiler.hardware.memory import CHUNK_PLACES
from mixwright_runtime.training.encode import IGNORED
from mixwright_runtime.training.loss import NOT_THE_MODELS, predicted

if TYPE_CHECKING:
    from transformers import PretrainedConfig


def chunked_loss(model: Any, inner: Any, inputs: dict[str, Any], *, places: int = CHUNK_PLACES) -> Any:
    """Sum over trained tokens of weight times -log p, an fp32 scalar.

    model: what is called, maybe a wrapper for many ranks. inner: the `transformers` or `peft` model in it. inputs: as
    from `batch_of`; without `weights` each trained token weighs 1.
    """
    given = {name: value for name, value in inputs.items() if name not in NOT_THE_MODELS}
    labels, weights = predicted(inputs)
    is_trained = labels != IGNORED
    head, config = head_of(inner), inner.config.get_text_config()
    found: list[Any] = []

    def forward(hidden: Any) -> Any:
        return _summed().apply(
            hidden[is_trained],
            head.weight,
            head.bias,
            labels[is_trained],
            None if weights is None else weights[is_trained],
            config,
            places,
            _keeps_gradients(),
        )

    def take(module: Any, inputs: Any, loss: Any) -> Any:
        found.append(loss)
        return loss.detach().reshape(1, 1, 1)  # in the place of logits: the model still shapes them

    head.forward = forward
    # After ZeRO's own hooks, by which the backward pass gathers the weights again.
    hook = head.register_forward_hook(take)
    try:
        model(**given, use_cache=False)
    finally:
        hook.remove()
        del head.forward
    return found[0]


def head_of(inner: Any) -> Any:
    """The layer that makes logits.

    Raises:
        TypeError: it is not one linear layer.
    """
    import torch

    head = inner.get_output_embeddings()
    if not isinstance(head, torch.nn.Linear):
        raise TypeError(f"its head is {'missing' if head is None else f'a {type(head).__name__}'}")
    return head


def shaped(logits: Any, config: PretrainedConfig) -> Any:
    """Logits as the model gives them, of its head's: scaled (Cohere, Granite, Falcon-H1) or capped (Gemma)."""
    import torch

    for name, is_divisor in (("logit_scale", False), ("lm_head_multiplier", False), ("logits_scaling", True)):
        scale = getattr(config, name, None)
        if scale is not None:
            logits = logits / scale if is_divisor else logits * scale
    for name in ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap"):
        cap = getattr(config, name, None)
        if cap is not None:
            logits = torch.tanh(logits / cap) * cap
    return logits


def _keeps_gradients() -> bool:
    import torch

    return bool(torch.is_grad_enabled())


@cache
def _summed() -> Any:
    """The autograd function; made when first needed, for it is a class of torch's."""
    import torch

    class Summed(torch.autograd.Function):  # type: ignore[misc]  # torch is untyped here
        """hidden: (tokens, width), weight: (vocabulary, width), targets: (tokens,), weights: (tokens,) or None."""

        @staticmethod
        def forward(
            ctx: Any,
            hidden: Any,
            weight: Any,
            bias: Any,
            targets: Any,
            weights: Any,
            config: Any,
            places: int,
            is_learning: bool,
        ) -> Any:
            device = hidden.device.type
            dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
            wanted = [is_learning and needed for needed in ctx.needs_input_grad[:3]]
            # Sums over chunks are fp32, as they are within one product of bf16.
            of_hidden = torch.zeros_like(hidden) if wanted[0] else None
            of_weight = torch.zeros_like(weight, dtype=torch.float32) if wanted[1] else None
            of_bias = torch.zeros_like(bias, dtype=torch.float32) if wanted[2] else None
            total = torch.zeros((), dtype=torch.float32, device=hidden.device)
            with torch.autocast(device, enabled=False):
                matrix = weight.detach().to(dtype)
                for start in range(0, len(hidden), places):
                    chunk = slice(start, start + places)
                    taken = hidden[chunk].to(dtype)
                    raw = taken @ matrix.t()
                    if bias is not None:
                        raw += bias.to(dtype)
                    with torch.set_grad_enabled(any(wanted)):
                        raw.requires_grad_(any(wanted))
                        each = torch.nn.functional.cross_entropy(
                            shaped(raw, config).float(), targets[chunk], reduction="none"
                        )
                        part = (each if weights is None else each * weights[chunk]).sum()
                    total += part.detach()
                    if not any(wanted):
                        continue
                    (of_raw,) = torch.autograd.grad(part, raw)
                    del raw, each, part
                    if of_hidden is not None:
                        of_hidden[chunk] = of_raw @ matrix
                    if of_weight is not None and dtype == torch.float32:
                        of_weight.addmm_(of_raw.t(), taken)
                    elif of_weight is not None:
                        of_weight += of_raw.t() @ taken
                    if of_bias is not None:
                        of_bias += of_raw.sum(0)
            ctx.gradients = (
                of_hidden,
                None if of_weight is None else of_weight.to(weight.dtype),
                None if of_bias is None else of_bias.to(bias.dtype),
            )
            return total

        @staticmethod
        def backward(ctx: Any, given: Any) -> Any:
            found = [g if g is None else g.mul_(given.to(g.dtype)) for g in ctx.gradients]
            ctx.gradients = (None, None, None)
            return (*found, None, None, None, None, None)

    return Summed
