"""Bytes that each GPU needs, by part.

    weights       2 P   bf16            divided by the GPUs under ZeRO-3
    gradients     2 T   bf16            divided under ZeRO-2 and 3
    optimizer    12 T   fp32 weights, first and second moment of AdamW; divided under ZeRO-1, 2 and 3; in the
                        host's memory with `offload`
    gathered      2 layers' bf16 weights, the one in work and the one fetched ahead; ZeRO-3 alone
    kept          2 B a token, unit of width and layer: the input of each layer, from which it is recomputed;
                  without recomputation 46 B a token, unit of width and layer
    working       the largest of: a layer's activations and their gradients (69 B a token and unit of width), and
                  the logits with their gradient (10 B a token and vocabulary entry); of a loss in chunks, 16 B a
                  vocabulary entry and place of one chunk, and the head's own gradient in fp32 and bf16
    mask          1 B a pair of token places of each packed sequence: which may see which, for attention that does not
                  know where an example ends

P parameters, T those that are trained (all of them, or LoRA's). Without ZeRO the weights themselves are fp32, under
autocast: 4 P, 4 T and 8 T, and 2 T of bf16 copies. The bytes a token were measured with hooks on saved tensors of 7B
and 65B Llamas under scaled-dot-product attention: 45.7 to 47.5 in a layer, times 1.5 with gradients; 5 to 6 for head and
loss, 10 with gradients. What is not in here (context, NCCL, fragmentation) is the difference between a card's nominal and
real size, see machines.py.
"""

from __future__ import annotations

from mixwright_compiler.hardware.shape import Shape
from mixwright_dsl.lazy_dataclass import dataclass

LAYER_BYTES = 46
LAYER_WORKING_BYTES = 69
LOGIT_BYTES = 10
CHUNK_PLACES = 1024
"""Token places of which the logits are there at once where the loss is computed in chunks."""
CHUNK_LOGIT_BYTES = 16
"""A place and vocabulary entry: bf16 logits, fp32 logits and logarithms, and the gradients of logits in both."""


@dataclass(frozen=True)
class Memory:
    """Bytes on each GPU by part; `host` is in the host's memory, for each GPU."""

    weights: float
    gradients: float
    optimizer: float
    gathered: float
    kept: float
    working: float
    mask: float = 0.0
    host: float = 0.0

    @property
    def total(self) -> float:
        """Bytes on the GPU."""
        return (
            self.weights
            + self.gradients
            + self.optimizer
            + self.gathered
            + self.kept
            + self.working
            + self.mask
        )


def memory_of(
    shape: Shape,
    *,
    gpus: int,
    tokens: int,
    zero: int = 3,
    recompute: bool = True,
    precision_bytes: int = 2,
    lora_rank: int = 0,
    offload: bool = False,
    masked: float = 0.0,
    chunked: bool = False,
) -> Memory:
    """What each of `gpus` GPUs needs for micro-batches of `tokens` token places, padding included.

    precision_bytes: 2 for bf16, 4 for fp32, which keeps no second copy of the weights. masked: pairs of token places that
    a mask tells apart. chunked: the loss is computed in chunks.
    """
    trained = shape.lora_parameters(lora_rank) if lora_rank else shape.parameters
    is_autocast = zero == 0 and precision_bytes == 2
    held_bytes = 4 if is_autocast else precision_bytes
    states = 12 if held_bytes == 2 else 8
    optimizer = states * trained / (gpus if zero >= 1 else 1)
    width = shape.hidden
    kept = (
        (precision_bytes if recompute else LAYER_BYTES * precision_bytes / 2) * tokens * width * shape.layers
    )
    logits = LOGIT_BYTES * tokens * shape.vocabulary
    if chunked:
        of_head = 0 if lora_rank else (4 + precision_bytes) * shape.vocabulary * width
        logits = CHUNK_LOGIT_BYTES * min(tokens, CHUNK_PLACES) * shape.vocabulary + of_head
    gathered = 2 * precision_bytes * shape.layer if zero == 3 and gpus > 1 else 0.0
    return Memory(
        weights=held_bytes * shape.parameters / (gpus if zero == 3 else 1),
        gradients=held_bytes * trained / (gpus if zero >= 2 else 1),
        optimizer=0.0 if offload else optimizer,
        gathered=2.0 * trained if is_autocast else float(gathered),
        kept=float(kept),
        working=float(max(LAYER_WORKING_BYTES * tokens * width, logits)),
        mask=masked,
        host=optimizer if offload else 0.0,
    )
