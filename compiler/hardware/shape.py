"""The sizes of a model that decide what training it takes: from its configuration, or from a list of known ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Shape:
    """A decoder of the Llama kind: gated feed-forward, grouped key and value heads, RMS norms.

    tie: input and output embedding are one matrix. biases: on query, key and value (Qwen2). is_gated: the feed-forward
    part has three matrices, else two.
    experts, active_experts: of a mixture of experts; 1 and 1 for a dense model.
    """

    hidden: int
    layers: int
    heads: int
    kv_heads: int
    ffn: int
    vocabulary: int
    tie: bool = False
    head: int = 0
    """Size of a head; 0 is hidden / heads."""
    biases: bool = False
    experts: int = 1
    active_experts: int = 1
    is_gated: bool = True

    @property
    def expert(self) -> int:
        """Parameters of a layer's feed-forward part, or of one expert."""
        return (3 if self.is_gated else 2) * self.hidden * self.ffn

    @property
    def attention(self) -> int:
        """Parameters of a layer's attention."""
        head = self.head or self.hidden // self.heads
        queries, keys = self.heads * head, self.kv_heads * head
        return self.hidden * (2 * queries + 2 * keys) + (queries + 2 * keys if self.biases else 0)

    @property
    def layer(self) -> int:
        """Parameters of one layer with its two norms, all experts included."""
        router = self.hidden * self.experts if self.experts > 1 else 0
        return self.attention + self.expert * self.experts + router + 2 * self.hidden

    @property
    def embedding(self) -> int:
        """Parameters of the input embedding."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All parameters; a tied embedding counts once."""
        return self.layers * self.layer + self.hidden + self.embedding * (1 if self.tie else 2)

    @property
    def multiplied(self) -> int:
        """Parameters that each token is multiplied with: no input embedding, and of the experts only the active."""
        idle = self.expert * (self.experts - self.active_experts)
        return self.layers * (self.layer - idle) + self.hidden + self.embedding

    def lora_parameters(self, rank: int) -> int:
        """Parameters of LoRA adapters of this rank on every linear layer but the head."""
        head = self.head or self.hidden // self.heads
        queries, keys = self.heads * head, self.kv_heads * head
        attention = 2 * (self.hidden + queries) + 2 * (self.hidden + keys)
        matrices = 3 if self.is_gated else 2
        return self.layers * rank * (attention + matrices * self.experts * (self.hidden + self.ffn))


_UNGATED = frozenset(
    (
        "apertus",
        "codegen",
        "gpt_neox",
        "gpt_neox_japanese",
        "gptj",
        "nemotron",
        "persimmon",
        "phi",
        "starcoder2",
    )
)
_OTHERWISE = (
    "n_routed_experts",
    "n_shared_experts",
    "shared_expert_intermediate_size",
    "kv_lora_rank",
    "mamba_d_state",
    "mamba_n_heads",
)
"""Keys of configurations that Llama's sizes do not describe."""
_MOST = 10**8
"""More of anything is no model but a broken file, whose sizes would overflow."""


def shape_of_config(config: Mapping[str, Any]) -> Shape | None:
    """The shape in a `config.json`; None where it is of a family that is laid out otherwise, or says nothing sensible.

    Of a family that is not known but has Llama's sizes, those are taken: norms and biases are within 0.1%. Latent
    attention, shared experts and state spaces (DeepSeek, Qwen2-MoE, Jamba) are no such thing.
    """
    if any(config.get(name) for name in _OTHERWISE):
        return None
    try:
        heads = int(config["num_attention_heads"])
        experts = int(config.get("num_local_experts") or config.get("num_experts") or 1)
        ffn = int((config.get("moe_intermediate_size") if experts > 1 else 0) or config["intermediate_size"])
        found = Shape(
            hidden=int(config["hidden_size"]),
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            kv_heads=int(config.get("num_key_value_heads") or heads),
            ffn=ffn,
            vocabulary=int(config["vocab_size"]),
            tie=bool(config.get("tie_word_embeddings", False)),
            head=int(config.get("head_dim") or 0),
            biases=config.get("model_type") in ("qwen2", "qwen2_moe"),
            experts=experts,
            active_experts=int(config.get("num_experts_per_tok") or 1) if experts > 1 else 1,
            is_gated=config.get("model_type") not in _UNGATED,
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    sizes = (found.hidden, found.layers, found.heads, found.kv_heads, found.ffn, found.vocabulary)
    counts = (found.experts, found.active_experts)
    is_sane = min(*sizes, *counts) > 0 and max(*sizes, *counts, found.head) <= _MOST and found.head >= 0
    return found if is_sane else None


LLAMA_7B = Shape(4096, 32, 32, 32, 11008, 32000)
LLAMA_13B = Shape(5120, 40, 40, 40, 13824, 32000)
LLAMA_33B = Shape(6656, 60, 52, 52, 17920, 32000)
LLAMA_65B = Shape(8192, 80, 64, 64, 22016, 32000)
LLAMA3_8B = Shape(4096, 32, 32, 8, 14336, 128256)
LLAMA3_70B = Shape(8192, 80, 64, 8, 28672, 128256)
_QWEN2_7B = Shape(3584, 28, 28, 4, 18944, 152064, biases=True)

KNOWN: Mapping[str, Shape] = {
    "huggyllama/llama-7b": LLAMA_7B,
    "huggyllama/llama-13b": LLAMA_13B,
    "huggyllama/llama-30b": LLAMA_33B,
    "huggyllama/llama-65b": LLAMA_65B,
    "meta-llama/llama-2-7b-hf": LLAMA_7B,
    "meta-llama/llama-2-13b-hf": LLAMA_13B,
    "meta-llama/llama-2-70b-hf": replace(LLAMA3_70B, vocabulary=32000),
    "meta-llama/meta-llama-3-8b": LLAMA3_8B,
    "meta-llama/meta-llama-3-70b": LLAMA3_70B,
    "meta-llama/llama-3.1-8b": LLAMA3_8B,
    "meta-llama/llama-3.1-70b": LLAMA3_70B,
    "meta-llama/llama-3.1-405b": Shape(16384, 126, 128, 8, 53248, 128256),
    "meta-llama/llama-3.2-1b": Shape(2048, 16, 32, 8, 8192, 128256, tie=True),
    "meta-llama/llama-3.2-3b": Shape(3072, 28, 24, 8, 8192, 128256, tie=True),
    "mistralai/mistral-7b-v0.1": Shape(4096, 32, 32, 8, 14336, 32000),
    "mistralai/mistral-7b-v0.3": Shape(4096, 32, 32, 8, 14336, 32768),
    "qwen/qwen2.5-0.5b": Shape(896, 24, 14, 2, 4864, 151936, tie=True, biases=True),
    "qwen/qwen2.5-1.5b": Shape(1536, 28, 12, 2, 8960, 151936, tie=True, biases=True),
    "qwen/qwen2.5-3b": Shape(2048, 36, 16, 2, 11008, 151936, tie=True, biases=True),
    "qwen/qwen2.5-7b": _QWEN2_7B,
    "qwen/qwen2.5-14b": Shape(5120, 48, 40, 8, 13824, 152064, biases=True),
    "qwen/qwen2.5-32b": Shape(5120, 64, 40, 8, 27648, 152064, biases=True),
    "qwen/qwen2.5-72b": Shape(8192, 80, 64, 8, 29568, 152064, biases=True),
    "qwen/qwen3-8b": Shape(4096, 36, 32, 8, 12288, 151936, head=128),
}
"""Sizes as their published configurations state them, so that a plan needs no download. Names in lower case."""


def known_shape(repo: str) -> Shape | None:
    """The shape of a repository's model, its `-Instruct`, `-Chat` and `-Base` siblings included; None if not listed."""
    name = repo.lower()
    for ending in ("", "-instruct", "-chat-hf", "-chat", "-base", "-it"):
        stem = name.removesuffix(ending)
        for candidate in (stem, f"{stem}-hf"):
            if candidate in KNOWN:
                return KNOWN[candidate]
    return None
