"""The sizes of a model that decide what training it takes: from its configuration, or from a list of known ones."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd
from typing import Any

from mixwright_dsl.lazy_dataclass import dataclass, replace


@dataclass(frozen=True)
class Latent:
    """Attention whose keys and values come from one narrow vector a token (DeepSeek-V2, section 2.1).

    Sizes of a head's parts, and ranks. query_rank 0: queries are projected at once.
    """

    query_rank: int
    key_rank: int
    plain: int
    rotary: int
    value: int

    def parameters(self, hidden: int, heads: int) -> int:
        """Of one layer's attention, with the norms of the two narrow vectors."""
        query = heads * (self.plain + self.rotary)
        queries = self.query_rank * (hidden + 1 + query) if self.query_rank else hidden * query
        keys = hidden * (self.key_rank + self.rotary) + self.key_rank * (
            1 + heads * (self.plain + self.value)
        )
        return queries + keys + heads * self.value * hidden


@dataclass(frozen=True)
class Recurrent:
    """Gated delta layers (Yang et al. 2024) in the place of `layers` of the attention layers, as Qwen3-Next has them."""

    layers: int
    key_heads: int
    value_heads: int
    key: int
    value: int
    kernel: int

    def parameters(self, hidden: int) -> int:
        """Of one layer: projections of queries, keys, values and gates, the short convolution, the output."""
        keys, values = self.key_heads * self.key, self.value_heads * self.value
        projections = hidden * (2 * keys + 2 * values + 2 * self.value_heads) + values * hidden
        return projections + (2 * keys + values) * self.kernel + 2 * self.value_heads + self.value


@dataclass(frozen=True)
class Shape:
    """A decoder of the Llama kind: gated feed-forward, grouped key and value heads, RMS norms.

    tie: input and output embedding are one matrix. biases: on query, key and value (Qwen2). is_gated: the feed-forward
    part has three matrices, else two. gates_attention: as many outputs again as queries (Qwen3-Next).
    experts, active_experts: of a mixture of experts; 1 and 1 for a dense model. shared_ffn: width of what every token
    passes beside its experts. dense_layers: layers with a feed-forward part of width dense_ffn and no experts.
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
    gates_attention: bool = False
    shared_ffn: int = 0
    dense_layers: int = 0
    dense_ffn: int = 0
    latent: Latent | None = None
    recurrent: Recurrent | None = None

    @property
    def queries(self) -> int:
        """Width of all heads together, over which attention works."""
        if self.latent is not None:
            return self.heads * (self.latent.plain + self.latent.rotary)
        return self.heads * (self.head or self.hidden // self.heads)

    @property
    def exchanged(self) -> int:
        """Width of a token's queries, keys, values and attention output together."""
        if self.latent is not None:
            return 2 * self.queries + 2 * self.heads * self.latent.value
        return 2 * self.queries + 2 * self.kv_heads * (self.head or self.hidden // self.heads)

    def sharing(self, most: int) -> int:
        """The most ranks, up to `most`, among which the heads of attention divide."""
        return sharing(self.heads, self.heads if self.latent else self.kv_heads, most)

    @property
    def attending(self) -> int:
        """Layers whose tokens look at all earlier ones."""
        return self.layers - (self.recurrent.layers if self.recurrent else 0)

    @property
    def expert(self) -> int:
        """Parameters of a layer's feed-forward part, or of one expert."""
        return self._feed_forward(self.ffn)

    def _feed_forward(self, width: int) -> int:
        return (3 if self.is_gated else 2) * self.hidden * width

    @property
    def attention(self) -> int:
        """Parameters of a layer's attention."""
        if self.latent is not None:
            return self.latent.parameters(self.hidden, self.heads)
        keys = self.kv_heads * (self.head or self.hidden // self.heads)
        gates = self.hidden * self.queries if self.gates_attention else 0
        return (
            self.hidden * (2 * self.queries + 2 * keys)
            + gates
            + (self.queries + 2 * keys if self.biases else 0)
        )

    @property
    def layer(self) -> int:
        """Parameters of a layer with its two norms, all experts included; where some layers have none, of the others."""
        router = self.hidden * self.experts if self.experts > 1 else 0
        shared = self._feed_forward(self.shared_ffn)
        return self.attention + self.expert * self.experts + router + shared + 2 * self.hidden

    @property
    def embedding(self) -> int:
        """Parameters of the input embedding."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All parameters; a tied embedding counts once."""
        return self._layers(self.experts) + self.hidden + self.embedding * (1 if self.tie else 2)

    @property
    def multiplied(self) -> int:
        """Parameters that each token is multiplied with: no input embedding, and of the experts only the active."""
        return self._layers(self.active_experts) + self.hidden + self.embedding

    @property
    def active(self) -> int:
        """Parameters that a token meets, its embedding included: what `6 P tokens` of a model's FLOPs means."""
        return self.parameters - self._layers(self.experts) + self._layers(self.active_experts)

    def _layers(self, experts: int) -> int:
        """Parameters of all layers with so many of the experts."""
        idle = self.expert * (self.experts - experts)
        of_all = self.layers * (self.layer - idle)
        if self.dense_layers:
            without = self.layer - self.attention - 2 * self.hidden - idle
            of_all += self.dense_layers * (self._feed_forward(self.dense_ffn) - without)
        if self.recurrent is not None:
            of_all += self.recurrent.layers * (self.recurrent.parameters(self.hidden) - self.attention)
        return of_all

    def lora_parameters(self, rank: int) -> int:
        """Parameters of LoRA adapters of this rank on every linear layer but the head."""
        keys = self.kv_heads * (self.head or self.hidden // self.heads)
        attention = 2 * (self.hidden + self.queries) + 2 * (self.hidden + keys)
        matrices = 3 if self.is_gated else 2
        return self.layers * rank * (attention + matrices * self.experts * (self.hidden + self.ffn))


def sharing(heads: int, kv_heads: int, most: int) -> int:
    """The most ranks, up to `most`, among which so many heads of queries and of keys divide."""
    common = gcd(heads, kv_heads)
    return next(size for size in range(min(most, common), 0, -1) if common % size == 0)


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
_TIED = frozenset(
    (
        "bloom",
        "cohere",
        "cohere2",
        "ernie4_5",
        "falcon",
        "gemma",
        "gemma2",
        "gemma3",
        "gemma3_text",
        "gpt2",
        "gpt_bigcode",
        "gpt_neox_japanese",
        "minicpm3",
        "mpt",
        "opt",
        "smollm3",
        "starcoder2",
        "vaultgemma",
        "youtu",
    )
)
"""Families whose configurations leave `tie_word_embeddings` out when it is true, for it is their default."""
_OTHERWISE = (
    "altup_num_inputs",
    "conv_L_cache",
    "hidden_size_per_layer_input",
    "interleave_moe_layer_step",
    "mamba_d_state",
    "mamba_n_heads",
    "moe_num_experts",
    "num_shared_layers",
    "ssm_cfg",
    "state_size",
)
"""Keys of configurations that these sizes do not describe."""
_LAYERS = frozenset(("full_attention", "sliding_attention", "chunked_attention"))
_MOST = 10**8
"""More of anything is no model but a broken file, whose sizes would overflow."""


def shape_of_config(config: Mapping[str, Any]) -> Shape | None:
    """The shape in a `config.json`; None where it is of a family that is laid out otherwise, or says nothing sensible.

    Of a family that is not known but has Llama's sizes, those are taken: norms and biases are within 0.1%. State spaces
    (Mamba, Jamba) and layers that share weights are no such thing. Of a model of texts and pictures it is the part for
    texts.
    """
    nested = config.get("text_config")
    if isinstance(nested, Mapping):
        # What the whole says of ties holds; what it does not say is the family's default.
        outer = {k: config[k] for k in ("tie_word_embeddings", "vocab_size") if k in config}
        config = {"model_type": config.get("model_type"), **outer, **nested}
    kinds = config.get("layer_types")
    unknown = set(map(str, kinds)) - _LAYERS if isinstance(kinds, list) else set()
    if "linear_attention" in unknown and config.get("linear_num_value_heads"):
        unknown.remove("linear_attention")
    if unknown or any(config.get(name) for name in _OTHERWISE):
        return None
    try:
        found = _shape_of(config)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        return None
    sizes = (found.hidden, found.layers, found.heads, found.kv_heads, found.ffn, found.vocabulary)
    counts = (found.experts, found.active_experts)
    others = (found.head, found.shared_ffn, found.dense_layers, found.dense_ffn)
    is_sane = (
        min(*sizes, *counts) > 0
        and max(*sizes, *counts, *others) <= _MOST
        and min(others) >= 0
        and found.attending >= 0
        and found.active_experts <= found.experts
        and found.dense_layers <= found.layers
    )
    return found if is_sane else None


def _shape_of(config: Mapping[str, Any]) -> Shape:
    kind = str(config.get("model_type"))
    heads, layers = int(config["num_attention_heads"]), int(config["num_hidden_layers"])
    experts = int(next(filter(None, map(config.get, _EXPERTS)), 1))
    width = int(config["intermediate_size"])
    expert = int((config.get("moe_intermediate_size") if experts > 1 else 0) or width)
    dense = int(config.get("first_k_dense_replace") or 0) if experts > 1 else 0
    return Shape(
        hidden=int(config["hidden_size"]),
        layers=layers,
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        ffn=expert,
        vocabulary=int(config["vocab_size"]),
        tie=bool(config.get("tie_word_embeddings", kind in _TIED)),
        head=int(config.get("head_dim") or 0),
        biases=kind in ("qwen2", "qwen2_moe"),
        experts=experts,
        active_experts=int(config.get("num_experts_per_tok") or 1) if experts > 1 else 1,
        is_gated=kind not in _UNGATED,
        gates_attention=kind in ("qwen3_next", "qwen3_5", "qwen3_5_moe"),
        shared_ffn=int(config.get("shared_expert_intermediate_size") or 0)
        or expert * int(config.get("n_shared_experts") or 0),
        dense_layers=dense,
        dense_ffn=width if dense else 0,
        latent=_latent_of(config),
        recurrent=_recurrent_of(config, layers),
    )


_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")


def _latent_of(config: Mapping[str, Any]) -> Latent | None:
    if not config.get("kv_lora_rank"):
        return None
    return Latent(
        query_rank=int(config.get("q_lora_rank") or 0),
        key_rank=int(config["kv_lora_rank"]),
        plain=int(config["qk_nope_head_dim"]),
        rotary=int(config["qk_rope_head_dim"]),
        value=int(config["v_head_dim"]),
    )


def _recurrent_of(config: Mapping[str, Any], layers: int) -> Recurrent | None:
    if not config.get("linear_num_value_heads"):
        return None
    listed = config.get("layer_types")
    # Every fourth layer attends, where the configuration does not list them.
    every = int(config.get("full_attention_interval") or 4)
    count = listed.count("linear_attention") if isinstance(listed, list) else layers - layers // every
    return Recurrent(
        layers=count,
        key_heads=int(config["linear_num_key_heads"]),
        value_heads=int(config["linear_num_value_heads"]),
        key=int(config["linear_key_head_dim"]),
        value=int(config["linear_value_head_dim"]),
        kernel=int(config.get("linear_conv_kernel_dim") or 4),
    )


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
