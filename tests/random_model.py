"""A Llama of random weights with its own tokenizer, small enough to build in a second."""

from __future__ import annotations

from pathlib import Path

TEXTS = [
    f"{name} has {a} {thing}. {a}+{b}: #### {a + b}"
    for name in ("Ada", "Bo")
    for thing in ("pears", "nuts")
    for a in range(0, 90, 7)
    for b in range(0, 90, 11)
]


def build(directory: Path, *, context: int = 256, init_std: float = 0.2) -> Path:
    """Write model and tokenizer to `directory`. Wide weights let sampled text vary and end now and then."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from mixwright_runtime.training.tokenizer import train_tokenizer

    size = train_tokenizer(TEXTS, directory, vocabulary=300, context=context)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=4,
        initializer_range=init_std,
    )
    LlamaForCausalLM(config).save_pretrained(directory)
    return directory
